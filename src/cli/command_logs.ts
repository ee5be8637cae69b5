/**
 * Owns `outrider logs`: prints the combined log of a run, as it is kept at a gateway.
 * Must not know how records come there.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "./context.ts";
import { gatewayFlags } from "./gateway_flags.ts";
import { gatewayOf } from "./gateway_options.ts";
import type { GatewayFlags } from "./gateway_options.ts";
import type { LogRecord } from "../journal/record.ts";
import { LineWriter } from "./line.ts";
import { timeOfDay } from "./measures.ts";
import { wholeNumber } from "./options.ts";
import { plainPaint } from "./paint.ts";

interface Flags extends GatewayFlags {
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly since?: number;
}

async function logs(this: CliContext, { follow, json, since, ...where }: Flags, run: string): Promise<void> {
  const { stdout, stderr } = this.runtime;
  const ending = new AbortController();
  const unlisten = this.runtime.onSignal(() => ending.abort());
  const writer = new LineWriter(plainPaint, timeOfDay);
  try {
    const records = gatewayOf(where, this.runtime).logs(run, {
      signal: ending.signal,
      ...(since === undefined ? {} : { since }),
      ...(follow === undefined ? {} : { follow }),
      onError: (error) => stderr.write(`${error.message}; trying again\n`),
    });
    for await (const record of records) {
      stdout.write(json ? `${JSON.stringify(record)}\n` : writer.log(record as unknown as LogRecord));
    }
  } finally {
    unlisten();
  }
}

/** `outrider logs` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: logs,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "RUN",
        brief: "The run's id, as outrider results lists it",
        parse: String,
      }],
    },
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
      ...gatewayFlags,
    },
    aliases: { f: "follow" },
  },
  docs: {
    brief: "Print the log of a run, and follow it",

    customUsage: [
      "RUN [--follow] [--json]",
      { input: "RUN --follow", brief: "watch a run on another machine" },
    ],
  },
});
