/**
 * Owns `outrider fleet add`: makes the credentials of one device.
 * Must not know what a device may do.
 * Invariant: what is needed to revoke them is kept before they are written.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { OWN_NAMES } from "../../../fleet/words.ts";
import { checkIds } from "../../../uplink/dialects/bounds.ts";
import { deviceFile, devicesIn, fleetKeysIn, KEY_MODE, KEYS_FOLDER, neededKeys } from "../../ask/fleet.ts";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";

interface Flags {
  readonly keys?: string;
  readonly group?: readonly string[];
  readonly experiment?: string;
  readonly output?: string;
}

async function add(this: CliContext, flags: Flags, executor: string): Promise<void> {
  const { keys: folder = KEYS_FOLDER, group: groups = [], experiment, output } = flags;
  checkIds({ executor, experiment, groups });
  if (Object.values<string>(OWN_NAMES).includes(executor)) {
    throw new UsageError(
      `${executor} is what gateways or operators of a fleet are called, whose answers a device of that name could read: choose another id`,
    );
  }
  const { devices } = await fleetKeysIn(folder, this.runtime);
  const known = await devicesIn(folder, executor, this.runtime);
  const [{ deviceCreds }, { systemClock }] = await Promise.all([
    import("../../../fleet/keys.ts"),
    import("../../../base/clock.ts"),
  ]);
  const file = output ?? `${folder}/devices/${executor}.creds`;
  if (await this.runtime.about(file) !== undefined) {
    throw new UsageError(
      `${file} is there already, and no credentials are overwritten: give another by -o FILE`,
    );
  }
  const now = systemClock.now() / 1000;
  const { text, publicKey } = await deviceCreds(devices, { scope: { executor, groups, experiment }, now });
  const kept = `${
    JSON.stringify([...known, { publicKey, groups, ...(experiment !== undefined && { experiment }) }])
  }\n`;
  await this.runtime.writeText(deviceFile(folder, executor), kept, KEY_MODE);
  await this.runtime.writeText(file, text, KEY_MODE);
  this.runtime.stdout.write(`${file}\n`);
}

/** `outrider fleet add` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: add,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ placeholder: "EXECUTOR", brief: "The device's OUTRIDER_EXECUTOR_ID", parse: String }],
    },
    flags: {
      keys: neededKeys,
      group: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: true,
        placeholder: "NAME",
        brief: "A group that it is in, as its OUTRIDER_GROUPS says; may be given several times",
      },
      experiment: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "ID",
        brief: "The experiment whose flags it shares",
      },
      output: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Where to write them (default: a file in the folder of keys)",
      },
    },
    aliases: { o: "output" },
  },
  docs: { brief: "Make the credentials of a device" },
});
