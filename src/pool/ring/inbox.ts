/**
 * Owns the way from a lane to its worker: a ring of slots in shared memory, each an attempt that is offered.
 * Must not know what an attempt does.
 * Invariant: an attempt is either claimed by the worker or revoked by the lane, never both; a compare-and-set decides.
 *
 * A slot:  claim i32 | task | iteration | attempt | flags | timeout in ms | payload offset | payload bytes
 */

import { Ints } from "../../base/primordials.ts";
import { atoms } from "./atoms.ts";
import { ALONE, BESIDE_TASKS, TextMemory } from "./text.ts";

/** Attempts that a lane may offer at a time. */
export const SLOTS = 1024;
/** Room for the payloads of offered attempts. A payload over a quarter of it goes by message. */
export const PAYLOAD_BYTES: number = 256 * 1024;
export const MAX_PAYLOAD: number = PAYLOAD_BYTES / 4;

/** Flags of an attempt. */
export const Flag = { urgent: 1, fatal: 2, bulky: 4, calm: 8 } as const;

/** Flags of an attempt, but for how its text is told. */
export function flagsOf({ urgent, fatal, calm = false }: Flagged): number {
  return (urgent ? Flag.urgent : 0) | (fatal ? Flag.fatal : 0) | (calm ? Flag.calm : 0);
}

interface Flagged {
  readonly urgent: boolean;
  readonly fatal: boolean;
  readonly calm?: boolean | undefined;
}

/**
 * Cells of the control array that the inbox uses. The lane writes HEAD, RELEASED and OPEN, the worker the others. CURRENT is
 * the number of what runs and one more, 0 for nothing; below that it is the worker's own word for what is on the board.
 */
const HEAD = 0, TAIL = 1, IDLE = 2, RELEASED = 3, CURRENT = 4, OPEN = 5;
export const INBOX_CELLS = 6;

/** What CURRENT says while the worker looks for something on the board. */
const LOOKING = -1;

const WORDS = 8;
const Claim = { offered: 1, claimed: 2, revoked: 3 } as const;

/** An attempt as it is offered. */
export interface Offer {
  readonly task: number;
  readonly iteration: number;
  readonly attempt: number;
  readonly flags: number;
  /** Milliseconds; 0 for none. */
  readonly timeoutMs: number;
  /** What the worker needs to know, as text; undefined when it goes by message. */
  readonly payload: string | undefined;
}

/** An attempt as it is claimed. */
export interface Claimed extends Offer {
  /** Number of the offer on this lane. */
  readonly seq: number;
  /** See `LaneItem`. */
  readonly locals: number;
}

/** The memory that both ends share. */
export interface InboxMemory {
  readonly cells: Int32Array;
  readonly slots: SharedArrayBuffer;
  readonly payloads: SharedArrayBuffer;
  /** One cell: when the running attempt was claimed, by the worker's monotonic clock. */
  readonly claimedAt: Float64Array;
}

/** New memory for an inbox. */
export function inboxMemory(cells: Int32Array): InboxMemory {
  return {
    cells,
    slots: new SharedArrayBuffer(SLOTS * WORDS * 4),
    payloads: new SharedArrayBuffer(PAYLOAD_BYTES),
    claimedAt: new Float64Array(new SharedArrayBuffer(8)),
  };
}

/** Room for the payloads of offers, first come, first freed. */
class PayloadRoom {
  readonly #texts: TextMemory;
  /** Where the payload of each offer not yet passed ends, oldest first. */
  readonly #ends: number[] = [];
  /** How many offers were freed. */
  #freed = 0;
  #head = 0;
  #tail = 0;
  /** Bytes of the payload that was stored last. */
  written = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#texts = new TextMemory(memory, ALONE);
  }

  /** Puts in the payload of the next offer, if it has one; its offset, or -1 when there is no room. */
  store(payload: string | undefined): number {
    const offset = payload === undefined ? 0 : this.#put(payload);
    if (offset >= 0) this.#ends.push(this.#head);
    return offset;
  }

  /** Frees the payloads of all offers before this one. */
  free(before: number): void {
    if (before <= this.#freed) return;
    const ends = this.#ends.splice(0, before - this.#freed);
    this.#tail = ends.at(-1) ?? this.#tail;
    this.#freed = before;
  }

  #put(payload: string): number {
    // In bytes: each code unit takes three at most.
    const most = payload.length * 3;
    let from = this.#head % PAYLOAD_BYTES;
    let head = this.#head;
    if (from + most > PAYLOAD_BYTES) {
      head += PAYLOAD_BYTES - from;
      from = 0;
    }
    if (head + most - this.#tail > PAYLOAD_BYTES) return -1;
    this.written = this.#texts.write(payload, from);
    this.#head = head + this.written;
    return from;
  }
}

/** The lane's end. It takes nothing on trust: what the worker's cells say is held to what can be. */
export class InboxWriter {
  readonly #cells: Int32Array;
  readonly #slots: Int32Array;
  readonly #payloads: PayloadRoom;
  readonly #claimedAt: Float64Array;
  #head = 0;
  #passed = 0;
  #wrong: string | undefined;

  constructor({ cells, slots, payloads, claimedAt }: InboxMemory) {
    this.#cells = cells;
    this.#slots = new Ints(slots);
    this.#payloads = new PayloadRoom(payloads);
    this.#claimedAt = claimedAt;
  }

  /** The number that the next offer will have. */
  get next(): number {
    return this.#head;
  }

  /** How many offers the worker had passed when it was last looked: claimed, or found revoked. */
  get passed(): number {
    return this.#passed;
  }

  /** What can't be right about the worker's cells, if something was found. */
  get wrong(): string | undefined {
    return this.#wrong;
  }

  /** Looks where the worker is; returns the number of the attempt that runs. What it has told before can be read then. */
  look(): number | undefined {
    // In this order: the worker writes the one that runs first, and clears it only when its outcome is written.
    const tail = atoms.load(this.#cells, TAIL);
    const current = atoms.load(this.#cells, CURRENT);
    if (tail < this.#passed || tail > this.#head) {
      this.#wrong ??= `its inbox claims ${tail} of ${this.#head} offers`;
    } else this.#passed = tail;
    if (current > this.#head || current > 0 && current < this.#passed) {
      this.#wrong ??= `its inbox claims that offer ${current} of ${this.#head} runs`;
      return undefined;
    }
    return numberOf(current);
  }

  /** Whether the worker has claimed the offer. */
  claimed(seq: number): boolean {
    return atoms.load(this.#slots, (seq % SLOTS) * WORDS) === Claim.claimed;
  }

  /** Offers an attempt; false if there is no room for it now. */
  offer(offer: Offer): boolean {
    this.look();
    this.#payloads.free(this.#passed);
    if (this.#head - this.#passed >= SLOTS) return false;
    const offset = this.#payloads.store(offer.payload);
    if (offset < 0) return false;
    const at = (this.#head % SLOTS) * WORDS;
    const slots = this.#slots;
    slots[at + 1] = offer.task;
    slots[at + 2] = offer.iteration;
    slots[at + 3] = offer.attempt;
    slots[at + 4] = offer.flags;
    slots[at + 5] = offer.timeoutMs;
    slots[at + 6] = offset;
    slots[at + 7] = this.#payloads.written;
    atoms.store(slots, at, Claim.offered);
    this.#head++;
    atoms.store(this.#cells, HEAD, this.#head);
    return true;
  }

  /** Whether the worker sleeps and has to be woken by a message. */
  mustWake(): boolean {
    return atoms.exchange(this.#cells, IDLE, 0) === 1;
  }

  /** Takes an offer back, more than once if need be; false if the worker has claimed it. */
  revoke(seq: number): boolean {
    if (seq < this.#passed) return false;
    const at = (seq % SLOTS) * WORDS;
    const before = atoms.compareExchange(this.#slots, at, Claim.offered, Claim.revoked);
    return before === Claim.offered || before === Claim.revoked;
  }

  /** The number of the attempt that is running, if one is; below -1 it is one of the board. */
  get current(): number | undefined {
    return numberOf(atoms.load(this.#cells, CURRENT));
  }

  /** Whether it runs something, or looks for something on the board: only to be believed once that is closed to it. */
  get busy(): boolean {
    return atoms.load(this.#cells, CURRENT) !== 0;
  }

  /** Whether the worker sleeps: only a message wakes it. */
  get sleeps(): boolean {
    return atoms.load(this.#cells, IDLE) === 1;
  }

  /** Whether it may take what hangs on the board. */
  get open(): boolean {
    return atoms.load(this.#cells, OPEN) === 1;
  }

  set open(on: boolean) {
    atoms.store(this.#cells, OPEN, on ? 1 : 0);
  }

  /** When the running attempt was claimed, by the worker's monotonic clock. */
  get claimedAt(): number {
    return this.#claimedAt[0]!;
  }

  /** Lets the worker go on that waits after an outcome that was no success: once for each. */
  release(): void {
    atoms.add(this.#cells, RELEASED, 1);
  }
}

/** What decides beside the inbox whether there is something to do; asked once it is said that a message is needed. */
export interface Elsewhere {
  /** Whether there is something on the board. */
  readonly some: boolean;
  /** Whether nothing is to start. */
  readonly halted: boolean;
}

/** The worker's end. */
export class InboxReader {
  readonly #cells: Int32Array;
  readonly #slots: Int32Array;
  readonly #texts: TextMemory;
  readonly #claimedAt: Float64Array;
  #tail = 0;
  /** Outcomes so far that were no success. */
  #holds = 0;

  constructor({ cells, slots, payloads, claimedAt }: InboxMemory) {
    this.#cells = cells;
    this.#slots = new Ints(slots);
    this.#texts = new TextMemory(payloads, BESIDE_TASKS);
    this.#claimedAt = claimedAt;
  }

  /** Whether there is nothing more to claim. */
  get empty(): boolean {
    return atoms.load(this.#cells, HEAD) === this.#tail;
  }

  /** Claims the next offer that was not revoked. @param now The worker's monotonic clock, read when it has been claimed. */
  claim(now: () => number): Claimed | undefined {
    while (!this.empty) {
      const seq = this.#tail;
      const at = (seq % SLOTS) * WORDS;
      const got = atoms.compareExchange(this.#slots, at, Claim.offered, Claim.claimed) === Claim.offered;
      const claimed = got ? this.#read(seq, at) : undefined;
      if (got) {
        // Not before: what it needs may have ended just now.
        this.#claimedAt[0] = now();
        atoms.store(this.#cells, CURRENT, seq + 1);
      }
      this.#tail++;
      atoms.store(this.#cells, TAIL, this.#tail);
      if (claimed !== undefined) return claimed;
    }
    return undefined;
  }

  /** When what runs was claimed. */
  get claimedAt(): number {
    return this.#claimedAt[0]!;
  }

  /** Whether it may take what hangs on the board. */
  get open(): boolean {
    return atoms.load(this.#cells, OPEN) === 1;
  }

  /** It looks for something on the board. */
  looks(): void {
    atoms.store(this.#cells, CURRENT, LOOKING);
  }

  /** It has claimed one of the board. @param seq Its number. @param now By the worker's monotonic clock. */
  runs(seq: number, now: number): void {
    this.#claimedAt[0] = now;
    atoms.store(this.#cells, CURRENT, seq);
  }

  /** The claimed attempt has ended, its outcome is written, and what follows from it done. */
  done(): void {
    atoms.store(this.#cells, CURRENT, 0);
  }

  /** Stops claiming until the lane says go on. */
  hold(): void {
    this.#holds++;
  }

  get held(): boolean {
    return atoms.load(this.#cells, RELEASED) !== this.#holds;
  }

  /** Says that a message is needed to wake us; false if there is something to do after all, here or elsewhere. */
  sleep(elsewhere: Elsewhere): boolean {
    atoms.store(this.#cells, IDLE, 1);
    if (this.held || elsewhere.halted || this.empty && !elsewhere.some) return true;
    return atoms.exchange(this.#cells, IDLE, 0) === 0;
  }

  #read(seq: number, at: number): Claimed {
    const slots = this.#slots;
    const flags = slots[at + 4]!;
    const from = slots[at + 6]!;
    return {
      seq,
      task: slots[at + 1]!,
      iteration: slots[at + 2]!,
      attempt: slots[at + 3]!,
      flags,
      timeoutMs: slots[at + 5]!,
      payload: (flags & Flag.bulky) !== 0 ? undefined : this.#texts.read(from, slots[at + 7]!),
      locals: 0,
    };
  }
}

/** The number of what runs, by what CURRENT says. */
function numberOf(current: number): number | undefined {
  if (current > 0) return current - 1;
  return current < LOOKING ? current : undefined;
}
