/**
 * Owns the parts of a large file: pieces of one size, by whose digests whoever has another file finds what of the two is the same.
 * Must not know where files lie, nor how what is missing is fetched.
 * Invariant: parts only say where bytes may be had; whoever puts a file together of them holds it to the file's own digest.
 */
import { type Bytes, hex } from "../base/bytes.ts";

/** An executable of 119 MB is a list of 29 KB; another pipeline inside changes five of its parts. */
export const PART_BYTES: number = 64 * 1024;
/** Of the SHA-256 of a part: enough to find it by. */
const DIGEST_BYTES = 16;

/** A part, by its digest. */
export type PartId = string;

/** Part of a file that is here. */
export interface PartPlace {
  readonly path: string;
  readonly at: number;
}

/** Bytes of a wanted file that have one origin: from a place on, or, without one, from wherever the file is. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly place?: PartPlace;
}

/** What a part is known by. */
export async function partId(bytes: Bytes): Promise<PartId> {
  return hex(await digestOf(bytes));
}

/** The list of a file's parts. @param read Gives so many bytes from a place on. */
export async function partList(
  size: number,
  read: (at: number, most: number) => Promise<Bytes>,
): Promise<Bytes> {
  const list = new Uint8Array(Math.ceil(size / PART_BYTES) * DIGEST_BYTES);
  for (let at = 0; at < size; at += PART_BYTES) {
    list.set(await digestOf(await read(at, Math.min(PART_BYTES, size - at))), at / PART_BYTES * DIGEST_BYTES);
  }
  return list;
}

async function digestOf(bytes: Bytes): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).subarray(0, DIGEST_BYTES);
}

/** The parts in a list that anybody may have written; none, if it is not that of a file of this size. */
export function partsIn(list: Bytes, size: number): readonly PartId[] {
  if (list.length !== Math.ceil(size / PART_BYTES) * DIGEST_BYTES) return [];
  return Array.from(
    { length: list.length / DIGEST_BYTES },
    (_, at) => hex(list.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES)),
  );
}

/** A file in as few stretches as can be. @param parts None, if they are not known. */
export function stretchesOf(
  size: number,
  parts: readonly PartId[],
  here: ReadonlyMap<PartId, PartPlace>,
): readonly Stretch[] {
  const stretches: Stretch[] = [];
  for (let from = 0; from < size; from += PART_BYTES) {
    const place = here.get(parts[from / PART_BYTES] ?? "");
    const to = Math.min(size, from + PART_BYTES);
    const before = stretches.at(-1);
    if (before !== undefined && goesOn(before, place)) stretches[stretches.length - 1] = { ...before, to };
    else stretches.push({ from, to, ...(place && { place }) });
  }
  return stretches;
}

function goesOn({ from, to, place: before }: Stretch, place: PartPlace | undefined): boolean {
  if (before === undefined || place === undefined) return before === place;
  return before.path === place.path && before.at + to - from === place.at;
}
