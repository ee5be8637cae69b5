/**
 * Owns how tests read what is written for virtual machines: archives, volumes, tables of partitions, programs of UEFI; written
 * apart from the writers, by what the formats say.
 * Must not know what is tested.
 */
import { gunzipSync } from "node:zlib";

/** An entry of an archive. */
export interface ReadEntry {
  readonly path: string;
  readonly mode: number;
  readonly owner: number;
  readonly mtime: number;
  readonly text: string;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What is in a cpio archive; what follows its end is left. */
export function readCpio(bytes: Uint8Array): { readonly entries: ReadEntry[]; readonly length: number } {
  const entries: ReadEntry[] = [];
  for (let at = 0;;) {
    if (text(bytes.subarray(at, at + 6)) !== "070701") throw new Error(`There is no header at ${at}`);
    const field = (index: number) =>
      parseInt(text(bytes.subarray(at + 6 + index * 8, at + 14 + index * 8)), 16);
    const [mode, owner, mtime, size, nameSize] = [field(1), field(2), field(5), field(6), field(11)] as const;
    const path = text(bytes.subarray(at + 110, at + 110 + nameSize - 1));
    const start = (at + 110 + nameSize + 3) & ~3;
    at = (start + size + 3) & ~3;
    if (path === "TRAILER!!!") return { entries, length: at };
    entries.push({ path, mode, owner, mtime, text: text(bytes.subarray(start, start + size)) });
  }
}

/** The archives that a root is packed as, one behind the other. */
export function readInitrd(bytes: Uint8Array): ReadEntry[][] {
  const starts: number[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    if (bytes[at] === 0x1f && bytes[at + 1] === 0x8b && bytes[at + 2] === 8 && bytes[at + 3] === 0) {
      starts.push(at);
    }
  }
  return starts.map((start, index) => {
    let end = starts[index + 1] ?? bytes.length;
    // What fills up to the next one. The length at the end of each is below 2^24 here: its last byte is 0 as well.
    const whole = (to: number) => {
      try {
        return new Uint8Array(gunzipSync(bytes.subarray(start, to)));
      } catch {
        return undefined;
      }
    };
    for (; end > start; end--) {
      const unpacked = whole(end);
      if (unpacked !== undefined) return readCpio(unpacked).entries;
    }
    throw new Error(`Nothing whole begins at ${start}`);
  });
}

/** What a volume says of itself, and its files. */
export interface ReadVolume {
  readonly label: string;
  readonly sectorsACluster: number;
  readonly free: number;
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The short names, by folder. */
  readonly shorts: readonly string[];
}

/** Reads FAT32, and holds its parts to each other. */
export function readFat(bytes: Uint8Array): ReadVolume {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const u16 = (at: number) => view.getUint16(at, true);
  const u32 = (at: number) => view.getUint32(at, true);
  const [sectorsACluster, reserved, tables, tableSectors] = [bytes[13]!, u16(14), bytes[16]!, u32(36)];
  const tableAt = reserved * 512;
  const dataAt = tableAt + tables * tableSectors * 512;
  const clusterBytes = sectorsACluster * 512;
  if (u32(32) * 512 !== bytes.length) throw new Error("The volume has another size than it says");
  if (text(bytes.subarray(0, 512)) !== text(bytes.subarray(u16(50) * 512, u16(50) * 512 + 512))) {
    throw new Error("The copy of the boot sector is another");
  }
  for (let at = 0; at < tableSectors * 512; at += 4) {
    if (u32(tableAt + at) !== u32(tableAt + tableSectors * 512 + at)) throw new Error("The tables differ");
  }
  const used = new Set<number>();
  const chain = (first: number): Uint8Array => {
    const chunks: Uint8Array[] = [];
    for (let cluster = first; cluster < 0x0ffffff8; cluster = u32(tableAt + cluster * 4) & 0x0fffffff) {
      if (cluster < 2 || used.has(cluster)) throw new Error(`Cluster ${cluster} is no one's, or two files'`);
      used.add(cluster);
      chunks.push(
        bytes.subarray(dataAt + (cluster - 2) * clusterBytes, dataAt + (cluster - 1) * clusterBytes),
      );
    }
    return Buffer.concat(chunks);
  };
  const files = new Map<string, Uint8Array>();
  const shorts: string[] = [];
  let label = "";
  const walk = (first: number, above: string): void => {
    const folder = chain(first);
    const inside = new DataView(folder.buffer, folder.byteOffset, folder.length);
    let long = "";
    for (let at = 0; at < folder.length && folder[at] !== 0; at += 32) {
      const attributes = folder[at + 11]!;
      const short = text(folder.subarray(at, at + 11));
      if (attributes === 0x0f) {
        const places = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
        const units = places.map((place) => inside.getUint16(at + place, true));
        long = String.fromCharCode(...units.filter((unit) => unit !== 0 && unit !== 0xffff)) + long;
        continue;
      }
      const [stem, ending] = [short.slice(0, 8).trimEnd(), short.slice(8).trimEnd()];
      const name = long || (ending === "" ? stem : `${stem}.${ending}`);
      long = "";
      if (attributes === 0x08) label = short.trimEnd();
      if (attributes === 0x08 || short.startsWith(".")) continue;
      shorts.push(`${above}${short}`);
      const start = inside.getUint16(at + 20, true) * 65536 + inside.getUint16(at + 26, true);
      if (attributes === 0x10) walk(start, `${above}${name}/`);
      else {
        const length = inside.getUint32(at + 28, true);
        files.set(`${above}${name}`, start === 0 ? new Uint8Array() : chain(start).subarray(0, length));
      }
    }
  };
  walk(u32(44), "");
  return { label, sectorsACluster, free: u32(512 + 488) * clusterBytes, files, shorts };
}

/** Sections of a program of UEFI: name, where it will lie, and what it holds. */
export function readSections(
  bytes: Uint8Array,
): { readonly name: string; readonly address: number; readonly bytes: Uint8Array }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const start = view.getUint32(60, true);
  const tableAt = start + 24 + view.getUint16(start + 20, true);
  return Array.from({ length: view.getUint16(start + 6, true) }, (_, index) => {
    const at = tableAt + index * 40;
    const [size, address, offset] = [8, 12, 20].map((place) => view.getUint32(at + place, true)) as [
      number,
      number,
      number,
    ];
    const name = text(bytes.subarray(at, at + 8)).replace(/\0+$/, "");
    return { name, address, bytes: bytes.subarray(offset, offset + size) };
  });
}

/** A program of UEFI with one section. @param room Sections that it has room for. */
export function stubOf(room: number): Uint8Array<ArrayBuffer> {
  const headers = Math.ceil((128 + 24 + 240 + (1 + room) * 40) / 512) * 512;
  const bytes = new Uint8Array(headers + 512);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("MZ"));
  view.setUint32(60, 128, true);
  bytes.set(new TextEncoder().encode("PE\0\0"), 128);
  view.setUint16(128 + 6, 1, true);
  view.setUint16(128 + 20, 240, true);
  view.setUint16(128 + 24, 0x20b, true);
  view.setUint32(128 + 56, 4096, true);
  view.setUint32(128 + 60, 512, true);
  view.setUint32(128 + 80, 8192, true);
  view.setUint32(128 + 84, 128 + 24 + 240 + (1 + room) * 40, true);
  const at = 128 + 24 + 240;
  bytes.set(new TextEncoder().encode(".text"), at);
  view.setUint32(at + 8, 100, true);
  view.setUint32(at + 12, 4096, true);
  view.setUint32(at + 16, 512, true);
  view.setUint32(at + 20, headers, true);
  bytes.fill(0x90, headers);
  return bytes;
}
