/**
 * Owns what Ctrl-C and a request to terminate do: first stop, then cancel, then leave at once.
 * Must not know how a run is stopped or shown.
 * Invariant: each signal does more than the one before; after the third the system's own handling is back.
 */
import { span } from "../../base/shown.ts";
import type { Execution } from "../../run/execution.ts";
import { signalExitCode } from "../line/context.ts";
import type { CliRuntime } from "../line/context.ts";
import type { View } from "../view/view.ts";

/** Watches for signals while a run goes on. */
export interface Stopping {
  /** The first signal that came, if any. */
  readonly signal: "SIGINT" | "SIGTERM" | undefined;
  close(): void;
}

/**
 * Stops a run on SIGINT and SIGTERM.
 *
 * @param options `stopGraceMs`: what running tasks get to end after the first signal; `killGraceMs`: what they get after being
 * told to stop; both for the words about it.
 */
export function stopOnSignals(
  execution: Pick<Execution, "stop" | "cancel">,
  options: {
    readonly runtime: Pick<CliRuntime, "onSignal" | "exit">;
    readonly view: View;
    readonly stopGraceMs: number;
    readonly killGraceMs: number;
  },
): Stopping {
  const { runtime, view, stopGraceMs, killGraceMs } = options;
  let first: "SIGINT" | "SIGTERM" | undefined;
  let signals = 0;
  const close = runtime.onSignal((signal) => {
    first ??= signal;
    const again = signal === "SIGINT" ? "press Ctrl-C again" : "terminate again";
    switch (++signals) {
      case 1:
        view.note(`Stopping: running tasks get up to ${span(stopGraceMs)} to end; ${again} to cancel them`);
        return execution.stop(`stopped by ${signal}`);
      case 2:
        view.note(
          `Cancelling: running tasks are told to stop, and ended ${
            span(killGraceMs)
          } later if they have not; ` +
            `${again} to leave without waiting for it`,
        );
        return execution.cancel(`stopped by a second ${signal}`);
      default:
        close();
        view.end("Left without waiting for the run to stop\n");
        void runtime.exit(signalExitCode(signal));
    }
  });
  return {
    get signal() {
      return first;
    },
    close,
  };
}
