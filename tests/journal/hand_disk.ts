/**
 * Owns a disk in memory that writes down what is asked of it, in order, and refuses what a test says.
 * Must not know what is written.
 * Invariant: what it refuses it has not done.
 */
import { DatabaseSync } from "node:sqlite";
import type { Database, JournalDisk, JournalFile } from "../../src/journal/disk/port.ts";
import { checksum } from "../../src/journal/disk/system.ts";

/** Where the journal is on it. */
export const PATH = "/state/journal.db";

/** A file of bytes in memory. */
export class HandFile implements JournalFile {
  bytes: Uint8Array = new Uint8Array();
  readonly #name: string;
  readonly #ask: (call: string) => void;

  constructor(name: string, ask: (call: string) => void = () => {}) {
    this.#name = name;
    this.#ask = ask;
  }

  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** Puts text in the place of all that is in it. */
  put(text: string): void {
    this.bytes = new TextEncoder().encode(text);
  }

  read(): Uint8Array {
    return this.bytes;
  }

  write(text: string, position: number, sealed: boolean = false): number {
    this.#ask(`write ${this.#name}`);
    const more = new TextEncoder().encode(sealed ? text + sealOf(text) : text);
    const whole = new Uint8Array(Math.max(this.bytes.length, position + more.length));
    whole.set(this.bytes);
    whole.set(more, position);
    this.bytes = whole;
    return more.length;
  }

  truncate(size: number): void {
    this.#ask(`truncate ${this.#name}`);
    this.bytes = this.bytes.slice(0, size);
  }

  async sync(): Promise<void> {
    this.#ask(`sync ${this.#name}`);
    await Promise.resolve();
  }

  close(): void {
    this.#ask(`close ${this.#name}`);
  }
}

/** The seal of a text, as it stands after it in a tail. */
export function sealOf(text: string): string {
  return `k${checksum(text).toString(16).padStart(8, "0")}\n`;
}

/** What SQL is called here. */
const CALLS: readonly (readonly [RegExp, string])[] = [
  [/^BEGIN/, "begin"],
  [/^COMMIT/, "commit"],
  [/^ROLLBACK/, "rollback"],
  [/wal_checkpoint\(PASSIVE\)/, "checkpoint"],
  [/wal_checkpoint\(TRUNCATE\)/, "settle"],
  [/synchronous = FULL/, "synchronous"],
];

/** A disk. What is on it outlives the journals that are opened on it. */
export class HandDisk implements JournalDisk {
  /** What was asked of it, such as `write a`, `sync wal`, `commit`. */
  readonly calls: string[] = [];
  /** Whether it refuses a call. */
  refuses: (call: string) => boolean = () => false;
  readonly a: HandFile = new HandFile("a", (call) => this.#ask(call));
  readonly b: HandFile = new HandFile("b", (call) => this.#ask(call));
  readonly #others = new Map<string, HandFile>();
  readonly #database = new DatabaseSync(":memory:");

  makeDirectoryOf(): void {
    this.#ask("make directory");
  }

  has(): boolean {
    return true;
  }

  openFile(path: string): JournalFile {
    const name = path === PATH ? "main" : path.slice(PATH.length + 1);
    this.#ask(`open ${name}`);
    if (name === "tail-a") return this.a;
    if (name === "tail-b") return this.b;
    const file = this.#others.get(name) ?? new HandFile(name, (call) => this.#ask(call));
    this.#others.set(name, file);
    return file;
  }

  openDatabase(): Database {
    this.#ask("open database");
    return {
      exec: (sql) => {
        const call = CALLS.find(([words]) => words.test(sql))?.[1];
        if (call !== undefined) this.#ask(call);
        this.#database.exec(sql);
      },
      prepare: (sql) => this.#database.prepare(sql),
      close: () => this.#ask("close database"),
    };
  }

  keepCopy(path: string): void {
    this.#ask(`copy ${path.slice(PATH.length + 1)}`);
  }

  syncDirectoryOf(): void {
    this.#ask("sync directory");
  }

  /** What was asked since this was last called. */
  since(): string[] {
    return this.calls.splice(0);
  }

  #ask(call: string): void {
    this.calls.push(call);
    if (this.refuses(call)) throw new Error(`EIO: i/o error, ${call}`);
  }
}
