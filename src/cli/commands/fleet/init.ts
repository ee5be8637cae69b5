/**
 * Owns `outrider fleet init`: makes the streams of a fleet, and says what is wrong with its servers.
 * Must not know what the streams are like.
 * Invariant: nothing that is stored is deleted.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import {
  FLEET_LIMITS_OF_CALL,
  fleetFlags,
  fleetLine,
  type OperatorFlags,
  systemLine,
} from "../../ask/fleet.ts";
import { type CliContext, EXIT } from "../../line/context.ts";
import { size, wholeNumber } from "../../line/options.ts";

interface Flags extends OperatorFlags {
  readonly replicas: number;
  readonly records: number;
  readonly recordsDays: number;
  readonly bundles: number;
  readonly json?: boolean;
}

async function init(this: CliContext, flags: Flags): Promise<void> {
  const { stdout, stderr } = this.runtime;
  const [{ makeStreams, streamsFor }, { fleetProblems }] = await Promise.all([
    import("../../../fleet/streams.ts"),
    import("../../../fleet/status.ts"),
  ]);
  const wanted = {
    replicas: flags.replicas,
    recordsBytes: flags.records,
    recordsDays: flags.recordsDays,
    bundlesBytes: flags.bundles,
  };
  const jetstream = fleetLine(flags, this.runtime);
  const system = systemLine(flags, this.runtime);
  try {
    const streams = await makeStreams(jetstream, streamsFor(wanted), FLEET_LIMITS_OF_CALL);
    const { problems, unseen } = await fleetProblems(jetstream, { ...FLEET_LIMITS_OF_CALL, wanted, system });
    if (flags.json) stdout.json(`${JSON.stringify({ streams, problems, unseen })}\n`);
    else {
      const words = { made: "made", changed: "has new limits", nothing: "is as it should be" };
      for (const { name, did } of streams) stdout.write(`${name} ${words[did]}\n`);
      for (const problem of [...problems, ...unseen]) stderr.write(`${problem}\n`);
    }
    if (problems.length > 0) this.exitCode = EXIT.failed;
  } finally {
    await Promise.all([jetstream.wire.close(), system?.close()]);
  }
}

/** `outrider fleet init` */
export const command: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  func: init,
  parameters: {
    flags: {
      ...fleetFlags,
      replicas: {
        kind: "parsed",
        parse: wholeNumber(1, 5),
        default: "1",
        placeholder: "N",
        brief: "Servers that each message is stored on; 3 in a cluster of three",
      },
      records: {
        kind: "parsed",
        parse: size,
        default: "4GiB",
        placeholder: "SIZE",
        brief: "Most that is kept of records: when it is full, devices keep theirs",
      },
      recordsDays: {
        kind: "parsed",
        parse: wholeNumber(1, 3650),
        default: "14",
        placeholder: "DAYS",
        brief: "How long records are kept on the servers",
      },
      bundles: {
        kind: "parsed",
        parse: size,
        default: "2GiB",
        placeholder: "SIZE",
        brief: "Most that is kept of bundles",
      },
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print one JSON document",
      },
    },
  },
  docs: {
    brief: "Make the streams of a fleet, or set their limits, and say what is wrong with its servers",
  },
});
