/**
 * Owns what a lane is built on: a thread with the worker's program in it, and the memory that both sides share.
 * Must not know lanes, so that a thread can be started before there is one.
 * Invariant: a thread and its memory belong to one lane.
 */
import type { Clock } from "../base/clock.ts";
import type { Thread } from "../runtime/port.ts";
import { type BoardMemory, boardMemory } from "./board/memory.ts";
import { SHARED_VALUE_BYTES } from "./board/shared_values.ts";
import { INBOX_CELLS, inboxMemory } from "./ring/inbox.ts";
import { OUTBOX_BYTES, OUTBOX_CELLS } from "./ring/outbox.ts";
import type { WorkerData } from "./protocol.ts";
import { unfinishedMemory } from "./unfinished.ts";

/** A thread and the memory shared with it. */
export interface Seat {
  readonly data: WorkerData;
  readonly thread: Thread;
  /** When the thread was started, by the monotonic clock. */
  readonly startedAt: number;
}

/** One cell, shared by all workers of a run: 1 means that nothing new may start. */
function haltCell(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** What all workers of a run share. */
export interface Shared {
  /** See `haltCell`. */
  readonly halt: Int32Array;
  readonly board: BoardMemory;
}

/** Memory that all workers of one run share. */
export function newShared(): Shared {
  return { halt: haltCell(), board: boardMemory(SHARED_VALUE_BYTES) };
}

/** What a seat is made with. */
export interface SeatOptions {
  readonly shared: Shared;
  /** Its number among those that live, from 1. */
  readonly seat: number;
  readonly clock: Clock;
  readonly start: (data: WorkerData) => Thread;
}

/** Starts a thread. @param worker Its number, from 1. */
export function newSeat(worker: number, { shared, seat, clock, start }: SeatOptions): Seat {
  const cells = new Int32Array(new SharedArrayBuffer(4 * (OUTBOX_CELLS + INBOX_CELLS)));
  const inbox = inboxMemory(cells.subarray(OUTBOX_CELLS));
  const outbox = new SharedArrayBuffer(OUTBOX_BYTES);
  const data = { worker, seat, ...shared, cells, outbox, inbox, unfinished: unfinishedMemory() };
  const startedAt = clock.monotonic();
  return { data, thread: start(data), startedAt };
}
