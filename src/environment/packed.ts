/**
 * Owns packing by gzip, the same bytes on each runtime, and the keeping of what was packed, since it takes seconds.
 * Must not know what is packed.
 * Invariant: what was kept is given back only if it is whole.
 */
import { gzipSync } from "fflate";
import { type Bytes, sha256 } from "../base/bytes.ts";
import { pathIn, writeWhole } from "../runtime/disk.ts";
import { readKept } from "./download.ts";

/** The most that may be packed into one. */
const MAX_PACKED_BYTES = 4 * 1024 ** 3 - 1;
/** Hexadecimal digits of the digest that stands behind what is kept. */
const DIGITS = 64;

/** Bytes in gzip's format. @param digest Their SHA-256. @param cache The folder where it is kept. */
export async function gzipped(bytes: Bytes, digest: string, cache: string): Promise<Bytes> {
  const path = pathIn(cache, `packed/${digest}`);
  return await whole(path) ?? await pack(bytes, path);
}

/** What was kept whole: a file that was cut or changed since has another digest than the one written behind it. */
async function whole(path: string): Promise<Bytes | undefined> {
  const bytes = await readKept(path, MAX_PACKED_BYTES);
  if (bytes === undefined) return undefined;
  const end = Math.max(0, bytes.length - DIGITS);
  const packed = bytes.subarray(0, end);
  return new TextDecoder().decode(bytes.subarray(end)) === await sha256(packed) ? packed : undefined;
}

async function pack(bytes: Bytes, path: string): Promise<Bytes> {
  const packed = gzipSync(bytes, { level: 6, mtime: 0 }) as Bytes;
  const kept = new Uint8Array(packed.length + DIGITS);
  kept.set(packed);
  kept.set(new TextEncoder().encode(await sha256(packed)), packed.length);
  await writeWhole(path, { bytes: kept });
  return packed;
}
