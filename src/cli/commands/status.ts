/**
 * Owns `outrider status`: how an executor on this machine and its run stand.
 * Must not know how the executor finds that out.
 */
import { localTimeOf, span, tookText } from "../../base/shown.ts";
import { lackWords } from "../../model/lack.ts";
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { columns } from "../view/columns.ts";
import type { CliContext } from "../line/context.ts";
import { EXIT } from "../line/context.ts";
import { endPointFlags, endPointOf } from "../ask/end_point.ts";
import type { EndPointFlags } from "../ask/end_point.ts";
import type { StatusView } from "../../http/schema.ts";

interface Flags extends EndPointFlags {
  readonly json?: boolean;
}

async function status(this: CliContext, { json, ...where }: Flags): Promise<void> {
  const told = await (await endPointOf(where, this.runtime)).ask("/status", { expected: [503] });
  const document = told.json<StatusView>(({ executor, conditions }) =>
    typeof executor === "string" && Array.isArray(conditions)
  );
  if (json) this.runtime.stdout.json(`${JSON.stringify(document)}\n`);
  else this.runtime.stdout.write(textOf(document));
  if (told.status === 503) this.exitCode = EXIT.failed;
}

function textOf(
  { executor, version, runtime, uptimeMs, unable, state, conditions, run, timetable, gateway }: StatusView,
): string {
  const rows = [
    ["executor", `${executor}, Outrider ${version} on ${runtime}, up ${span(uptimeMs)}`],
    ...(state === undefined ? [] : [["state", state]]),
    ...(unable === undefined ? [] : [["unable", unable]]),
    ...conditions.map(({ code, message }) => ["degraded", `${message} (${code})`]),
    ...(gateway === undefined ? [] : [["gateway", gatewayText(gateway)]]),
    ...(timetable === undefined ? [] : [["timetable", timetableText(timetable)]]),
    ...(run === undefined ? [["run", "none yet"]] : runRows(run)),
  ];
  return columns(rows);
}

function gatewayText({ url, lastContactAt, spool }: NonNullable<StatusView["gateway"]>): string {
  return `${url}, last answer ${lastContactAt === undefined ? "never" : localTimeOf(lastContactAt)}, ${
    spool.state + spool.log
  } records to send`;
}

function timetableText(
  { pipeline, cron, timezone, next, last }: NonNullable<StatusView["timetable"]>,
): string {
  const nextText = next === undefined ? "never due again" : `next ${localTimeOf(next)}`;
  return `${pipeline} by ${cron} (${timezone}), ${nextText}${
    last === undefined ? "" : `, last ${localTimeOf(last)}`
  }`;
}

function runRows(
  { id, pipeline, state, scheduledFor, ranMs, sinceResumeMs, tasks, counts, running, waiting, skipped }:
    NonNullable<
      StatusView["run"]
    >,
) {
  const counted = Object.entries(counts).filter(([, count]) => count > 0).map(([name, count]) =>
    `${count} ${name}`
  );
  return [
    [
      "run",
      `${id} of ${pipeline}: ${state}, ${tookText(ranMs, sinceResumeMs)}${
        scheduledFor === undefined ? "" : `, due ${localTimeOf(scheduledFor)}`
      }`,
    ],
    ["tasks", `${tasks}: ${counted.join(", ")}`],
    ...running.map(({ task, worker, ranMs, progress }) => [
      "running",
      `${task} on worker ${worker} for ${span(ranMs)}` +
      (progress === undefined ? "" : `, ${Math.floor(progress.fraction * 100)} % ${progress.text ?? ""}`),
    ]),
    ...waiting.slice(0, 10).map(({ task, waitsFor, lacks }) => [
      "waiting",
      lacks === undefined
        ? `${task} for ${waitsFor.slice(0, 5).map((need) => need.task).join(", ")}`
        : `${task} ${lackWords(lacks)}`,
    ]),
    ...skipped.slice(0, 10).map(({ task, because }) => ["skipped", `${task}: ${because}`]),
  ];
}

/** `outrider status` */
export const command: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  func: status,
  parameters: {
    positional: { kind: "tuple", parameters: [] },
    flags: {
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print the status document as it is",
      },
      ...endPointFlags,
    },
  },
  docs: {
    brief: "Show how an executor on this machine and its run stand",
    fullDescription: `Shows how an executor on this machine and its run stand.

Exit codes: 0 it can work, 1 it can't, 2 it could not be asked.`,
    customUsage: [
      "[--state-dir DIR | --url URL] [--json]",
      { input: "--state-dir state", brief: "of the run that was started with this state directory" },
    ],
  },
});
