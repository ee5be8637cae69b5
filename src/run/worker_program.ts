/**
 * Owns what the threads of runs are started from: the text of the worker's program, or a file with the same.
 * Must not know threads.
 * Invariant: all threads of a process run the same program.
 */
import { workerCode } from "../pool/worker_code.ts";
import type { ThreadOptions } from "../runtime/port.ts";

let file: string | undefined;

/** From here on threads are started from a file. Most runtimes do so sooner: they keep what they have made of it. */
export function startFrom(url: string | undefined): void {
  file = url;
}

/** The program. */
export function workerProgram(): Pick<ThreadOptions, "code" | "file"> {
  return { code: workerCode, ...(file !== undefined && { file }) };
}
