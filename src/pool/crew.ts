/**
 * Owns which workers a run has: those that take attempts, those that are leaving, and the one in reserve.
 * Must not know what they run.
 * Invariant: there are never more than `maxWorkers` beside the reserve; when `close` has resolved, none is left.
 */
import type { Board } from "./board/board.ts";
import { SEATS } from "./board/memory.ts";
import { Lane, type LaneListener } from "./lane.ts";
import type { NamedTimers } from "./named_timers.ts";
import type { PoolOptions, PoolTimer } from "./port.ts";
import type { WorkerSetup } from "./protocol.ts";
import { newSeat, type Seat, type Shared } from "./seat.ts";

/** A lane beyond the base that has had nothing to do for this long ends, in milliseconds. */
const IDLE_MS = 10_000;
/** After this long a run keeps one warm worker in reserve, in milliseconds. */
const RESERVE_MS = 2_000;

/** What a crew is made with. */
export interface CrewOptions {
  readonly pool: PoolOptions;
  readonly shared: Shared;
  readonly board: Board;
  readonly timers: NamedTimers<PoolTimer>;
  readonly listener: LaneListener;
}

/** The workers of one run. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #taking: Set<Lane> = new Set();
  /** Lanes that take nothing more: they run a last attempt, or are about to be gone. */
  readonly #leaving: Set<Lane> = new Set();
  /** Those that are taken. */
  readonly #seats: Set<number> = new Set();
  #reserve: Lane | undefined;
  #early: Seat | undefined;
  #setup: WorkerSetup | undefined;
  #catchingUp = false;
  /** The number of the last lane. */
  lastId = 0;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#early = options.pool.early;
  }

  /** What hangs there for all of them. */
  get board(): Board {
    return this.#options.board;
  }

  /** Lanes that are there, but for the reserve. */
  get lanes(): readonly Lane[] {
    return [...this.#taking, ...this.#leaving];
  }

  /** Lanes that take attempts. */
  get taking(): ReadonlySet<Lane> {
    return this.#taking;
  }

  /** How many more there may be. */
  get room(): number {
    return this.#options.pool.maxWorkers - this.#taking.size - this.#leaving.size;
  }

  /** Whether some have something to do, or are to go when they have not. */
  get busy(): boolean {
    if (this.#leaving.size > 0) return true;
    for (const lane of this.#taking) if (lane.busy) return true;
    return false;
  }

  /** How many are about to be ready. */
  get starting(): number {
    let starting = 0;
    for (const lane of this.#taking) if (lane.starting) starting++;
    return starting;
  }

  /** One to ask something, before the run begins. @throws If all have been ended: what was asking then goes on in vain. */
  first(): Lane {
    if (this.#options.timers.closed) throw new Error("The run has ended: no worker is started any more");
    return this.#taking.values().next().value ?? this.grow();
  }

  /** The run begins: they are told what they need, or end, if it has nothing for them. */
  begin(setup: WorkerSetup): void {
    this.#setup = setup;
    if (setup.width > 0) {
      for (const lane of this.#taking) lane.setup(setup);
      this.#keepReserve();
    } else {
      // What runs in no worker needs the memory more.
      for (const lane of this.#taking) this.dismiss(lane);
    }
  }

  /** One more. */
  grow(): Lane {
    const lane = this.#newLane();
    this.#taking.add(lane);
    this.#shrinkLater();
    return lane;
  }

  /** One that has nothing to do, as far as is known. */
  idle(): Lane | undefined {
    for (const lane of this.#taking) if (lane.warm && !lane.busy) return lane;
    return undefined;
  }

  /** One that has nothing to do; else one that comes to it next, as nothing else was offered to it alone. */
  next(): Lane | undefined {
    const idle = this.idle();
    if (idle !== undefined) return idle;
    for (const lane of this.#taking) if (lane.warm && lane.outstanding === 0) return lane;
    return undefined;
  }

  /** One that has run nothing: the reserve if there is no other. */
  unused(): Lane | undefined {
    const unused = () => [...this.#taking].find((lane) => lane.warm && !lane.used);
    const found = unused();
    if (found !== undefined || this.room <= 0 || !this.#reserve?.warm) return found;
    this.promote();
    return unused();
  }

  isReserve(lane: Lane): boolean {
    return lane === this.#reserve;
  }

  /** The reserve joins those that take attempts. */
  promote(): void {
    const lane = this.#reserve;
    if (lane === undefined) return;
    this.#reserve = undefined;
    this.#taking.add(lane);
    this.#keepReserve();
  }

  /** It takes nothing more. */
  leave(lane: Lane): void {
    this.#taking.delete(lane);
    this.#leaving.add(lane);
    lane.open = false;
  }

  /** It goes; what it has taken just now it runs first. */
  dismiss(lane: Lane): void {
    this.leave(lane);
    this.letGo();
  }

  /** Reads what all have told until nothing of it has to wait for what another has told. @param lane Where something does. */
  catchUp(lane: Lane): void {
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    for (let early: readonly Lane[] = [lane]; early.length > 0;) {
      let read = false;
      for (const each of this.lanes) read = each.drain() || read;
      // A worker tells the outcome of an attempt before anybody can begin what waits for it: it must have been there.
      for (const each of read ? [] : early) {
        if (each.early) each.refuse("it has told the outcome of an attempt that can't have begun");
      }
      early = this.lanes.filter((each) => each.early);
    }
    this.#catchingUp = false;
  }

  /** Those that are leaving go when they have nothing to do any more. */
  letGo(): void {
    // In this order, since a worker says first that it looks for something, and then looks whether it may.
    for (const lane of this.#leaving) if (!lane.open && !lane.busy) lane.end().catch(() => {});
  }

  /** Its thread is gone; returns whether that was to be expected. */
  gone(lane: Lane): boolean {
    const expected = this.#leaving.delete(lane);
    this.#taking.delete(lane);
    this.#seats.delete(lane.seat);
    if (lane === this.#reserve) this.#reserve = undefined;
    return expected || this.#options.timers.closed;
  }

  /** Ends all; resolves when they are proven gone. */
  async close(): Promise<void> {
    // Nobody has heard of it: there is nothing to wait for.
    this.#early?.thread.terminate().catch(() => {});
    this.#early = undefined;
    const all = [...this.lanes, ...(this.#reserve === undefined ? [] : [this.#reserve])];
    await Promise.all(all.map((lane) => lane.end()));
  }

  #newLane(): Lane {
    const { pool: { killGraceMs, clock, start, services }, shared, board, listener } = this.#options;
    this.lastId++;
    const seat = this.#early ?? newSeat(this.lastId, { shared, seat: this.#freeSeat(), clock, start });
    this.#early = undefined;
    const lane = new Lane({ seat, board, clock, killGraceMs, services, listener });
    this.#seats.add(lane.seat);
    if (this.#setup !== undefined) lane.setup(this.#setup);
    return lane;
  }

  #freeSeat(): number {
    let seat = 1;
    while (this.#seats.has(seat)) seat++;
    if (seat > SEATS) throw new Error(`There can be no more than ${SEATS} workers at a time`);
    return seat;
  }

  #keepReserve(): void {
    const refill = () => void (this.#reserve ??= this.#newLane());
    this.#options.timers.after("reserve", { ms: RESERVE_MS, act: refill });
  }

  #shrinkLater(): void {
    if (this.#taking.size <= this.#options.pool.workers) return;
    this.#options.timers.after("shrink", { ms: IDLE_MS, act: () => this.#shrink() });
  }

  #shrink(): void {
    const since = this.#options.pool.clock.monotonic() - IDLE_MS;
    const idle = [...this.#taking].filter((lane) => !lane.busy && lane.idleSince <= since);
    const most = Math.max(0, this.#taking.size - this.#options.pool.workers);
    for (const lane of idle.slice(0, most)) this.dismiss(lane);
    this.#shrinkLater();
  }
}
