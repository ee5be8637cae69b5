/**
 * Owns one run on the command line: its view, its log file, its signals, its result and exit code.
 * Must not know how a pipeline is loaded or run.
 * Invariant: with `json`, stdout gets the result document and nothing else.
 */
import type { Execution } from "../../run/execution.ts";
import type { InspectedExecution } from "../../run/inspection.ts";
import type { RunState } from "../../model/outcome.ts";
import type { Level } from "../../model/record.ts";
import type { Redactor } from "../../secrets/redactor.ts";
import { EXIT, signalExitCode } from "../line/context.ts";
import type { CliRuntime } from "../line/context.ts";
import type { LogFile } from "./log_file.ts";
import { redacted } from "./redacted.ts";
import { report } from "../view/report.ts";
import { stopOnSignals } from "./stopping.ts";
import { readyView } from "../view/choice.ts";

/** How a person asked to see a run. */
export interface SessionOptions {
  readonly runtime: CliRuntime;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly level: Level;
  readonly stopGraceMs: number;
  readonly killGraceMs: number;
  /** Opened by the caller, closed here. */
  readonly log?: LogFile;
  /** Takes out what is secret of all that is shown; absent: nothing is. */
  readonly redactor?: Redactor | undefined;
}

/**
 * Starts an execution and shows it until it ends.
 *
 * @param start Called when all is ready to watch.
 * @returns The exit code.
 * @throws What the execution rejects with: the run could not begin, or a defect.
 */
export async function showRun(
  start: () => Execution & Pick<InspectedExecution, "ended" | "follow">,
  options: SessionOptions,
): Promise<number> {
  const { runtime, json, quiet, level, log, stopGraceMs, killGraceMs, redactor } = options;
  // The document is what the caller asked for, as tasks made it.
  const stdout = json ? runtime.stdout : redacted(runtime.stdout, redactor);
  const stderr = redacted(runtime.stderr, redactor);
  const { open, paint, columns } = await readyView({ stdout, stderr, env: runtime.env, json, quiet, level });
  let refused: string | undefined;
  // Between here and the result nobody else has anything to say on stdout.
  const unshield = json ? runtime.shieldStdout() : () => {};
  const execution = start();
  log?.follow(execution, (why) => refused = why);
  const view = open(execution);
  const stopping = stopOnSignals(execution, { runtime, view, stopGraceMs, killGraceMs });
  const unwatchErrors = runtime.onUncaught(() => view.end());
  try {
    const result = await execution.ended;
    view.end(json && quiet ? "" : report(result, { columns, paint, quiet }));
    if (refused !== undefined) stderr.write(`${refused}\n`);
    unshield();
    if (json) {
      // The run is over: what a reader takes its time for, a signal ends at once.
      stopping.close();
      await stdout.jsonPieces(result.json());
      stdout.json("\n");
    }
    return exitCode(result.head.state, stopping.signal);
  } catch (error) {
    const { signal } = stopping;
    const { code, message } = error as { readonly code?: unknown; readonly message?: string };
    if (signal === undefined || code !== "OUTRIDER_RUN_STOPPED") throw error;
    view.end();
    stderr.write(`${message}\n`);
    return signalExitCode(signal);
  } finally {
    unshield();
    view.end();
    unwatchErrors();
    stopping.close();
    log?.close();
  }
}

function exitCode(state: RunState, signal: "SIGINT" | "SIGTERM" | undefined): number {
  if (state === "succeeded") return EXIT.ok;
  return state === "cancelled" && signal !== undefined ? signalExitCode(signal) : EXIT.failed;
}
