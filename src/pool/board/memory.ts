/**
 * Owns the memory that all workers of a run share with the executor: the board, on which released attempts hang, each with
 * what it still waits for. What each cell means, who writes it and which order is relied on is said here and nowhere else.
 * Must not know what an attempt does, nor who decides what is released.
 * Invariant: an attempt is claimed by one worker or revoked by the executor, never both; a compare-and-set decides.
 *
 * A released attempt has a ticket: the number of its slot, and how often that slot was used before. The number of uses
 * stands in `STATE` and in `LEFT`, so that whoever comes late with an old ticket changes nothing.
 *
 * | cell      | written by                                              | read by                                    |
 * |-----------|---------------------------------------------------------|--------------------------------------------|
 * | STATE     | executor: offered, revoked; a worker: claimed (CAS)      | both                                       |
 * | LEFT      | executor: at the release; whoever ends a need (CAS −1)   | whoever claims                             |
 * | HEAD      | executor: one more dependent (CAS); the worker that ran  | both                                       |
 * |           | it, once, after a success: `CLOSED` (exchange)           |                                            |
 * | the rest  | executor, before STATE says offered                      | the worker that claimed it                 |
 * | NEXT, TO  | executor, before HEAD leads there                        | the worker that closed the list            |
 * | READY     | a bit for each slot: set by whoever brings LEFT to 0,    | idle workers                               |
 * |           | cleared by who takes it, before the claim                |                                            |
 * | SOME_READY| a bit for each word of READY: set after one of its bits, | idle workers                               |
 * |           | cleared by who finds none, who then looks once more      |                                            |
 *
 * The order that is relied on (`Atomics` are sequentially consistent):
 * 1. The outcome of an attempt is in its worker's outbox before HEAD is closed, and HEAD is closed before LEFT of a dependent
 *    goes down: what a dependent tells comes after what its needs have told.
 * 2. LEFT counts one more than there are needs while an attempt is being released, so that it does not start half linked.
 * 3. A slot, with the links that lead from it, is used anew only when its attempt has settled and its worker has gone on
 *    (its cell of what runs has another number), or the worker is gone: nobody walks links that are written.
 * 4. A bit is cleared before STATE is changed. A worker that dies in between leaves an attempt that is offered, lacks
 *    nothing, and has no bit: the executor sets the bits of all such when a worker is gone.
 * 5. SOME_READY may for a moment lack the bit of a word that has some, while whoever found none looks once more, or whoever
 *    shows one has not come to it: who is about to block looks at READY itself, and sets the bit of what it finds.
 * 6. Who shows an attempt looks at SLEEPERS after that, and who sleeps looks at READY after it has counted itself: one of the
 *    two sees the other. Who shows it then wakes the executor, which wakes the sleeper: nothing ready waits for a poll.
 * 7. A worker that dies between its outcome and its last LEFT leaves counts that nobody knows: the executor revokes what hangs
 *    behind that outcome and was not claimed, and releases it anew.
 */
import { clz32, Ints } from "../../base/primordials.ts";
import { atoms } from "../ring/atoms.ts";

/** Attempts that can be released at a time: a bit of a word for each word of bits. */
export const SLOTS: number = 32 * 32;
/** Words of READY. */
export const WORDS: number = SLOTS / 32;
const SLOT_BITS = 10;
/** Needs that released attempts can wait for at a time. One more than fit, and an attempt is released later. */
export const LINKS: number = 8 * SLOTS;
/** Room for payloads, in bytes; what finds none is fetched by message. */
export const PAYLOAD_BYTES: number = 2 * 1024 * 1024;

/** Cells for all: what changes when something is there for an idle worker, how many sleep and doze, how many are unclaimed. */
export const STIR = 0, SLEEPERS = 16, DOZERS = 17, UNCLAIMED = 32, LOW = 33;
/** A bit for each slot whose attempt could start; and one for each word of those that may have one. */
export const READY = 48, SOME_READY = 80;
const SLOT_AT = 96;
const SLOT_WORDS = 16;
const LINK_AT: number = SLOT_AT + SLOTS * SLOT_WORDS;
const LINK_WORDS = 4;
/** By slot: the rank of its attempt. Side by side, as who takes something compares many. */
const RANK_AT: number = LINK_AT + LINKS * LINK_WORDS;
const CELLS: number = RANK_AT + SLOTS;

/** Words of a slot. */
export const STATE = 0, LEFT = 1, HEAD = 2, TASK = 3, ITERATION = 4, ATTEMPT = 5, FLAGS = 6, TIMEOUT = 7;
export const PAYLOAD_AT = 8, PAYLOAD_LENGTH = 9, LOCALS = 10, AWAITED = 11;
/** Words of a link: the next of the same list, whose LEFT it counts down, and whether that one lacks few other needs. */
export const NEXT = 0, TO = 1, FEW = 2;

/** A list whose attempt has succeeded. */
export const CLOSED = -1;
/** Where an attempt stands. */
export const Hung = { free: 0, offered: 1, claimed: 2, revoked: 3 } as const;

/** How often a slot can be used before the count begins anew. */
const USES = 1 << 18;
const SEAT_BITS = 10;
/** Numbers of workers that may claim, from 1. */
export const SEATS: number = (1 << SEAT_BITS) - 1;
const LEFT_BITS = 12;
const MOST_LEFT: number = (1 << LEFT_BITS) - 1;
/** Needs that one released attempt can wait for. */
export const MAX_NEEDS: number = MOST_LEFT - 1;

/** What is shared. */
export interface BoardMemory {
  readonly cells: Int32Array;
  readonly payloads: SharedArrayBuffer;
  /** See `SharedValues`. */
  readonly values: SharedArrayBuffer;
}

/** Memory for a board. @param values Bytes for the values. */
export function boardMemory(values: number): BoardMemory {
  return {
    cells: new Ints(new SharedArrayBuffer(CELLS * 4)),
    payloads: new SharedArrayBuffer(PAYLOAD_BYTES),
    values: new SharedArrayBuffer(values),
  };
}

export function ticketOf(slot: number, use: number): number {
  return use % USES * SLOTS + slot;
}

/** How often the slot of a ticket had been used. */
export function useOf(ticket: number): number {
  return ticket >> SLOT_BITS;
}

export function slotOf(ticket: number): number {
  return ticket & (SLOTS - 1);
}

/** Where the words of a slot begin. */
export function slotPlace(slot: number): number {
  return SLOT_AT + slot * SLOT_WORDS;
}

/** Where the rank of a slot is. */
export function rankPlace(slot: number): number {
  return RANK_AT + slot;
}

/** Where the words of a link begin. */
export function linkPlace(link: number): number {
  return LINK_AT + link * LINK_WORDS;
}

/** What STATE says of a ticket. @param seat Whose claim it is; 0 for nobody's. */
export function stateOf(ticket: number, standing: number, seat = 0): number {
  return useOf(ticket) << (SEAT_BITS + 2) | seat << 2 | standing;
}

/** The ticket of a slot by what its STATE says. */
export function ticketIn(state: number, slot: number): number {
  return state >> (SEAT_BITS + 2) << SLOT_BITS | slot;
}

export function hungIn(state: number): number {
  return state & 3;
}

/** What LEFT says of a ticket. */
export function leftWord(ticket: number, count: number): number {
  return useOf(ticket) << LEFT_BITS | count;
}

/** Whether a LEFT is that of a ticket. */
export function isLeftOf(left: number, ticket: number): boolean {
  return left >> LEFT_BITS === useOf(ticket);
}

export function countLeft(left: number): number {
  return left & MOST_LEFT;
}

/** A ticket as the number of an attempt on a lane: below all that lanes number themselves, and below "none". */
export function seqOf(ticket: number): number {
  return -2 - ticket;
}

/** The ticket of an attempt's number, if it hung on the board: negative if it did not. */
export function ticketOfSeq(seq: number): number {
  return -2 - seq;
}

/** Shows that the attempt of a slot could start. */
export function showSlot(cells: Int32Array, slot: number): void {
  atoms.or(cells, READY + (slot >> 5), 1 << (slot & 31));
  // Mostly it is there. Who takes it away just then looks at READY after that.
  const note = 1 << (slot >> 5);
  if ((atoms.load(cells, SOME_READY) & note) === 0) atoms.or(cells, SOME_READY, note);
}

/** Hides it again; whether it was there. */
export function hideSlot(cells: Int32Array, slot: number): boolean {
  const bit = 1 << (slot & 31);
  return (atoms.and(cells, READY + (slot >> 5), ~bit) & bit) !== 0;
}

/** The bits of a word that may have some; where it has none, that is noted. */
export function readyIn(cells: Int32Array, word: number): number {
  const bits = atoms.load(cells, READY + word);
  if (bits !== 0) return bits;
  atoms.and(cells, SOME_READY, ~(1 << word));
  // One may have been set between the two, and its note taken away.
  const since = atoms.load(cells, READY + word);
  if (since !== 0) atoms.or(cells, SOME_READY, 1 << word);
  return since;
}

/** The place of the lowest bit that is set. */
export function bitAt(bits: number): number {
  return 31 - clz32(bits & -bits);
}
