/**
 * Owns the two tail files: lines that have left the process and are not in the database for certain.
 * Must not know what a line says, only its kind.
 * Invariant: a line that was written is in one of the two files until the database has it on disk; a line that is read is
 * the one that was written.
 *
 * What is written at once ends with a line `k` and the checksum of it, so that a letter that has flipped is found out. Lines
 * of older versions have lower-case letters and no checksum.
 *
 *   write -> current file ... switch() ... the other one becomes current ... dropOther() once the database is synced
 */
import type { Checksum, JournalFile } from "./port.ts";

/** What a line is: a state record, a log record, a cursor. */
export type LineKind = "s" | "l" | "c";

/** What was found in a tail file. */
export interface TailContent {
  readonly lines: readonly { readonly kind: LineKind; readonly value: unknown; readonly text: string }[];
  /** Bytes up to the end of the last good line. */
  readonly goodBytes: number;
  /** Bytes after it: a line that was torn or damaged, and what follows. */
  readonly tornBytes: number;
  /** There is more in them than the last lines, torn. */
  readonly damaged: boolean;
}

/** One of the two files. */
class Tail {
  readonly file: JournalFile;
  /** Where the next line goes. What is beyond is the rest of a write that failed; the next one covers it. */
  size = 0;
  dirty = false;

  constructor(file: JournalFile) {
    this.file = file;
  }
}

/** The two tail files. */
export class Tails {
  #current: Tail;
  #other: Tail;
  readonly #checksum: Checksum;

  constructor(one: JournalFile, other: JournalFile, checksum: Checksum) {
    this.#checksum = checksum;
    this.#current = new Tail(one);
    this.#other = new Tail(other);
  }

  /** Bytes in the current file. */
  get size(): number {
    return this.#current.size;
  }

  /** What a process before has left. Writing goes on after the last good line. */
  recover(): TailContent[] {
    return [this.#current, this.#other].map((tail) => {
      const content = parse(tail.file.read(), this.#checksum);
      tail.size = content.goodBytes;
      return content;
    });
  }

  /** Hands text to the system, whole lines. If it throws, nothing counts as written. */
  write(text: string): void {
    this.#current.size += this.#current.file.write(text, this.#current.size, true);
    this.#current.dirty = true;
  }

  /** Resolves when all that was written before is on the disk. */
  async sync(): Promise<void> {
    for (const tail of [this.#other, this.#current]) {
      if (!tail.dirty) continue;
      tail.dirty = false;
      await tail.file.sync().catch((error) => {
        tail.dirty = true;
        throw error;
      });
    }
  }

  /** Lines go to the other file from now on, which must have been emptied. */
  switch(): void {
    [this.#current, this.#other] = [this.#other, this.#current];
  }

  /** Empties the file that is not current: the database has what is in it. */
  dropOther(): void {
    empty(this.#other);
  }

  /** Empties both files. */
  dropAll(): void {
    empty(this.#current);
    empty(this.#other);
  }

  close(): void {
    try {
      this.#current.file.close();
    } finally {
      this.#other.file.close();
    }
  }
}

function empty(tail: Tail): void {
  tail.file.truncate(0);
  tail.size = 0;
  tail.dirty = false;
}

function parse(bytes: Uint8Array, checksum: Checksum): TailContent {
  const decoder = new TextDecoder();
  const lines: TailContent["lines"][number][] = [];
  /** Lines whose checksum is still to come, and where they began. */
  let open: TailContent["lines"][number][] = [];
  let good = 0;
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    const text = decoder.decode(bytes.subarray(start, end));
    if (text[0] === "k") {
      if (text.slice(1) !== checksum(bytes.subarray(good, start)).toString(16).padStart(8, "0")) break;
    } else {
      const line = lineOf(text);
      if (line === undefined) break;
      open.push(line);
    }
    start = end + 1;
    if (text[0]! < "a") continue;
    lines.push(...open);
    open = [];
    good = start;
  }
  const tornBytes = bytes.length - good;
  // A process that is killed, or a power cut, tears what was written last: nothing whole comes after it.
  const damaged = tornBytes > 0 && /\nk[0-9a-f]+\n/.test(decoder.decode(bytes.subarray(good)));
  return { lines, goodBytes: good, tornBytes, damaged };
}

const KINDS: Readonly<Record<string, LineKind>> = { S: "s", L: "l", C: "c", s: "s", l: "l", c: "c" };

function lineOf(text: string): TailContent["lines"][number] | undefined {
  const kind = KINDS[text.charAt(0)];
  if (kind === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text.slice(1));
    const { seq, name } = (value ?? {}) as { readonly seq?: unknown; readonly name?: unknown };
    const whole = Number.isSafeInteger(seq) && (kind !== "c" || typeof name === "string");
    return whole ? { kind, value, text: text.slice(1) } : undefined;
  } catch {
    return undefined;
  }
}
