/**
 * Owns waiting for room: what fails because too much of it goes on at the same time (file descriptors, processes) is tried
 * again while the rest ends.
 * Must not know what needs the room.
 * Invariant: the wait has a limit; then the failure is passed on as it is.
 */
import type { Clock } from "./clock.ts";
import { sleep } from "./wait.ts";

/** The codes by which a system says that it has no room now. */
const CROWDED: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE", "EAGAIN"]);
/** How long it is waited for room, milliseconds. */
const ROOM_MS = 60_000;
const FIRST_MS = 10;
const MAX_MS = 500;

/** Acts, and tries again for a minute while there is no room. @param wanted Whether it is still to be done. */
export async function withRoom<T>(clock: Clock, act: () => Promise<T>, wanted: () => boolean): Promise<T> {
  const until = clock.monotonic() + ROOM_MS;
  for (let ms = FIRST_MS;; ms = Math.min(MAX_MS, ms * 2)) {
    try {
      return await act();
    } catch (error) {
      if (!isCrowded(error) || !wanted() || clock.monotonic() > until) throw error;
    }
    await sleep(clock, ms);
  }
}

function isCrowded(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { readonly code?: unknown; readonly cause?: unknown };
  return CROWDED.has(code) || cause !== undefined && isCrowded(cause);
}
