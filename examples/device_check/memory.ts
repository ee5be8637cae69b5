/**
 * Owns the measurement of memory: how fast it is copied, and how long it takes to reach a place at random.
 */
import type { TaskContext } from "../../mod.ts";
import { quantile, rounded } from "./figures.ts";

/** How fast memory is, as one thread sees it. */
export interface Memory {
  /** GiB copied a second, read and written counted once. */
  readonly copyGiBPerSecond: number;
  /** Nanoseconds to read a place that nothing foretells. */
  readonly latencyNs: number;
}

const COPIES = 24;
const STEPS = 400_000;

/** Copies `mib` MiB again and again, then walks through as much in a random order. */
export async function measureMemory(
  ctx: Pick<TaskContext, "progress" | "signal">,
  mib: number,
): Promise<Memory> {
  const bytes = mib * 2 ** 20;
  const from = new Uint8Array(bytes).fill(1);
  const to = new Uint8Array(bytes).fill(2);
  const rates: number[] = [];
  for (let copy = 0; copy < COPIES; copy++) {
    const start = performance.now();
    to.set(from);
    rates.push(bytes / 2 ** 30 / ((performance.now() - start) / 1_000));
    ctx.progress(copy / COPIES / 2, "copying");
  }
  // Synchronous code hears of nothing: a turn of the event loop lets an abort in.
  await new Promise((done) => setTimeout(done));
  ctx.signal.throwIfAborted();
  const next = randomCycle(bytes / 4);
  ctx.progress(0.8, "reading at random");
  const start = performance.now();
  let at = 0;
  for (let step = 0; step < STEPS; step++) at = next[at]!;
  const elapsedMs = performance.now() - start;
  // `at` is used so that the walk can't be left out.
  const latencyNs = at < 0 ? 0 : elapsedMs * 1e6 / STEPS;
  return { copyGiBPerSecond: rounded(quantile(rates, 0.5)), latencyNs: rounded(latencyNs) };
}

/** A permutation that is one single cycle (Sattolo's algorithm): each place holds the one to go to next. */
function randomCycle(length: number): Int32Array {
  const places = new Int32Array(length);
  for (let at = 0; at < length; at++) places[at] = at;
  let state = 0x9e3779b9;
  for (let at = length - 1; at > 0; at--) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const other = (state >>> 0) % at;
    const kept = places[at]!;
    places[at] = places[other]!;
    places[other] = kept;
  }
  return places;
}
