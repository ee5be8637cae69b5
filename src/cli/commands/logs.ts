/**
 * Owns `outrider logs`: prints the combined log of a run, as it is kept at a gateway or by the executor on this machine.
 * Must not know how records come there.
 */
import { soundJson } from "../../model/json_text.ts";
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { endPointFlags, endPointOf, isHere } from "../ask/end_point.ts";
import type { EndPointFlags } from "../ask/end_point.ts";
import { UsageError } from "../line/errors.ts";
import { EndPointError } from "../ask/exchange.ts";
import { gatewayFlags } from "../ask/gateway_flags.ts";
import { gatewayOf } from "../ask/gateway_options.ts";
import type { GatewayFlags } from "../ask/gateway_options.ts";
import { isLogRecord, type LogRecord } from "../../model/record.ts";
import { indented } from "../../base/harmless.ts";
import { LineWriter } from "../view/text_line.ts";
import { timeOfDay } from "../../base/shown.ts";
import { wholeNumber } from "../line/options.ts";
import { plainPaint } from "../view/paint.ts";
import { runId } from "../line/positional.ts";

interface Flags extends GatewayFlags, EndPointFlags {
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly since?: number;
}

async function logs(this: CliContext, flags: Flags, run?: string): Promise<void> {
  const { stdout } = this.runtime;
  const ending = new AbortController();
  const unlisten = this.runtime.onSignal(() => ending.abort());
  const writer = new LineWriter(plainPaint, timeOfDay);
  const here = isHere(flags, { env: this.runtime.env, run });
  try {
    const records = here
      ? recordsHere(this, { ...flags, run, signal: ending.signal })
      : recordsOfGateway(this, { ...flags, run, signal: ending.signal });
    for await (const record of records) {
      if (flags.json) stdout.json(`${JSON.stringify(record)}\n`);
      else stdout.write(writer.log(record));
    }
  } catch (error) {
    if (!ending.signal.aborted) throw error;
  } finally {
    unlisten();
  }
}

interface Wanted extends Flags {
  readonly run: string | undefined;
  readonly signal: AbortSignal;
}

async function* recordsOfGateway(
  { runtime }: CliContext,
  { run, follow, since, signal, ...where }: Wanted,
): AsyncGenerator<LogRecord, void, undefined> {
  if (run === undefined) {
    throw new UsageError(
      "Say which run: RUN as outrider results lists it, or --state-dir or --url of an executor here",
    );
  }
  const records = gatewayOf(where, runtime).logs(run, {
    signal,
    ...(since === undefined ? {} : { since }),
    ...(follow === undefined ? {} : { follow }),
    onError: (error) => runtime.stderr.write(`${indented(error.message)}; trying again\n`),
  });
  for await (const record of records) {
    if (isLogRecord(record)) yield record;
    else runtime.stderr.write(`Record ${record.seq} of the log has not the form of one, and is left out\n`);
  }
}

async function* recordsHere(
  { runtime }: CliContext,
  { run, follow, since, signal, ...where }: Wanted,
): AsyncGenerator<LogRecord, void, undefined> {
  if (run !== undefined) {
    throw new UsageError("An executor on this machine has one run at a time: leave RUN out");
  }
  const query = [
    ...(since === undefined ? [] : [`since=${since}`]),
    ...(follow === undefined ? [] : ["follow=1"]),
  ];
  const path = query.length === 0 ? "/logs" : `/logs?${query.join("&")}`;
  const endPoint = await endPointOf(where, runtime);
  for await (const line of endPoint.follow(path, { signal })) yield recordOf(line, endPoint.url);
}

function recordOf(line: string, url: string): LogRecord {
  const record = soundJson(line);
  if (isLogRecord(record)) return record;
  throw new EndPointError(
    `${url} answered with something that is no log: it is not the end point of an executor`,
  );
}

/** `outrider logs` */
export const command: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  func: logs,
  parameters: {
    positional: runId,
    flags: {
      follow: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Go on until the run is over, over broken connections too",
      },
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print the records as they are, one JSON record a line",
      },
      since: {
        kind: "parsed",
        parse: wholeNumber(0, Number.MAX_SAFE_INTEGER),
        optional: true,
        placeholder: "N",
        brief: "Only records with a higher number",
      },
      ...endPointFlags,
      ...gatewayFlags,
    },
    aliases: { f: "follow" },
  },
  docs: {
    brief: "Print the log of a run, and follow it",

    customUsage: [
      "RUN [--follow] [--json]",
      { input: "RUN --follow", brief: "watch a run on another machine" },
      { input: "--state-dir state --follow", brief: "watch the run on this machine" },
    ],
  },
});
