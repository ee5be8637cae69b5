/**
 * Owns what an executable of Bun for linux-x64 does before anything else: it looks whether the processor has what Bun takes for
 * granted, and says so in words where it has not. Without it such a machine ends it by SIGILL, without a word.
 * Must not know how the executable was made.
 * Invariant: only bytes that nothing uses, and the address of the start, are changed; a file that has no room stays as it is.
 */
import { EnvironmentError } from "../document/error.ts";
import { runtime } from "../../runtime/runtime.ts";
import type { Bytes } from "../../base/bytes.ts";

const PAGE = 4_096n;
/** ELF, 64 bits, little-endian, x86-64. */
const MAGIC = [0x7f, 0x45, 0x4c, 0x46, 2, 1];
const MACHINE_X64 = 62;
const PT_LOAD = 1;
const EXECUTABLE = 1;
/** SSE4.2 and POPCNT among the features that CPUID tells in ECX. */
const NEEDED = (1 << 20) | (1 << 23);
/** Of a wrong configuration: a supervisor does not start it again. */
const EXIT_CODE = 2;

const WORDS =
  'This processor lacks SSE4.2 or POPCNT, which Bun needs: take an executable made of Node ("runtime": "node")\n';

/** Puts the check into an executable. @throws {EnvironmentError} If it is not of the form that is known. */
export async function checkProcessorFirst(path: string): Promise<void> {
  const file = await runtime.openFile(path, "write");
  try {
    const head = await file.read(0, Number(PAGE));
    const { at, address, entry, room } = placeIn(head);
    const code = stub(address, entry);
    const there = await file.read(at, room);
    if (room < code.length || there.length < room || there.some((byte) => byte !== 0)) {
      throw new EnvironmentError(
        path,
        "It has no room for the check of the processor: Bun has changed its form",
      );
    }
    await file.write(at, code);
    const start = new DataView(new ArrayBuffer(8));
    start.setBigUint64(0, address, true);
    await file.write(24, new Uint8Array(start.buffer));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Where the check can be: what lies before the code on the code's first page, and is mapped with it. */
function placeIn(head: Bytes) {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (!MAGIC.every((byte, at) => head[at] === byte) || view.getUint16(18, true) !== MACHINE_X64) {
    throw new EnvironmentError("The executable", "It is no program for x86-64");
  }
  const entry = view.getBigUint64(24, true);
  const headers = Number(view.getBigUint64(32, true));
  const loads = Array.from({ length: view.getUint16(56, true) }, (_, at) => {
    const from = headers + at * view.getUint16(54, true);
    return {
      type: view.getUint32(from, true),
      flags: view.getUint32(from + 4, true),
      offset: view.getBigUint64(from + 8, true),
      address: view.getBigUint64(from + 16, true),
      size: view.getBigUint64(from + 32, true),
    };
  }).filter(({ type }) => type === PT_LOAD);
  const code = loads.findIndex(({ flags }) => (flags & EXECUTABLE) !== 0);
  const text = loads[code];
  const before = loads[code - 1];
  if (text === undefined || before === undefined) return { at: 0, address: 0n, entry, room: 0 };
  const end = before.offset + before.size;
  const page = text.offset - text.offset % PAGE;
  const from = (end > page ? end : page) + 15n & ~15n;
  return {
    at: Number(from),
    address: text.address - (text.offset - from),
    entry,
    room: from < text.offset ? Number(text.offset - from) : 0,
  };
}

/** Machine code, at an address; it goes on at the program's own start with all registers that count there as they were. */
function stub(address: bigint, entry: bigint): Bytes {
  const words = new TextEncoder().encode(WORDS);
  const check = [
    ...[0x49, 0x89, 0xd0], // mov r8, rdx: what the loader wants called at the end
    ...[0xb8, ...word(1)], // mov eax, 1
    ...[0x0f, 0xa2], // cpuid
    ...[0x81, 0xe1, ...word(NEEDED)], // and ecx, NEEDED
    ...[0x81, 0xf9, ...word(NEEDED)], // cmp ecx, NEEDED
    ...[0x4c, 0x89, 0xc2], // mov rdx, r8
    ...[0x75, 5], // jne past the next
  ];
  const afterJump = address + BigInt(check.length + 5);
  const jump = [0xe9, ...word(Number(entry - afterJump))];
  const leave = [
    ...[0xb8, ...word(231)], // mov eax, exit_group
    ...[0xbf, ...word(EXIT_CODE)], // mov edi, EXIT_CODE
    ...[0x0f, 0x05], // syscall
  ];
  const tell = (distance: number) => [
    ...[0xb8, ...word(1)], // mov eax, write
    ...[0xbf, ...word(2)], // mov edi, stderr
    ...[0x48, 0x8d, 0x35, ...word(distance)], // lea rsi, [rip + distance]
    ...[0xba, ...word(words.length)], // mov edx, length
    ...[0x0f, 0x05], // syscall
  ];
  // From behind `lea`: what of `tell` follows it, and all of `leave`.
  const distance = 7 + leave.length;
  return new Uint8Array([...check, ...jump, ...tell(distance), ...leave, ...words]);
}

/** 32 bits, little-endian. */
function word(value: number): number[] {
  return [value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24 & 0xff];
}
