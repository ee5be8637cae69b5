/**
 * Owns what Ctrl-C and a request to terminate do to a command that makes or fetches files: it leaves, and takes away what was
 * only for the way there.
 * Must not know what the command does.
 * Invariant: the process is left in order, by `exit`, since nothing is undone where the system ends it.
 */
import { type CliRuntime, signalExitCode } from "../line/context.ts";

/** Works; a signal meanwhile ends the process, with the exit code that shells have for it. */
export async function leavingOnSignals<T>(
  { onSignal, exit }: Pick<CliRuntime, "onSignal" | "exit">,
  work: () => Promise<T>,
): Promise<T> {
  const unlisten = onSignal((signal) => {
    unlisten();
    void exit(signalExitCode(signal));
  });
  try {
    return await work();
  } finally {
    unlisten();
  }
}
