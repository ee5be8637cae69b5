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
  const [{ accountClaims }, { serverConfig }, { updateClaims }, { systemClock }] = await Promise.all([
    import("../../../fleet/keys.ts"),
    import("../../../fleet/server_config.ts"),
    import("../../../fleet/devices.ts"),
    import("../../../base/clock.ts"),
  ]);
  const now = Math.ceil(systemClock.now() / 1000);
  const more = Object.fromEntries(known.map(({ publicKey }) => [publicKey, now]));
  const revoked = { ...await revokedIn(folder, this.runtime), ...more };
  await this.runtime.writeText(`${folder}/revoked.json`, `${JSON.stringify(revoked)}\n`);
  await this.runtime.writeText(`${folder}/server.conf`, await serverConfig(keys, { revoked, now }));
  try {
    await updateClaims(line, await accountClaims(keys, { revoked, now }), FLEET_LIMITS_OF_CALL);
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
    flags: { nats: fleetFlags.nats, keys: fleetFlags.keys },
  },
  docs: { brief: "Let a device in no more: its connection ends, and its credentials open nothing" },
});
