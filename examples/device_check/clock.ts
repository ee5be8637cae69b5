/**
 * Owns the measurements of time itself: how the wall clock goes against the monotonic one, and how late timers are.
 */
import type { TaskContext } from "../../mod.ts";
import { quantile, rounded, sleep } from "./figures.ts";

/** How the wall clock goes. */
export interface Clock {
  /** Parts in a million by which the wall clock runs fast against the monotonic one. */
  readonly driftPpm: number;
}

/** How good timers are on a machine that does nothing else. */
export interface Timers {
  /** Smallest step of `performance.now()`, in nanoseconds. */
  readonly resolutionNs: number;
  /** How much later than asked a timer of 5 ms fires, in milliseconds: in the middle, and the slowest one in a hundred. */
  readonly lateMs: number;
  readonly latestMs: number;
}

/** A difference of this many milliseconds between two looks is no drift: somebody has set the clock. */
const STEP_MS = 20;
const LOOK_MS = 50;

/** Compares the two clocks over `ms` milliseconds, asleep nearly all the time. Throws if the wall clock was set meanwhile. */
export async function measureClock(
  ctx: Pick<TaskContext, "progress" | "signal">,
  ms: number,
): Promise<Clock> {
  const looks = [atTick()];
  for (let elapsed = 0; elapsed < ms;) {
    await sleep(LOOK_MS, ctx.signal);
    const last = looks.at(-1)!;
    const now = atTick();
    const step = aheadMs(last, now);
    if (Math.abs(step) > STEP_MS) {
      throw new Error(`The wall clock was set by ${step.toFixed(0)} ms while it was measured`);
    }
    looks.push(now);
    elapsed = now.monotonic - looks[0]!.monotonic;
    ctx.progress(Math.min(1, elapsed / ms));
  }
  return { driftPpm: rounded(driftOf(looks) * 1e6) };
}

/** How much further the wall clock went from one look to the other, in milliseconds. */
function aheadMs(from: Look, to: Look): number {
  return (to.wall - from.wall) - (to.monotonic - from.monotonic);
}

/** The middle of the slopes between each look and the one half of the time later: one bad look does no harm. */
function driftOf(looks: readonly Look[]): number {
  const half = looks.length >> 1;
  const slopes = looks.slice(half).map((to, at) =>
    aheadMs(looks[at]!, to) / (to.monotonic - looks[at]!.monotonic)
  );
  return quantile(slopes, 0.5);
}

/** Both clocks at the same moment. */
interface Look {
  readonly wall: number;
  readonly monotonic: number;
}

/**
 * Reads both clocks at a tick of the wall clock, since it has no finer step than a millisecond. A look in which the
 * thread was put aside between the two is taken again, a few times.
 */
function atTick(): Look {
  let best: Look & { readonly within: number } | undefined;
  for (let look = 0; look < 3 && (best === undefined || best.within > 0.01); look++) {
    const before = Date.now();
    let wall = before;
    let earliest = performance.now();
    let monotonic = earliest;
    while (wall === before) {
      earliest = monotonic;
      wall = Date.now();
      monotonic = performance.now();
    }
    const within = monotonic - earliest;
    if (best === undefined || within < best.within) best = { wall, monotonic, within };
  }
  return best!;
}

/** Sets timers of 5 ms, one after the other. */
export async function measureTimers(
  ctx: Pick<TaskContext, "progress" | "signal">,
  count: number,
): Promise<Timers> {
  const late: number[] = [];
  for (let timer = 0; timer < count; timer++) {
    const start = performance.now();
    await sleep(5, ctx.signal);
    late.push(performance.now() - start - 5);
    ctx.progress((timer + 1) / count);
  }
  return {
    resolutionNs: rounded(resolution() * 1e6),
    lateMs: rounded(quantile(late, 0.5)),
    latestMs: rounded(quantile(late, 0.99)),
  };
}

function resolution(): number {
  let smallest = Infinity;
  for (let look = 0; look < 1_000; look++) {
    const before = performance.now();
    let now = before;
    while (now === before) now = performance.now();
    smallest = Math.min(smallest, now - before);
  }
  return smallest;
}
