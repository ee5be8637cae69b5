/**
 * Owns the executor's end of the board: which attempts hang on it, what each waits for there, and when a slot is free again.
 * Must not know the schedule, nor which worker takes what.
 * Invariant: each attempt that was hung up leaves once: settled, or taken back because it never began. Nothing that workers
 * write there is taken on trust: it is held to what is kept here.
 */
import type { LaneItem } from "../attempt.ts";
import { atoms } from "../ring/atoms.ts";
import { Flag } from "../ring/inbox.ts";
import {
  ATTEMPT,
  AWAITED,
  bitAt,
  type BoardMemory,
  CLOSED,
  countIn,
  FEW,
  FLAGS,
  HEAD,
  hide,
  isLeftOf,
  ITERATION,
  LEFT,
  leftOf,
  linkPlace,
  LINKS,
  LOW,
  MAX_NEEDS,
  NEXT,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  placeOf,
  RANK,
  readyIn,
  seqOf,
  show,
  SLEEPERS,
  slotOf,
  SLOTS,
  SOME_READY,
  Standing,
  STATE,
  stateOf,
  STIR,
  TASK,
  ticketOf,
  ticketOfSeq,
  TIMEOUT,
  TO,
  UNCLAIMED,
  useOf,
} from "./memory.ts";
import { Payloads } from "./payloads.ts";

const NONE = -1;
const NOTHING: LaneItem[] = [];

/** What the executor keeps of a slot. */
interface Slot {
  use: number;
  /** What hangs there, or did last: its code may still print. */
  item: LaneItem | undefined;
  ticket: number;
  open: boolean;
  /** The size of its payload's block, and where that begins; -1 for none. */
  size: number;
  from: number;
  /** Links that lead from it. */
  readonly links: number[];
  /** Its neighbours among what is open, in the order of their release. */
  before: number;
  after: number;
}

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
  readonly #slots: Slot[] = [];
  /** Slots that are free, the one that is free for longest first; a ring. */
  readonly #free: Int32Array = Int32Array.from({ length: SLOTS }, (_, slot) => slot);
  #freeAt = 0;
  #freeCount: number = SLOTS;
  readonly #freeLinks: number[] = Array.from({ length: LINKS }, (_, at) => LINKS - 1 - at);
  /** By task: its ticket, if one is open, and one more; else 0. */
  #ticketOf: Int32Array = new Int32Array(1024);
  #passing: Passing[] = [];
  #first: number = NONE;
  #last: number = NONE;
  #size = 0;

  constructor(memory: BoardMemory) {
    this.#cells = memory.cells;
    this.#payloads = new Payloads(memory.payloads);
    atoms.store(this.#cells, LOW, NONE);
  }

  /** How many hang there and have not settled. */
  get size(): number {
    return this.#size;
  }

  /** How many of them no worker has claimed. */
  get unclaimed(): number {
    return Math.max(0, Math.min(this.#size, atoms.load(this.#cells, UNCLAIMED)));
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
    return this.#freeCount;
  }

  /** Links that are free. */
  get linkRoom(): number {
    return this.#freeLinks.length;
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
    const slot = this.#slots[slotOf(ticketOfSeq(seq))];
    return slot?.open === true && slot.ticket === ticketOfSeq(seq) ? slot.item : undefined;
  }

  /** Whether there was, or is, one with this number. */
  known(seq: number): boolean {
    const ticket = ticketOfSeq(seq);
    const slot = this.#slots[slotOf(ticket)];
    return ticket >= 0 && slot !== undefined && useOf(ticket) <= slot.use;
  }

  /** Whether one of those that a worker has claimed lately fits. */
  given(seat: number, fits: (item: LaneItem) => boolean): boolean {
    for (let number = 0; number < this.#slots.length; number++) {
      const slot = this.#slots[number]!;
      const claimed = stateOf(slot.ticket, Standing.claimed, seat);
      if (atoms.load(this.#cells, placeOf(number) + STATE) === claimed && fits(slot.item!)) return true;
    }
    return false;
  }

  /** Whose code prints under a number: nothing where it is so long ago that nobody knows. */
  author(seq: number): LaneItem | undefined {
    const slot = this.#slots[slotOf(ticketOfSeq(seq))];
    return slot?.ticket === ticketOfSeq(seq) ? slot.item : undefined;
  }

  /** One that a worker has claimed. */
  claimed(seat: number, seq: number): LaneItem | undefined {
    const ticket = ticketOfSeq(seq);
    const state = atoms.load(this.#cells, placeOf(slotOf(ticket)) + STATE);
    return state === stateOf(ticket, Standing.claimed, seat) ? this.get(seq) : undefined;
  }

  /** All that a worker has claimed and that has not settled, by their numbers. */
  claims(seat: number): number[] {
    const found: number[] = [];
    for (let slot = this.#first; slot !== NONE; slot = this.#slots[slot]!.after) {
      const seq = seqOf(this.#slots[slot]!.ticket);
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
    const number = slotOf(ticketOfSeq(seq));
    const behind = succeeded ? NOTHING : this.#takeBackBehind(number);
    this.#close(number);
    if (by.current !== seq) this.#letGo(number);
    else this.#passing.push({ slot: number, seq, by });
    return behind;
  }

  /** Takes back everything that has not begun, the last first. */
  takeAll(): LaneItem[] {
    const taken: LaneItem[] = [];
    for (let slot = this.#last; slot !== NONE;) {
      const { before } = this.#slots[slot]!;
      this.#takeBack(slot, taken);
      slot = before;
    }
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
    for (let slot = this.#first; slot !== NONE; slot = this.#slots[slot]!.after) this.#showIfReady(slot);
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
    if (this.#freeCount === 0 || behind.length > Math.min(MAX_NEEDS, this.#freeLinks.length)) return false;
    const number = this.#free[this.#freeAt]!;
    this.#freeAt = (this.#freeAt + 1) % SLOTS;
    this.#freeCount--;
    const slot = this.#slots[number] ??= emptySlot();
    const ticket = ticketOf(number, ++slot.use);
    slot.ticket = ticket;
    slot.item = item;
    this.#write(slot, number);
    this.#enlist(slot, number);
    if (item.task >= this.#ticketOf.length) this.#ticketOf = grown(this.#ticketOf, item.task);
    this.#ticketOf[item.task] = ticket + 1;
    this.#link(ticket, item);
    return true;
  }

  #write(slot: Slot, number: number): void {
    const { ticket } = slot;
    const item = slot.item!;
    const cells = this.#cells;
    const at = placeOf(number);
    const payloads = this.#payloads;
    slot.size = payloads.put(item.payload);
    slot.from = payloads.from;
    cells[at + HEAD] = 0;
    cells[at + TASK] = item.task;
    cells[at + ITERATION] = item.iteration;
    cells[at + ATTEMPT] = item.attempt;
    cells[at + FLAGS] = (item.urgent ? Flag.urgent : 0) | (item.fatal ? Flag.fatal : 0) |
      (slot.size === NONE ? Flag.bulky : 0);
    cells[at + TIMEOUT] = Math.ceil(item.timeoutMs ?? 0);
    cells[at + PAYLOAD_AT] = payloads.from;
    cells[at + PAYLOAD_LENGTH] = payloads.bytes;
    cells[at + RANK] = item.rank;
    cells[at + AWAITED] = item.awaited;
    // One more than it needs, until all its links are there.
    atoms.store(cells, at + LEFT, leftOf(ticket, item.behind.length + 1));
    atoms.store(cells, at + STATE, stateOf(ticket, Standing.offered));
  }

  /** Hangs it behind what it needs. What has succeeded by now is not waited for. */
  #link(ticket: number, { behind, few }: LaneItem): void {
    const cells = this.#cells;
    let over = 1;
    for (const task of behind) {
      const need = this.#ticketOf[task]! - 1;
      const link = this.#freeLinks.pop()!;
      const at = linkPlace(link);
      cells[at + TO] = ticket;
      cells[at + FEW] = few ? 1 : 0;
      const head = placeOf(slotOf(need)) + HEAD;
      for (;;) {
        const before = atoms.load(cells, head);
        cells[at + NEXT] = before;
        if (before === CLOSED) {
          over++;
          this.#freeLinks.push(link);
          break;
        }
        if (atoms.compareExchange(cells, head, before, link + 1) !== before) continue;
        this.#slots[slotOf(need)]!.links.push(link);
        break;
      }
    }
    const left = atoms.add(cells, placeOf(slotOf(ticket)) + LEFT, -over);
    if (countIn(left) === over) show(this.#cells, slotOf(ticket));
  }

  /** Shows what is offered and waits for nothing; a worker that has it in hand may have died. */
  #showIfReady(slot: number): void {
    const { ticket } = this.#slots[slot]!;
    const at = placeOf(slot);
    const left = atoms.load(this.#cells, at + LEFT);
    if (!isLeftOf(left, ticket) || countIn(left) > 0) return;
    if (atoms.load(this.#cells, at + STATE) === stateOf(ticket, Standing.offered)) show(this.#cells, slot);
  }

  /** Takes one back that has not begun; returns whether that was so. */
  #takeBack(number: number, taken: LaneItem[]): boolean {
    const slot = this.#slots[number]!;
    const { ticket } = slot;
    const at = placeOf(number);
    const offered = stateOf(ticket, Standing.offered);
    const revoked = stateOf(ticket, Standing.revoked);
    if (atoms.compareExchange(this.#cells, at + STATE, offered, revoked) !== offered) return false;
    hide(this.#cells, number);
    atoms.add(this.#cells, UNCLAIMED, -1);
    taken.push(slot.item!);
    this.#close(number);
    // Nobody has begun it, so that nobody walks what hangs behind it.
    this.#letGo(number);
    return true;
  }

  #takeBackBehind(number: number): LaneItem[] {
    const behind: number[] = [];
    this.#collect(number, behind);
    return this.#takeBackAll(behind);
  }

  /** Takes these back, the last first. */
  #takeBackAll(tickets: readonly number[]): LaneItem[] {
    const order = new Map<number, number>();
    let place = 0;
    if (tickets.length > 1) {
      for (let slot = this.#first; slot !== NONE; slot = this.#slots[slot]!.after) order.set(slot, place++);
    }
    const taken: LaneItem[] = [];
    const slots = [...new Set(tickets.map(slotOf))].sort((a, b) => order.get(b)! - order.get(a)!);
    for (const slot of slots) this.#takeBack(slot, taken);
    return taken;
  }

  /** Adds the tickets of all that hang behind an attempt. */
  #collect(number: number, found: number[]): void {
    const seen = new Set(found);
    const open = [number];
    for (let from = open.pop(); from !== undefined; from = open.pop()) {
      for (const link of this.#slots[from]!.links) {
        const ticket = this.#cells[linkPlace(link) + TO]!;
        const slot = this.#slots[slotOf(ticket)]!;
        if (!slot.open || slot.ticket !== ticket || seen.has(ticket)) continue;
        seen.add(ticket);
        found.push(ticket);
        open.push(slotOf(ticket));
      }
    }
  }

  #enlist(slot: Slot, number: number): void {
    slot.open = true;
    slot.before = this.#last;
    slot.after = NONE;
    if (this.#last === NONE) this.#first = number;
    else this.#slots[this.#last]!.after = number;
    this.#last = number;
    this.#size++;
  }

  /** It is open no more. */
  #close(number: number): void {
    const slot = this.#slots[number]!;
    slot.open = false;
    if (slot.before === NONE) this.#first = slot.after;
    else this.#slots[slot.before]!.after = slot.after;
    if (slot.after === NONE) this.#last = slot.before;
    else this.#slots[slot.after]!.before = slot.before;
    this.#size--;
    const { task } = slot.item!;
    if (this.#ticketOf[task] === slot.ticket + 1) this.#ticketOf[task] = 0;
    if (slot.size !== NONE) this.#payloads.giveBack(slot.from, slot.size);
    slot.size = NONE;
  }

  /** Its slot, and the links that lead from it, are free. */
  #letGo(number: number): void {
    const { links } = this.#slots[number]!;
    for (const link of links) this.#freeLinks.push(link);
    links.length = 0;
    this.#free[(this.#freeAt + this.#freeCount) % SLOTS] = number;
    this.#freeCount++;
  }
}

/** The array with room for one more place at least. */
function grown(array: Int32Array, place: number): Int32Array {
  const larger = new Int32Array(Math.max(place + 1, 2 * array.length));
  larger.set(array);
  return larger;
}

function emptySlot(): Slot {
  return {
    ...{ use: 0, item: undefined, ticket: NONE, open: false, size: NONE, from: 0 },
    ...{ links: [], before: NONE, after: NONE },
  };
}
