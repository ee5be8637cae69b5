/**
 * Owns the lanes of a run: how many there are, and which gets what there is to do.
 * Must not know what comes next (its supply does) nor what an outcome leads to.
 * Invariant: there is never something ready and a warm lane without anything to do, once `feed` has returned.
 */
import { between, systemClock } from "../base/clock.ts";
import { haltCell, newSeat, type Seat } from "./seat.ts";
import { Lane, type LaneItem, type LaneLine, type LaneListener, type LaneOutcome } from "./lane.ts";
import { type OwnLanes, ownLanesOf } from "./own.ts";
import type { WorkerSetup } from "./protocol.ts";
import type { PoolOptions, Supply } from "./port.ts";

/** Time that a lane's queue of ready attempts should last, in milliseconds: it bridges a round trip and can be replanned. */
const QUEUE_MS = 1;
/** The same with the lines behind them, which nobody else could begin. */
const LINE_MS = 5;
const MIN_QUEUE = 2;
const MAX_QUEUE = 1000;
/** A ready task that has waited this long makes the pool grow, in milliseconds. */
const GROW_MS = 20;
/** A lane beyond the base that has had nothing to do for this long ends, in milliseconds. */
const IDLE_MS = 10_000;
/** After this long a run keeps one warm worker in reserve, in milliseconds. */
const RESERVE_MS = 2_000;
/** Reads of the outboxes without a bell: from every `MIN_POLL_MS`, doubling while nothing is told, to `MAX_POLL_MS`. */
/** How long a worker may say that nothing is to start before the outcome must be told that leads to it, in milliseconds. */
const HALT_MS = 1_000;
const MIN_POLL_MS = 2;
const MAX_POLL_MS = 200;

/** The workers of one run. */
export class Pool implements LaneListener {
  readonly #options: PoolOptions;
  readonly #halt: Int32Array;
  #early: Seat | undefined;
  readonly #lanes: Set<Lane> = new Set();
  /** Lanes that take nothing more: they run a last attempt, or are about to be gone. */
  readonly #leaving: Set<Lane> = new Set();
  #reserve: Lane | undefined;
  #supply: Supply | undefined;
  #setup: WorkerSetup | undefined;
  #ids = 0;
  #meanMs = 0.02;
  #feeding = false;
  #closed = false;
  #paused = false;
  #halted = false;
  /** Since when a worker says that nothing is to start, by the monotonic clock, milliseconds. */
  #haltSeen: number | undefined;
  #cancelled: string | undefined;
  readonly #timers: Map<"grow" | "poll" | "shrink" | "reserve", () => void> = new Map();
  #pollMs = MIN_POLL_MS;
  #seen: Map<Lane, number | undefined> = new Map();

  /** Attempts that run in no worker, which are lanes of their own. */
  readonly own: OwnLanes | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#early = options.early;
    this.#halt = options.early?.data.halt ?? haltCell();
    this.own = ownLanesOf(options, () => this.feed());
  }

  /** Lanes that are there. */
  get lanes(): readonly Lane[] {
    return [...this.#lanes, ...this.#leaving];
  }

  /** A lane to ask something, before the run begins. */
  first(): Lane {
    return this.#lanes.values().next().value ?? this.#grow();
  }

  /** Asks a process that runs tasks of a kind, before the run begins. @param run What a task of it would run. */
  ask(kind: string, run: object): Promise<LaneOutcome> {
    return this.own!.kept.ask(kind, run, ++this.#ids);
  }

  /** Begins to run what the supply has. */
  begin(supply: Supply, setup: WorkerSetup): void {
    this.#supply = supply;
    this.#setup = setup;
    for (const lane of this.#lanes) lane.setup(setup);
    this.#after("reserve", RESERVE_MS, () => this.#refillReserve());
    this.feed();
    // Last, since starting a thread holds up this one for a while.
    while (this.lanes.length < Math.min(this.#options.workers, setup.width)) this.#grow();
  }

  /** Hands out what is ready to the lanes that have room. */
  feed(): void {
    const supply = this.#supply;
    if (supply === undefined || this.#closed || this.#feeding) return;
    // An attempt may have been on its way from an offer to a claim when everything was cancelled.
    if (this.#cancelled !== undefined) this.cancelAll(this.#cancelled);
    if (this.#paused) return;
    this.#feeding = true;
    // What has just been told is made to outlive the process before time is spent on what comes next.
    supply.commit();
    this.#ids = this.own?.feed(supply, this.#ids) ?? this.#ids;
    this.#feedAlone(supply);
    this.#feedIdle(supply);
    this.#lengthen(supply);
    if (supply.ready === 0) this.#balance(supply);
    this.#growIfShort(supply);
    this.#feeding = false;
    if (this.#busy() || supply.ready > 0) this.#poll();
  }

  /** Takes back everything that has not begun, and lets nothing begin any more. */
  haltAll(): void {
    this.#halted = true;
    Atomics.store(this.#halt, 0, 1);
    for (const lane of this.lanes) this.#supply?.giveBack(lane.revoke());
  }

  /** Starts nothing new, or starts again. What runs goes on. */
  pause(on: boolean): void {
    this.#paused = on;
    if (on) { for (const lane of this.lanes) this.#supply?.giveBack(lane.revoke()); }
    this.feed();
  }

  /** Cancels what is running. */
  cancelAll(because: string): void {
    this.#cancelled = because;
    for (const lane of this.lanes) lane.abort("cancelled", because);
    this.own?.cancelAll(because);
  }

  /** Reads what the workers have told. */
  drain(): void {
    for (const lane of this.lanes) lane.drain();
    this.feed();
  }

  /** Ends all workers; resolves when they are proven gone. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    const all = [...this.lanes, ...(this.#reserve === undefined ? [] : [this.#reserve])];
    await Promise.all([...all.map((lane) => lane.end()), this.own?.close()]);
  }

  settled(lane: Lane, item: LaneItem, outcome: LaneOutcome): void {
    const took = between(outcome.startedAt, outcome.endedAt);
    this.#meanMs += (took - this.#meanMs) * 0.05;
    if (outcome.outcome !== "succeeded") this.#supply?.giveBack(lane.revoke());
    this.#options.listener.settled(lane.id, item, outcome);
    if (outcome.outcome !== "succeeded") lane.release();
    if (this.#leaving.has(lane) && lane.outstanding === 0) lane.end().catch(() => {});
  }

  began(lane: Lane, item: LaneItem, since: number): void {
    this.#options.listener.began?.(lane.id, item, since);
  }

  printed(_lane: Lane, line: LaneLine): void {
    this.#options.listener.printed(line);
  }

  progressed(lane: Lane, item: LaneItem, progress: { fraction: number; text?: string }): void {
    this.#options.listener.progressed(lane.id, item, progress);
  }

  told(lane: Lane): void {
    this.#pollMs = MIN_POLL_MS;
    if (lane !== this.#reserve) this.feed();
  }

  ended(lane: Lane, left: readonly LaneItem[]): void {
    const expected = this.#leaving.delete(lane) || this.#closed;
    this.#lanes.delete(lane);
    if (lane === this.#reserve) this.#reserve = undefined;
    this.#supply?.giveBack(left);
    if (!expected && this.#supply !== undefined) {
      this.#options.listener.replaced(lane.id, lane.wrong);
      this.#promoteReserve();
    }
    this.feed();
  }

  /** Attempts that want a lane of their own: a fresh one, or an idle one. */
  #feedAlone(supply: Supply): void {
    for (let next = supply.alone; next !== undefined; next = supply.alone) {
      const { fresh } = next;
      const room = this.lanes.length < this.#options.maxWorkers;
      if (fresh && room && this.#unused() === undefined && this.#reserve?.warm) this.#promoteReserve();
      const lane = fresh ? this.#unused() : this.#idle();
      if (lane === undefined) {
        if (fresh) this.#makeRoomForFresh();
        return;
      }
      const item = supply.takeAlone(lane.id);
      if (item === undefined) return;
      supply.commit();
      lane.offer([item]);
      if (fresh) this.#leave(lane);
    }
  }

  /** A fresh attempt waits: a new worker is needed, in the place of an idle one if there can be no more. */
  #makeRoomForFresh(): void {
    if ([...this.#lanes].some((lane) => lane.starting)) return;
    if (this.lanes.length < this.#options.maxWorkers) this.#grow();
    else {
      const idle = this.#idle();
      if (idle === undefined) return;
      this.#dismiss(idle);
    }
  }

  #feedIdle(supply: Supply): void {
    for (const lane of this.#lanes) {
      if (supply.ready === 0) return;
      if (!lane.warm || lane.outstanding > 0) continue;
      this.#offer(lane, supply.take(lane.id, { max: this.#quota(LINE_MS), ready: this.#share(supply) }));
    }
  }

  /** Gives busy lanes more before they run dry: the line behind their last attempt, then what is ready. */
  #lengthen(supply: Supply): void {
    const longest = this.#quota(LINE_MS);
    const quota = this.#quota(QUEUE_MS);
    for (const lane of this.#lanes) {
      if (!lane.warm || lane.outstanding === 0 || lane.outstanding > longest * 0.75) continue;
      const { last } = lane;
      if (last !== undefined) {
        this.#offer(lane, supply.extend(lane.id, { last: last.task, max: longest - lane.outstanding }));
      }
      if (supply.ready > 0 && lane.outstanding < quota) {
        this.#offer(
          lane,
          supply.take(lane.id, { max: longest - lane.outstanding, ready: this.#share(supply) }),
        );
      }
    }
  }

  /** Nothing is ready: lanes with nothing to do take over what waits behind others. */
  #balance(supply: Supply): void {
    for (const lane of this.#lanes) {
      if (!lane.warm || lane.outstanding > 0) continue;
      const victim = [...this.#lanes].filter((other) => other.running !== undefined && other.spare)
        .sort((a, b) => b.outstanding - a.outstanding)[0];
      if (victim === undefined) return;
      supply.giveBack(victim.revokeTail());
      if (supply.ready === 0) return;
      this.#offer(lane, supply.take(lane.id, { max: this.#quota(LINE_MS), ready: 1 }));
    }
  }

  #offer(lane: Lane, items: readonly LaneItem[]): void {
    if (items.length === 0) return;
    this.#supply!.commit();
    const left = lane.offer(items);
    if (left.length > 0) this.#supply!.giveBack([...left].reverse());
  }

  /** Below the base, a worker for each ready attempt at once; above, only after waiting. */
  #growIfShort(supply: Supply): void {
    const waiting = this.#waiting(supply);
    if (waiting === 0) return;
    const starting = [...this.#lanes].filter((lane) => lane.starting).length;
    const { workers, maxWorkers } = this.#options;
    const most = Math.min(workers - this.#lanes.size, maxWorkers - this.lanes.length);
    for (let more = Math.min(waiting - starting, most); more > 0; more--) this.#grow();
    if (this.lanes.length < maxWorkers && !this.#timers.has("grow")) {
      this.#seen = new Map([...this.#lanes].map((lane) => [lane, lane.running?.seq]));
      this.#after("grow", GROW_MS, () => this.#growAfterWait(supply));
    }
  }

  /** Attempts that could run now if there were a lane: ready ones, and independent ones behind a running one. */
  #waiting(supply: Supply): number {
    let waiting = supply.ready + supply.readyAlone;
    for (const lane of this.#lanes) if (lane.running !== undefined && lane.spare) waiting++;
    return waiting;
  }

  #growAfterWait(supply: Supply): void {
    for (const lane of this.#lanes) {
      const seq = lane.running?.seq;
      if (seq === undefined || seq !== this.#seen.get(lane)) continue;
      while (lane.spare) {
        const taken = lane.revokeTail();
        if (taken.length === 0) break;
        supply.giveBack(taken);
      }
    }
    const size = this.lanes.length;
    const stuck = [...this.#lanes].every((lane) =>
      lane.starting || this.#seen.get(lane) === lane.running?.seq
    );
    const starting = [...this.#lanes].some((lane) => lane.starting);
    const ready = supply.ready + supply.readyAlone;
    const drainMs = ready * this.#meanMs / Math.max(1, size);
    // In rounds, each at most doubling: a worker that starts takes time from those that run, so that many at once only
    // make a queue longer that would be gone before they are warm.
    if (ready > 0 && !starting && (stuck || drainMs > GROW_MS)) {
      const more = Math.min(ready, this.#options.maxWorkers - size, Math.max(1, size));
      for (let count = 0; count < more; count++) this.#grow();
    }
    this.feed();
  }

  #grow(): Lane {
    const lane = this.#newLane();
    this.#lanes.add(lane);
    if (this.#lanes.size > this.#options.workers) this.#after("shrink", IDLE_MS, () => this.#shrink());
    return lane;
  }

  #newLane(): Lane {
    const { killGraceMs, start, services } = this.#options;
    this.#ids++;
    const seat = this.#early ?? newSeat(this.#ids, this.#halt, start);
    this.#early = undefined;
    const lane = new Lane({ seat, killGraceMs, services, listener: this });
    if (this.#setup !== undefined) lane.setup(this.#setup);
    return lane;
  }

  #shrink(): void {
    const since = systemClock.monotonic() - IDLE_MS;
    const idle = [...this.#lanes].filter((lane) => lane.outstanding === 0 && lane.idleSince <= since);
    const most = Math.max(0, this.#lanes.size - this.#options.workers);
    for (const lane of idle.slice(0, most)) this.#dismiss(lane);
    if (this.#lanes.size > this.#options.workers) this.#after("shrink", IDLE_MS, () => this.#shrink());
  }

  #refillReserve(): void {
    if (this.#reserve === undefined && !this.#closed) this.#reserve = this.#newLane();
  }

  #promoteReserve(): void {
    const lane = this.#reserve;
    if (lane === undefined) return;
    this.#reserve = undefined;
    this.#lanes.add(lane);
    this.#after("reserve", RESERVE_MS, () => this.#refillReserve());
  }

  #dismiss(lane: Lane): void {
    this.#leave(lane);
    lane.end().catch(() => {});
  }

  #leave(lane: Lane): void {
    this.#lanes.delete(lane);
    this.#leaving.add(lane);
  }

  #idle(): Lane | undefined {
    return [...this.#lanes].find((lane) => lane.warm && lane.outstanding === 0);
  }

  #unused(): Lane | undefined {
    return [...this.#lanes].find((lane) => lane.warm && !lane.used);
  }

  #busy(): boolean {
    for (const lane of this.lanes) if (lane.outstanding > 0) return true;
    return false;
  }

  /** How many attempts take about so long. */
  #quota(ms: number): number {
    return Math.max(MIN_QUEUE, Math.min(MAX_QUEUE, Math.ceil(ms / Math.max(1e-6, this.#meanMs))));
  }

  /** How many of the ready attempts a lane may take at a time, so that there is something for the others too. */
  #share(supply: Supply): number {
    const fair = Math.floor(supply.ready / (2 * Math.max(1, this.#lanes.size)));
    return Math.max(1, Math.min(fair, this.#quota(QUEUE_MS)));
  }

  /** Outcomes that nobody was waiting for lie in the outbox without a bell; this finds them. */
  #poll(): void {
    if (this.#timers.has("poll")) return;
    this.#after("poll", this.#pollMs, () => {
      const told = this.lanes.map((lane) => lane.drain()).some(Boolean);
      for (const lane of this.lanes) lane.inquire(systemClock.monotonic());
      this.#unhalt();
      this.#pollMs = told ? MIN_POLL_MS : Math.min(MAX_POLL_MS, this.#pollMs * 2);
      this.feed();
    });
  }

  /** Only a failure that stops the run may say that nothing is to start; if none came with it, it was nobody's to say. */
  #unhalt(): void {
    if (this.#halted || Atomics.load(this.#halt, 0) === 0) this.#haltSeen = undefined;
    else if (this.#haltSeen === undefined) this.#haltSeen = systemClock.monotonic();
    else if (systemClock.monotonic() - this.#haltSeen >= HALT_MS) {
      Atomics.store(this.#halt, 0, 0);
      for (const lane of this.lanes) lane.wake();
    }
  }

  #after(name: "grow" | "poll" | "shrink" | "reserve", ms: number, act: () => void): void {
    if (this.#closed || this.#timers.has(name)) return;
    this.#timers.set(
      name,
      systemClock.after(ms, () => {
        this.#timers.delete(name);
        act();
      }),
    );
  }
}
