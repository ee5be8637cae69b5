/**
 * Owns what this program is where it was started to run tasks: the program for them, and nothing of its own.
 * Must not know what that does.
 */
import { processCode } from "../pool/process_code.ts";

/** Runs tasks until this process ends. @param importUrl Loads a module by its URL. */
export async function runTasks(importUrl: (url: string) => Promise<unknown>): Promise<never> {
  await importUrl(`data:text/javascript,${encodeURIComponent(processCode)}`);
  return await new Promise(() => {});
}
