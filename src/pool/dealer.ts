/**
 * Owns what is released to the workers: what hangs on the board for all of them, and which lane gets what has to be alone.
 * Must not know what comes next (the supply does), nor how many lanes there should be.
 * Invariant: after `deal` there is not both something ready and a warm worker that neither has anything to do nor is woken.
 */
import type { LaneItem } from "./attempt.ts";
import type { Board } from "./board/board.ts";
import type { Crew } from "./crew.ts";
import type { Halt } from "./halt.ts";
import type { Lane } from "./lane.ts";
import type { Pace } from "./pace.ts";
import type { Supply } from "./port.ts";

/** Attempts that may hang on the board and wait for others, however long those take: more than a few costs nothing. */
const AHEAD = 64;
/** Slots of the board that are kept for what could start at once. */
const KEPT_FOR_READY = 256;

/** What attempts are handed out with. */
export interface DealerParts {
  readonly crew: Crew;
  readonly board: Board;
  readonly halt: Pick<Halt, "on">;
  readonly supply: Supply;
  readonly pace: Pace;
}

/** Hands out the attempts of one run. */
export class Dealer {
  readonly #parts: DealerParts;

  constructor(parts: DealerParts) {
    this.#parts = parts;
  }

  /** Hands out what is ready. */
  deal(): void {
    this.#alone();
    this.#release();
    this.#wake();
  }

  /** Attempts that want a lane of their own: a fresh one, or the next that has nothing else to do. */
  #alone(): void {
    const { supply, crew } = this.#parts;
    // What waits behind a task that goes on is for who has nothing to do.
    for (const lane of crew.taking) {
      if (lane.spare && lane.running !== undefined && crew.idle() !== undefined) {
        supply.giveBack(lane.revoke());
      }
    }
    for (let next = supply.alone; next !== undefined; next = supply.alone) {
      const { fresh } = next;
      const lane = fresh ? crew.unused() : crew.next();
      if (lane === undefined) {
        if (fresh) this.#makeRoom();
        return;
      }
      const item = supply.takeAlone(lane.id);
      if (item === undefined) return;
      if (!this.#offer(lane, item)) return;
      if (fresh) crew.leave(lane);
    }
  }

  /** A fresh attempt waits: a new worker is needed, in the place of an idle one if there can be no more. */
  #makeRoom(): void {
    const { crew } = this.#parts;
    if (crew.starting > 0) return;
    if (crew.room > 0) {
      crew.grow();
      return;
    }
    const idle = crew.idle();
    if (idle !== undefined) crew.dismiss(idle);
  }

  /** Hangs up what the workers need for a few milliseconds, so that they do not run dry before this thread has its turn. */
  #release(): void {
    const { crew, board, supply, pace } = this.#parts;
    let warm = 0;
    for (const lane of crew.taking) if (lane.warm) warm++;
    if (warm === 0) return;
    const queue = warm * pace.queue;
    const most = Math.max(AHEAD, warm * pace.line);
    const ready = Math.max(0, queue - board.ready);
    const room = board.room - (supply.ready > 0 ? 0 : KEPT_FOR_READY);
    const max = Math.min(room, Math.max(ready, most - board.unclaimed));
    board.low = NEVER;
    if (max <= 0) return;
    const items = supply.release({ max, ready: Math.min(max, ready) });
    if (items.length === 0) return;
    supply.commit();
    const left = board.offer(items);
    if (left.length > 0) supply.giveBack([...left].reverse());
    // There is more where as many came as were asked for.
    if (items.length === max || supply.ready > 0) board.low = board.unclaimed * 3 >> 2;
  }

  /** Workers that can help are let at the board; those that sleep are woken where something is left. */
  #wake(): void {
    const { crew, board, halt } = this.#parts;
    // They would only say that they sleep again; who lifts the halt wakes them.
    if (halt.on) return;
    let ready = board.ready;
    // First those that are awake, then those that sleep, then those that have run nothing yet.
    for (const lane of crew.taking) if (lane.open && !lane.sleeps && !lane.busy) ready--;
    for (const lane of crew.taking) {
      if (ready <= 0) return;
      if (!lane.open || !lane.sleeps) continue;
      lane.wake();
      ready--;
    }
    for (const lane of crew.taking) {
      if (ready <= 0) return;
      if (lane.open || !lane.warm) continue;
      lane.open = true;
      ready--;
    }
  }

  /** Whether there was room: what was taken back from a lane takes its place until its worker has passed it. */
  #offer(lane: Lane, item: LaneItem): boolean {
    const { supply, board } = this.#parts;
    supply.commit();
    const left = lane.offer([item]);
    supply.giveBack(left);
    if (left.length === 0) board.stir();
    return left.length === 0;
  }
}

/** No worker wakes the executor for having taken much. */
const NEVER = -1;
