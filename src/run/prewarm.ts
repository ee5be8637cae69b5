/**
 * Owns the worker that is started before anything else is loaded: its thread takes as long to start as the rest of the
 * program does to load, so they do it side by side.
 * Must not import what takes long to load.
 * Invariant: there is at most one, and one run at most gets it.
 */
import { newSeat, newShared, type Seat } from "../pool/seat.ts";
import type { ThreadProgram } from "../runtime/port.ts";
import { realWorld } from "./world.ts";

let early: Seat | undefined;

/**
 * Starts a worker for the run that comes. It does not keep the process alive before that run has it.
 *
 * @param program The worker's. It may be a file for this worker alone: by the time others start, another version may lie there.
 */
export function startEarly(program: ThreadProgram): void {
  early = newSeat(1, {
    shared: newShared(),
    seat: 1,
    clock: realWorld.clock,
    start: (data) => realWorld.runtime.startThread({ ...program, data }),
  });
  early.thread.ref(false);
}

/**
 * The worker that was started early, if there is one; from here on it is the caller's to end.
 *
 * @param fits Whether it will do: it is of the real world, has the environment that there was when it started, and no cap for its
 * heap.
 */
export function takeEarly(fits: boolean): Seat | undefined {
  const taken = early;
  early = undefined;
  if (fits) taken?.thread.ref(true);
  else taken?.thread.terminate().catch(() => {});
  return fits ? taken : undefined;
}
