/**
 * Owns `outrider cancel`: asks a gateway to cancel a run or to withdraw what waits for one, or the executor on this
 * machine that runs it.
 * Must not know how the executor is told.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { endPointFlags, endPointOf, isHere } from "../ask/end_point.ts";
import type { EndPointFlags } from "../ask/end_point.ts";
import { UsageError } from "../line/errors.ts";
import { gatewayFlags } from "../ask/gateway_flags.ts";
import { gatewayOf } from "../ask/gateway_options.ts";
import type { GatewayFlags } from "../ask/gateway_options.ts";
import { runId } from "../line/positional.ts";
import type { Withdrawn } from "../../protocol/messages.ts";

interface Flags extends GatewayFlags, EndPointFlags {
  readonly because?: string;
}

async function cancel(this: CliContext, { because, ...where }: Flags, run?: string): Promise<void> {
  if (isHere(where, { env: this.runtime.env, run })) {
    if (run !== undefined) {
      throw new UsageError("An executor on this machine has one run at a time: leave RUN out");
    }
    const body = JSON.stringify({ because });
    const headers = { "content-type": "application/json" };
    const told = await (await endPointOf(where, this.runtime)).ask("/cancel", {
      method: "POST",
      body,
      headers,
    });
    const cancelled = told.json<{ readonly run: string }>((found) => typeof found.run === "string");
    this.runtime.stdout.write(`Run ${cancelled.run} is being cancelled\n`);
    return;
  }
  if (run === undefined) {
    throw new UsageError(
      "Say which run: RUN as outrider results lists it, or --state-dir or --url of an executor here",
    );
  }
  const gateway = gatewayOf(where, this.runtime);
  if (run.startsWith("q-")) {
    return this.runtime.stdout.write(withdrawal(await gateway.withdraw(run, because)));
  }
  await gateway.cancel(run, because);
  this.runtime.stdout.write(
    `Run ${run} is to be cancelled: its executor hears of it with its next heartbeat\n`,
  );
}

function withdrawal({ id, runs, taken }: Withdrawn): string {
  const lines = [`${id} is withdrawn: it is handed out to nobody any more`];
  for (const run of runs) {
    lines.push(`Run ${run} is to be cancelled: its executor hears of it with its next heartbeat`);
  }
  for (const executor of taken) {
    lines.push(`${executor} may have begun with it: it is told to cancel it with its next heartbeat`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** `outrider cancel` */
export const command: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  func: cancel,
  parameters: {
    positional: runId,
    flags: {
      because: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "TEXT",
        brief: "The reason, for the log",
      },
      ...endPointFlags,
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "Cancel a run on its executor, or withdraw what waits for one",

    customUsage: ["RUN [--because TEXT]", {
      input: "q-0123456789",
      brief: "what outrider submit or executors ID names so, whether it waits or runs",
    }, { input: "--state-dir state", brief: "the run on this machine" }],
  },
});
