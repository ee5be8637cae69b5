/**
 * Owns what a signed release of Debian says: which lists of packages it has, and how long it holds.
 * Must not know how it was fetched.
 * Invariant: a digest is one that Debian has signed.
 */
import { fieldOf } from "./control.ts";
import { DebianError } from "./errors.ts";
import { signedText, type SigningKey } from "./openpgp.ts";

/** A file that a release names. */
export interface ReleaseFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A release. */
export interface Release {
  readonly files: ReadonlyMap<string, ReleaseFile>;
  /** Whether files can be had by their digest, and so do not change while they are fetched. */
  readonly byHash: boolean;
}

/**
 * Reads InRelease.
 *
 * @param options `suite`: the release it must be; `now`: the wall clock, milliseconds.
 * @throws {DebianError} If no trusted key has signed it, it is another one, or no longer valid.
 */
export async function readRelease(
  message: string,
  { suite, keys, now }: {
    readonly suite: string;
    readonly keys: readonly SigningKey[];
    readonly now: number;
  },
): Promise<Release> {
  const text = await signedText(message, keys);
  const name = fieldOf(text, "Codename");
  if (name !== suite) throw new DebianError(`It is the release ${JSON.stringify(name)}, and not ${suite}`);
  const until = Date.parse(fieldOf(text, "Valid-Until") ?? "");
  const made = Date.parse(fieldOf(text, "Date") ?? "");
  // A clock that stands before the release was made says nothing of how old it is.
  if (now > until && now > made) {
    throw new DebianError(
      `It was valid until ${
        new Date(until).toISOString()
      }: the mirror is behind, or holds back updates; use another one`,
    );
  }
  const files = new Map<string, ReleaseFile>();
  for (const line of (fieldOf(text, "SHA256") ?? "").split("\n")) {
    const [, sha256, bytes, path] = /^\s*([0-9a-f]{64})\s+(\d{1,12})\s+(\S+)$/.exec(line) ?? [];
    if (path !== undefined) files.set(path, { path, bytes: Number(bytes), sha256: sha256! });
  }
  return { files, byHash: fieldOf(text, "Acquire-By-Hash") === "yes" };
}
