/**
 * Owns how many steps of a task that computes by instructions (`compute` in tasks.ts) take as long as a microsecond.
 * Invariant: it is measured once for each process, on a worker that has the machine to itself; the best of many short
 * measurements counts, so what others do meanwhile hardly matters.
 */
import { manifest, task } from "./shapes.ts";
import { timedRun } from "./timed_run.ts";

/** What was found. */
export interface Calibration {
  readonly stepsPerUs: number;
  /** In words, for `how`. */
  readonly how: string;
}

/** Takes a third of a second. */
export async function calibrate(): Promise<Calibration> {
  const source = manifest("calibrate", [["steps", task("stepsPerUs")]]);
  const { result } = await timedRun(source, { workers: 1, maxWorkers: 1 });
  const stepsPerUs = result.tasks["steps"]![0]!.value as number;
  return {
    stepsPerUs,
    how: `by steps, ${
      stepsPerUs.toFixed(0)
    } to the µs, as one worker did them that had the machine to itself`,
  };
}

/** How many steps take so long, at least one. */
export function stepsFor(us: number, { stepsPerUs }: Pick<Calibration, "stepsPerUs">): number {
  return Math.max(1, Math.round(us * stepsPerUs));
}
