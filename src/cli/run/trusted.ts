/**
 * Owns the check of an environment against the keys that are trusted, and where it is kept which versions were taken.
 * Must not know where an environment comes from, nor what is done with it.
 * Invariant: nothing of what is checked has been run, or written where it runs, before the check is over.
 */
import { sha256 } from "../../base/bytes.ts";
import { EnvironmentError } from "../../environment/document/error.ts";
import { MADE_FILE, readMade } from "../../environment/made.ts";
import type { Judge } from "../../environment/registry/vouchers.ts";
import { verifyFiles } from "../../environment/vouch/signed.ts";
import { signatureNames } from "../../environment/vouch/signature_file.ts";
import { digestOf, folderOf, pathIn } from "../../runtime/disk.ts";
import type { Runtime } from "../../runtime/port.ts";
import { TrustError } from "../../trust/error.ts";
import { trustedKeys, verify, versionOf } from "../../trust/keys.ts";
import { signedHash } from "../../trust/minisign.ts";
import { type Taken, Versions } from "../../trust/versions.ts";
import { writeKept } from "./kept_file.ts";

/** Who is trusted, as `OUTRIDER_TRUST` says, and how its files are read. */
export interface Trust {
  readonly trust: string;
  readonly runtime: Pick<Runtime, "readText">;
}

/** The same, where files lie here. */
export interface FileTrust extends Trust {
  readonly runtime: Pick<Runtime, "readText" | "about" | "list">;
}

/** The texts of signatures, as they come. */
export type Signatures = AsyncIterable<string> | Iterable<string>;

/** Who tells whose the signatures of what a registry has are, as they are trusted here. */
export async function judgeOf(trusting: Trust): Promise<Judge> {
  const keys = await keysOf(trusting);
  return async (bytes, signature, what) => {
    try {
      const verified = await verify(signedHash(bytes), { signature, keys, what });
      if ((verified.says["file"] ?? what) !== what) return undefined;
      return { keyId: verified.keyId, version: versionOf(verified, what) };
    } catch (error) {
      if (error instanceof TrustError) return undefined;
      throw error;
    }
  };
}

/**
 * Holds a record that lies in a registry to the keys; of several signatures that count, the highest version does.
 *
 * @throws {TrustError} If no signature is that of one of the keys.
 */
export async function trustedRecord(
  { text, signatures }: { readonly text: string; readonly signatures: Signatures },
  trusting: Trust,
): Promise<Taken> {
  const { name } = readMade(text, "The environment");
  const what = `The environment ${name}`;
  const keys = await keysOf(trusting);
  const hash = signedHash(new TextEncoder().encode(text));
  let version = 0;
  let refused = new TrustError(
    `${what} is not signed, and OUTRIDER_TRUST asks for it: sign it, and push it again`,
  );
  for await (const signature of signatures) {
    try {
      version = Math.max(version, versionOf(await verify(hash, { signature, keys, what }), what));
    } catch (error) {
      // Whoever may push may add one, and that takes nothing from the others.
      if (!(error instanceof TrustError)) throw error;
      refused = error;
    }
  }
  if (version === 0) throw refused;
  return { name: `environment ${name}`, version, hash: await sha256(text) };
}

/**
 * Holds what lies here to the keys: a folder in which something was built, or an installer with a signature of its own
 * or beside a record that names it.
 *
 * @throws {TrustError} If none of the keys has signed it.
 * @throws {EnvironmentError} If files are not those of the record.
 */
export async function trustedFiles(path: string, trusting: FileTrust): Promise<Taken> {
  const { runtime } = trusting;
  const keys = await keysOf(trusting);
  if ((await runtime.about(path))?.isFolder) return await trustedFolder(path, keys);
  const folder = folderOf(pathIn(".", path));
  const file = pathIn(".", path).slice(folder.length).replace(/^[/\\]/, "");
  if (
    signatureNames(file, await runtime.list(folder)).length === 0 &&
    await runtime.about(pathIn(folder, MADE_FILE)) !== undefined
  ) {
    return await trustedFolder(folder, keys, file);
  }
  const { version } = await verifyFiles(path, keys);
  const name = `environment ${file.replace(/-install\.sh$/, "")}`;
  return { name, version, hash: (await digestOf(path, "sha256")).digest };
}

async function trustedFolder(
  folder: string,
  keys: Awaited<ReturnType<typeof trustedKeys>>,
  file?: string,
): Promise<Taken> {
  const { version, record } = await verifyFiles(folder, keys);
  const { digest } = await digestOf(pathIn(folder, MADE_FILE), "sha256");
  if (file !== undefined && !record!.files.some(({ name }) => name === file)) {
    throw new EnvironmentError(folder, `${file} is not in ${MADE_FILE}, and is not signed: sign it`);
  }
  return { name: `environment ${record!.name}`, version, hash: digest };
}

function keysOf({ trust, runtime }: Trust): ReturnType<typeof trustedKeys> {
  return trustedKeys(trust, (path) => runtime.readText(path));
}

/** Which versions were taken, kept in a file. */
export function versionsIn(
  file: string,
  runtime: Pick<Runtime, "about" | "readText" | "makeFolder" | "writeText" | "syncFolder">,
): Versions {
  return new Versions({
    read: async () => await runtime.about(file) === undefined ? undefined : await runtime.readText(file),
    write: (text) => writeKept(file, text, { folder: folderOf(file), runtime }),
  });
}
