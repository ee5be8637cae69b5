/**
 * Owns `--trace FILE`: the trace of a run, written when the run is over.
 * Must not know what is in a trace.
 * Invariant: a path that can't be written is told before anything runs.
 */
import type { Journal } from "../../journal/journal.ts";
import type { Redactor } from "../../secrets/redactor.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { reason } from "./source.ts";

/** Shows a run and then writes its trace. @param show Hands the execution over; resolves to the exit code. */
export async function withTrace(
  { path, runtime, redactor }: {
    readonly path: string | undefined;
    readonly runtime: Pick<CliRuntime, "appendTo" | "writeText" | "stderr">;
    /** Takes out what is secret; absent: nothing is. */
    readonly redactor: Redactor | undefined;
  },
  show: (keep: <E extends { readonly journal: Journal }>(execution: E) => E) => Promise<number>,
): Promise<number> {
  if (path === undefined) return await show((execution) => execution);
  const refusal = (error: unknown) =>
    new UsageError(`--trace ${JSON.stringify(path)} can't be written: ${reason(error)}`, { cause: error });
  try {
    runtime.appendTo(path).close();
  } catch (error) {
    throw refusal(error);
  }
  let journal: Journal | undefined;
  const code = await show((execution) => {
    journal = execution.journal;
    return execution;
  });
  try {
    const [{ traceOf }, { toldOf }] = await Promise.all([
      import("../../model/trace.ts"),
      import("../../secrets/journal.ts"),
    ]);
    await runtime.writeText(path, [...traceOf(toldOf(journal!, redactor))].join(""));
  } catch (error) {
    runtime.stderr.write(`${refusal(error).message}\n`);
  }
  return code;
}
