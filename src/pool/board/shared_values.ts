/**
 * Owns the small values that a task's worker leaves for tasks on others: a place for each of the last tasks, in shared memory.
 * Must not know who asks.
 * Invariant: what is read is what was written for that task and iteration, whole, or nothing: then the executor has it. A
 * version that is odd says that a place is being written; one that changed while it was read, that it was written meanwhile.
 */
import { Ints } from "../../base/primordials.ts";
import { atoms } from "../ring/atoms.ts";
import { BESIDE_TASKS, TextMemory } from "../ring/text.ts";

/** Places, a power of two. */
const PLACES = 4096;
/** Words of what is said of a place. They lie side by side before all texts: most values are none, and these stay in caches. */
const WORDS = 4;
const VERSION = 0, TASK = 1, ITERATION = 2, LENGTH = 3;
const HEADER_BYTES: number = 4 * WORDS;
const TEXTS_AT: number = PLACES * HEADER_BYTES;
/** Longest value, in bytes of its JSON text. */
export const MAX_SHARED: number = 1024 - HEADER_BYTES;
/** Bytes for all. */
export const SHARED_VALUE_BYTES: number = TEXTS_AT + PLACES * MAX_SHARED;
/** Said where a task has returned nothing. */
const NOTHING = -1;

/** Values by task. */
export class SharedValues {
  readonly #ints: Int32Array;
  readonly #texts: TextMemory;

  constructor(memory: SharedArrayBuffer) {
    this.#ints = new Ints(memory);
    this.#texts = new TextMemory(memory, BESIDE_TASKS);
  }

  /** Leaves the JSON text of a task's value, if it is small; `undefined` if it returned nothing. */
  put(task: number, iteration: number, text: string | undefined): void {
    if (text !== undefined && text.length > MAX_SHARED) return;
    const ints = this.#ints;
    const place = task & (PLACES - 1);
    const at = place * WORDS;
    const version = atoms.load(ints, at + VERSION);
    // Odd: another writes, or has died while it did; whoever needs the value then asks the executor.
    if ((version & 1) !== 0 || atoms.compareExchange(ints, at, version, version + 1 | 0) !== version) return;
    const length = text === undefined ? NOTHING : this.#write(text, TEXTS_AT + place * MAX_SHARED);
    // What did not fit whole is nobody's.
    ints[at + TASK] = length === undefined ? -1 : task;
    ints[at + ITERATION] = iteration;
    ints[at + LENGTH] = length ?? NOTHING;
    atoms.store(ints, at + VERSION, version + 2 | 0);
  }

  /** What was left of a task, if it still is. */
  get(task: number, iteration: number): { readonly text: string | undefined } | undefined {
    const ints = this.#ints;
    const place = task & (PLACES - 1);
    const at = place * WORDS;
    const version = atoms.load(ints, at + VERSION);
    if (
      (version & 1) !== 0 || ints[at + TASK] !== task || ints[at + ITERATION] !== iteration || version === 0
    ) {
      return undefined;
    }
    const length = ints[at + LENGTH]!;
    if (length > MAX_SHARED) return undefined;
    const text = length < 0 ? undefined : this.#texts.read(TEXTS_AT + place * MAX_SHARED, length);
    // A step that also writes: nothing that was read before it can be newer than what it finds.
    return atoms.add(ints, at + VERSION, 0) === version ? { text } : undefined;
  }

  /** How many bytes it took; nothing if it did not fit. */
  #write(text: string, from: number): number | undefined {
    if (text.length * 3 <= MAX_SHARED) return this.#texts.write(text, from);
    const { read, written } = this.#texts.fill(text, { from, most: MAX_SHARED });
    return read === text.length ? written : undefined;
  }
}
