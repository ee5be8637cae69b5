/**
 * Owns `--log FILE`: the combined log, one JSON record a line, written as it happens.
 * Must not know how a run is carried out.
 * Invariant: the file holds whole lines; if the disk refuses, that is said, and the run goes on.
 */
import type { Execution } from "../../run/execution.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { reason } from "./source.ts";

/** A file that receives the log of a run. */
export interface LogFile {
  /** Writes every log record from now on. */
  follow(execution: Pick<Execution, "watch">, onRefused: (why: string) => void): void;
  close(): void;
}

/**
 * Opens the file anew: it holds the log of this run and of no other.
 *
 * @throws {UsageError} If it can't be written.
 */
export async function openLogFile(
  path: string,
  runtime: Pick<CliRuntime, "writeText" | "appendTo">,
): Promise<LogFile> {
  const file = await open(path, runtime);
  let unwatch = () => {};
  let refused = (_why: string) => {};
  return {
    follow(execution, onRefused) {
      refused = onRefused;
      unwatch = execution.watch((event) => {
        if (event.type !== "log") return;
        const { type: _, ...record } = event;
        try {
          file.write(`${JSON.stringify(record)}\n`);
        } catch (error) {
          unwatch();
          onRefused(`The log file ${JSON.stringify(path)} ends at record ${event.seq - 1}: ${reason(error)}`);
        }
      });
    },
    close() {
      unwatch();
      try {
        file.close();
      } catch (error) {
        // Some disks tell only here that they did not take all.
        refused(`The log file ${JSON.stringify(path)} may not be whole: ${reason(error)}`);
      }
    },
  };
}

async function open(path: string, runtime: Pick<CliRuntime, "writeText" | "appendTo">) {
  try {
    await runtime.writeText(path, "");
    return runtime.appendTo(path);
  } catch (error) {
    throw new UsageError(`--log ${JSON.stringify(path)} can't be written: ${reason(error)}`, {
      cause: error,
    });
  }
}
