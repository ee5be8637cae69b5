/**
 * Owns how long ago something was, in few words.
 * Must not know what it was.
 * Invariant: it is taken by the gateway's clock, which both ends of the span come from: the browser's may be another.
 */
import { between, systemClock } from "../../base/clock.ts";
import { localTimeOf } from "../../base/shown.ts";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

/** What is added to a monotonic time to make it the gateway's time of day. */
let ahead = systemClock.stampOffset();

/** Takes the gateway's time of day, as an answer of its says it. */
export function setGatewayTime(date: string | null): void {
  const at = Date.parse(date ?? "");
  if (!Number.isNaN(at)) ahead = at - systemClock.monotonic();
}

/** The gateway's time of day, milliseconds since the epoch. */
export function gatewayTime(): number {
  return ahead + systemClock.monotonic();
}

/** `now`, `35 s ago`, `5 min ago`; of a day and more the time itself. */
export function agoText(stamp: string): string {
  const at = Date.parse(stamp);
  if (Number.isNaN(at)) return "";
  const ms = between(at, gatewayTime());
  if (ms < 3_000) return "now";
  if (ms < MINUTE) return `${Math.floor(ms / 1_000)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  return ms < DAY ? `${Math.floor(ms / HOUR)} h ago` : localTimeOf(stamp).slice(0, 16);
}
