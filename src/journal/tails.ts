/**
 * Owns the two tail files: lines that have left the process and are not in the database for certain.
 * Must not know what a line says, only its lane.
 * Invariant: a line that was written is in one of the two files until the database has it on disk.
 *
 *   write -> current file ... switch() ... the other one becomes current ... dropOther() once the database is synced
 */
import type { JournalFile } from "./disk.ts";

/** What a line is: a state record, a log record, a cursor. */
export type Lane = "s" | "l" | "c";

/** What was found in a tail file. */
export interface TailContent {
  readonly lines: readonly { readonly lane: Lane; readonly value: unknown; readonly text: string }[];
  /** Bytes up to the end of the last good line. */
  readonly goodBytes: number;
  /** Bytes after it: a line that was torn, and what follows. */
  readonly tornBytes: number;
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

  constructor(one: JournalFile, other: JournalFile) {
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
      const content = parse(tail.file.read());
      tail.size = content.goodBytes;
      return content;
    });
  }

  /** Hands text to the system, whole lines. If it throws, nothing counts as written. */
  write(text: string): void {
    this.#current.size += this.#current.file.write(text, this.#current.size);
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
    this.#current.file.close();
    this.#other.file.close();
  }
}

function empty(tail: Tail): void {
  tail.file.truncate(0);
  tail.size = 0;
  tail.dirty = false;
}

function parse(bytes: Uint8Array): TailContent {
  const decoder = new TextDecoder();
  const lines: TailContent["lines"][number][] = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    const text = decoder.decode(bytes.subarray(start, end));
    const lane = text[0];
    if (lane !== "s" && lane !== "l" && lane !== "c") break;
    try {
      lines.push({ lane, value: JSON.parse(text.slice(1)), text: text.slice(1) });
    } catch {
      break;
    }
    start = end + 1;
  }
  return { lines, goodBytes: start, tornBytes: bytes.length - start };
}
