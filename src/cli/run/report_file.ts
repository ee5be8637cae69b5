/**
 * Owns `--report FILE`: the page of a run as one file, written when the run is over.
 * Must not know what is in the page, nor how a run is carried out.
 * Invariant: a path that can't be written is told before anything runs; a report that was there stays until the new one is
 * whole.
 */
import type { Reported } from "../../serving/report.ts";
import type { Redactor } from "../../secrets/redactor.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { reason } from "./source.ts";

/** Where the report goes. */
export interface ReportFile {
  /** Without one, there is no report. */
  readonly path: string | undefined;
  readonly runtime: Pick<CliRuntime, "readText" | "appendTo" | "writeText" | "remove" | "stderr">;
  /** Takes out what is secret; absent: nothing is. */
  readonly redactor: Redactor | undefined;
}

/**
 * Shows a run and then writes its report.
 *
 * @param show Shows the run that it starts, and hands it over by the function it is given; resolves to the exit code.
 * @throws {UsageError} If the file can't be written.
 */
export async function withReport(
  { path, runtime, redactor }: ReportFile,
  show: (keep: <E extends Reported>(execution: E) => E) => Promise<number>,
): Promise<number> {
  if (path === undefined) return await show((execution) => execution);
  try {
    runtime.appendTo(path).close();
  } catch (error) {
    throw unwritable(path, error);
  }
  let run: Reported | undefined;
  let code: number;
  try {
    code = await show((execution) => {
      run = execution;
      return execution;
    });
  } catch (error) {
    // There was no run. What was made above, to see whether it can be, is empty; a report is not.
    if (await runtime.readText(path).catch(() => undefined) === "") {
      await runtime.remove(path).catch(() => {});
    }
    throw error;
  }
  try {
    const { pageReport } = await import("../../serving/report.ts");
    await runtime.writeText(path, [...pageReport(run!, redactor)].join(""));
  } catch (error) {
    runtime.stderr.write(`${unwritable(path, error).message}\n`);
  }
  return code;
}

function unwritable(path: string, error: unknown): UsageError {
  return new UsageError(`--report ${JSON.stringify(path)} can't be written: ${reason(error)}`, {
    cause: error,
  });
}
