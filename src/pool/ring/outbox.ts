/**
 * Owns the way from a worker to its lane: a ring of records in shared memory with one writer and one reader.
 * Must not know what becomes of a record.
 * Invariant: what was written can be read also after the writer has died, in the order in which it was written.
 *
 * Outcomes go this way, and not as messages, because a thread that is stopped takes its unsent messages with it, and
 * because a write costs a fraction of a microsecond. A bell (a message) wakes the reader; see `ring`.
 *
 * A record, 8-byte aligned:  length i32 | kind i32 | a i32 | b i32 | x f64 | y f64 | c i32 | text bytes i32 | text …
 */

import { MAX_VALUE_BYTES } from "../../base/limits.ts";
import { Floats, Ints, max, slice } from "../../base/primordials.ts";
import { atoms } from "./atoms.ts";
import { ALONE, BESIDE_TASKS, startOf, TextMemory } from "./text.ts";

/** Size of the ring in bytes, a power of two. When it is full, the worker waits between two tasks until the lane has read. */
export const OUTBOX_BYTES: number = 256 * 1024;

/** What a record is. */
export const RecordKind = {
  pad: 0,
  outcome: 1,
  log: 2,
  progress: 3,
  exit: 4,
  alive: 5,
  chunk: 6,
  exhausted: 7,
  broken: 8,
  clock: 9,
  wants: 10,
} as const;

/** Cells of the control array that the outbox uses. */
const HEAD = 0, TAIL = 1, BELL = 2;
export const OUTBOX_CELLS = 3;

const HEADER = 40;
/** Longest text of one record; a longer one goes ahead in chunks. */
const MAX_TEXT = OUTBOX_BYTES / 4;

/** A record's fields; what they mean depends on its kind. */
export interface Fields {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly x: number;
  readonly y: number;
  readonly text: string | undefined;
}

/** Said of a record that can't be taken yet: it is left where it is, with all that follows. */
export const LATER: unique symbol = Symbol("later");

/** Reads records; returns what can't be right about one. */
export type Receive = (kind: number, fields: Fields) => string | typeof LATER | undefined;

/** The worker's end. */
export class OutboxWriter {
  readonly #cells: Int32Array;
  readonly #ints: Int32Array;
  readonly #floats: Float64Array;
  readonly #texts: TextMemory;
  readonly #sendBell: () => void;
  #head = 0;

  constructor(cells: Int32Array, ring: SharedArrayBuffer, sendBell: () => void) {
    this.#cells = cells;
    this.#ints = new Ints(ring);
    this.#floats = new Floats(ring);
    this.#texts = new TextMemory(ring, BESIDE_TASKS);
    this.#sendBell = sendBell;
  }

  /** Writes a record; waits for room if there is none. */
  write(kind: number, { a, b, c, x, y, text }: Fields): void {
    let rest = text;
    while (rest !== undefined && rest.length * 3 > MAX_TEXT) {
      const area = this.#reserve(HEADER + MAX_TEXT);
      const { read, written } = this.#texts.fill(startOf(rest, MAX_TEXT), {
        from: area + HEADER,
        most: MAX_TEXT,
      });
      this.#put(area, RecordKind.chunk, { a: 0, b: 0, c: 0, x: 0, y: 0 }, written);
      rest = slice(rest, read);
    }
    const area = this.#reserve(HEADER + (rest === undefined ? 0 : rest.length * 3));
    const length = rest === undefined ? -1 : this.#texts.write(rest, area + HEADER);
    this.#put(area, kind, { a, b, c, x, y }, length);
  }

  /** Wakes the reader, if it has not been woken since it last read. */
  ring(): void {
    if (atoms.exchange(this.#cells, BELL, 1) === 0) this.#sendBell();
  }

  /** Where a record of at most this many bytes starts in the ring; leaves room behind it free if it is shorter. */
  #reserve(most: number): number {
    const size = align(most);
    let at = this.#head & (OUTBOX_BYTES - 1);
    if (at + size > OUTBOX_BYTES) {
      const gap = OUTBOX_BYTES - at;
      this.#awaitRoom(gap + size);
      this.#ints[at >> 2] = gap;
      this.#ints[(at >> 2) + 1] = RecordKind.pad;
      this.#head = (this.#head + gap) | 0;
      atoms.store(this.#cells, HEAD, this.#head);
      at = 0;
    } else this.#awaitRoom(size);
    return at;
  }

  #awaitRoom(size: number): void {
    for (;;) {
      const tail = atoms.load(this.#cells, TAIL);
      if (OUTBOX_BYTES - ((this.#head - tail) | 0) >= size) return;
      this.ring();
      atoms.wait(this.#cells, TAIL, tail, 100);
    }
  }

  #put(area: number, kind: number, fields: Omit<Fields, "text">, length: number): void {
    const size = align(HEADER + max(0, length));
    const at = area >> 2;
    this.#ints[at] = size;
    this.#ints[at + 1] = kind;
    this.#ints[at + 2] = fields.a;
    this.#ints[at + 3] = fields.b;
    this.#floats[(area >> 3) + 2] = fields.x;
    this.#floats[(area >> 3) + 3] = fields.y;
    this.#ints[at + 8] = fields.c;
    this.#ints[at + 9] = length;
    this.#head = (this.#head + size) | 0;
    atoms.store(this.#cells, HEAD, this.#head);
  }
}

/** The lane's end. It takes nothing on trust: whatever lies in the ring, reading it ends, and throws nothing. */
export class OutboxReader {
  readonly #cells: Int32Array;
  readonly #ints: Int32Array;
  readonly #floats: Float64Array;
  readonly #texts: TextMemory;
  #chunks: string[] = [];
  #chunked = 0;
  #tail = 0;
  /** Bells that the worker may have sent, up to the last read, and those that were heard. */
  #rung = 0;
  #heard = 0;
  /** Why nothing more is read: what can't be right, or (for now) a record that was left for later. */
  #stopped: string | typeof LATER | undefined;

  constructor(cells: Int32Array, ring: SharedArrayBuffer) {
    this.#cells = cells;
    this.#ints = new Ints(ring);
    this.#floats = new Floats(ring);
    this.#texts = new TextMemory(ring, ALONE);
  }

  /** What can't be right, if something was found; nothing is read any more then. */
  get wrong(): string | undefined {
    return this.#stopped === LATER ? undefined : this.#stopped;
  }

  /** Whether a record was left for later. */
  get waits(): boolean {
    return this.#stopped === LATER;
  }

  /** A bell was heard; whether the worker may have sent it: one for each time that it set the cell. */
  hears(): boolean {
    return ++this.#heard <= this.#rung + (atoms.load(this.#cells, BELL) === 0 ? 0 : 1);
  }

  /** Reads what is there; returns whether there was anything. A listener that returns a text has found something wrong. */
  drain(receive: Receive): boolean {
    if (this.#stopped === LATER) this.#stopped = undefined;
    if (this.#stopped !== undefined) return false;
    if (atoms.exchange(this.#cells, BELL, 0) !== 0) this.#rung++;
    const head = atoms.load(this.#cells, HEAD);
    const before = this.#tail;
    if (head === before) return false;
    if (((head - this.#tail) | 0) < 0 || ((head - this.#tail) | 0) > OUTBOX_BYTES) {
      this.#stopped = `its outbox claims ${(head - this.#tail) | 0} bytes of ${OUTBOX_BYTES}`;
    }
    while (this.#tail !== head && this.#stopped === undefined) this.#stopped = this.#record(head, receive);
    if (this.#tail === before) return false;
    atoms.store(this.#cells, TAIL, this.#tail);
    atoms.notify(this.#cells, TAIL);
    return true;
  }

  /** Reads one record; what is wrong with it, if anything is. Each cell is read once: the worker may still write. */
  #record(head: number, receive: Receive): string | typeof LATER | undefined {
    const from = this.#tail & (OUTBOX_BYTES - 1);
    const at = from >> 2;
    const size = this.#ints[at]!;
    const kind = this.#ints[at + 1]!;
    const least = kind === RecordKind.pad ? 8 : HEADER;
    if (size < least || (size & 7) !== 0 || size > ((head - this.#tail) | 0) || from + size > OUTBOX_BYTES) {
      return `a record in its outbox claims ${size} bytes`;
    }
    if (kind === RecordKind.pad) {
      this.#tail = (this.#tail + size) | 0;
      return undefined;
    }
    const length = this.#ints[at + 9]!;
    if (length < -1 || length > size - HEADER) {
      return `a text in its outbox claims ${length} bytes of ${size}`;
    }
    const text = length < 0 ? undefined : this.#texts.read(from + HEADER, length);
    const [tail, chunks, chunked] = [this.#tail, this.#chunks, this.#chunked];
    // Before it is told of: whoever hears of it may read on.
    this.#tail = (tail + size) | 0;
    if (kind === RecordKind.chunk) return this.#chunk(text ?? "");
    const said = receive(kind, {
      a: this.#ints[at + 2]!,
      b: this.#ints[at + 3]!,
      x: this.#floats[(at >> 1) + 2]!,
      y: this.#floats[(at >> 1) + 3]!,
      c: this.#ints[at + 8]!,
      text: this.#chunked === 0 ? text : this.#joined(text),
    });
    if (said !== LATER) return said;
    this.#tail = tail;
    this.#chunks = chunks;
    this.#chunked = chunked;
    return LATER;
  }

  #chunk(text: string): string | undefined {
    this.#chunked += text.length;
    this.#chunks.push(text);
    return text === "" || this.#chunked > MAX_VALUE_BYTES ? "a text in its outbox has no end" : undefined;
  }

  #joined(text: string | undefined): string {
    const whole = this.#chunks.join("") + (text ?? "");
    this.#chunked = 0;
    this.#chunks = [];
    return whole;
  }
}

function align(bytes: number): number {
  return (bytes + 7) & ~7;
}
