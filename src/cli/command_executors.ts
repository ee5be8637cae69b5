/**
 * Owns `outrider executors`: lists the executors that a gateway knows.
 * Must not know what makes one lost.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "./context.ts";
import { gatewayFlags } from "./gateway_flags.ts";
import { gatewayOf } from "./gateway_options.ts";
import type { GatewayFlags } from "./gateway_options.ts";
import { columns } from "./columns.ts";

interface Flags extends GatewayFlags {
  readonly json?: boolean;
}

async function executors(this: CliContext, { json, ...where }: Flags): Promise<void> {
  const { stdout } = this.runtime;
  const list = await gatewayOf(where, this.runtime).executors();
  if (json) return stdout.write(`${JSON.stringify(list)}\n`);
  const rows = list.map(({ id, state, lastSeenAt, heartbeat }) => {
    const run = heartbeat?.run;
    const doing = run === undefined ? "" : `${run.pipeline} ${run.state} ${run.id}`;
    return [id, state, lastSeenAt, heartbeat?.runtime ?? "", doing];
  });
  stdout.write(columns([["EXECUTOR", "STATE", "LAST SEEN", "RUNTIME", "RUN"], ...rows]));
}

/** `outrider executors` */
export const command: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  func: executors,
  parameters: {
    flags: {
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print one JSON document, with the last heartbeats",
      },
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "List the executors that the gateway knows, and what each is doing",

    customUsage: ["[--json]"],
  },
});
