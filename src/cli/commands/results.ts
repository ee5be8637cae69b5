/**
 * Owns `outrider results`: lists the runs that a gateway knows and what has come to no run, or prints the result of one.
 * Must not know how results are put together.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { gatewayFlags } from "../ask/gateway_flags.ts";
import { gatewayOf } from "../ask/gateway_options.ts";
import type { GatewayFlags } from "../ask/gateway_options.ts";
import { localTimeOf } from "../../base/shown.ts";
import { columns } from "../view/columns.ts";
import { GatewayRefusedError } from "../../uplink/errors.ts";
import type { HandoutView, ReportedRun } from "../../protocol/messages.ts";
import type { UserGateway } from "../../uplink/user.ts";

interface Flags extends GatewayFlags {
  readonly executor?: string;
  readonly json?: boolean;
}

async function results(this: CliContext, { executor, json, ...where }: Flags, run?: string): Promise<void> {
  const { stdout } = this.runtime;
  const gateway = gatewayOf(where, this.runtime);
  if (run !== undefined) return stdout.json(`${JSON.stringify(await gateway.result(run), undefined, 2)}\n`);
  const runs = await gateway.runs(executor);
  if (json) return stdout.json(`${JSON.stringify(runs)}\n`);
  const handouts = await handoutsOf(gateway, executor);
  const waiting = handouts.filter(({ run }) => run === undefined).map((each) => [
    each.id,
    each.executor ?? each.to,
    each.pipeline ?? "",
    each.state,
    localTimeOf(each.at),
    each.because ?? "",
  ]);
  const rows = runs.map((each) => [
    each.run,
    each.executor,
    each.pipeline ?? "",
    each.state,
    localTimeOf(each.endedAt ?? each.startedAt ?? ""),
    each.complete ? missingOf(each) : "incomplete",
  ]);
  stdout.write(columns([["RUN", "EXECUTOR", "PIPELINE", "STATE", "AT", ""], ...waiting, ...rows]));
}

/** How many records of a run will not come, as far as a list tells. */
function missingOf({ missing }: ReportedRun): string {
  const count = missing.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  return count === 0 ? "" : `${count} missing`;
}

/** What was handed to the gateway; one of before there was a queue has none. */
async function handoutsOf(
  gateway: UserGateway,
  executor: string | undefined,
): Promise<readonly HandoutView[]> {
  try {
    return await gateway.handouts(executor);
  } catch (error) {
    if (error instanceof GatewayRefusedError && error.status === 404) return [];
    throw error;
  }
}

/** `outrider results` */
export const command: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  func: results,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "RUN",
        brief: "Print the result of this run",
        parse: String,
        optional: true,
      }],
    },
    flags: {
      executor: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "ID",
        brief: "Only runs of this executor",
      },
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print the list as one JSON document",
      },
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "List the runs that the gateway knows and what still waits, or print the result of one",

    customUsage: [
      "[RUN] [--executor ID] [--json]",
      { input: "", brief: "list all runs" },
      { input: "RUN > result.json", brief: "the document that outrider run --json prints" },
    ],
  },
});
