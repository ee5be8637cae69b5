/**
 * Owns a disk with one partition that firmware of UEFI starts from: its table of partitions, and what guards it from old programs.
 * Must not know what is in the partition.
 * Invariant: the same partition gives the same bytes: what is to be unlike any other's comes from the hash of what it holds.
 */
import { type Bytes, sha256 } from "../../base/bytes.ts";
import { crc32 } from "./crc32.ts";
import { SECTOR } from "./fat.ts";

/** Where the partition begins. */
export const PARTITION_SECTOR = 2048;

const TABLE_ENTRIES = 128;
const TABLE_ENTRY = 128;
const TABLE_SECTORS = TABLE_ENTRIES * TABLE_ENTRY / SECTOR;
/** What marks the partition that firmware starts from. */
const EFI_SYSTEM = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

/** The disk. @param name That of the partition. */
export async function gptDisk(partition: Uint8Array<ArrayBuffer>, name: string): Promise<Bytes> {
  const last = PARTITION_SECTOR + partition.length / SECTOR - 1;
  const sectors = Math.ceil((last + 1 + TABLE_SECTORS + 1) / PARTITION_SECTOR) * PARTITION_SECTOR;
  const disk = new Uint8Array(sectors * SECTOR);
  const digest = await sha256(partition);
  const table = new Uint8Array(TABLE_SECTORS * SECTOR);
  const view = new DataView(table.buffer);
  table.set(guidBytes(EFI_SYSTEM));
  table.set(guidBytes(guidOf(digest.slice(0, 32))), 16);
  view.setBigUint64(32, BigInt(PARTITION_SECTOR), true);
  view.setBigUint64(40, BigInt(last), true);
  for (const [at, letter] of [...name].entries()) view.setUint16(56 + at * 2, letter.charCodeAt(0), true);
  const guid = guidBytes(guidOf(digest.slice(32)));
  disk.set(guardSector(sectors));
  disk.set(headSector({ here: 1, other: sectors - 1, tableAt: 2, sectors, guid, table }), SECTOR);
  disk.set(table, 2 * SECTOR);
  disk.set(partition, PARTITION_SECTOR * SECTOR);
  const copyAt = sectors - 1 - TABLE_SECTORS;
  disk.set(table, copyAt * SECTOR);
  disk.set(
    headSector({ here: sectors - 1, other: 1, tableAt: copyAt, sectors, guid, table }),
    (sectors - 1) * SECTOR,
  );
  return disk;
}

/** What programs that know no GPT see: one partition of unknown kind over all of it. */
function guardSector(sectors: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff], 446);
  view.setUint32(454, 1, true);
  view.setUint32(458, sectors - 1, true);
  view.setUint16(510, 0xaa55, true);
  return bytes;
}

function headSector(
  { here, other, tableAt, sectors, guid, table }: {
    readonly here: number;
    readonly other: number;
    readonly tableAt: number;
    readonly sectors: number;
    readonly guid: Uint8Array;
    readonly table: Uint8Array;
  },
): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("EFI PART"));
  view.setUint32(8, 0x10000, true);
  view.setUint32(12, 92, true);
  const first = 2 + TABLE_SECTORS;
  for (
    const [at, value] of [[24, here], [32, other], [40, first], [48, sectors - first], [72, tableAt]] as const
  ) {
    view.setBigUint64(at, BigInt(value), true);
  }
  bytes.set(guid, 56);
  view.setUint32(80, TABLE_ENTRIES, true);
  view.setUint32(84, TABLE_ENTRY, true);
  view.setUint32(88, crc32(table), true);
  view.setUint32(16, crc32(bytes.subarray(0, 92)), true);
  return bytes;
}

/** A GUID made of 32 hexadecimal digits, marked as one of nobody's scheme. */
function guidOf(digits: string): string {
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${
    digits.slice(20)
  }`;
}

/** Its first three parts are little-endian. */
function guidBytes(guid: string): Uint8Array {
  const bytes = Uint8Array.from(guid.replaceAll("-", "").match(/../g)!, (pair) => parseInt(pair, 16));
  for (const [start, end] of [[0, 4], [4, 6], [6, 8]] as const) bytes.subarray(start, end).reverse();
  return bytes;
}
