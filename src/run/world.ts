/**
 * Owns what runs take from outside of themselves: time, chance and the runtime. The one place in `run` that says which
 * they are unless others are given.
 * Must not know what they are needed for.
 * Invariant: nothing else in `run` and `schedule` reaches for a clock, for chance or for the runtime by itself.
 */
import { type Clock, systemClock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Runtime } from "../runtime/port.ts";
import { runtime } from "../runtime/runtime.ts";

/** What a run takes from outside of itself. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  /** An id that nothing else has, anywhere. */
  newId(): string;
}

/** The world as it is. */
export const realWorld: World = {
  clock: systemClock,
  random: Math.random,
  runtime,
  newId: () => runtime.newId(),
};
