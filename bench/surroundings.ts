/**
 * Owns the look at what else the machine has to do, just before something is measured.
 * Invariant: it never fails; what the system does not tell is absent.
 */
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";

/** What the machine was doing just before a measurement. */
export interface Surroundings {
  /** Load average over a minute; our own processes before are in it. */
  readonly load: number;
  /** Part of all cores that others kept busy for the 0.1 s before, 0 to 1; Linux only. */
  readonly busy?: number;
}

/** Looks for 0.1 s. */
export async function lookAround(): Promise<Surroundings> {
  const before = ticks();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const after = ticks();
  const load = loadavg()[0]!;
  if (before === undefined || after === undefined) return { load };
  return { load, busy: 1 - (after.idle - before.idle) / Math.max(1, after.total - before.total) };
}

/** In words, for a person. */
export function wordsFor({ load, busy }: Surroundings): string {
  return `load ${load.toFixed(1)}` + (busy === undefined ? "" : `, others ${Math.round(busy * 100)} %`);
}

/** Idle and total time of all cores since the start of the system, in ticks. */
function ticks(): { readonly idle: number; readonly total: number } | undefined {
  try {
    const times = readFileSync("/proc/stat", "utf8").split("\n")[0]!.trim().split(/\s+/).slice(1, 9).map(
      Number,
    );
    return { idle: times[3]! + times[4]!, total: times.reduce((sum, time) => sum + time, 0) };
  } catch {
    return undefined;
  }
}
