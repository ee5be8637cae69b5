/**
 * Owns the choice of the view that fits the terminal and what the person asked for.
 * Must not know how a view draws.
 */
import { systemClock } from "../../base/clock.ts";
import type { Level } from "../../model/record.ts";
import type { Output } from "../../runtime/port.ts";
import { timeOfDay } from "../../base/shown.ts";
import { colourPaint, isColoured, isRich, plainPaint } from "./paint.ts";
import type { Paint } from "./paint.ts";
import type { View, Viewed, ViewOptions } from "./view.ts";
import { LiveView } from "./live.ts";
import { PlainView } from "./plain.ts";

/** How a person asked to see the run. */
export interface ViewWish {
  readonly stdout: Output;
  readonly stderr: Output;
  env(name: string): string | undefined;
  /** Stdout is taken by the result document. */
  readonly json: boolean;
  readonly level: Level;
  readonly quiet: boolean;
}

/** A view that is ready to be opened. */
export interface ReadyView {
  /** For what is printed at the end. */
  readonly paint: Paint;
  readonly columns: number;
  /** Opens it on an execution, at once, so that no event is missed. */
  open(execution: Viewed): View;
}

/** Makes the view ready that fits the terminal. */
export async function readyView(wish: ViewWish): Promise<ReadyView> {
  const out = wish.json ? wish.stderr : wish.stdout;
  const live = !wish.quiet && isRich(wish.stderr, wish.env);
  const colour = isColoured(out, wish.env);
  const region = isColoured(wish.stderr, wish.env);
  const coloured = colour || live && region ? await colourPaint() : plainPaint;
  const paint = colour ? coloured : plainPaint;
  const { stderr: err, level, quiet } = wish;
  const options: ViewOptions = { out, err, paint, clock: systemClock, time: timeOfDay, level, quiet };
  return {
    paint,
    columns: out.isTTY ? out.columns : 120,
    open: (execution) =>
      live
        ? new LiveView(execution, { ...options, region: region ? coloured : plainPaint })
        : new PlainView(execution, options),
  };
}
