/**
 * Owns the executor's end of the board: which attempts hang on it, what each waits for there, and when a slot is free again.
 * Must not know the schedule, nor which worker takes what.
 * Invariant: each attempt that was hung up leaves once: settled, or taken back because it never began. Nothing that workers
 * write there is taken on trust: it is held to what is kept here.
 */
import type { LaneItem } from "../attempt.ts";
import { atoms } from "../ring/atoms.ts";
import { Flag, flagsOf } from "../ring/inbox.ts";
import {
  ATTEMPT,
  AWAITED,
  bitAt,
  type BoardMemory,
  CLOSED,
  countLeft,
  FEW,
  FLAGS,
  HEAD,
  hideSlot,
  Hung,
  isLeftOf,
  ITERATION,
  LEFT,
  leftWord,
  linkPlace,
  LOCALS,
  LOW,
  MAX_NEEDS,
  NEXT,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  rankPlace,
  readyIn,
  seqOf,
  showSlot,
  SLEEPERS,
  slotOf,
  slotPlace,
  SLOTS,
  SOME_READY,
  STATE,
  stateOf,
  STIR,
  TASK,
  ticketOfSeq,
  TIMEOUT,
  TO,
  UNCLAIMED,
} from "./memory.ts";
import { Links } from "./links.ts";
import { Payloads } from "./payloads.ts";
import { type Doer, Slots } from "./slots.ts";

const NONE = -1;
const NOTHING: LaneItem[] = [];

/** A worker: its number among those that live, and the number of what it runs. */
export interface Claimant {
  readonly seat: number;
  readonly current: number | undefined;
}

/** A slot whose attempt has settled while its worker was still at what follows from that. */
interface Passing {
  readonly slot: number;
  readonly seq: number;
  readonly by: Claimant;
}

/** What hangs on the board. */
export class Board {
  readonly #cells: Int32Array;
  readonly #payloads: Payloads;
  readonly #slots: Slots = new Slots();
  readonly #links: Links = new Links();
  /** By task: its ticket, if one is open, and one more; else 0. */
  #ticketOf: Int32Array = new Int32Array(1024);
  #passing: Passing[] = [];

  constructor(memory: BoardMemory) {
    this.#cells = memory.cells;
    this.#payloads = new Payloads(memory.payloads);
    atoms.store(this.#cells, LOW, NONE);
  }

  /** How many hang there and have not settled. */
  get size(): number {
    return this.#slots.count;
  }

  /** How many of them no worker has claimed. */
  get unclaimed(): number {
    return Math.max(0, Math.min(this.size, atoms.load(this.#cells, UNCLAIMED)));
  }

  /** How many could start now; about, since workers take them. */
  get ready(): number {
    let count = 0;
    for (let words = atoms.load(this.#cells, SOME_READY); words !== 0; words &= words - 1) {
      for (let bits = readyIn(this.#cells, bitAt(words)); bits !== 0; bits &= bits - 1) count++;
    }
    return count;
  }

  /** Slots that are free. */
  get room(): number {
    return this.#slots.room;
  }

  /** Links that are free. */
  get linkRoom(): number {
    return this.#links.room;
  }

  /** Workers are to wake the executor when no more than so many are unclaimed; -1: never. */
  set low(count: number) {
    atoms.store(this.#cells, LOW, count);
  }

  /** Hangs attempts up, in order; those for which there is no room are returned. */
  offer(items: readonly LaneItem[]): readonly LaneItem[] {
    this.#pass();
    let at = 0;
    for (; at < items.length; at++) {
      if (!this.#offer(items[at]!)) break;
    }
    if (at > 0) {
      atoms.add(this.#cells, UNCLAIMED, at);
      this.stir();
    }
    return items.slice(at);
  }

  /** Wakes workers that doze. */
  stir(): void {
    atoms.add(this.#cells, STIR, 1);
    atoms.notify(this.#cells, STIR);
  }

  /** A worker that slept was woken. */
  woke(): void {
    atoms.add(this.#cells, SLEEPERS, -1);
  }

  /** One that hangs there, by its number on a lane. */
  get(seq: number): LaneItem | undefined {
    const ticket = ticketOfSeq(seq);
    const slot = slotOf(ticket);
    return this.#slots.ticket[slot] === ticket ? this.#slots.items[slot] : undefined;
  }

  /** Whether there was, or is, one with this number. */
  known(seq: number): boolean {
    const ticket = ticketOfSeq(seq);
    return ticket >= 0 && ticket <= this.#slots.ticket[slotOf(ticket)]!;
  }

  /** Whether one of those that a worker has claimed lately fits. */
  given(seat: number, fits: (doer: Doer) => boolean): boolean {
    for (let slot = 0; slot < SLOTS; slot++) {
      const ticket = this.#slots.ticket[slot]!;
      if (ticket === NONE) return false;
      const claimed = stateOf(ticket, Hung.claimed, seat);
      if (atoms.load(this.#cells, slotPlace(slot) + STATE) === claimed && fits(this.#slots.doer(slot))) {
        return true;
      }
    }
    return false;
  }

  /** Whose code prints under a number: nothing where it is so long ago that nobody knows. */
  author(seq: number): Doer | undefined {
    const ticket = ticketOfSeq(seq);
    const slot = slotOf(ticket);
    return this.#slots.ticket[slot] === ticket ? this.#slots.doer(slot) : undefined;
  }

  /** One that a worker has claimed. */
  claimed(seat: number, seq: number): LaneItem | undefined {
    const ticket = ticketOfSeq(seq);
    const state = atoms.load(this.#cells, slotPlace(slotOf(ticket)) + STATE);
    return state === stateOf(ticket, Hung.claimed, seat) ? this.get(seq) : undefined;
  }

  /** All that a worker has claimed and that has not settled, by their numbers. */
  claims(seat: number): number[] {
    const found: number[] = [];
    for (const slot of this.#slots.inOrder()) {
      const seq = seqOf(this.#slots.ticket[slot]!);
      if (this.claimed(seat, seq) !== undefined) found.push(seq);
    }
    return found;
  }

  /**
   * It has ended. After anything but a success what hangs behind it is taken back; returns that, the last first.
   *
   * @param by Who had claimed it: as long as that is at what follows from it, its slot is not used anew.
   */
  settle(seq: number, succeeded: boolean, by: Claimant): LaneItem[] {
    const slot = slotOf(ticketOfSeq(seq));
    const behind = succeeded ? NOTHING : this.#takeBackBehind(slot);
    this.#close(slot);
    if (by.current !== seq) this.#letGo(slot);
    else this.#passing.push({ slot, seq, by });
    return behind;
  }

  /** Takes back everything that has not begun, the last first. */
  takeAll(): LaneItem[] {
    const taken: LaneItem[] = [];
    for (const slot of this.#slots.inOrder().reverse()) this.#takeBack(slot, taken);
    return taken;
  }

  /**
   * A worker is gone, and what it had claimed has settled: what it may have counted down or not is taken back, the last first;
   * what it may have had in hand is there for others.
   */
  bury(seat: number): LaneItem[] {
    const behind: number[] = [];
    const its = this.#passing.filter(({ by }) => by.seat === seat);
    for (const { slot } of its) this.#collect(slot, behind);
    const taken = this.#takeBackAll(behind);
    for (const { slot } of its) this.#letGo(slot);
    this.#passing = this.#passing.filter(({ by }) => by.seat !== seat);
    for (const slot of this.#slots.inOrder()) this.#showIfReady(slot);
    this.stir();
    return taken;
  }

  /** Slots whose workers have gone on are free. */
  #pass(): void {
    if (this.#passing.length === 0) return;
    const left: Passing[] = [];
    for (const each of this.#passing) {
      if (each.by.current !== each.seq) this.#letGo(each.slot);
      else left.push(each);
    }
    this.#passing = left;
  }

  #offer(item: LaneItem): boolean {
    const { behind } = item;
    if (this.#slots.room === 0 || behind.length > Math.min(MAX_NEEDS, this.#links.room)) return false;
    const ticket = this.#slots.open(item);
    this.#write(ticket, item);
    if (item.task >= this.#ticketOf.length) this.#ticketOf = grown(this.#ticketOf, item.task);
    this.#ticketOf[item.task] = ticket + 1;
    this.#link(ticket, item);
    return true;
  }

  #write(ticket: number, item: LaneItem): void {
    const slot = slotOf(ticket);
    const slots = this.#slots;
    const cells = this.#cells;
    const at = slotPlace(slot);
    const payloads = this.#payloads;
    const told = item.payload !== "";
    const size = told ? payloads.put(item.payload) : NONE;
    slots.size[slot] = size;
    slots.from[slot] = payloads.from;
    cells[at + HEAD] = 0;
    cells[at + TASK] = item.task;
    cells[at + ITERATION] = item.iteration;
    cells[at + ATTEMPT] = item.attempt;
    cells[at + FLAGS] = flagsOf(item) | (told && size === NONE ? Flag.bulky : 0);
    cells[at + TIMEOUT] = Math.ceil(item.timeoutMs ?? 0);
    cells[at + PAYLOAD_AT] = payloads.from;
    cells[at + PAYLOAD_LENGTH] = told ? payloads.bytes : 0;
    cells[at + LOCALS] = item.locals ?? 0;
    cells[rankPlace(slot)] = item.rank;
    cells[at + AWAITED] = item.awaited;
    // One more than it needs, until all its links are there.
    atoms.store(cells, at + LEFT, leftWord(ticket, item.behind.length + 1));
    atoms.store(cells, at + STATE, stateOf(ticket, Hung.offered));
  }

  /** Hangs it behind what it needs. What has succeeded by now is not waited for. */
  #link(ticket: number, { behind, few }: LaneItem): void {
    const cells = this.#cells;
    let over = 1;
    for (const task of behind) {
      const need = (this.#ticketOf[task] ?? 0) - 1;
      if (need === NONE) {
        throw new Error(`Task ${task} does not hang on the board, and another waits for it there`);
      }
      const link = this.#links.free;
      const at = linkPlace(link - 1);
      cells[at + TO] = ticket;
      cells[at + FEW] = few ? 1 : 0;
      const head = slotPlace(slotOf(need)) + HEAD;
      for (;;) {
        const before = atoms.load(cells, head);
        cells[at + NEXT] = before;
        if (before === CLOSED) {
          over++;
          break;
        }
        if (atoms.compareExchange(cells, head, before, link) !== before) continue;
        this.#links.take(slotOf(need));
        break;
      }
    }
    const left = atoms.add(cells, slotPlace(slotOf(ticket)) + LEFT, -over);
    if (countLeft(left) === over) showSlot(this.#cells, slotOf(ticket));
  }

  /** Shows what is offered and waits for nothing; a worker that has it in hand may have died. */
  #showIfReady(slot: number): void {
    const ticket = this.#slots.ticket[slot]!;
    const at = slotPlace(slot);
    const left = atoms.load(this.#cells, at + LEFT);
    if (!isLeftOf(left, ticket) || countLeft(left) > 0) return;
    if (atoms.load(this.#cells, at + STATE) === stateOf(ticket, Hung.offered)) showSlot(this.#cells, slot);
  }

  /** Takes one back that has not begun; returns whether that was so. */
  #takeBack(slot: number, taken: LaneItem[]): boolean {
    const ticket = this.#slots.ticket[slot]!;
    const at = slotPlace(slot);
    const offered = stateOf(ticket, Hung.offered);
    const revoked = stateOf(ticket, Hung.revoked);
    if (atoms.compareExchange(this.#cells, at + STATE, offered, revoked) !== offered) return false;
    hideSlot(this.#cells, slot);
    atoms.add(this.#cells, UNCLAIMED, -1);
    taken.push(this.#slots.items[slot]!);
    this.#close(slot);
    // Nobody has begun it, so that nobody walks what hangs behind it.
    this.#letGo(slot);
    return true;
  }

  #takeBackBehind(slot: number): LaneItem[] {
    const behind: number[] = [];
    this.#collect(slot, behind);
    return this.#takeBackAll(behind);
  }

  /** Takes these back, the last first. */
  #takeBackAll(tickets: readonly number[]): LaneItem[] {
    const taken: LaneItem[] = [];
    const slots = new Set(tickets.map(slotOf));
    const inOrder = slots.size > 1 ? this.#slots.inOrder().filter((slot) => slots.has(slot)) : [...slots];
    for (const slot of inOrder.reverse()) this.#takeBack(slot, taken);
    return taken;
  }

  /** Adds the tickets of all that hang behind an attempt. */
  #collect(slot: number, found: number[]): void {
    const seen = new Set(found);
    const open = [slot];
    for (let from = open.pop(); from !== undefined; from = open.pop()) {
      for (const link of this.#links.of(from)) {
        const ticket = this.#cells[linkPlace(link - 1) + TO]!;
        if (this.get(seqOf(ticket)) === undefined || seen.has(ticket)) continue;
        seen.add(ticket);
        found.push(ticket);
        open.push(slotOf(ticket));
      }
    }
  }

  /** It is open no more. */
  #close(slot: number): void {
    const { ticket, size, from } = this.#slots;
    const { task } = this.#slots.doer(slot);
    this.#slots.close(slot);
    if (this.#ticketOf[task] === ticket[slot]! + 1) this.#ticketOf[task] = 0;
    if (size[slot] !== NONE) this.#payloads.giveBack(from[slot]!, size[slot]!);
  }

  /** Its slot, and the links that lead from it, are free. */
  #letGo(slot: number): void {
    this.#links.release(slot);
    this.#slots.free(slot);
  }
}

/** The array with room for one more place at least. */
function grown(array: Int32Array, place: number): Int32Array {
  const larger = new Int32Array(Math.max(place + 1, 2 * array.length));
  larger.set(array);
  return larger;
}
