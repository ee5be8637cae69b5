/**
 * Owns what a benchmark hands over: figures, and the one JSON line by which a process prints them.
 * Must not know what is measured, nor how processes are started (main.ts does).
 * Invariant: a figure is a plain number with its unit, and says how it was measured.
 */
import process from "node:process";
import { runtime } from "../src/runtime/runtime.ts";

/** One measured number. */
export interface Figure {
  /** Such as `chain: gap, median`; the same on every runtime. */
  readonly name: string;
  readonly value: number;
  /** `µs`, `ms`, `tasks/s`, `MiB`, or `×` for a ratio. */
  readonly unit: string;
  readonly how: string;
  /** At most, or at least, so much is wanted. */
  readonly target?: Target;
}

/** What a figure is held to. */
export type Target = { readonly atMost: number } | { readonly atLeast: number };

/** What one process prints. */
export interface Measured {
  readonly bench: string;
  readonly runtime: string;
  readonly figures: readonly Figure[];
  /** Why there are no figures, or not all. */
  readonly note?: string;
}

/** Prints the figures as one JSON line. */
export function print(bench: string, figures: readonly Figure[], note?: string): void {
  const line: Measured = {
    bench,
    runtime: `${runtime.name} ${runtime.version}`,
    figures,
    ...(note === undefined ? {} : { note }),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Whether the value is what the target asks for. */
export function reaches(value: number, target: Target): boolean {
  return "atMost" in target ? value <= target.atMost : value >= target.atLeast;
}

/** The value below which `share` (0 to 1) of them lie. @throws {RangeError} If there are none. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("A quantile needs at least one value");
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** The middle value, or the mean of the two in the middle. @throws {RangeError} If there are none. */
export function median(values: readonly number[]): number {
  return (quantile(values, 0.5) + -quantile(values.map((value) => -value), 0.5)) / 2;
}

/** Whether the command line asks for small sizes, to see that everything works. */
export const quick: boolean = process.argv.includes("--quick");
