/**
 * Owns `outrider check`: says that a pipeline is sound, or every problem it has.
 * Must not know how a pipeline is loaded.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { waysOf } from "../../pipeline/draw/words.ts";
import type { Plan, PlanSchedule } from "../../pipeline/plan/plan.ts";
import { isoTime, systemClock } from "../../base/clock.ts";
import { EXIT } from "../line/context.ts";
import type { CliContext } from "../line/context.ts";
import { problemsOf, problemsText } from "../line/errors.ts";
import { counted, localTimeOf, span } from "../../base/shown.ts";
import { withPipeline } from "../run/pipeline_source.ts";
import { pipelineFile } from "../line/positional.ts";

/** Due times that are shown. */
const SHOWN_TIMES = 3;

interface Flags {
  readonly json?: boolean;
}

async function check(this: CliContext, { json }: Flags, file: string): Promise<void> {
  const { stdout, stderr } = this.runtime;
  const { loadDocument } = await import("../../run/loading.ts");
  const unshield = json ? this.runtime.shieldStdout() : () => {};
  try {
    const { plan, warnings } = await withPipeline(file, this.runtime, (source) => loadDocument(source))
      .finally(unshield);
    const { tasks, needs, loops } = sizeOf(plan);
    const due = await dueOf(plan);
    const told = warnings.length > 0 ? { warnings } : {};
    const size = [
      counted(tasks, "task"),
      counted(needs, "need"),
      ...(loops > 0 ? [counted(loops, "loop")] : []),
    ];
    if (json) {
      stdout.json(
        `${
          JSON.stringify({
            file,
            ok: true,
            pipeline: plan.name,
            tasks,
            needs,
            loops,
            problems: [],
            ...told,
            ...(due.length > 0 && { next: due }),
          })
        }\n`,
      );
      return;
    }
    for (const { place, message } of warnings) stderr.write(`${file}: ${place}: ${message}\n`);
    stdout.write(`${file}: ok, ${size.join(", ")}\n`);
    if (plan.schedule !== undefined) stdout.write(`${file}: ${timetableText(plan.schedule, due)}\n`);
  } catch (error) {
    const problems = problemsOf(error);
    if (problems === undefined) throw error;
    this.exitCode = EXIT.usage;
    if (json) stdout.json(`${JSON.stringify({ file, ok: false, problems })}\n`);
    else stderr.write(problemsText(problems, file));
  }
}

/** The next due times of the pipeline's timetable; none where it has none. */
async function dueOf({ schedule }: Plan): Promise<string[]> {
  if (schedule === undefined) return [];
  const { dueTimes, nextTimes } = await import("../../pipeline/timetable/cron.ts");
  return nextTimes(dueTimes(schedule), systemClock.now(), SHOWN_TIMES).map(isoTime);
}

function timetableText({ cron, timezone, jitterMs }: PlanSchedule, due: readonly string[]): string {
  const jitter = jitterMs === 0 ? "" : `, on each device up to ${span(jitterMs)} later`;
  return `due by ${cron} (${timezone}), next ${due.map(localTimeOf).join(", ") || "never"}${jitter}`;
}

function sizeOf(plan: Plan): { readonly tasks: number; readonly needs: number; readonly loops: number } {
  const needs = plan.tasks.reduce((sum, task) => sum + task.needs.length, 0);
  return { tasks: plan.tasks.length, needs, loops: waysOf(plan).length };
}

/** `outrider check` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: check,
  parameters: {
    positional: pipelineFile,
    flags: {
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: 'Print {"file", "ok", "problems": [{"place", "message"}]} on stdout',
      },
    },
  },
  docs: {
    brief: "Check a pipeline and report every problem with its place",
    fullDescription:
      `Checks a pipeline without running any task, and reports every problem with its place. Of one with a timetable it
tells the next three due times.

Exit codes: 0 it is sound, 2 it has problems.`,
    customUsage: [
      "FILE [--json]",
      { input: "pipeline.ts", brief: "check a pipeline written in TypeScript" },
    ],
  },
});
