/**
 * Owns what a lane has offered its worker: which attempts, in which order, and which of them the worker has begun.
 * Must not know what comes of them.
 * Invariant: each attempt that was taken in leaves once: settled, taken back, or as what had begun when its thread ended.
 */
import type { LaneItem } from "./attempt.ts";
import { type Control, WAKE } from "./protocol.ts";
import { Flag, flagsOf, type InboxMemory, InboxWriter, MAX_PAYLOAD, SLOTS } from "./ring/inbox.ts";

/** The attempts that one worker was offered. */
export class Offers {
  readonly #inbox: InboxWriter;
  readonly #post: (message: Control | typeof WAKE) => void;
  /** Called when it slept and is woken. */
  readonly #woke: () => void;
  readonly #items: Map<number, LaneItem> = new Map();
  /** The last offers, by number modulo `SLOTS`: also those that have settled, as their code may still print. */
  readonly #last: (LaneItem | undefined)[] = new Array<LaneItem | undefined>(SLOTS).fill(undefined);
  #settledUpTo = -1;
  #wasAtBoard = false;

  constructor(
    memory: InboxMemory,
    { post, woke }: {
      readonly post: (message: Control | typeof WAKE) => void;
      readonly woke: () => void;
    },
  ) {
    this.#inbox = new InboxWriter(memory);
    this.#post = post;
    this.#woke = woke;
  }

  /** How many are offered and not settled. */
  get size(): number {
    return this.#items.size;
  }

  /** Whether there was ever one, or the worker might take what hangs on the board. */
  get used(): boolean {
    return this.#wasAtBoard || this.#inbox.next > 0;
  }

  /** The number of the oldest that has not settled. */
  get first(): number | undefined {
    for (const seq of this.#items.keys()) return seq;
    return undefined;
  }

  /** Whether it runs something, or looks for something on the board. */
  get busy(): boolean {
    return this.#items.size > 0 || this.#inbox.busy;
  }

  /** Whether the worker sleeps. */
  get sleeps(): boolean {
    return this.#inbox.sleeps;
  }

  /** Whether it neither runs, looks nor sleeps: it was woken, and has not come to it. */
  get wakes(): boolean {
    return this.used && !this.#inbox.sleeps && !this.busy;
  }

  /** Whether the worker may take what hangs on the board. */
  get atBoard(): boolean {
    return this.#inbox.open;
  }

  set atBoard(on: boolean) {
    this.#wasAtBoard ||= on;
    this.#inbox.open = on;
  }

  /** The number of the one that runs now; below -1 it is one of the board. */
  get current(): number | undefined {
    return this.#inbox.current;
  }

  /** When the one that runs was claimed, by the worker's monotonic clock. */
  get claimedAt(): number {
    return this.#inbox.claimedAt;
  }

  /** How many the worker had passed when it was last looked. */
  get passed(): number {
    return this.#inbox.passed;
  }

  /** What can't be right about the worker's cells, if something was found. */
  get wrong(): string | undefined {
    return this.#inbox.wrong;
  }

  /** Looks where the worker is; returns the number of the one that runs. What it has told before can be read then. */
  look(): number | undefined {
    return this.#inbox.look();
  }

  /** One that has not settled, by its number. */
  get(seq: number): LaneItem | undefined {
    return this.#items.get(seq);
  }

  /** Whether the worker has claimed the one with this number. */
  claimed(seq: number): boolean {
    return this.#inbox.claimed(seq);
  }

  /** Whether one of the last that the worker was offered fits. */
  given(fits: (item: LaneItem) => boolean): boolean {
    return this.#last.some((item) => item !== undefined && fits(item));
  }

  /** Whose code prints under a number: nothing where there never was one, or it is so long ago that nobody knows. */
  author(seq: number): LaneItem | undefined {
    return seq < 0 || seq < this.#inbox.next - SLOTS ? undefined : this.#last[seq % SLOTS];
  }

  /** Whether there was, or is, one with this number; -1 stands for none. */
  known(seq: number): boolean {
    return seq >= -1 && seq < this.#inbox.next;
  }

  /** Offers attempts, in order; those for which there is no room are returned. */
  offer(items: readonly LaneItem[]): readonly LaneItem[] {
    let at = 0;
    for (; at < items.length; at++) {
      if (!this.#offer(items[at]!)) break;
    }
    if (at > 0) this.wake();
    return items.slice(at);
  }

  /** Takes back everything that has not begun, the last first. */
  revoke(): LaneItem[] {
    const taken: LaneItem[] = [];
    for (const seq of this.#newestFirst()) {
      if (!this.#revoke(seq, taken)) break;
    }
    return taken;
  }

  /** Whether something waits here that could run elsewhere. */
  get spare(): boolean {
    const { current } = this.#inbox;
    for (const seq of this.#items.keys()) if (seq !== current) return true;
    return false;
  }

  /** Lets nothing more begin. What is left is taken with `takeBegun` and `takeAll` when the thread is gone. */
  stop(): void {
    for (const seq of this.#newestFirst()) this.#inbox.revoke(seq);
  }

  /** Lets the worker go on that waits after an outcome that was no success: once for each. */
  release(): void {
    this.#inbox.release();
    this.wake();
  }

  /** Wakes the worker if it sleeps. */
  wake(): void {
    if (this.#inbox.mustWake()) {
      this.#woke();
      this.#post(WAKE);
    }
  }

  /** The one whose outcome may be told now: what the worker has claimed, in order, and each once. */
  open(seq: number): LaneItem | undefined {
    const item = this.#items.get(seq);
    return item === undefined || seq <= this.#settledUpTo || !this.#inbox.claimed(seq) ? undefined : item;
  }

  /** Its outcome was told. */
  settle(seq: number): void {
    this.#items.delete(seq);
    this.#settledUpTo = seq;
  }

  /** Whether one has ended without an outcome, by what the inbox said before the outbox was read. */
  untold(passed: number, current: number | undefined): boolean {
    const { first } = this;
    return first !== undefined && first < passed && first !== current;
  }

  /** When the thread is gone: takes what had begun. @param watched The number of the one that was seen to run last. */
  takeBegun(watched: number | undefined): [number, LaneItem][] {
    const current = this.#inbox.look();
    const begun = [...this.#items].filter(([seq]) => this.#begun(seq, current, watched));
    for (const [seq] of begun) this.#items.delete(seq);
    return begun;
  }

  /** When the thread is gone: takes what is left, the last first. */
  takeAll(): LaneItem[] {
    const taken = [...this.#items.values()].reverse();
    this.#items.clear();
    return taken;
  }

  #newestFirst(): number[] {
    return [...this.#items.keys()].reverse();
  }

  #offer(item: LaneItem): boolean {
    const bulky = item.payload.length > MAX_PAYLOAD / 3;
    const seq = this.#inbox.next;
    if (this.#holdsSlotOf(seq)) return false;
    const offered = this.#inbox.offer({
      task: item.task,
      iteration: item.iteration,
      attempt: item.attempt,
      flags: flagsOf(item) | (bulky ? Flag.bulky : 0),
      timeoutMs: Math.ceil(item.timeoutMs ?? 0),
      payload: bulky ? undefined : item.payload,
    });
    if (!offered) return false;
    this.#items.set(seq, item);
    this.#last[seq % SLOTS] = item;
    if (bulky) this.#post({ do: "payload", seq, text: item.payload });
    return true;
  }

  /**
   * Whether the slot that an offer would have still says who claimed the one before in it: the worker has passed that long
   * ago, and what it told of it has not been read.
   */
  #holdsSlotOf(seq: number): boolean {
    if (seq - this.#settledUpTo <= SLOTS) return false;
    const { first } = this;
    return first !== undefined && seq - first >= SLOTS;
  }

  #revoke(seq: number, taken: LaneItem[]): boolean {
    if (!this.#inbox.revoke(seq)) return false;
    taken.push(this.#items.get(seq)!);
    this.#items.delete(seq);
    return true;
  }

  /** Whether one that has no outcome had begun. Of those that a worker should not have begun: if it stands alone. */
  #begun(seq: number, current: number | undefined, watched: number | undefined): boolean {
    const { first } = this;
    if (seq === current || seq === watched) return seq === first || this.#inbox.claimed(seq);
    return seq < this.#inbox.passed && this.#inbox.claimed(seq);
  }
}
