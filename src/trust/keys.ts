/**
 * Owns which keys are trusted, as `OUTRIDER_TRUST` says, and whether something is signed by one of them.
 * Must not know what is signed, nor what is done about what is not trusted.
 * Invariant: a key that is revoked counts nowhere, however often it is named; no key at all is an error, never trust in all.
 */
import type { Bytes } from "../base/bytes.ts";
import { messageOf, quoted } from "../base/message.ts";
import { TrustError } from "./error.ts";
import { isSignedBy, type PublicKey, publicKey, signatureOf } from "./minisign.ts";

/** Most keys that are named. */
const MAX_KEYS = 100;
/** What begins the id of a key that is revoked. */
const REVOKED = "!";

/** What a verified signature says. */
export interface Verified {
  /** Id of the key. */
  readonly keyId: string;
  /** What the signer says of it, by name. */
  readonly says: Readonly<Record<string, string>>;
}

/**
 * The keys that are trusted.
 *
 * @param text Public keys and files of them, with commas between; `!ID` revokes a key.
 * @throws {TrustError} If a part makes no sense, a file can't be read, or no key is left.
 */
export async function trustedKeys(
  text: string,
  readText: (path: string) => Promise<string>,
): Promise<readonly PublicKey[]> {
  const found = await Promise.all(
    text.split(",").map((part) => part.trim()).filter((part) => part !== "").map((part) =>
      isWord(part) ? [part] : wordsIn(part, readText)
    ),
  );
  const words = [...new Set(found.flat())];
  if (words.length > MAX_KEYS) {
    throw new TrustError(`There are ${words.length} keys: ${MAX_KEYS} are allowed`);
  }
  const revoked = new Set(words.filter((word) => word.startsWith(REVOKED)).map(revokedId));
  const keys = words.filter((word) => !word.startsWith(REVOKED)).map(publicKey);
  const left = keys.filter(({ id }) => !revoked.has(id));
  if (left.length > 0) return left;
  const why = keys.length > 0 ? "every key is revoked" : "there is no key";
  throw new TrustError(`Nothing could be trusted, as ${why}: name the public key of who signs`);
}

/** A key, or the id of one that is revoked; all else names a file. */
function isWord(part: string): boolean {
  return /^RW[A-Za-z0-9+/]{54}$/.test(part) || /^![0-9A-F]{1,16}$/.test(part);
}

/** minisign shows an id without the zeros that it begins with. */
function revokedId(word: string): string {
  return word.slice(REVOKED.length).padStart(16, "0");
}

/** Of a file as minisign writes it; there may be several keys in it, and lines that begin with `#`. */
async function wordsIn(path: string, readText: (path: string) => Promise<string>): Promise<string[]> {
  let text: string;
  try {
    text = await readText(path);
  } catch (error) {
    throw new TrustError(
      `${quoted(path)} is no public key, no !ID, and no file that can be read (${messageOf(error)})`,
      { cause: error },
    );
  }
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== "" && !/^(?:#|untrusted comment:)/.test(line)).map((line) => {
    if (isWord(line)) return line;
    throw new TrustError(`${path}: ${quoted(line)} is no public key of minisign, and no !ID of one`);
  });
}

/**
 * Verifies a signature over what has the hash.
 *
 * @param what For messages: what is signed, as the subject of a sentence.
 * @throws {TrustError} If it is not that of a trusted key over just this.
 */
export async function verify(
  hash: Bytes,
  { signature: text, keys, what }: {
    readonly signature: string;
    readonly keys: readonly PublicKey[];
    readonly what: string;
  },
): Promise<Verified> {
  const signature = signatureOf(text);
  const { keyId, comment } = signature;
  const same = keys.filter(({ id }) => id === keyId);
  if (same.length === 0) {
    throw new TrustError(
      `${what} is signed by key ${keyId}, which is not trusted here (${
        keys.map(({ id }) => id).join(", ")
      }): sign it with a trusted key, or add that key to OUTRIDER_TRUST`,
    );
  }
  // Ids are eight bytes that anybody may choose.
  for (const key of same) {
    if (await isSignedBy(key, signature, hash)) return { keyId, says: saysOf(comment) };
  }
  throw new TrustError(
    `${what} is not what key ${keyId} has signed: it was changed or damaged after that; take it anew from who signed it`,
  );
}

/** What stands in a comment: `NAME:VALUE`, with tabs between. */
function saysOf(comment: string): Record<string, string> {
  const pairs = comment.split("\t").map((part) => /^([a-z]+):(.*)$/.exec(part)).filter((match) =>
    match !== null
  );
  return Object.fromEntries(pairs.map(([, name, value]) => [name!, value!]));
}

/** The version that a comment gives, which nobody has verified; 0 if it gives none. */
export function commentVersion(comment: string): number {
  return versionIn(saysOf(comment)) ?? 0;
}

function versionIn(says: Verified["says"]): number | undefined {
  const text = says["version"] ?? "";
  const version = Number(text);
  return /^[1-9]\d*$/.test(text) && Number.isSafeInteger(version) ? version : undefined;
}

/** A comment as `verify` reads it. */
export function commentOf(says: Readonly<Record<string, string | number>>): string {
  const pairs = Object.entries(says).map(([name, value]) => `${name}:${String(value).replaceAll("\t", " ")}`);
  return pairs.join("\t");
}

/** The version that a signature gives what is signed. @throws {TrustError} If it gives none. */
export function versionOf({ says, keyId }: Verified, what: string): number {
  const version = versionIn(says);
  if (version !== undefined) return version;
  throw new TrustError(
    `${what} is signed by key ${keyId} without a version, so that nobody can tell it from an older one: sign it anew with a version that grows`,
  );
}
