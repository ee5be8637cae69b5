/**
 * Owns the choice of a view and what every view is told and given.
 * Must not know how a view draws.
 * Invariant: a view never changes the run; with none open, no timer of a view is left.
 */
import type { Execution } from "../execution.ts";
import type { Level } from "../journal/record.ts";
import type { Output } from "../runtime/port.ts";
import { timeOfDay } from "./measures.ts";
import { colourPaint, isRich, plainPaint } from "./paint.ts";
import type { Paint } from "./paint.ts";
import { LiveView } from "./view_live.ts";
import { PlainView } from "./view_plain.ts";

/** What a run is watched through. */
export interface View {
  /** Says something of Outrider's own, such as that it is stopping. */
  note(text: string): void;
  /** Takes away whatever is only for the time of the run, prints a last text, gives the terminal back. More calls do nothing. */
  end(last?: string): void;
}

/** Time, passed in so that tests can drive it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `tick` again and again until the returned function is called. */
  every(ms: number, tick: () => void): () => void;
}

/** What a view needs. */
export interface ViewOptions {
  /** Where the log and the report go. */
  readonly out: Output;
  /** Where Outrider's own words and the live view go. */
  readonly err: Output;
  readonly paint: Paint;
  readonly clock: Clock;
  readonly time: (at: number) => string;
  /** Least level of log lines to show. */
  readonly level: Level;
  /** Show nothing until the end. */
  readonly quiet: boolean;
}

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

/** The clock of the machine. */
export const clock: Clock = {
  now: () => Date.now(),
  every: (ms, tick) => {
    const timer = setInterval(tick, ms);
    return () => clearInterval(timer);
  },
};

/** A view that is ready to be opened. */
export interface ReadyView {
  /** For what is printed at the end. */
  readonly paint: Paint;
  readonly columns: number;
  /** Opens it on an execution, at once, so that no event is missed. */
  open(execution: Execution): View;
}

/** Makes the view ready that fits the terminal. */
export async function readyView(wish: ViewWish): Promise<ReadyView> {
  const out = wish.json ? wish.stderr : wish.stdout;
  const live = !wish.quiet && isRich(wish.stderr, wish.env);
  const colour = isRich(out, wish.env);
  const coloured = live || colour ? await colourPaint() : plainPaint;
  const paint = colour ? coloured : plainPaint;
  const { stderr: err, level, quiet } = wish;
  const options: ViewOptions = { out, err, paint, clock, time: timeOfDay, level, quiet };
  return {
    paint,
    columns: out.isTTY ? out.columns : 120,
    open: (execution) =>
      live ? new LiveView(execution, { ...options, region: coloured }) : new PlainView(execution, options),
  };
}
