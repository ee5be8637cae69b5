/**
 * Owns how many answers may be held or go on at the same time, and how much text may wait for their readers.
 * Must not know what they tell.
 * Invariant: a place is counted off once, however often it is given back.
 */
import { systemClock } from "../base/clock.ts";
import { Room } from "../base/reader_stream.ts";
import { Refuse } from "./failure.ts";

/** Characters of texts larger than a page that all readers together may have waiting for them. */
const ROOM_SIZE = 32 * 1024 * 1024;

/** Keeps count of the answers that are held or go on, and of what their readers have not taken yet. */
export class Opened {
  readonly room: Room = new Room(ROOM_SIZE);
  readonly #most: number;
  #count = 0;
  readonly #idle: Set<() => void> = new Set();

  constructor(most: number) {
    this.#most = most;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts one more; the returned function, called once or more, counts it off. @throws {Refuse} 503 at the limit. */
  open(): () => void {
    if (this.#count >= this.#most) {
      throw new Refuse(503, "TOO_MANY_OPEN", {
        message: `${this.#most} answers are open already: close some, or ask again later`,
        headers: { "retry-after": "5" },
      });
    }
    this.#count++;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      if (--this.#count === 0) { for (const tell of this.#idle) tell(); }
    };
  }

  /** Resolves when none is open, or after `ms`. */
  idle(ms: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((done) => {
      const tell = () => {
        cancel();
        this.#idle.delete(tell);
        done();
      };
      const cancel = systemClock.after(ms, tell);
      this.#idle.add(tell);
    });
  }
}
