/**
 * Owns fetching from a registry: manifests, and blobs that go on where the line was cut.
 * Must not know where bytes are put.
 * Invariant: no more comes of a blob than its size, whatever the registry says or sends; a manifest that was asked for by its
 * digest has it. Whether a blob's bytes have theirs is for who puts them together.
 */
import { Backoff } from "../../base/backoff.ts";
import { type Bytes, joined, sha256 } from "../../base/bytes.ts";
import { sleep } from "../../base/wait.ts";
import {
  INDEX,
  ManifestError,
  MANIFESTS,
  MAX_MANIFEST_BYTES,
  type OciDescriptor,
  type OciManifest,
  readManifest,
} from "../../model/oci.ts";
import { RegistryError } from "./error.ts";
import type { RegistryLine } from "./line.ts";

/** Times that a line may break, or a registry be busy, without anything having come meanwhile. */
const MAX_MISSES = 8;
/** Times altogether. */
const MAX_TRIES = 1000;
/** What has to come of a blob within `SILENCE_MS`, bytes. */
const LEAST_BYTES = 1024;
const SILENCE_MS = 30_000;
const MAX_DELAY_MS = 10_000;

/** A manifest as a registry has it. */
export interface FoundManifest {
  readonly descriptor: OciDescriptor;
  readonly manifest: OciManifest;
  readonly bytes: Bytes;
}

/** A manifest by tag or digest; nothing if there is none. @throws {RegistryError} If it is none, or another. */
export async function manifestOf(
  line: RegistryLine,
  repository: string,
  reference: string,
): Promise<FoundManifest | undefined> {
  const path = `/v2/${repository}/manifests/${reference}`;
  return await tried(line, async () => {
    const call = {
      method: "GET",
      path,
      headers: { accept: MANIFESTS.join(", ") },
      scope: pullOf(repository),
    } as const;
    const response = await line.ask(call);
    if (response.status === 404) return void response.body?.cancel();
    if (response.status !== 200) throw await line.refused(call, response);
    const bytes = await line.whole(response, MAX_MANIFEST_BYTES);
    const digest = `sha256:${await sha256(bytes)}`;
    if (reference.includes(":") && reference !== digest) {
      throw new RegistryError(`${line.name(call)} was answered with ${digest}, which was not asked for`);
    }
    const type = (response.headers.get("content-type") ?? "").split(";")[0]!.trim();
    return {
      descriptor: { mediaType: type, digest, size: bytes.length },
      manifest: read(bytes, type, line.name(call)),
      bytes,
    };
  });
}

function read(bytes: Bytes, type: string, name: string): OciManifest {
  try {
    return readManifest(bytes, type);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new RegistryError(`${name} was answered with no manifest: ${error.message}`, { cause: error });
  }
}

/**
 * The bytes of a blob from a place on, over as many broken lines as it takes.
 *
 * @param from How much of it is here already.
 * @param to Where what is wanted of it ends. Default: with it.
 * @throws {RegistryError} If the registry does not have it, has another, or nothing comes any more.
 */
export async function* blobOf(
  line: RegistryLine,
  repository: string,
  { blob: { digest, size }, from = 0, to = size }: {
    readonly blob: Pick<OciDescriptor, "digest" | "size">;
    readonly from?: number;
    readonly to?: number;
  },
): AsyncGenerator<Bytes, void, undefined> {
  const patience = new Patience(line);
  for (let at = from; at < to;) {
    try {
      for await (const piece of piecesOf(line, repository, { digest, size, at, to })) {
        at += piece.length;
        if (at > to) {
          throw new RegistryError(`More comes of ${digest} than its ${size} bytes: it is another`);
        }
        patience.came(piece.length);
        yield piece;
      }
      if (at < to) throw new RegistryError(`The line to ${line.url} broke`, { transient: true });
    } catch (error) {
      await patience.after(error);
    }
  }
}

interface Piece {
  readonly digest: string;
  readonly size: number;
  readonly at: number;
  /** Where what is asked for ends. */
  readonly to: number;
}

/** What one answer brings, from `at` on. */
async function* piecesOf(
  line: RegistryLine,
  repository: string,
  { digest, size, at, to }: Piece,
): AsyncGenerator<Bytes, void, undefined> {
  const range = `bytes=${at}-${to < size ? to - 1 : ""}`;
  const headers: Record<string, string> = at > 0 || to < size ? { range } : {};
  const call = {
    method: "GET",
    path: `/v2/${repository}/blobs/${digest}`,
    headers,
    scope: pullOf(repository),
  } as const;
  const response = await line.ask(call);
  if (response.status !== 200 && response.status !== 206) throw await line.refused(call, response);
  // Who can't send a part sends all: what was not asked for is passed over.
  const isPart = response.status === 206;
  let skip = isPart ? 0 : at;
  let left = isPart || to === size ? Infinity : to - at;
  const reader = (response.body as ReadableStream<Bytes> | null)?.getReader();
  if (!reader) return;
  try {
    checkLength(response, { digest, size, at: at - skip, to: isPart ? to : size, name: line.name(call) });
    for (let came = 0; left > 0;) {
      const part = await line.limited(enough(reader, came), SILENCE_MS);
      if (part.done) return;
      came += part.value.length;
      const piece = part.value.subarray(Math.min(skip, part.value.length));
      skip -= part.value.length - piece.length;
      if (piece.length > 0) yield piece.subarray(0, Math.min(piece.length, left));
      left -= piece.length;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The next piece, with as much as has to come within the time that it is waited for. */
async function enough(
  reader: ReadableStreamDefaultReader<Bytes>,
  came: number,
): Promise<ReadableStreamReadResult<Bytes>> {
  const first = await reader.read();
  if (first.done || first.value.length >= LEAST_BYTES || came === 0) return first;
  const pieces = [first.value];
  let length = first.value.length;
  while (length < LEAST_BYTES) {
    const next = await reader.read();
    if (next.done) break;
    pieces.push(next.value);
    length += next.value.length;
  }
  return { done: false, value: joined(pieces, length) };
}

/** @throws {RegistryError} If what is to come is another part, or of something of another size. */
function checkLength(
  { status, headers }: Response,
  { digest, size, at, to, name }: Piece & { readonly name: string },
): void {
  const range = headers.get("content-range");
  const length = headers.get("content-length");
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? "") ?? [];
  if (status === 206 && (Number(first) !== at || total !== "*" && Number(total) !== size)) {
    throw new RegistryError(
      `${name} was answered with ${range}, and not with what is behind byte ${at} of ${size}`,
    );
  }
  // What is packed on its way says the length of the package.
  if (length === null || headers.has("content-encoding") || Number(length) === to - at) return;
  throw new RegistryError(
    `${name} was answered with ${length} bytes instead of ${to - at}: ${digest} is another`,
  );
}

/** Most pages of what refers to a manifest that are looked at. */
const MAX_PAGES = 100;

/**
 * What names a manifest as its subject, of one type or of all, page by page; what comes after a hundred pages is not looked at.
 *
 * @throws {RegistryError}
 */
export async function* referrersOf(
  line: RegistryLine,
  repository: string,
  { digest, type }: { readonly digest: string; readonly type?: string },
): AsyncGenerator<OciDescriptor, void, undefined> {
  const query = type === undefined ? "" : `?artifactType=${encodeURIComponent(type)}`;
  const path = `/v2/${repository}/referrers/${digest}${query}`;
  const isMeant = ({ artifactType }: OciDescriptor) => type === undefined || artifactType === type;
  let next: string | undefined = path;
  for (let pages = 0; next !== undefined && pages < MAX_PAGES; pages++) {
    const found = await referrersPage(line, repository, next);
    if (found === undefined) {
      const kept = await manifestOf(line, repository, fallbackTag(digest));
      return yield* (kept?.manifest.manifests ?? []).filter(isMeant);
    }
    yield* found.manifests.filter(isMeant);
    next = nextPage(found.link, `${line.url}${path}`);
  }
}

/** A page; nothing where the registry has no such list. */
async function referrersPage(
  line: RegistryLine,
  repository: string,
  path: string,
): Promise<{ readonly manifests: readonly OciDescriptor[]; readonly link: string | null } | undefined> {
  return await tried(line, async () => {
    const call = { method: "GET", path, scope: pullOf(repository) } as const;
    const response = await line.ask(call);
    if (response.status === 404) return void response.body?.cancel();
    if (response.status !== 200) throw await line.refused(call, response);
    const link = response.headers.get("link");
    const { manifests } = read(await line.whole(response, MAX_MANIFEST_BYTES), INDEX, line.name(call));
    return { manifests, link };
  });
}

/** Where a list goes on, if it does. @param from The address of its beginning. */
export function nextPage(link: string | null, from: string): string | undefined {
  const to = /^<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
  return to === undefined ? undefined : URL.parse(to, from)?.href;
}

/** The tag under which registries without the list of referrers have one. */
export function fallbackTag(digest: string): string {
  return digest.replace(":", "-");
}

export function pullOf(repository: string): string {
  return `repository:${repository}:pull`;
}

/** Tries until it works, is refused, or too many lines have broken. */
export async function tried<T>(line: RegistryLine, work: () => Promise<T>): Promise<T> {
  const patience = new Patience(line);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await patience.after(error);
    }
  }
}

/** How often something is tried again. */
export class Patience {
  readonly #line: RegistryLine;
  readonly #backoff: Backoff;
  #tries = 0;
  #came = 0;

  constructor(line: RegistryLine) {
    this.#line = line;
    this.#backoff = new Backoff({ random: line.options.random, maxMs: MAX_DELAY_MS });
  }

  /** Something has come. */
  came(bytes: number): void {
    this.#came += bytes;
    if (this.#came < LEAST_BYTES) return;
    this.#came = 0;
    this.#backoff.reset();
  }

  /** Waits for the next try. @throws The error, if another try is no use. */
  async after(error: unknown): Promise<void> {
    const { clock, signal } = this.#line.options;
    if (!(error instanceof RegistryError) || !error.transient) throw error;
    if (++this.#tries > MAX_TRIES || this.#backoff.failures >= MAX_MISSES) throw error;
    await sleep(clock, this.#backoff.next(error.retryAfterMs), signal);
  }
}
