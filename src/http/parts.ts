/**
 * Owns what all routes share.
 * Must not know any route.
 * Invariant: nothing here is global; two end points in one process do not meet.
 */
import type { Context } from "hono";
import type { Clock } from "../base/clock.ts";
import type { Gate } from "./access.ts";
import { Refuse } from "./failure.ts";
import type { HttpOptions, HttpRun } from "./port.ts";
import type { Opened } from "./opened.ts";

/** A request and what goes with it. */
export type Ctx = Context;

/** What routes are made with. */
export interface Parts {
  readonly options: HttpOptions;
  readonly gate: Gate;
  readonly opened: Opened;
  readonly clock: Pick<Clock, "after" | "monotonic">;
  readonly redact: (text: string) => string;
  /** The run. @throws {Refuse} 404 if there has been none yet. */
  run(): HttpRun;
}

/** Who may ask for a route: anyone who reaches the address, or who has a token. */
export type Who = "anyone" | "token";

/** One route. */
export interface Route {
  readonly method: "get" | "put" | "post" | "delete";
  /** As Hono has it. */
  readonly path: string;
  readonly who: Who;
  answer(c: Ctx): Response | Promise<Response>;
}

/** The refusal where there is no run. */
export function noRun(): Refuse {
  return new Refuse(404, "NO_RUN", {
    message: "There is no run yet: ask again when one has begun, /status tells",
  });
}
