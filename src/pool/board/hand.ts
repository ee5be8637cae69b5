/**
 * Owns a worker's end of the board: it takes what could start, and after a success counts down what waits for it.
 * Must not know what an attempt does, nor how outcomes are told: that is done before `finish`.
 * Invariant: at most one attempt is in hand, which waits for nothing any more; it is claimed before anything else is, or
 * left to others.
 */
import { clz32, Ints } from "../../base/primordials.ts";
import { atoms } from "../ring/atoms.ts";
import { type Claimed, Flag } from "../ring/inbox.ts";
import { BESIDE_TASKS, TextMemory } from "../ring/text.ts";
import {
  ATTEMPT,
  AWAITED,
  bitAt,
  type BoardMemory,
  CLOSED,
  countLeft,
  DOZERS,
  FEW,
  FLAGS,
  HEAD,
  hideSlot,
  Hung,
  hungIn,
  isLeftOf,
  ITERATION,
  LEFT,
  linkPlace,
  LOCALS,
  LOW,
  NEXT,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  rankPlace,
  READY,
  readyIn,
  seqOf,
  showSlot,
  SLEEPERS,
  slotOf,
  slotPlace,
  SOME_READY,
  STATE,
  stateOf,
  STIR,
  TASK,
  ticketIn,
  ticketOfSeq,
  TIMEOUT,
  TO,
  UNCLAIMED,
  WORDS,
} from "./memory.ts";
import { SharedValues } from "./shared_values.ts";

/** Attempts that are looked at for the one with the lowest rank. */
const LOOKED_AT = 64;
const NONE = -1;

/** The worker's own cells. */
export interface HandCells {
  /** Whether it may take anything. */
  readonly open: boolean;
  /** It is about to take something: until `runs` or `done` nobody ends its thread for having nothing to do. */
  looks(): void;
  runs(seq: number, now: number): void;
  done(): void;
}

/** What a worker takes from the board. */
export class Hand {
  readonly #cells: Int32Array;
  readonly #texts: TextMemory;
  readonly #values: SharedValues;
  readonly #own: HandCells;
  readonly #seat: number;
  /** The ticket in hand. */
  #next = NONE;
  /** What that one needs and nobody else was left: whose value it is, told before others may have it. */
  #kept: { readonly task: number; readonly iteration: number; readonly text: string | undefined } | undefined;
  /** Whether fewer are unclaimed than the executor wants to hear of. */
  #low = false;
  #left = false;

  constructor(memory: BoardMemory, { seat, own }: { readonly seat: number; readonly own: HandCells }) {
    // Not the array that was sent, whose prototype a task can reach by another way.
    this.#cells = new Ints(memory.cells.buffer);
    this.#texts = new TextMemory(memory.payloads, BESIDE_TASKS);
    this.#values = new SharedValues(memory.values);
    this.#own = own;
    this.#seat = seat;
  }

  /** Whether it is time that the executor releases more; asked once for each time that it is. */
  get low(): boolean {
    const low = this.#low;
    this.#low = false;
    return low;
  }

  /** Whether something is in hand. */
  get full(): boolean {
    return this.#next !== NONE;
  }

  /** Whether something was left to others while one of them slept, so that the executor is to be woken; asked once. */
  get left(): boolean {
    const left = this.#left;
    this.#left = false;
    return left;
  }

  /** Whether there is something that this worker may take. */
  get some(): boolean {
    if (!this.#own.open) return false;
    if (this.#next !== NONE) return true;
    return atoms.load(this.#cells, SOME_READY) !== 0;
  }

  /**
   * The same, to be asked before the thread blocks: by the bits themselves, since whoever finds none may for a moment have taken
   * the note away of one that was just set. The note is made anew, or whoever claims would not find it.
   */
  finds(): boolean {
    if (!this.#own.open) return false;
    if (this.#next !== NONE) return true;
    for (let word = 0; word < WORDS; word++) {
      if (atoms.load(this.#cells, READY + word) === 0) continue;
      atoms.or(this.#cells, SOME_READY, 1 << word);
      return true;
    }
    return false;
  }

  /** Whether all that is there has been taken. */
  get exhausted(): boolean {
    return atoms.load(this.#cells, UNCLAIMED) <= 0;
  }

  /** Small values that other workers have left. */
  value(task: number, iteration: number): { readonly text: string | undefined } | undefined {
    return this.#values.get(task, iteration);
  }

  /** Claims what comes next. @param now The worker's monotonic clock, read when it has been claimed. */
  claim(now: () => number): Claimed | undefined {
    this.#own.looks();
    if (!this.#own.open) {
      this.leave();
      this.#own.done();
      return undefined;
    }
    for (;;) {
      const ticket = this.#take();
      if (ticket === NONE) {
        this.#own.done();
        return undefined;
      }
      const claimed = this.#claim(ticket, now);
      if (claimed !== undefined) return claimed;
    }
  }

  /** Leaves what is in hand to others. */
  leave(): void {
    if (this.#next === NONE) return;
    const slot = slotOf(this.#next);
    this.#publish();
    this.#next = NONE;
    showSlot(this.#cells, slot);
    this.#stir(1);
    if (atoms.load(this.#cells, SLEEPERS) > 0) this.#left = true;
  }

  /**
   * An attempt has succeeded, and that is told: counts down what waits for it, takes the first of those that could start in
   * hand and leaves the others. Returns whether the executor is to be woken, since others wait than can help themselves.
   */
  finish({ seq, task, iteration }: Claimed, text: string | undefined): boolean {
    const cells = this.#cells;
    const slot = slotOf(ticketOfSeq(seq));
    const at = slotPlace(slot);
    const awaited = cells[at + AWAITED]!;
    const value = { task, iteration, text };
    // Who is hung behind it later, before its outcome is read, is told to look for its value here: else it would have to ask.
    const early = awaited > 1 || awaited === 1 && atoms.load(cells, at + HEAD) === 0;
    if (early) this.#values.put(task, iteration, text);
    const head = atoms.exchange(cells, at + HEAD, CLOSED);
    if (head <= 0) return awaited > 0;
    const alone = !early && this.#isLast(head);
    if (!early && !alone) this.#values.put(task, iteration, text);
    let few = 0;
    let left = 0;
    for (let link = head; link > 0;) {
      const at = linkPlace(link - 1);
      link = cells[at + NEXT]!;
      few += cells[at + FEW]!;
      if (this.#countDown(cells[at + TO]!)) left += this.#ready(cells[at + TO]!);
    }
    if (alone && this.#next !== NONE) this.#kept = value;
    if (left > 0) this.#stir(left);
    return few < awaited || left > 0 && atoms.load(cells, SLEEPERS) > 0;
  }

  /** Blocks the thread until something is there to be taken, or for so long, milliseconds. */
  doze(ms: number, seen: number): void {
    atoms.add(this.#cells, DOZERS, 1);
    atoms.wait(this.#cells, STIR, seen, ms);
    atoms.add(this.#cells, DOZERS, -1);
  }

  /** To be read before it is looked whether there is something, and given to `doze`. */
  get stirred(): number {
    return atoms.load(this.#cells, STIR);
  }

  /** It sleeps, or does so no more: only a message wakes it. */
  sleeps(on: boolean): void {
    atoms.add(this.#cells, SLEEPERS, on ? 1 : -1);
  }

  /** Whether a list is of one dependent, which waits for nothing else: nobody but this worker takes it. */
  #isLast(head: number): boolean {
    const at = linkPlace(head - 1);
    if (this.#cells[at + NEXT] !== 0) return false;
    const to = this.#cells[at + TO]!;
    const left = atoms.load(this.#cells, slotPlace(slotOf(to)) + LEFT);
    return isLeftOf(left, to) && countLeft(left) === 1;
  }

  /** One need less; whether it was the last. */
  #countDown(ticket: number): boolean {
    const at = slotPlace(slotOf(ticket)) + LEFT;
    for (;;) {
      const left = atoms.load(this.#cells, at);
      if (!isLeftOf(left, ticket) || countLeft(left) === 0) return false;
      if (atoms.compareExchange(this.#cells, at, left, left - 1) === left) return countLeft(left) === 1;
    }
  }

  /** Takes one that could start in hand, or leaves it; returns how many were left. */
  #ready(ticket: number): number {
    if (this.#next === NONE) {
      this.#next = ticket;
      return 0;
    }
    let other = ticket;
    if (this.#rank(ticket) < this.#rank(this.#next)) {
      other = this.#next;
      this.#next = ticket;
    }
    showSlot(this.#cells, slotOf(other));
    return 1;
  }

  #rank(ticket: number): number {
    return this.#cells[rankPlace(slotOf(ticket))]!;
  }

  /** Whoever takes what was in hand finds what it needs. */
  #publish(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) this.#values.put(kept.task, kept.iteration, kept.text);
  }

  #stir(count: number): void {
    atoms.add(this.#cells, STIR, 1);
    if (atoms.load(this.#cells, DOZERS) > 0) atoms.notify(this.#cells, STIR, count);
  }

  /** The ticket of what comes first: in hand or on the board. It is on the board no more. */
  #take(): number {
    for (;;) {
      const mine = this.#next;
      const slot = this.#first(mine === NONE ? undefined : this.#rank(mine));
      if (slot === NONE) {
        this.#next = NONE;
        this.#kept = undefined;
        return mine;
      }
      if (!hideSlot(this.#cells, slot)) continue;
      this.leave();
      const state = atoms.load(this.#cells, slotPlace(slot) + STATE);
      const ticket = ticketIn(state, slot);
      const left = atoms.load(this.#cells, slotPlace(slot) + LEFT);
      if (hungIn(state) === Hung.offered && isLeftOf(left, ticket) && countLeft(left) === 0) {
        return ticket;
      }
    }
  }

  /** The slot with the lowest rank of those that could start, if it is lower than this. */
  #first(below = Infinity): number {
    const cells = this.#cells;
    let best = NONE;
    let rank = below;
    let looked = 0;
    for (let words = atoms.load(cells, SOME_READY); words !== 0 && looked < LOOKED_AT; words &= words - 1) {
      const word = bitAt(words);
      for (let bits = readyIn(cells, word); bits !== 0;) {
        const bit = 31 - clz32(bits);
        bits ^= 1 << bit;
        looked++;
        const slot = word * 32 + bit;
        const its = cells[rankPlace(slot)]!;
        if (its >= rank) continue;
        best = slot;
        rank = its;
      }
    }
    return best;
  }

  #claim(ticket: number, now: () => number): Claimed | undefined {
    const cells = this.#cells;
    const at = slotPlace(slotOf(ticket));
    const offered = stateOf(ticket, Hung.offered);
    const claimed = stateOf(ticket, Hung.claimed, this.#seat);
    if (atoms.compareExchange(cells, at + STATE, offered, claimed) !== offered) return undefined;
    const seq = seqOf(ticket);
    // Not before: what it needs may have ended just now.
    this.#own.runs(seq, now());
    if (atoms.add(cells, UNCLAIMED, -1) - 1 === cells[LOW]) this.#low = true;
    const flags = cells[at + FLAGS]!;
    return {
      seq,
      task: cells[at + TASK]!,
      iteration: cells[at + ITERATION]!,
      attempt: cells[at + ATTEMPT]!,
      flags,
      timeoutMs: cells[at + TIMEOUT]!,
      payload: (flags & Flag.bulky) !== 0
        ? undefined
        : this.#texts.read(cells[at + PAYLOAD_AT]!, cells[at + PAYLOAD_LENGTH]!),
      locals: cells[at + LOCALS]!,
    };
  }
}
