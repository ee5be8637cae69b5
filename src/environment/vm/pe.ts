/**
 * Owns programs of UEFI: how sections are added to one.
 * Must not know what is in them.
 * Invariant: what was in the program stays where it is; what it can't take is refused.
 */
import type { Bytes } from "../../base/bytes.ts";
import { EnvironmentError } from "../document/error.ts";

/** A section that is added. */
export interface PeSection {
  /** At most eight characters. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const SECTION_HEADER = 40;
/** Data that is there from the start, and can be read. */
const READABLE_DATA = 0x40000040;
const PE32_PLUS = 0x20b;

/** The program with the sections behind its own. @throws {EnvironmentError} If it is none, or has no room for them. */
export function withSections(program: Uint8Array, sections: readonly PeSection[]): Bytes {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const start = program.length > 64 ? view.getUint32(60, true) : 0;
  if (
    start === 0 || start + 144 > program.length || view.getUint32(start, true) !== 0x4550 ||
    view.getUint16(start + 24, true) !== PE32_PLUS
  ) {
    throw new EnvironmentError(
      "vm",
      "The program that starts a kernel from UEFI is none: its package is damaged",
    );
  }
  const count = view.getUint16(start + 6, true);
  const tableAt = start + 24 + view.getUint16(start + 20, true);
  const [alignment, fileAlignment] = [view.getUint32(start + 56, true), view.getUint32(start + 60, true)];
  const headerAt = tableAt + count * SECTION_HEADER;
  if (headerAt + sections.length * SECTION_HEADER > view.getUint32(start + 84, true)) {
    throw new EnvironmentError("vm", "The program that starts a kernel from UEFI has no room for its parts");
  }
  let address = 0;
  for (let at = tableAt; at < headerAt; at += SECTION_HEADER) {
    address = Math.max(address, view.getUint32(at + 12, true) + view.getUint32(at + 8, true));
  }
  let offset = aligned(program.length, fileAlignment);
  const placed = sections.map((section) => {
    address = aligned(address, alignment);
    const place = { ...section, address, offset, size: aligned(section.bytes.length, fileAlignment) };
    address += section.bytes.length;
    offset += place.size;
    return place;
  });
  const made = new Uint8Array(offset);
  made.set(program);
  const out = new DataView(made.buffer);
  out.setUint16(start + 6, count + sections.length, true);
  out.setUint32(start + 80, aligned(address, alignment), true);
  for (const [index, { name, bytes, ...place }] of placed.entries()) {
    const at = headerAt + index * SECTION_HEADER;
    made.set(new TextEncoder().encode(name), at);
    out.setUint32(at + 8, bytes.length, true);
    out.setUint32(at + 12, place.address, true);
    out.setUint32(at + 16, place.size, true);
    out.setUint32(at + 20, place.offset, true);
    out.setUint32(at + 36, READABLE_DATA, true);
    made.set(bytes, place.offset);
  }
  return made;
}

function aligned(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
