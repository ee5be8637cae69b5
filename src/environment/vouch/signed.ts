/**
 * Owns who vouches for what was built: signatures beside files, and the check of a whole folder against them.
 * Must not know how anything is built, nor what is done with it.
 * Invariant: what a signature does not cover counts for nothing: the record's covers each file by its digest.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Problem } from "../../model/problem.ts";
import { digestOf, folderOf, pathIn } from "../../runtime/disk.ts";
import { runtime } from "../../runtime/runtime.ts";
import { TrustError } from "../../trust/error.ts";
import { commentOf, verify, versionOf } from "../../trust/keys.ts";
import type { PublicKey } from "../../trust/minisign.ts";
import type { SecretKey } from "../../trust/secret_key.ts";
import { EnvironmentError } from "../document/error.ts";
import { alone } from "../folder_lock.ts";
import { MADE_FILE, type MadeRecord, readMade } from "../made.ts";
import { PROVENANCE_FILE } from "./provenance.ts";
import { SBOM_FILE } from "./sbom.ts";
import { signatureName, signatureNames } from "./signature_file.ts";

/** What is signed of a folder. The record has the digests of all else. */
const SIGNED: readonly string[] = [MADE_FILE, SBOM_FILE, PROVENANCE_FILE];
/** Largest signature, bytes. */
export const MAX_SIGNATURE = 8_192;
/** Most of one file that are looked at. */
const MAX_SIGNATURES = 100;

/** What was verified. */
export interface VerifiedFiles {
  readonly keyId: string;
  readonly version: number;
  /** There if a folder was verified. */
  readonly record?: MadeRecord;
}

/**
 * Signs a folder in which something was built, or one file.
 *
 * @returns The files that were written.
 * @throws {EnvironmentError} If nothing was built there, or another process writes there.
 */
export async function signFiles(
  path: string,
  key: SecretKey,
  version: number,
): Promise<readonly string[]> {
  if (!await isFolder(path)) return await signEach([path], key, version);
  await signedIn(path);
  return await alone(path, () => signBuilt(path, key, version));
}

/** Signs a folder that nobody else writes into. */
export async function signBuilt(
  folder: string,
  key: SecretKey,
  version: number,
): Promise<readonly string[]> {
  return await signEach(await signedIn(folder), key, version);
}

async function signEach(
  files: readonly string[],
  key: SecretKey,
  version: number,
): Promise<readonly string[]> {
  const written: string[] = [];
  for (const file of files) {
    const comment = commentOf({ file: nameOf(file), version });
    await runtime.writeText(signatureName(file), await key.sign(await hashOf(file), comment));
    written.push(signatureName(file));
  }
  return written;
}

/**
 * Verifies a folder with all that its record names, or one file.
 *
 * @throws {TrustError} If a signature is not that of a trusted key over just this file.
 * @throws {EnvironmentError} If nothing is there, or files are not those of the record, with all that are not.
 */
export async function verifyFiles(path: string, keys: readonly PublicKey[]): Promise<VerifiedFiles> {
  if (await runtime.about(path) === undefined) {
    throw new EnvironmentError(path, "It is not there: name where an environment was built, or one file");
  }
  if (!await isFolder(path)) return await verifyFile(path, keys);
  const files = await signedIn(path);
  const [first, ...others] = await Promise.all(files.map((file) => verifyFile(file, keys)));
  const odd = others.findIndex(({ version }) => version !== first!.version);
  if (odd >= 0) {
    throw new TrustError(
      `${files[odd + 1]} is signed as version ${others[odd]!.version}, ${MADE_FILE} as ${
        first!.version
      }: sign the folder anew`,
    );
  }
  const file = pathIn(path, MADE_FILE);
  const record = readMade(await runtime.readText(file), file);
  const problems = (await Promise.all(record.files.map((made) => problemOf(path, made)))).flat();
  if (problems.length > 0) throw new EnvironmentError(path, problems);
  return { ...first!, record };
}

/** By the signature with the highest version of those that count. */
async function verifyFile(path: string, keys: readonly PublicKey[]): Promise<VerifiedFiles> {
  const what = nameOf(path);
  const hash = await hashOf(path);
  let best: VerifiedFiles | undefined;
  let refused: unknown;
  for (const signature of await signaturesOf(path)) {
    try {
      const verified = await verify(hash, { signature, keys, what });
      const { file = what } = verified.says;
      if (file !== what) {
        throw new TrustError(
          `${what} was signed as ${file}: give it that name, or take it anew from who signed it`,
        );
      }
      const version = versionOf(verified, what);
      if (best === undefined || best.version < version) best = { keyId: verified.keyId, version };
    } catch (error) {
      refused ??= error;
    }
  }
  if (best === undefined) throw refused;
  return best;
}

/** Each in a file of its own; there is one at least. */
async function signaturesOf(path: string): Promise<readonly string[]> {
  const names = signatureNames(nameOf(path), await runtime.list(folderOf(pathIn(".", path))));
  if (names.length === 0) {
    throw new TrustError(
      `${path} is not signed: there is no ${
        signatureName(nameOf(path))
      } beside it; outrider environment sign makes one`,
    );
  }
  const files = names.slice(0, MAX_SIGNATURES).map((name) => pathIn(folderOf(pathIn(".", path)), name));
  return await Promise.all(files.map(async (file) => {
    try {
      return await runtime.readText(file, MAX_SIGNATURE);
    } catch (error) {
      throw cannotRead(file, error);
    }
  }));
}

async function problemOf(folder: string, made: MadeRecord["files"][number]): Promise<readonly Problem[]> {
  const { name, bytes, sha256 } = made;
  const tell = (message: string) => [{ place: name, message }];
  const path = pathIn(folder, name);
  const about = await runtime.about(path);
  if (about === undefined || !about.isFile) {
    return tell("It is missing: build anew, or take it from who signed it");
  }
  // A large file that can't be right is not read.
  if (about.size !== bytes) {
    return tell(`It has ${about.size} bytes, the record says ${bytes}: it was changed`);
  }
  const { digest } = await digestOf(path, "sha256");
  return digest === sha256
    ? []
    : tell(`It has the digest ${digest}, the record says ${sha256}: it was changed`);
}

/** What of a folder is there to be signed; the record is always. */
async function signedIn(folder: string): Promise<readonly string[]> {
  const names = await runtime.list(folder);
  if (!names.includes(MADE_FILE)) {
    throw new EnvironmentError(folder, `It has no ${MADE_FILE}: it is not where an environment was built`);
  }
  return SIGNED.filter((name) => name === MADE_FILE || names.includes(name)).map((name) =>
    pathIn(folder, name)
  );
}

async function isFolder(path: string): Promise<boolean> {
  return (await runtime.about(path))?.isFolder === true;
}

/** BLAKE2b-512 of a file, by the runtime, since it may be large. */
async function hashOf(path: string): Promise<Bytes> {
  try {
    const { digest } = await digestOf(path, "blake2b512");
    return Uint8Array.from(digest.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  } catch (error) {
    throw cannotRead(path, error);
  }
}

function cannotRead(path: string, error: unknown): TrustError {
  return new TrustError(`${path} can't be read: ${(error as Error).message}`, { cause: error });
}

function nameOf(path: string): string {
  const whole = pathIn(".", path);
  return whole.slice(folderOf(whole).length).replace(/^[/\\]/, "");
}
