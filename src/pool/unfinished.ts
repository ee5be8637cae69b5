/**
 * Owns what the running attempt has printed of a line that has no end yet, in memory that outlives its thread: the line that
 * says where it hung.
 * Must not know lines; the worker says what is unfinished, and when it no longer is.
 * Invariant: what was kept can be read when the thread is gone; it costs no record and wakes nobody.
 *
 * For each stream:  bytes i32 | number of the attempt i32, then how often any was added to, i32, and, behind all of these, room
 * for the text.
 */
import { MAX_LINE } from "../base/limits.ts";
import { Ints } from "../base/primordials.ts";
import { atoms } from "./ring/atoms.ts";
import { BESIDE_TASKS, TextMemory } from "./ring/text.ts";

/** Streams, as the log numbers them; the first is the logger, which has no unfinished lines. */
const STREAMS = 3;
const WORDS = 2;
/** Where it stands how often a line was added to: who printed, though no line has its end, is not quiet. */
const ADDED: number = STREAMS * WORDS;
const FIRST: number = 8 * Math.ceil((ADDED + 1) * 4 / 8);
const ROOM: number = 3 * MAX_LINE;

/** New memory. The system gives it only as far as it is used. */
export function unfinishedMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(FIRST + STREAMS * ROOM);
}

/** Both ends. */
export class Unfinished {
  readonly #words: Int32Array;
  readonly #texts: TextMemory;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Ints(memory, 0, ADDED + 1);
    this.#texts = new TextMemory(memory, BESIDE_TASKS);
  }

  /** Keeps more of an attempt's line. All of the line must be no longer than `MAX_LINE`: what is longer is told without waiting for its end. */
  add(stream: number, seq: number, text: string): void {
    const at = stream * WORDS;
    const length = this.#words[at]!;
    const written = this.#texts.write(text, FIRST + stream * ROOM + length);
    this.#words[at + 1] = seq;
    atoms.store(this.#words, at, length + written);
    atoms.store(this.#words, ADDED, (this.#words[ADDED]! + 1) | 0);
  }

  /** Another number than before once more of a line was kept. */
  added(): number {
    return atoms.load(this.#words, ADDED);
  }

  /** The line has its end, and was told. */
  clear(stream: number): void {
    atoms.store(this.#words, stream * WORDS, 0);
  }

  /** What there is of an attempt's line. The worker may have written anything there. */
  read(stream: number, seq: number): string | undefined {
    const length = atoms.load(this.#words, stream * WORDS);
    if (length <= 0 || length > ROOM || this.#words[stream * WORDS + 1] !== seq) return undefined;
    return this.#texts.read(FIRST + stream * ROOM, length);
  }
}
