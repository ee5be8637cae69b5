/**
 * Owns what every view is told and given. Types only.
 * Must not know which views there are.
 * Invariant: a view never changes the run; once ended, no timer of it is left.
 */
import type { Clock } from "../../base/clock.ts";
import type { Level } from "../../model/record.ts";
import type { Output } from "../../runtime/port.ts";
import type { InspectedExecution } from "../../run/inspection.ts";
import type { Paint } from "./paint.ts";

/** What a view looks at. */
export type Viewed = Pick<InspectedExecution, "follow" | "snapshot">;

/** What a run is watched through. */
export interface View {
  /** Says something of Outrider's own, such as that it is stopping. */
  note(text: string): void;
  /** Takes away whatever is only for the time of the run, prints a last text, gives the terminal back. More calls do nothing. */
  end(last?: string): void;
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
