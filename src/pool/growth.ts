/**
 * Owns when a run gets more workers: as many as there are ready attempts up to the base, beyond it only where that helps.
 * Must not know who gets which attempt.
 * Invariant: beyond the base, workers come in rounds, one at a time, and no round begins while others start, while the
 * cores that this process may use are busy, or where memory is short.
 */
import type { Board } from "./board/board.ts";
import type { Crew } from "./crew.ts";
import type { Lane } from "./lane.ts";
import type { NamedTimers } from "./named_timers.ts";
import type { Pace } from "./pace.ts";
import type { Capacity, Held, PoolTimer, Supply } from "./port.ts";

/** A ready task that has waited this long makes the pool grow, in milliseconds; the processor's use is seen over as long. */
const GROW_MS = 20;
/** Beyond this share of the cores that this process may use, a thread more would only take time from the others. */
const BUSY = 0.8;
/** Below it tasks do nothing but wait: a round may be larger, and begins at once. */
const QUIET = 0.2;
/** Else so many looks in a row must have found a core with nothing to do: one may fall into a moment between two tasks. */
const LOOKS = 3;
/** How many times the workers that are there a round may add, at the most. */
const ROUND = 1, QUIET_ROUND = 3;
/** The share of the memory that is free which workers of a round may take. */
const MEMORY_SHARE = 1 / 4;

/** What growth depends on. */
export interface GrowthParts {
  readonly crew: Crew;
  readonly board: Board;
  readonly supply: Supply;
  readonly pace: Pace;
  readonly timers: NamedTimers<PoolTimer>;
  readonly capacity: Capacity;
  /** How many there should be at once. */
  readonly workers: number;
  /** Hands out what is ready. */
  feed(): void;
}

/** How much of the processor the process had used by some time of a clock that never steps. */
interface Used {
  readonly cpuMs: number;
  readonly idleMs: number | undefined;
  /** For how long it was kept from using more. */
  readonly queuedMs: number | undefined;
  readonly passedMs: number;
}

/** The growth of one run's workers. */
export class Growth {
  readonly #parts: GrowthParts;
  /** What ran on each lane when it was looked last. */
  #seen: ReadonlyMap<Lane, number | undefined> = new Map();
  /** As it was then; not known if workers were starting, which takes the processor by itself. */
  #used: Used | undefined;
  /** Whether it used little when it was looked last: then it is asked as well what it wanted, which takes longer. */
  #quiet = true;
  /** How many looks in a row have found that the cores are not all busy. */
  #calm = 0;
  /** How many of a round have not been started. */
  #left = 0;
  /** What keeps the pool from growing though tasks wait. */
  held: Held | undefined;

  constructor(parts: GrowthParts) {
    this.#parts = parts;
  }

  /** Below the base, a worker for each ready attempt at once; above, only after waiting. */
  check(): void {
    const { crew, timers, workers } = this.#parts;
    const waiting = this.#waiting();
    if (waiting === 0) {
      this.held = undefined;
      return;
    }
    const most = Math.min(workers - crew.taking.size, crew.room);
    for (let more = Math.min(waiting - crew.starting, most); more > 0; more--) crew.grow();
    this.#goOn();
    if (crew.room <= 0) this.held = "limit";
    else if (!timers.has("grow")) this.#look();
  }

  #look(): void {
    const { crew, timers } = this.#parts;
    this.#seen = new Map([...crew.taking].map((lane) => [lane, lane.running?.seq]));
    this.#used = crew.starting === 0 ? this.#usedNow() : undefined;
    timers.after("grow", { ms: GROW_MS, act: () => this.#afterWait() });
  }

  /**
   * Attempts that could run now if there were a lane: ready ones, and what waits behind a running one. What hangs on the board
   * waits for nobody while workers are about to take it.
   */
  #waiting(): number {
    const { crew, board, supply } = this.#parts;
    let hung = board.ready;
    let behind = 0;
    for (const lane of crew.taking) {
      if (lane.running === undefined) hung -= lane.warm ? 1 : 0;
      else if (lane.spare) behind++;
    }
    return supply.ready + supply.readyAlone + behind + Math.max(0, hung);
  }

  #afterWait(): void {
    const { crew, board, supply, pace, feed } = this.#parts;
    for (const lane of crew.taking) this.#takeBack(lane);
    const size = crew.lanes.length;
    const stuck = [...crew.taking].every((lane) =>
      lane.starting || this.#seen.get(lane) === lane.running?.seq
    );
    const ready = supply.ready + supply.readyAlone + board.ready;
    const drainMs = ready * pace.meanMs / Math.max(1, size);
    if (ready > 0 && crew.starting + this.#left === 0 && (stuck || drainMs > GROW_MS)) {
      this.#left = Math.min(ready, crew.room, this.#round(Math.max(1, size)));
      this.#goOn();
    }
    feed();
  }

  /** How many more help, where there are some already. */
  #round(size: number): number {
    const { capacity } = this.#parts;
    const busy = this.#busy();
    this.held = undefined;
    if (busy === undefined) return 0;
    this.#calm = busy > BUSY ? 0 : this.#calm + 1;
    if (busy >= QUIET && this.#calm < LOOKS) {
      this.held = "processor";
      return 0;
    }
    this.#calm = 0;
    const fit = Math.floor(capacity.freeMemory() * MEMORY_SHARE / capacity.workerBytes);
    if (fit < 1) this.held = "memory";
    return Math.min(fit, size * (busy < QUIET ? QUIET_ROUND : ROUND));
  }

  /**
   * The share of the cores that was in use since it was looked, by this process or, where the system tells, by others; what
   * this one wanted and did not get counts as used. Not known if workers were starting then.
   */
  #busy(): number | undefined {
    const [before, now] = [this.#used, this.#usedNow()];
    if (before === undefined || now.passedMs <= before.passedMs) return undefined;
    const coresMs = (now.passedMs - before.passedMs) * this.#parts.capacity.cores;
    let mine = (now.cpuMs - before.cpuMs) / coresMs;
    const looksClosely = this.#quiet;
    this.#quiet = mine < QUIET;
    // The next look will tell whether its tasks wait, or for the processor.
    if (this.#quiet && !looksClosely) return QUIET;
    if (this.#quiet) mine += ((now.queuedMs ?? 0) - (before.queuedMs ?? 0)) / coresMs;
    // Tasks that wait get their workers however busy others keep the machine.
    if (mine < QUIET || before.idleMs === undefined || now.idleMs === undefined) return mine;
    return Math.max(mine, 1 - (now.idleMs - before.idleMs) / coresMs);
  }

  #usedNow(): Used {
    const { capacity } = this.#parts;
    return {
      cpuMs: capacity.cpuMs(),
      idleMs: capacity.idleMs(),
      queuedMs: this.#quiet ? capacity.queuedMs() : undefined,
      passedMs: capacity.clock.monotonic(),
    };
  }

  /**
   * One more of a round, if it is still wanted and a core is free to start it: many that start at once are all late. One at a
   * time, since a thread that starts holds up this one, and those that are warm are to be fed meanwhile.
   */
  #goOn(): void {
    const { crew, timers, capacity, feed } = this.#parts;
    if (this.#left === 0 || crew.starting >= capacity.cores || timers.has("start")) return;
    if (crew.room <= 0 || this.#waiting() <= crew.starting) {
      this.#left = 0;
      return;
    }
    this.#left--;
    crew.grow();
    timers.after("start", {
      ms: 0,
      act: () => {
        feed();
        this.#goOn();
      },
    });
  }

  /** What waits behind an attempt that takes long is for others. */
  #takeBack(lane: Lane): void {
    const seq = lane.running?.seq;
    if (seq === undefined || seq !== this.#seen.get(lane) || !lane.spare) return;
    this.#parts.supply.giveBack(lane.revoke());
  }
}
