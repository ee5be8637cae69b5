/**
 * Owns `outrider fleet keys`: makes the keys of a fleet and a configuration for its servers.
 * Must not know how keys are made.
 * Invariant: no key is overwritten.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { KEY_MODE, KEYS_FOLDER } from "../../ask/fleet.ts";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";

async function keys(this: CliContext, _: object, folder = KEYS_FOLDER): Promise<void> {
  const { about, stdout, stderr } = this.runtime;
  if (await about(`${folder}/operator.seed`) !== undefined) {
    throw new UsageError(`${folder} has keys already, and none is overwritten: choose another DIR`);
  }
  const [{ newFleetKey, adminCreds }, { serverConfig }, { runtime }, { systemClock }] = await Promise.all([
    import("../../../fleet/keys.ts"),
    import("../../../fleet/server_config.ts"),
    import("../../../runtime/runtime.ts"),
    import("../../../base/clock.ts"),
  ]);
  await runtime.makeFolder(`${folder}/devices`, 0o700);
  const made = {
    operator: await newFleetKey("operator"),
    account: await newFleetKey("account"),
    devices: await newFleetKey("account"),
    system: await newFleetKey("account"),
  };
  const now = systemClock.now() / 1000;
  for (const [name, { seed }] of Object.entries(made)) {
    await runtime.writeText(`${folder}/${name}.seed`, `${seed}\n`, KEY_MODE);
  }
  const gateway = await adminCreds(made.account, { name: "gateway", now });
  await runtime.writeText(`${folder}/gateway.creds`, gateway, KEY_MODE);
  await runtime.writeText(
    `${folder}/system.creds`,
    await adminCreds(made.system, { name: "system", now }),
    KEY_MODE,
  );
  await runtime.writeText(`${folder}/server.conf`, await serverConfig(made, { revoked: {}, now }));
  stdout.write(`${folder}\n`);
  stderr.write(
    `${folder} has the keys of a fleet, for its operator alone: keep a copy. Start each server with ${folder}/server.conf (nats-server -c), then: outrider fleet init --nats URL --keys ${folder}\n`,
  );
}

/** `outrider fleet keys` */
export const command: Command<CliContext> = buildCommand<object, [string?], CliContext>({
  func: keys,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "DIR",
        brief: `Folder for them (default: ${KEYS_FOLDER})`,
        parse: String,
        optional: true,
      }],
    },
    flags: {},
  },
  docs: { brief: "Make the keys of a fleet, and a configuration for its servers" },
});
