/**
 * Owns the fetching of files whose digest is known or that are signed, and the keeping of those that may be deleted at any time.
 * Must not know what they are.
 * Invariant: nothing is given back that has another digest than was asked for; no server holds a build for ever or fills the memory.
 */
import { type Bytes, joined, sha256 } from "../base/bytes.ts";
import { systemClock } from "../base/clock.ts";
import { operationsHint } from "../base/operations.ts";
import { concealedAddress } from "../base/concealed.ts";
import { pathIn, readBytes, writeWhole } from "../runtime/disk.ts";

/** A server that says nothing for so long is asked anew. */
const QUIET_MS = 30_000;
/** How often it is tried. */
const TRIES = 3;
/** Pause after the first failure; each further one is twice as long. */
const PAUSE_MS = 500;

/** A file can't be fetched, or is not what was promised. */
export class DownloadError extends Error {
  readonly code = "OUTRIDER_DOWNLOAD";
  override name = "DownloadError";
  /** What the server answered, if it did. */
  readonly status: number | undefined;

  constructor(message: string, { status, ...options }: ErrorOptions & { readonly status?: number } = {}) {
    super(message, options);
    this.status = status;
  }
}

/** A file whose digest is known. */
export interface KnownFile {
  readonly url: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** A file's bytes, from the folder where they were kept, else from the server. @throws {DownloadError} */
export async function fetchKnown(file: KnownFile, folder: string): Promise<Bytes> {
  const kept = pathIn(folder, file.sha256);
  const before = await readKept(kept, file.bytes);
  if (before !== undefined && await sha256(before) === file.sha256) return before;
  const bytes = await fetchBytes(file.url, file.bytes);
  const found = await sha256(bytes);
  if (found !== file.sha256) {
    throw new DownloadError(
      `${
        concealedAddress(file.url)
      } is not what was promised: it has ${bytes.length} bytes with the digest sha256:${found}, not ${file.bytes} with sha256:${file.sha256}`,
    );
  }
  await writeWhole(kept, { bytes });
  return bytes;
}

/** A file that was kept; `undefined` if it is not there, or can't be read: then it is made anew. */
export async function readKept(path: string, maxBytes: number): Promise<Bytes | undefined> {
  try {
    return await readBytes(path, maxBytes);
  } catch {
    return undefined;
  }
}

/** What is at an address. @param maxBytes More is an error. @throws {DownloadError} */
export async function fetchBytes(url: string, maxBytes: number): Promise<Bytes> {
  for (let tried = 1;; tried++) {
    try {
      return await fetchOnce(url, maxBytes);
    } catch (error) {
      const final = error instanceof DownloadError && error.status !== undefined && error.status < 500;
      if (final || tried === TRIES) throw told(url, error);
      await new Promise<void>((resolve) => systemClock.after(PAUSE_MS * 2 ** (tried - 1), resolve));
    }
  }
}

async function fetchOnce(url: string, maxBytes: number): Promise<Bytes> {
  const aborter = new AbortController();
  let stop = () => {};
  const hearAgain = (): void => {
    stop();
    stop = systemClock.after(
      QUIET_MS,
      () => aborter.abort(new DownloadError(`It said nothing for ${QUIET_MS / 1000} s`)),
    );
  };
  try {
    hearAgain();
    const response = await fetch(url, { signal: aborter.signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new DownloadError(`It answered ${response.status}`, { status: response.status });
    }
    return await read(response, maxBytes, hearAgain);
  } finally {
    stop();
    aborter.abort();
  }
}

async function read(response: Response, maxBytes: number, heard: () => void): Promise<Bytes> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    heard();
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes) throw new DownloadError(`It has more than ${maxBytes} bytes`, { status: 200 });
  }
  return joined(chunks, length);
}

function told(url: string, error: unknown): DownloadError {
  const status = error instanceof DownloadError ? error.status : undefined;
  const why = error instanceof Error ? error.message : String(error);
  return new DownloadError(`${concealedAddress(url)} can't be fetched: ${why}${operationsHint(error)}`, {
    cause: error,
    ...(status !== undefined && { status }),
  });
}
