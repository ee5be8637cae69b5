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

import { readText, startOf, writeText } from "./text.ts";

/** Size of the ring in bytes, a power of two. When it is full, the worker waits between two tasks until the lane has read. */
export const OUTBOX_BYTES: number = 256 * 1024;

/** What a record is. */
export const Kind = {
  pad: 0,
  outcome: 1,
  log: 2,
  progress: 3,
  exit: 4,
  alive: 5,
  chunk: 6,
  exhausted: 7,
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

/** Reads records. Its fields are valid only inside the call. */
export type Receive = (kind: number, fields: Fields) => void;

/** The worker's end. */
export class OutboxWriter {
  readonly #cells: Int32Array;
  readonly #ints: Int32Array;
  readonly #floats: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #sendBell: () => void;
  readonly #encoder = new TextEncoder();
  #head = 0;

  constructor(cells: Int32Array, ring: SharedArrayBuffer, sendBell: () => void) {
    this.#cells = cells;
    this.#ints = new Int32Array(ring);
    this.#floats = new Float64Array(ring);
    this.#bytes = new Uint8Array(ring);
    this.#sendBell = sendBell;
  }

  /** Writes a record; waits for room if there is none. */
  write(kind: number, { a, b, c, x, y, text }: Fields): void {
    let rest = text;
    while (rest !== undefined && rest.length * 3 > MAX_TEXT) {
      const area = this.#reserve(HEADER + MAX_TEXT);
      const bytes = this.#bytes.subarray(area + HEADER, area + HEADER + MAX_TEXT);
      const { read, written } = this.#encoder.encodeInto(startOf(rest, MAX_TEXT), bytes);
      this.#put(area, Kind.chunk, { a: 0, b: 0, c: 0, x: 0, y: 0 }, written);
      rest = rest.slice(read);
    }
    const area = this.#reserve(HEADER + (rest === undefined ? 0 : rest.length * 3));
    const length = rest === undefined ? -1 : writeText(rest, this.#bytes, area + HEADER);
    this.#put(area, kind, { a, b, c, x, y }, length);
  }

  /** Wakes the reader, if it has not been woken since it last read. */
  ring(): void {
    if (Atomics.exchange(this.#cells, BELL, 1) === 0) this.#sendBell();
  }

  /** Where a record of at most this many bytes starts in the ring; leaves room behind it free if it is shorter. */
  #reserve(most: number): number {
    const size = align(most);
    let at = this.#head & (OUTBOX_BYTES - 1);
    if (at + size > OUTBOX_BYTES) {
      const gap = OUTBOX_BYTES - at;
      this.#awaitRoom(gap + size);
      this.#ints[at >> 2] = gap;
      this.#ints[(at >> 2) + 1] = Kind.pad;
      this.#head = (this.#head + gap) | 0;
      Atomics.store(this.#cells, HEAD, this.#head);
      at = 0;
    } else this.#awaitRoom(size);
    return at;
  }

  #awaitRoom(size: number): void {
    for (;;) {
      const tail = Atomics.load(this.#cells, TAIL);
      if (OUTBOX_BYTES - ((this.#head - tail) | 0) >= size) return;
      this.ring();
      Atomics.wait(this.#cells, TAIL, tail, 100);
    }
  }

  #put(area: number, kind: number, fields: Omit<Fields, "text">, length: number): void {
    const size = align(HEADER + Math.max(0, length));
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
    Atomics.store(this.#cells, HEAD, this.#head);
  }
}

/** The lane's end. */
export class OutboxReader {
  readonly #cells: Int32Array;
  readonly #ints: Int32Array;
  readonly #floats: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #chunks: string[] = [];
  #tail = 0;

  constructor(cells: Int32Array, ring: SharedArrayBuffer) {
    this.#cells = cells;
    this.#ints = new Int32Array(ring);
    this.#floats = new Float64Array(ring);
    this.#bytes = new Uint8Array(ring);
  }

  /** Reads what is there; returns whether there was anything. */
  drain(receive: Receive): boolean {
    Atomics.store(this.#cells, BELL, 0);
    const head = Atomics.load(this.#cells, HEAD);
    if (head === this.#tail) return false;
    while (this.#tail !== head) {
      const at = (this.#tail & (OUTBOX_BYTES - 1)) >> 2;
      const kind = this.#ints[at + 1]!;
      if (kind === Kind.chunk) this.#chunks.push(this.#text(at) ?? "");
      else if (kind !== Kind.pad) this.#give(at, kind, receive);
      this.#tail = (this.#tail + this.#ints[at]!) | 0;
    }
    Atomics.store(this.#cells, TAIL, this.#tail);
    Atomics.notify(this.#cells, TAIL);
    return true;
  }

  #give(at: number, kind: number, receive: Receive): void {
    let text = this.#text(at);
    if (this.#chunks.length > 0) text = this.#chunks.splice(0).join("") + (text ?? "");
    receive(kind, {
      a: this.#ints[at + 2]!,
      b: this.#ints[at + 3]!,
      x: this.#floats[(at >> 1) + 2]!,
      y: this.#floats[(at >> 1) + 3]!,
      c: this.#ints[at + 8]!,
      text,
    });
  }

  #text(at: number): string | undefined {
    const length = this.#ints[at + 9]!;
    if (length < 0) return undefined;
    return readText(this.#bytes, at * 4 + HEADER, length);
  }
}

function align(bytes: number): number {
  return (bytes + 7) & ~7;
}
