/**
 * Owns the fairness of the executor's thread: what workers have to tell takes turns with everything else, timers and sockets.
 * Must not know what workers tell.
 * Invariant: after at most `ASK_MS` + `WORK_MS` without a turn for timers what comes waits, and the thread is left to others for `REST_MS`. A
 * worker whose bell is not answered sends no other, so that the rest comes for certain.
 *
 * Without it, workers that print without end starve heartbeats for seconds: Deno hands on messages before all else as long
 * as there are any, and Bun gives timers a turn only now and then. A request is many small steps, which is why one turn of
 * the event loop is not enough for it.
 */

import type { Clock } from "../base/clock.ts";

/** A pause this long says that others had their turn, milliseconds. */
const PAUSE_MS = 1;
/** After work without a pause for this long it is asked whether timers get their turn, milliseconds: asking takes a timer. */
const ASK_MS = 8;
/** How long that may take, milliseconds. */
const WORK_MS = 16;
/** How long others are left alone then, milliseconds. */
const REST_MS = 4;

const ALL: WeakMap<Clock, Turns> = new WeakMap();

/** The turns of the thread that a clock is of. */
export function turnsOf(clock: Clock): Turns {
  let turns = ALL.get(clock);
  if (turns === undefined) ALL.set(clock, turns = new Turns(clock));
  return turns;
}

/** Takes turns on one thread. */
export class Turns {
  readonly #clock: Clock;
  /** When work came after a pause. */
  #since = -Infinity;
  /** When work was last done. */
  #until = -Infinity;
  /** When a timer was set whose turn has not come. */
  #asked: number | undefined;
  #resting = false;
  readonly #waiting: Set<() => void> = new Set();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Does the work now, or, if others are to have their turn first, after that. What waits already is done once. */
  take(work: () => void): void {
    const now = this.#clock.monotonic();
    if (now - this.#until > PAUSE_MS) this.#since = now;
    if (this.#asked === undefined && now - this.#since > ASK_MS) {
      this.#asked = now;
      this.#clock.after(0, () => this.#turn());
    }
    if (this.#resting || this.#asked !== undefined && now - this.#asked > WORK_MS) this.#waiting.add(work);
    else work();
    this.#until = this.#clock.monotonic();
  }

  /** Does the work when others have had their turn. */
  takeLater(work: () => void): void {
    this.#clock.after(0, () => this.take(work));
  }

  #turn(): void {
    if (this.#waiting.size > 0 && !this.#resting) {
      this.#resting = true;
      this.#clock.after(REST_MS, () => this.#turn());
      return;
    }
    this.#since = this.#clock.monotonic();
    this.#asked = undefined;
    this.#resting = false;
    for (const work of [...this.#waiting]) {
      this.#waiting.delete(work);
      this.take(work);
    }
  }
}
