/**
 * Owns what the commands of a fleet's operator share: where its servers are, and the folder of its keys.
 * Must not know what is done with either.
 * Invariant: a file with a key is read and written by its owner alone, and none is overwritten.
 */
import { systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/message.ts";
import { gatewayIn } from "../../config/asking.ts";
import { type GivenCreds, givenCredsIn, revokedKeysIn } from "../../fleet/devices.ts";
import type { NatsWireOptions } from "../../fleet/dialler.ts";
import { JetStream } from "../../fleet/jetstream.ts";
import { type FleetKeys, keyOfSeed, type Revoked } from "../../fleet/keys.ts";
import { NatsWire } from "../../fleet/wire.ts";
import { OWN_NAMES, part } from "../../fleet/words.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import type { GatewayOption } from "./gateway_flags.ts";

/** Who may read a file of keys. */
export const KEY_MODE = 0o600;
/** How long a server is waited for, milliseconds. */
export const FLEET_LIMITS_OF_CALL = { timeoutMs: 20_000 } as const;
/** Where keys are unless it is said. */
export const KEYS_FOLDER = "outrider-fleet";

/** Options of every such command. */
export interface OperatorFlags {
  readonly nats?: string;
  readonly creds?: string;
  readonly keys?: string;
}

/** To be spread into a command's flags. */
export const fleetFlags: {
  readonly nats: GatewayOption;
  readonly creds: GatewayOption;
  readonly keys: GatewayOption;
} = {
  nats: option("URL", "Address of the NATS servers, several with commas between (default: OUTRIDER_GATEWAY)"),
  creds: option(
    "FILE",
    "Credentials for them (default: those in the folder of keys, or OUTRIDER_CREDS_FILE)",
  ),
  keys: keysOption("none"),
};

/** The option `keys` where there is no doing without them. */
export const neededKeys: GatewayOption = keysOption(KEYS_FOLDER);

function keysOption(otherwise: string): GatewayOption {
  return option("DIR", `Folder that outrider fleet keys has made (default: ${otherwise})`);
}

function option(placeholder: string, brief: string): GatewayOption {
  return { kind: "parsed", parse: String, optional: true, placeholder, brief };
}

/** A line to the account that everything is stored in. */
export function fleetLine(flags: OperatorFlags, runtime: Pick<CliRuntime, "env" | "readText">): JetStream {
  const creds = flags.creds ?? (flags.keys === undefined ? undefined : `${flags.keys}/gateway.creds`) ??
    gatewayIn(runtime.env).credsFile;
  return new JetStream(lineBy(flags, { creds, runtime }));
}

/** A line to the servers' own account, if there is a folder of keys. */
export function systemLine(
  flags: OperatorFlags,
  runtime: Pick<CliRuntime, "env" | "readText">,
): NatsWire | undefined {
  if (flags.keys === undefined) return undefined;
  return lineBy(flags, { creds: `${flags.keys}/system.creds`, runtime });
}

function lineBy(
  { nats }: OperatorFlags,
  { creds, runtime }: {
    readonly creds: string | undefined;
    readonly runtime: Pick<CliRuntime, "env" | "readText">;
  },
): NatsWire {
  const named = gatewayIn(runtime.env);
  const url = nats ?? named.url;
  if (url === undefined) {
    throw new UsageError(
      "It is not said where the NATS servers are: give --nats URL, or set OUTRIDER_GATEWAY",
    );
  }
  const options: NatsWireOptions = {
    url,
    name: OWN_NAMES.operator,
    clock: systemClock,
    random: Math.random,
    ...(creds !== undefined && { readCreds: () => runtime.readText(creds) }),
    ...(creds === undefined && named.token !== undefined && { token: named.token }),
  };
  return new NatsWire(options);
}

/** The keys in a folder. @throws {UsageError} If they are not there. */
export async function fleetKeysIn(
  folder: string,
  { readText }: Pick<CliRuntime, "readText">,
): Promise<FleetKeys> {
  const read = async (name: string) => {
    const file = `${folder}/${name}.seed`;
    try {
      return await keyOfSeed(await readText(file));
    } catch (cause) {
      throw new UsageError(
        `The key in ${file} can't be read: ${
          messageOf(cause)
        }: make keys with outrider fleet keys DIR, and name the folder by --keys`,
        { cause },
      );
    }
  };
  return {
    operator: await read("operator"),
    account: await read("account"),
    devices: await read("devices"),
    system: await read("system"),
  };
}

/** Where it is kept which credentials a device was given. */
export function deviceFile(folder: string, executor: string): string {
  return `${folder}/devices/${part(executor)}.json`;
}

type FolderRuntime = Pick<CliRuntime, "about" | "readText">;

/** The credentials that a device was given, oldest first. */
export async function devicesIn(
  folder: string,
  executor: string,
  runtime: FolderRuntime,
): Promise<GivenCreds> {
  return await keptIn(deviceFile(folder, executor), givenCredsIn, runtime) ?? [];
}

/** The keys of devices that are revoked. */
export async function revokedIn(folder: string, runtime: FolderRuntime): Promise<Revoked> {
  return await keptIn(`${folder}/revoked.json`, revokedKeysIn, runtime) ?? {};
}

/** What a file of the folder holds; nothing if there is none. @throws {UsageError} If it holds something else. */
async function keptIn<T>(
  file: string,
  read: (text: string) => T,
  { about, readText }: FolderRuntime,
): Promise<T | undefined> {
  if (await about(file) === undefined) return undefined;
  try {
    return read(await readText(file));
  } catch (cause) {
    throw new UsageError(`${file} can't be read: ${messageOf(cause)}`, { cause });
  }
}
