/**
 * Owns the clock of the machine, as the uplink and the gateway want it.
 * Must not know what is timed.
 * Invariant: a timer that was cancelled never fires.
 */
import type { Clock } from "./uplink/port.ts";

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};
