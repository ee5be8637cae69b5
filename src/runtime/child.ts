/**
 * Owns the starting of processes whose streams are ours.
 * Must not know what they do.
 * Invariant: `ended` settles, also for a process that could not be started.
 */
import type { ChildProcess } from "node:child_process";
import process from "node:process";
import { childProcess } from "./builtin.ts";
import type { Child, ChildEnd } from "./port.ts";

/** Starts a process. @param command The program and its arguments. @param env Laid over ours; what is undefined is taken out. */
export function startProcess(
  [program, ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Child {
  let child: ChildProcess;
  const all = Object.entries({ ...process.env, ...env }).filter(([, value]) => value !== undefined);
  try {
    child = childProcess().spawn(program!, args, {
      stdio: ["pipe", "inherit", "inherit"],
      env: Object.fromEntries(all),
    });
  } catch (error) {
    return {
      pid: 0,
      ended: Promise.resolve({ code: undefined, signal: undefined, error: error as Error }),
      kill() {},
    };
  }
  let gone = false;
  const ended = new Promise<ChildEnd>((settle) => {
    const end = (how: ChildEnd) => {
      gone = true;
      settle(how);
    };
    child.on("error", (error) => end({ code: undefined, signal: undefined, error }));
    child.on("exit", (code, signal) => end({ code: code ?? undefined, signal: signal ?? undefined }));
  });
  const { pid } = child;
  return {
    pid: pid ?? 0,
    ended,
    // Not by `child.kill`: Deno's sends only one signal, and then takes the exit code 128+n for a death by signal.
    kill: (signal) => {
      if (gone || pid === undefined) return;
      try {
        process.kill(pid, signal);
      } catch {
        // It has just gone.
      }
    },
  };
}
