/**
 * Owns what the executor keeps of each slot of the board: what hangs there, which are open, in the order of their release, and
 * which are free.
 * Must not know the shared memory.
 * Invariant: to hang something up makes nothing that lives longer: all is in plain arrays. A slot is open, free, or neither
 * while its worker is still at what follows from its end.
 */
import type { LaneItem } from "../attempt.ts";
import { SLOTS, ticketOf, useOf } from "./memory.ts";

const NONE = -1;

/** Who did something. */
export interface Doer {
  readonly task: number;
  readonly iteration: number;
  readonly attempt: number;
}

/** The slots, from the executor's side. */
export class Slots {
  /** By slot: the last ticket; -1 before the first. */
  readonly ticket: Int32Array = new Int32Array(SLOTS).fill(NONE);
  /** What hangs there, while it is open. */
  readonly items: (LaneItem | undefined)[] = new Array<LaneItem | undefined>(SLOTS).fill(undefined);
  /** The size of its payload's block, -1 for none, and where that begins. */
  readonly size: Int32Array = new Int32Array(SLOTS);
  readonly from: Int32Array = new Int32Array(SLOTS);
  /** Task, iteration and attempt of what hangs there, or did last: its code may still print. */
  readonly #doers: Int32Array = new Int32Array(3 * SLOTS);
  readonly #free: FreeSlots = new FreeSlots();
  readonly #open: OpenSlots = new OpenSlots();

  /** How many are free. */
  get room(): number {
    return this.#free.count;
  }

  /** How many are open. */
  get count(): number {
    return this.#open.count;
  }

  /** The ticket of the slot that is free for longest, which is open from now on. There must be one. */
  open(item: LaneItem): number {
    const slot = this.#free.take();
    const before = this.ticket[slot]!;
    const ticket = ticketOf(slot, before === NONE ? 0 : useOf(before) + 1);
    this.ticket[slot] = ticket;
    this.items[slot] = item;
    this.#doers[3 * slot] = item.task;
    this.#doers[3 * slot + 1] = item.iteration;
    this.#doers[3 * slot + 2] = item.attempt;
    this.#open.add(slot);
    return ticket;
  }

  /** It is open no more. */
  close(slot: number): void {
    this.items[slot] = undefined;
    this.#open.remove(slot);
  }

  /** It may be used again. */
  free(slot: number): void {
    this.#free.add(slot);
  }

  doer(slot: number): Doer {
    const doers = this.#doers;
    return { task: doers[3 * slot]!, iteration: doers[3 * slot + 1]!, attempt: doers[3 * slot + 2]! };
  }

  /** All that are open, in the order of their release. */
  inOrder(): number[] {
    return this.#open.all();
  }
}

/** Slots that are free, the one that is free for longest first: what was there last can be asked for as long as can be. */
class FreeSlots {
  readonly #ring: Int32Array = Int32Array.from({ length: SLOTS }, (_, slot) => slot);
  #first = 0;
  count: number = SLOTS;

  take(): number {
    const slot = this.#ring[this.#first]!;
    this.#first = (this.#first + 1) % SLOTS;
    this.count--;
    return slot;
  }

  add(slot: number): void {
    this.#ring[(this.#first + this.count) % SLOTS] = slot;
    this.count++;
  }
}

/** Slots that are open, as a list of neighbours. */
class OpenSlots {
  readonly #before: Int32Array = new Int32Array(SLOTS);
  readonly #after: Int32Array = new Int32Array(SLOTS);
  #first: number = NONE;
  #last: number = NONE;
  count = 0;

  add(slot: number): void {
    this.#before[slot] = this.#last;
    this.#after[slot] = NONE;
    if (this.#last === NONE) this.#first = slot;
    else this.#after[this.#last] = slot;
    this.#last = slot;
    this.count++;
  }

  remove(slot: number): void {
    const [before, after] = [this.#before[slot]!, this.#after[slot]!];
    if (before === NONE) this.#first = after;
    else this.#after[before] = after;
    if (after === NONE) this.#last = before;
    else this.#before[after] = before;
    this.count--;
  }

  all(): number[] {
    const all: number[] = [];
    for (let slot = this.#first; slot !== NONE; slot = this.#after[slot]!) all.push(slot);
    return all;
  }
}
