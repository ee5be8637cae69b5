/**
 * The functions that pipeline.json names. A task is a function of `ctx`; what it returns is its value.
 */
// Outside of this checkout: import type { TaskContext } from "outrider";
import type { TaskContext } from "../../mod.ts";

/** A water level in centimetres. */
export interface Level {
  readonly centimetres: number;
  readonly from: "station" | "archive";
}

/** Asks a station that answers only when it has been asked often enough. */
export function station(ctx: TaskContext<unknown, { name: string; answersAt: number }>): Level {
  const { name, answersAt } = ctx.params;
  if (ctx.attempt < answersAt) throw new Error(`Station ${name} does not answer`);
  return { centimetres: 312.4, from: "station" };
}

/** What was read the last time. */
export function archive(ctx: TaskContext): Level {
  ctx.log.warn("The station does not answer; taking the last level in the archive");
  return { centimetres: 309, from: "archive" };
}

/** Takes the one there is: with `join: any`, the input of the other is absent. */
export function level({ inputs }: TaskContext<{ station?: Level; archive?: Level }>): Level {
  return inputs.station ?? inputs.archive!;
}

/** Halves the interval in which the scale lies, and tells its middle. What a loop is to remember lies in the store. */
export async function adjust(ctx: TaskContext): Promise<number> {
  const [low, high] = await ctx.store.get<[number, number]>("interval") ?? [0, 1_000];
  const middle = (low + high) / 2;
  await ctx.store.set("middle", middle);
  ctx.progress(1 - (high - low) / 1_000, `${low.toFixed(1)} to ${high.toFixed(1)} cm`);
  return middle;
}

/** Succeeds when the scale is right; else notes which half it lies in, and fails. */
export async function compare(
  ctx: TaskContext<{ adjust: number; wanted: Level }, { tolerance: number }>,
): Promise<{ centimetres: number; rounds: number }> {
  const { adjust: middle, wanted } = ctx.inputs;
  const off = middle - wanted.centimetres;
  if (Math.abs(off) <= ctx.params.tolerance) return { centimetres: middle, rounds: ctx.iteration + 1 };
  const [low, high] = await ctx.store.get<[number, number]>("interval") ?? [0, 1_000];
  await ctx.store.set("interval", off > 0 ? [low, middle] : [middle, high]);
  throw new Error(`The scale is off by ${off.toFixed(1)} cm`);
}

/** One line for people. */
export function report(
  { inputs, log }: TaskContext<{ level: Level; compare: { centimetres: number; rounds: number } }>,
): string {
  const { level, compare } = inputs;
  const text = `${level.centimetres} cm from the ${level.from}, scale set to ${
    compare.centimetres.toFixed(1)
  } cm in ${compare.rounds} rounds`;
  log.info(text);
  return text;
}
