/**
 * Owns where a reader goes on that comes back.
 * Must not know what is numbered.
 */
import { Refuse } from "./failure.ts";

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
