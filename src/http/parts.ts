/**
 * Owns what all routes share.
 * Must not know any route.
 * Invariant: nothing here is global; two end points in one process do not meet.
 */
import type { Clock } from "../base/clock.ts";
import type { Opened } from "../base/web/opened.ts";
import { Refuse } from "../base/web/refuse.ts";
import type { Gate } from "./access.ts";
import type { Bodies } from "./body.ts";
import type { HttpOptions, HttpRun } from "./port.ts";

/** What routes are made with. */
export interface Parts {
  readonly options: HttpOptions;
  readonly gate: Gate;
  readonly opened: Opened;
  readonly bodies: Bodies;
  readonly clock: Pick<Clock, "after" | "monotonic">;
  readonly redact: (text: string) => string;
  /** The run. @throws {Refuse} 404 if there has been none yet. */
  run(): HttpRun;
}

/** The refusal where there is no run. */
export function noRun(): Refuse {
  return new Refuse(404, "NO_RUN", {
    message: "There is no run yet: ask again when one has begun, /status tells",
  });
}
