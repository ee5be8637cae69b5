/**
 * Owns `outrider run`: its options, and what they mean for a run.
 * Must not know how a run is carried out or shown.
 */
import { inSeconds, KILL_GRACE_MS, MAX_WORKERS, STOP_GRACE_MS } from "../../defaults.ts";
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { indented } from "../../base/harmless.ts";
import type { RunOptions } from "../../run/execution.ts";
import type { InnerOptions } from "../../run/inspection.ts";
import { inspectedRun } from "../../run/run.ts";
import { type Level, LEVELS } from "../../model/record.ts";
import type { CliContext } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { duration, mergeParams, param, wholeNumber } from "../line/options.ts";
import type { Param } from "../line/options.ts";
import { fileLimits } from "../../config/file_limits.ts";
import { sayIfFirst } from "../run/first_process.ts";
import { withReport } from "../run/report_file.ts";
import { withServing } from "../run/serve_option.ts";
import { showRun } from "../run/session.ts";
import { type PipelineSource, withPipeline } from "../run/pipeline_source.ts";
import { readSource } from "../run/source.ts";
import { withTrace } from "../run/trace_file.ts";
import { pipelineFile } from "../line/positional.ts";

interface Flags {
  readonly workers?: number;
  readonly maxWorkers?: number;
  readonly param?: readonly Param[];
  readonly params?: string;
  readonly log?: string;
  readonly report?: string;
  readonly trace?: string;
  readonly serve?: string;
  readonly json?: boolean;
  readonly killGrace: number;
  readonly stopGrace: number;
  readonly workerMemory?: number;
  readonly quiet?: boolean;
  readonly logLevel: Level;
  readonly stateDir?: string;
  readonly from?: string;
}

async function run(this: CliContext, flags: Flags, file: string): Promise<void> {
  const { runtime } = this;
  const options = await runOptions(flags, this);
  if (flags.from !== undefined && flags.stateDir === undefined) {
    throw new UsageError("--from repeats a part of a run that was kept: give the --state-dir that it is in");
  }
  await withPipeline(file, runtime, async (source) => {
    if (file !== source && typeof source === "string" && flags.stateDir !== undefined) {
      throw new UsageError(
        "--state-dir keeps a run for a process that goes on with it, and the module that came from a stream has gone by then: name a file",
      );
    }
    await carryOut.call(this, { source, flags, options });
  });
}

/** What is to be run, and how. */
interface Job {
  readonly source: PipelineSource;
  readonly flags: Flags;
  readonly options: RunOptions;
}

async function carryOut(this: CliContext, { source, flags, options }: Job): Promise<void> {
  const { runtime } = this;
  const log = flags.log === undefined
    ? undefined
    : await (await import("../run/log_file.ts")).openLogFile(flags.log, runtime);
  sayIfFirst(runtime);
  const show = {
    runtime,
    json: flags.json === true,
    quiet: flags.quiet === true,
    level: flags.logLevel,
    stopGraceMs: flags.stopGrace,
    killGraceMs: flags.killGrace,
    ...(log !== undefined && { log }),
  };
  const limits = await limitsOf(runtime);
  const started = (kept: InnerOptions) =>
    withServing(
      { address: flags.serve, stateDir: flags.stateDir, runtime },
      ({ options: served, keep: serve, redactor }) =>
        withReport({ path: flags.report, runtime, redactor }, (report) =>
          withTrace({ path: flags.trace, runtime, redactor }, (trace) => {
            const start = () =>
              inspectedRun(source, served({ ...options, ...kept, files: { ...kept.files, ...limits } }));
            return showRun(() =>
              trace(report(serve(start()))), { ...show, redactor });
          })),
    );
  if (flags.stateDir === undefined) {
    this.exitCode = await started({});
    return;
  }
  const { keptRun } = await import("../../run/kept/state_run.ts");
  this.exitCode = await keptRun({
    folder: flags.stateDir,
    from: flags.from,
    note: (text) => runtime.stderr.write(`outrider · ${indented(text)}\n`),
  }, started);
}

/** How much is kept of files. */
async function limitsOf({ env }: CliContext["runtime"]): Promise<NonNullable<InnerOptions["files"]>> {
  const { problems, ...limits } = await fileLimits(env);
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return limits;
}

async function runOptions(flags: Flags, { runtime }: CliContext): Promise<RunOptions> {
  const { workers, maxWorkers, workerMemory: workerMemoryMiB } = flags;
  if (workers !== undefined && maxWorkers !== undefined && workers > maxWorkers) {
    throw new UsageError(
      `--workers ${workers} is more than --max-workers ${maxWorkers}: lower one or raise the other`,
    );
  }
  const file = flags.params === undefined
    ? undefined
    : { path: flags.params, text: await readSource(flags.params, runtime) };
  const params = mergeParams(file, flags.param ?? []);
  return {
    killGraceMs: flags.killGrace,
    stopGraceMs: flags.stopGrace,
    ...(workers !== undefined && { workers }),
    ...(maxWorkers !== undefined && { maxWorkers }),
    ...(workerMemoryMiB !== undefined && { workerMemoryMiB }),
    ...(Object.keys(params).length > 0 && { params }),
  };
}

/** `outrider run` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: run,
  parameters: {
    positional: pipelineFile,
    flags: {
      workers: {
        kind: "parsed",
        parse: wholeNumber(1, 1024),
        optional: true,
        placeholder: "N",
        brief: "N workers at the start (default: the number of cores)",
      },
      maxWorkers: {
        kind: "parsed",
        parse: wholeNumber(1, 1024),
        optional: true,
        placeholder: "N",
        brief: `At most N workers (default: ${MAX_WORKERS})`,
      },
      param: {
        kind: "parsed",
        parse: param,
        optional: true,
        variadic: true,
        placeholder: "key=value",
        brief:
          "A parameter for every task, key=value; the value is JSON if that gives the text back, else a string",
      },
      params: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "A JSON file with an object of parameters; --param wins over it",
      },
      log: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write the combined log to FILE as it happens, one JSON record a line",
      },
      report: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write a page of the finished run to FILE, one HTML file that needs no network",
      },
      trace: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write a trace of the finished run to FILE, which Perfetto and chrome://tracing open",
      },
      serve: {
        kind: "parsed",
        parse: String,
        optional: true,
        inferEmpty: true,
        placeholder: "HOST:PORT",
        brief:
          "Answer while it runs: status, store, events, logs and a page (default: any port of 127.0.0.1)",
      },
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print the result as one JSON document on stdout, and all else on stderr",
      },
      killGrace: {
        kind: "parsed",
        parse: duration,
        default: inSeconds(KILL_GRACE_MS),
        placeholder: "TIME",
        brief: "What a task gets between being told to stop and being terminated: 250ms, 2s, 1m",
      },
      stopGrace: {
        kind: "parsed",
        parse: duration,
        default: inSeconds(STOP_GRACE_MS),
        placeholder: "TIME",
        brief: "What running tasks get to end after the first Ctrl-C",
      },
      workerMemory: {
        kind: "parsed",
        parse: wholeNumber(8, 1_048_576),
        optional: true,
        placeholder: "MiB",
        brief: "Heap cap for one worker in MiB, where the runtime enforces one",
      },
      stateDir: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "DIR",
        brief: "Keep the run in DIR; if the process dies, the same command goes on with it",
      },
      from: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "TASK",
        brief: "Repeat TASK and what depends on it in the run kept in --state-dir, and keep the rest",
      },
      quiet: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print only failures and the outcome, at the end",
      },
      logLevel: {
        kind: "enum",
        values: LEVELS,
        default: "info",
        placeholder: "LEVEL",
        brief: "Least level of the log lines shown; --log always has them all",
      },
    },
    aliases: { q: "quiet", p: "param" },
  },
  docs: {
    brief: "Run a pipeline and show its progress, its log and its outcomes",
    fullDescription: `Runs a pipeline and shows its progress, its log and its outcomes.

On a terminal: a live view, log lines above it, a table at the end. Elsewhere, or with NO_COLOR or CI set: plain lines.
FORCE_COLOR=1 gives colours anywhere, FORCE_COLOR=0 nowhere. Times are local.

Ctrl-C once: nothing new starts, and running tasks get --stop-grace to end. Twice: they are told to stop, and those
that have not are ended after --kill-grace. Three times: Outrider leaves without waiting.

Exit codes: 0 succeeded, 1 the run failed, 2 bad usage or pipeline, 130 ended by Ctrl-C, 143 by SIGTERM.`,
    customUsage: [
      "FILE [OPTIONS]",
      { input: "pipeline.ts", brief: "run a pipeline written in TypeScript" },
      { input: 'pipeline.json --param ms=50 --param hosts=\'["a","b"]\'', brief: "with two parameters" },
      { input: "pipeline.ts --json > result.json", brief: "keep the result, watch on stderr" },
      { input: "pipeline.ts --state-dir state", brief: "survive kill -9 and power cuts" },
      {
        input: "pipeline.ts --state-dir state --from report",
        brief: "repeat a task, and what depends on it",
      },
      { input: "pipeline.ts --serve --report run.html", brief: "watch it in a browser, and keep the page" },
      { input: "pipeline.ts --log run.ndjson --quiet", brief: "keep the log, print only the outcome" },
    ],
  },
});
