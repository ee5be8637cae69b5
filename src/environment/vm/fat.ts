/**
 * Owns a volume in the form FAT32, which all firmware, systems and people's machines read and write.
 * Must not know what the files are.
 * Invariant: the same files, label and time give the same bytes, without the clock and without chance; names keep their case.
 */
import type { Bytes } from "../../base/bytes.ts";
import { EnvironmentError } from "../document/error.ts";

/** A file of a volume. */
export interface FatFile {
  /** With `/` between folders. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** What a volume is made with. */
export interface FatOptions {
  /** Its name: at most 11 capital letters. */
  readonly label: string;
  /** Its number, 32 bits. */
  readonly serial: number;
  /** The time of all files, seconds since 1970; FAT knows none before 1980. */
  readonly epoch: number;
  /** How many sectors lie before it on its disk. */
  readonly hidden?: number;
}

export const SECTOR = 512;
/** Before the tables: the boot sector, its copy, and what says how much is free. */
const RESERVED_SECTORS = 32;
/** Fewer would make it FAT16. */
const MIN_CLUSTERS = 65_525;
const MAX_SECTORS_A_CLUSTER = 8;
/** Room for people to write to. */
const FREE_BYTES = 1024 ** 2;
const MAX_BYTES = 2 * 1024 ** 3;
const ENTRY = 32;
/** The first cluster of the files has the number 2. */
const FIRST_CLUSTER = 2;
const END_OF_CHAIN = 0x0fffffff;
const FOLDER = 0x10;
const ARCHIVE = 0x20;
const LABEL = 0x08;
const LONG_NAME = 0x0f;
/** Characters of a name in one entry of a long one. */
const LONG_NAME_PART = 13;

interface Folder {
  readonly name: string;
  readonly entries: Map<string, Folder | Leaf>;
}

interface Leaf {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The volume. @throws {EnvironmentError} If the files do not fit. */
export function fatVolume(files: readonly FatFile[], options: FatOptions): Bytes {
  const needed = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (needed > MAX_BYTES) {
    throw new EnvironmentError(
      "vm",
      `The files of a disk have ${needed} bytes, more than ${MAX_BYTES}: take less along`,
    );
  }
  const volume = new Volume(needed, options);
  volume.place(treeOf(files));
  return volume.bytes;
}

function treeOf(files: readonly FatFile[]): Folder {
  const root: Folder = { name: "", entries: new Map() };
  for (const { path, bytes } of [...files].sort((a, b) => a.path < b.path ? -1 : 1)) {
    const names = path.split("/");
    const last = names.pop()!;
    let folder = root;
    for (const name of names) {
      const found = folder.entries.get(name) ?? { name, entries: new Map() };
      folder.entries.set(name, found);
      folder = found as Folder;
    }
    folder.entries.set(last, { name: last, bytes });
  }
  return root;
}

/** A volume in the making. */
class Volume {
  readonly bytes: Bytes;
  readonly #view: DataView;
  readonly #options: FatOptions;
  readonly #sectorsACluster: number;
  readonly #clusters: number;
  readonly #tableSectors: number;
  #next: number = FIRST_CLUSTER;

  constructor(needed: number, options: FatOptions) {
    this.#options = options;
    // Each file and folder wastes less than a cluster; there are few of them.
    const room = needed + FREE_BYTES;
    let sectors = MAX_SECTORS_A_CLUSTER;
    while (sectors > 1 && room / (sectors * SECTOR) < MIN_CLUSTERS) sectors /= 2;
    this.#sectorsACluster = sectors;
    this.#clusters = Math.max(Math.ceil(room / (sectors * SECTOR)), MIN_CLUSTERS + 11);
    this.#tableSectors = Math.ceil((this.#clusters + FIRST_CLUSTER) * 4 / SECTOR);
    this.bytes = new Uint8Array(this.#dataStart() + this.#clusters * this.#clusterBytes());
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Puts everything in. */
  place(root: Folder): void {
    this.#link(0, 0x0ffffff8);
    this.#link(1, END_OF_CHAIN);
    this.#folder(root);
    for (const sector of [0, 6]) {
      this.#bootSector(sector * SECTOR);
      this.#freeSector((sector + 1) * SECTOR);
    }
    const table = this.bytes.subarray(RESERVED_SECTORS * SECTOR, this.#tableStart(1));
    this.bytes.set(table, this.#tableStart(1));
  }

  #clusterBytes(): number {
    return this.#sectorsACluster * SECTOR;
  }

  #tableStart(copy: number): number {
    return (RESERVED_SECTORS + copy * this.#tableSectors) * SECTOR;
  }

  #dataStart(): number {
    return this.#tableStart(2);
  }

  #link(cluster: number, next: number): void {
    this.#view.setUint32(this.#tableStart(0) + cluster * 4, next, true);
  }

  /** Takes clusters in a row. @returns The first; 0 for none. */
  #take(length: number): number {
    const count = Math.ceil(length / this.#clusterBytes());
    if (count === 0) return 0;
    const first = this.#next;
    this.#next += count;
    for (let at = 0; at < count; at++) {
      this.#link(first + at, at + 1 === count ? END_OF_CHAIN : first + at + 1);
    }
    return first;
  }

  #offset(cluster: number): number {
    return this.#dataStart() + (cluster - FIRST_CLUSTER) * this.#clusterBytes();
  }

  /** @returns Its first cluster. */
  #folder(folder: Folder, parent?: number): number {
    const names = [...folder.entries.values()];
    const count = (parent === undefined ? 1 : 2) +
      names.reduce((sum, { name }) => sum + 1 + longParts(name).length, 0);
    const cluster = this.#take(count * ENTRY);
    let at = this.#offset(cluster);
    const add = (name: string, attributes: number, { first = 0, length = 0 } = {}) => {
      this.#entry(at, name, { attributes, first, length });
      at += ENTRY;
    };
    if (parent === undefined) add(this.#options.label.padEnd(11), LABEL);
    else {
      add(".".padEnd(11), FOLDER, { first: cluster });
      add("..".padEnd(11), FOLDER, { first: parent });
    }
    for (const [index, each] of names.entries()) {
      const short = shortName(each.name, index + 1);
      for (const part of longParts(each.name).reverse()) {
        this.#longEntry(at, part, short);
        at += ENTRY;
      }
      // What lies in the root says that it lies in 0.
      if ("entries" in each) {
        add(short, FOLDER, { first: this.#folder(each, parent === undefined ? 0 : cluster) });
      } else add(short, ARCHIVE, { first: this.#file(each), length: each.bytes.length });
    }
    return cluster;
  }

  #file({ bytes }: Leaf): number {
    const cluster = this.#take(bytes.length);
    if (cluster > 0) this.bytes.set(bytes, this.#offset(cluster));
    return cluster;
  }

  #entry(
    at: number,
    name: string,
    { attributes, first, length }: {
      readonly attributes: number;
      readonly first: number;
      readonly length: number;
    },
  ): void {
    const { date, time } = fatTime(this.#options.epoch);
    this.#text(at, name);
    this.#view.setUint8(at + 11, attributes);
    for (const [offset, value] of [[14, time], [16, date], [18, date], [22, time], [24, date]] as const) {
      this.#view.setUint16(at + offset, value, true);
    }
    this.#view.setUint16(at + 20, first >>> 16, true);
    this.#view.setUint16(at + 26, first & 0xffff, true);
    this.#view.setUint32(at + 28, length, true);
  }

  #longEntry(at: number, { number, units }: LongPart, short: string): void {
    this.#view.setUint8(at, number);
    this.#view.setUint8(at + 11, LONG_NAME);
    this.#view.setUint8(at + 13, checksum(short));
    for (const [index, unit] of units.entries()) {
      const place = index < 5 ? 1 + index * 2 : index < 11 ? 14 + (index - 5) * 2 : 28 + (index - 11) * 2;
      this.#view.setUint16(at + place, unit, true);
    }
  }

  #text(at: number, text: string): void {
    this.bytes.set(new TextEncoder().encode(text), at);
  }

  #bootSector(at: number): void {
    const sectors = this.bytes.length / SECTOR;
    this.bytes.set([0xeb, 0x58, 0x90], at);
    this.#text(at + 3, "OUTRIDER");
    const set16 = (offset: number, value: number) => this.#view.setUint16(at + offset, value, true);
    const set32 = (offset: number, value: number) => this.#view.setUint32(at + offset, value, true);
    set16(11, SECTOR);
    this.bytes[at + 13] = this.#sectorsACluster;
    set16(14, RESERVED_SECTORS);
    this.bytes[at + 16] = 2;
    this.bytes[at + 21] = 0xf8;
    set16(24, 63);
    set16(26, 255);
    set32(28, this.#options.hidden ?? 0);
    set32(32, sectors);
    set32(36, this.#tableSectors);
    set32(44, FIRST_CLUSTER);
    set16(48, 1);
    set16(50, 6);
    this.bytes[at + 64] = 0x80;
    this.bytes[at + 66] = 0x29;
    set32(67, this.#options.serial);
    this.#text(at + 71, this.#options.label.padEnd(11));
    this.#text(at + 82, "FAT32   ");
    set16(510, 0xaa55);
  }

  #freeSector(at: number): void {
    this.#view.setUint32(at, 0x41615252, true);
    this.#view.setUint32(at + 484, 0x61417272, true);
    this.#view.setUint32(at + 488, this.#clusters + FIRST_CLUSTER - this.#next, true);
    this.#view.setUint32(at + 492, this.#next, true);
    this.#view.setUint32(at + 508, 0xaa550000, true);
  }
}

interface LongPart {
  readonly number: number;
  readonly units: readonly number[];
}

/** What of a name its short form does not say. */
function longParts(name: string): LongPart[] {
  if (isShort(name)) return [];
  const units = [...name.split("").map((each) => each.charCodeAt(0)), 0];
  while (units.length % LONG_NAME_PART !== 0) units.push(0xffff);
  // A name that fills its parts has no end of its own.
  const count = Math.ceil(name.length / LONG_NAME_PART);
  return Array.from({ length: count }, (_, index) => ({
    number: (index + 1) | (index + 1 === count ? 0x40 : 0),
    units: units.slice(index * LONG_NAME_PART, (index + 1) * LONG_NAME_PART),
  }));
}

function isShort(name: string): boolean {
  return /^[A-Z0-9_-]{1,8}(\.[A-Z0-9_-]{1,3})?$/.test(name);
}

/** Eleven characters. @param number Tells it from others of its folder. */
function shortName(name: string, number: number): string {
  const [, stem = name, ending = ""] = /^(.*?)(?:\.([^.]*))?$/.exec(name) ?? [];
  if (isShort(name)) return stem.padEnd(8) + ending.padEnd(3);
  const plain = (text: string) => text.toUpperCase().replace(/[^A-Z0-9]/g, "");
  const tail = `~${number}`;
  return `${plain(stem).slice(0, 8 - tail.length)}${tail}`.padEnd(8) + plain(ending).slice(0, 3).padEnd(3);
}

function checksum(short: string): number {
  let sum = 0;
  for (const byte of new TextEncoder().encode(short)) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  return sum;
}

function fatTime(epoch: number): { readonly date: number; readonly time: number } {
  const moment = new Date(Math.max(epoch, Date.UTC(1980, 0, 1) / 1000) * 1000);
  return {
    date: (moment.getUTCFullYear() - 1980) << 9 | (moment.getUTCMonth() + 1) << 5 | moment.getUTCDate(),
    time: moment.getUTCHours() << 11 | moment.getUTCMinutes() << 5 | moment.getUTCSeconds() >> 1,
  };
}
