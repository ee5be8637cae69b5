/**
 * Owns the reading of `ar` archives, which packages of Debian are.
 * Must not know what the members are.
 * Invariant: no member reaches beyond the archive, and there are few.
 */
import type { Bytes } from "../../base/bytes.ts";
import { DebianError } from "./errors.ts";

const MAGIC = "!<arch>\n";
const HEAD_BYTES = 60;
/** A package has three members, and some more with signatures. */
const MAX_MEMBERS = 16;

/** The members by name. @throws {DebianError} If it is no such archive, or cut. */
export function arMembers(archive: Bytes): Map<string, Bytes> {
  if (ascii(archive, 0, MAGIC.length) !== MAGIC) {
    throw new DebianError("It is no package: it begins otherwise");
  }
  const members = new Map<string, Bytes>();
  let at = MAGIC.length;
  while (at < archive.length) {
    const head = ascii(archive, at, HEAD_BYTES);
    const size = /^[\x20-\x7e]{48}(\d{1,10}) *`\n$/.exec(head)?.[1];
    if (size === undefined) throw new DebianError(`It is no whole package: no member begins at byte ${at}`);
    const start = at + HEAD_BYTES;
    const end = start + Number(size);
    if (end > archive.length) {
      throw new DebianError(`It is cut: a member ends at byte ${end}, and there are ${archive.length}`);
    }
    if (members.size === MAX_MEMBERS) throw new DebianError(`It has more than ${MAX_MEMBERS} members`);
    members.set(head.slice(0, 16).trim().replace(/\/$/, ""), archive.subarray(start, end));
    at = end + end % 2;
  }
  return members;
}

function ascii(bytes: Bytes, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
