/**
 * Owns `outrider fleet revoke`: lets a device in no more.
 * Must not know how servers hold who is let in.
 * Invariant: what is revoked is kept in the folder of keys before any server is told, so that it holds for new ones too.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import {
  devicesIn,
  FLEET_LIMITS_OF_CALL,
  fleetFlags,
  fleetKeysIn,
  KEYS_FOLDER,
  neededKeys,
  type OperatorFlags,
  revokedIn,
  systemLine,
} from "../../ask/fleet.ts";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";

async function revoke(
  this: CliContext,
  flags: Omit<OperatorFlags, "creds">,
  executor: string,
): Promise<void> {
  const folder = flags.keys ?? KEYS_FOLDER;
  const keys = await fleetKeysIn(folder, this.runtime);
  const known = await devicesIn(folder, executor, this.runtime);
  if (known.length === 0) {
    throw new UsageError(`No credentials of ${executor} were made with the keys in ${folder}`);
  }
  const line = systemLine({ ...flags, keys: folder }, this.runtime)!;
  const [{ devicesClaims }, { withAccountClaims }, { updateClaims }, { systemClock }] = await Promise.all([
    import("../../../fleet/keys.ts"),
    import("../../../fleet/server_config.ts"),
    import("../../../fleet/devices.ts"),
    import("../../../base/clock.ts"),
  ]);
  const now = Math.ceil(systemClock.now() / 1000);
  const more = Object.fromEntries(known.map(({ publicKey }) => [publicKey, now]));
  const revoked = { ...await revokedIn(folder, this.runtime), ...more };
  await this.runtime.writeText(`${folder}/revoked.json`, `${JSON.stringify(revoked)}\n`);
  const claims = await devicesClaims(keys, { revoked, now });
  const file = `${folder}/server.conf`;
  const config = await this.runtime.about(file) === undefined ? "" : await this.runtime.readText(file);
  const changed = withAccountClaims(config, keys.devices.publicKey, claims);
  if (changed !== undefined) await this.runtime.writeText(file, changed);
  else {
    this.runtime.stderr.write(
      `${file} has no line of ${keys.devices.publicKey}: a server that is set up anew needs this one in its resolver_preload:\n${keys.devices.publicKey}: ${claims}\n`,
    );
  }
  try {
    await updateClaims(line, claims, FLEET_LIMITS_OF_CALL);
  } finally {
    await line.close();
  }
  this.runtime.stdout.write(`${executor} is let in no more\n`);
}

/** `outrider fleet revoke` */
export const command: Command<CliContext> = buildCommand<Omit<OperatorFlags, "creds">, [string], CliContext>({
  func: revoke,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ placeholder: "EXECUTOR", brief: "The device's id", parse: String }],
    },
    flags: { nats: fleetFlags.nats, keys: neededKeys },
  },
  docs: { brief: "Let a device in no more: its connection ends, and its credentials open nothing" },
});
