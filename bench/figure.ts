/**
 * Owns what a benchmark hands over: figures, and the one JSON line by which a process prints them.
 * Must not know what is measured, nor how processes are started (main.ts does).
 * Invariant: a figure has every value that was measured, its unit, and says how it was measured.
 */
import process from "node:process";
import { runtime } from "../src/runtime/runtime.ts";

/** One measured quantity. */
export interface Figure {
  /** Such as `chain: whole run per task`; the same on every runtime. */
  readonly name: string;
  /** The median of `values`. */
  readonly value: number;
  /** One for each time that it was measured. */
  readonly values: readonly number[];
  readonly unit: Unit;
  readonly how: string;
  readonly target?: Target;
  /** What was looked for lies above the value, as far as was looked; no target is reached then. */
  readonly above?: true;
}

/** `×` is a ratio. */
export type Unit = "µs" | "ms" | "tasks/s" | "records/s" | "bytes" | "MiB" | "×" | "%";

/** What a figure is held to. */
export type Target = { readonly atMost: number } | { readonly atLeast: number };

/** What one process prints. */
export interface Measured {
  readonly bench: string;
  /** Name and version. */
  readonly runtime: string;
  readonly figures: readonly Figure[];
  /** Why there are no figures, or not all. */
  readonly note?: string;
}

/** Makes a figure of what was measured. */
export function figure(
  name: string,
  values: readonly number[],
  about: Pick<Figure, "unit" | "how" | "target" | "above">,
): Figure {
  const { unit, how, target, above } = about;
  return {
    name,
    value: median(values),
    values,
    unit,
    how,
    ...(target === undefined ? {} : { target }),
    ...(above === undefined ? {} : { above }),
  };
}

/** Prints the figures as one JSON line. */
export function print(bench: string, figures: readonly Figure[], notes: readonly string[] = []): void {
  const line: Measured = {
    bench,
    runtime: `${runtime.name} ${runtime.version}`,
    figures,
    ...(notes.length === 0 ? {} : { note: notes.join("; ") }),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Whether the value is what the target asks for. */
export function reaches(value: number, target: Target): boolean {
  return "atMost" in target ? value <= target.atMost : value >= target.atLeast;
}

/** The best of the values, by what the unit means. */
export function best(values: readonly number[], unit: Unit): number {
  return unit.endsWith("/s") ? Math.max(...values) : Math.min(...values);
}

/** The value below which `share` (0 to 1) of them lie. @throws {RangeError} If there are none. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("A quantile needs at least one value");
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** The middle value, or the mean of the two in the middle. @throws {RangeError} If there are none. */
export function median(values: readonly number[]): number {
  return (quantile(values, 0.5) - quantile(values.map((value) => -value), 0.5)) / 2;
}

/** Whether the command line asks for small sizes, which show that everything works and little more. */
export const quick: boolean = process.argv.includes("--quick");

/** The words of the command line that are no options. */
export const words: readonly string[] = process.argv.slice(2).filter((word) => !word.startsWith("-"));
