/**
 * Owns `outrider executors`: lists the executors that a gateway knows, or one with its queue.
 * Must not know what makes one lost.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { gatewayFlags } from "../ask/gateway_flags.ts";
import { gatewayOf } from "../ask/gateway_options.ts";
import type { GatewayFlags } from "../ask/gateway_options.ts";
import { columns } from "../view/columns.ts";
import { harmless } from "../../base/harmless.ts";
import { localTime, localTimeOf } from "../../base/shown.ts";
import type { ExecutorQueue, ExecutorView } from "../../protocol/messages.ts";

interface Flags extends GatewayFlags {
  readonly json?: boolean;
}

async function executors(this: CliContext, { json, ...where }: Flags, id?: string): Promise<void> {
  const { stdout } = this.runtime;
  const gateway = gatewayOf(where, this.runtime);
  if (id !== undefined) {
    const queue = await gateway.executor(id);
    return json ? stdout.json(`${JSON.stringify(queue)}\n`) : stdout.write(queueText(id, queue));
  }
  const list = await gateway.executors();
  if (json) stdout.json(`${JSON.stringify(list)}\n`);
  else stdout.write(table(list));
}

function table(list: readonly ExecutorView[]): string {
  const rows = list.map(({ id, state, lastSeenAt, heartbeat, rival }) => {
    const { run, timetable } = heartbeat ?? {};
    const next = timetable?.next === undefined
      ? ""
      : `${timetable.pipeline} next ${localTime(timetable.next)}`;
    const doing = run === undefined ? next : `${run.pipeline} ${run.state} ${run.id}`;
    const { reference = "", state: stands, bytes = 0, of = 0 } = heartbeat?.environment ?? {};
    const share = stands === "fetching" && of > 0 ? ` ${Math.floor(100 * bytes / of)} %` : "";
    const renewed = stands === undefined
      ? ""
      : `${reference.slice(0, reference.indexOf("@") + 20)} ${stands}${share}`;
    const twice = rival === undefined ? "" : "two devices have this id: give each its own";
    return [id, state, localTimeOf(lastSeenAt), heartbeat?.runtime ?? "", doing, renewed, twice];
  });
  return columns([["EXECUTOR", "STATE", "LAST SEEN", "RUNTIME", "RUN", "ENVIRONMENT", ""], ...rows]);
}

function queueText(id: string, { executor, handouts }: ExecutorQueue): string {
  const who = executor === undefined
    ? `Executor ${harmless(id)} was never seen at this gateway\n`
    : table([executor]);
  if (handouts.length === 0) return `${who}\nNothing was handed out to it, and nothing waits\n`;
  const rows = handouts.map((each) => [
    each.id,
    each.to,
    each.pipeline ?? "",
    each.state,
    localTimeOf(each.at),
    each.run ?? each.because ?? "",
  ]);
  return `${who}\n${columns([["HAND-OUT", "TO", "PIPELINE", "STATE", "SUBMITTED", "RUN"], ...rows])}`;
}

/** `outrider executors` */
export const command: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  func: executors,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "ID",
        brief: "Print this executor, and its queue with what became of each pipeline",
        parse: String,
        optional: true,
      }],
    },
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
    brief: "List the executors that the gateway knows, and what each is doing; or one, and its queue",

    customUsage: ["[ID] [--json]", {
      input: "pi-7",
      brief: "what waits for it, what it runs, what it has done",
    }],
  },
});
