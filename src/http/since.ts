/**
 * Owns where a reader goes on that comes back, and how long it stays.
 * Must not know what is numbered.
 */
import { Refuse } from "../base/web/refuse.ts";
import { flag, wholeFrom } from "./query.ts";
import type { Parameter } from "../base/web/route.ts";

/** Parameters of all that can be followed. */
export const SINCE: Parameter<number> = wholeFrom("Only what has a higher number");
export const FOLLOW: Parameter<boolean> = flag(
  "Goes on until the run is over. Default: true as server-sent events, else false",
);
/** The header of all that can be followed. */
export const LAST_EVENT_ID = {
  "Last-Event-ID": "As since; sent by clients of server-sent events when they come back",
} as const;

/** The number that a reader of server-sent events has seen last; it sends it by itself when it comes back. */
export function lastSeen(headers: Headers): number | undefined {
  const text = headers.get("last-event-id");
  if (text === null || text === "") return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Refuse(400, "LAST_EVENT_ID", {
    message: `Last-Event-ID is ${
      JSON.stringify(text.slice(0, 60))
    }: send the id of the last event, a whole number`,
  });
}
