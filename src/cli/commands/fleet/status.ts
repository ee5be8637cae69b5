/**
 * Owns `outrider fleet status`: shows the streams and devices of a fleet, and what is wrong.
 * Must not know how it is found out.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { localTimeOf } from "../../../base/shown.ts";
import type { FleetStatus } from "../../../fleet/status.ts";
import {
  FLEET_LIMITS_OF_CALL,
  fleetFlags,
  fleetLine,
  type OperatorFlags,
  systemLine,
} from "../../ask/fleet.ts";
import { type CliContext, EXIT } from "../../line/context.ts";
import { columns } from "../../view/columns.ts";

/** Devices that are listed one by one; of more only their states are told. */
const MAX_LISTED = 50;

interface Flags extends OperatorFlags {
  readonly json?: boolean;
}

async function status(this: CliContext, flags: Flags): Promise<void> {
  const { stdout, stderr } = this.runtime;
  const [{ fleetStatus }, { systemClock }, { FLEET_LIMITS }] = await Promise.all([
    import("../../../fleet/status.ts"),
    import("../../../base/clock.ts"),
    import("../../../fleet/streams.ts"),
  ]);
  const jetstream = fleetLine(flags, this.runtime);
  const system = systemLine(flags, this.runtime);
  try {
    const now = systemClock.now();
    const found = await fleetStatus(jetstream, {
      ...FLEET_LIMITS_OF_CALL,
      wanted: FLEET_LIMITS,
      system,
      now,
    });
    if (flags.json) stdout.json(`${JSON.stringify(found)}\n`);
    else {
      stdout.write(table(found));
      for (const problem of [...found.problems, ...found.unseen]) stderr.write(`${problem}\n`);
    }
    if (found.problems.length > 0) this.exitCode = EXIT.failed;
  } finally {
    await Promise.all([jetstream.wire.close(), system?.close()]);
  }
}

function table({ server, streams, devices }: FleetStatus): string {
  const where = `${server.name} ${server.version}${
    server.cluster === undefined ? "" : ` in ${server.cluster}`
  }`;
  const rows = streams.map(({ name, messages, bytes, maxBytes, replicas, lag }) => [
    name,
    `${messages}`,
    `${bytes}`,
    maxBytes < 0 ? "any" : `${maxBytes}`,
    `${replicas}`,
    lag === undefined ? "" : `${lag}`,
  ]);
  const counts = new Map<string, number>();
  for (const { state } of devices) counts.set(state, (counts.get(state) ?? 0) + 1);
  const states = [...counts].map(([state, count]) => `${count} ${state}`).join(", ");
  const listed = devices.slice(0, MAX_LISTED).map(({ executor, state, lastSeenAt, run = "" }) => [
    executor,
    state,
    localTimeOf(lastSeenAt),
    run,
  ]);
  return `${where}\n\n${
    columns([["STREAM", "MESSAGES", "BYTES", "OF", "REPLICAS", "LAG"], ...rows])
  }\n${devices.length} devices${states === "" ? "" : `: ${states}`}\n${
    listed.length === 0 ? "" : `\n${columns([["DEVICE", "STATE", "LAST SEEN", "RUN"], ...listed])}`
  }`;
}

/** `outrider fleet status` */
export const command: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  func: status,
  parameters: {
    flags: {
      ...fleetFlags,
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print one JSON document, with all devices",
      },
    },
  },
  docs: { brief: "Show the streams of a fleet, its devices by state, and what is wrong" },
});
