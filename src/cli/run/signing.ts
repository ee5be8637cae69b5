/**
 * Owns the options of what signs: the key, its password, the version.
 * Must not know what is signed.
 */
import { messageOf } from "../../base/message.ts";
import { systemClock } from "../../base/clock.ts";
import type { SecretKey } from "../../trust/secret_key.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { wholeNumber } from "../line/options.ts";

/** The options. */
export interface SigningFlags {
  readonly sign?: string;
  readonly version?: number;
  readonly passwordFile?: string;
}

/** Their description. */
export const signingFlags = {
  sign: {
    kind: "parsed",
    parse: String,
    optional: true,
    placeholder: "KEY",
    brief: "Sign it with the secret key in the file KEY, which outrider key new or minisign -G has made",
  },
  version: {
    kind: "parsed",
    parse: wholeNumber(1, Number.MAX_SAFE_INTEGER),
    optional: true,
    placeholder: "N",
    brief: "With --sign: its version, higher than the one before (default: seconds since 1970)",
  },
  passwordFile: {
    kind: "parsed",
    parse: String,
    optional: true,
    placeholder: "FILE",
    brief: "The key's password is the first line of FILE",
  },
} as const;

/** Who signs. */
export interface Signer {
  readonly key: SecretKey;
  readonly version: number;
  /** For a person. */
  readonly told: string;
}

/** The signer that is asked for, if one is. @throws {UsageError} If the key can't be used. */
export async function signerOf(
  { sign, version, passwordFile }: SigningFlags,
  runtime: CliRuntime,
): Promise<Signer | undefined> {
  if (sign === undefined) {
    const alone = version !== undefined ? "--version" : passwordFile !== undefined ? "--password-file" : "";
    if (alone !== "") throw new UsageError(`${alone} is for signing: add --sign KEY`);
    return undefined;
  }
  const key = await readKey(sign, passwordFile, runtime);
  // A clock of a device has no say: there only what was taken before counts.
  const number = version ?? Math.max(1, Math.floor(systemClock.now() / 1000));
  return { key, version: number, told: `version ${number} signed by ${key.publicKey.id}` };
}

/** Reads a secret key. @throws {UsageError} If that can't be. */
export async function readKey(
  path: string,
  passwordFile: string | undefined,
  runtime: CliRuntime,
): Promise<SecretKey> {
  const { readSecretKey } = await import("../../trust/secret_key.ts");
  return await readSecretKey(await textOf(path, runtime), () => {
    if (passwordFile !== undefined) return passwordIn(passwordFile, runtime);
    throw new UsageError(
      `The secret key ${path} has a password: name the file that has it by --password-file`,
    );
  });
}

/** The first line of a file. */
export async function passwordIn(path: string, runtime: CliRuntime): Promise<string> {
  const [password = ""] = (await textOf(path, runtime)).split(/\r?\n/);
  if (password !== "") return password;
  throw new UsageError(`${path} has no password: its first line is empty`);
}

async function textOf(path: string, { readText }: CliRuntime): Promise<string> {
  try {
    return await readText(path, MAX_BYTES);
  } catch (error) {
    throw new UsageError(`${path} can't be read: ${messageOf(error)}`);
  }
}

/** Keys and passwords are short. */
const MAX_BYTES = 65_536;
