/**
 * Owns the measurement of one core: how fast it computes, and whether the figure can be trusted.
 */
import type { TaskContext } from "../../mod.ts";
import { quantile, rounded } from "./figures.ts";

/** How fast one core is. */
export interface Cpu {
  /** Rounds of the kernel below, millions a second; the median of the slices. */
  readonly millionsPerSecond: number;
  /** Range that the middle half of the slices covers, as a share of the median. */
  readonly spread: number;
}

/** Widest spread of a figure that counts as steady. */
const MAX_SPREAD = 0.1;
const SLICES = 16;

/** Computes for `ms` milliseconds in slices, and gives the rate of the middle one. */
export function measureCpu(ctx: Pick<TaskContext, "progress" | "iteration">, ms: number): Cpu {
  const rates: number[] = [];
  for (let slice = 0; slice < SLICES; slice++) {
    rates.push(rateFor(ms / SLICES));
    ctx.progress((slice + 1) / SLICES, ctx.iteration > 0 ? `measurement ${ctx.iteration + 1}` : undefined);
  }
  const median = quantile(rates, 0.5);
  const spread = (quantile(rates, 0.75) - quantile(rates, 0.25)) / median;
  return { millionsPerSecond: rounded(median), spread: rounded(spread) };
}

/** Passes a figure on; throws at a noisy one, but for the last time: a rough figure is better than none. */
export function judge(cpu: Cpu, { last }: { readonly last: boolean }): { readonly steady: boolean } {
  const steady = cpu.spread <= MAX_SPREAD;
  if (steady || last) return { steady };
  throw new Error(`The figure varies by ${percent(cpu.spread)}, more than ${percent(MAX_SPREAD)}: once more`);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function rateFor(ms: number): number {
  const start = performance.now();
  let rounds = 0;
  let state = 1;
  let elapsed = 0;
  do {
    state = kernel(state);
    rounds += ROUNDS;
    elapsed = performance.now() - start;
  } while (elapsed < ms);
  return rounds / elapsed / 1_000;
}

const ROUNDS = 20_000;

/** Integer and floating-point work that depends on itself, so that it can be neither skipped nor reordered. */
function kernel(seed: number): number {
  let x = seed | 1;
  let sum = 0;
  for (let round = 0; round < ROUNDS; round++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    sum = sum * 0.5 + (x & 0xffff);
    x = (x + (sum & 1)) | 0;
  }
  return x;
}
