/**
 * Owns that a server whose runtime counts no connections (Deno, Bun) has no more than it may, and that what its runtime
 * makes of the limit of descriptors ends neither the server nor the process.
 * Must not know how a runtime listens, nor what is served.
 * Invariant: what is under way is not broken off unless the process would starve; those are let go who have asked for nothing.
 *
 *   open ── too many descriptors, or it failed ──▶ shut: takes nothing new, lets go of who is idle
 *   open ◀── there is room again, or it took too long ── shut
 */
import { type Clock, systemClock } from "../base/clock.ts";
import { openDescriptors } from "./descriptors.ts";

/** A server that can be shut without breaking off what is under way. */
export interface Door {
  /** Takes nothing new and lets go of idle connections; resolves when the last one is gone. */
  shut(): Promise<void>;
  /** Breaks off what is under way. */
  close(): Promise<void>;
  /** Settles when it takes nothing new any more, through no doing of ours. */
  readonly failed?: Promise<void>;
}

/** How it is watched. */
export interface DoorsOptions {
  /** Most descriptors that the process may have open before the door is shut. */
  readonly most: number;
  /** From so many on there are too few left for the rest of the process. */
  readonly starving: number;
  /** Opens it anew, at the same place. */
  open(): Promise<Door>;
  readonly clock?: Clock;
  readonly used?: () => number;
}

/** How often it is looked whether there is room, milliseconds; and while it is shut. */
const LOOK_MS = 100;
const SOON_MS = 25;
/** How long the rest of the process may starve before those are broken off too that are being answered, milliseconds. */
const STARVE_MS = 200;
/** After this long the idle ones are gone everywhere, and if there is no room still, it is not for them. */
const SHUT_MS = 15_000;
/** How long it stays open then, milliseconds. */
const OPEN_MS = 60_000;

/** A door that is watched. */
export class Doors {
  readonly #options: Required<DoorsOptions>;
  readonly #leaving: Set<Door> = new Set();
  #door: Door | undefined;
  #opening: Promise<void> | undefined;
  #closed = false;
  #until: number;
  #shutAt = 0;
  #cancel: () => void;

  constructor(first: Door, options: DoorsOptions) {
    this.#options = { clock: systemClock, used: openDescriptors, ...options };
    this.#until = this.#now();
    this.#enter(first);
    this.#cancel = this.#later();
  }

  /** Breaks off what is under way, and opens no more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#opening;
    const doors = [...this.#leaving, ...(this.#door === undefined ? [] : [this.#door])];
    await Promise.all(doors.map((door) => door.close()));
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }

  #later(): () => void {
    return this.#options.clock.after(this.#door === undefined ? SOON_MS : LOOK_MS, () => {
      this.#look();
      this.#cancel = this.#later();
    });
  }

  #look(): void {
    const used = this.#options.used();
    const full = used > this.#options.most;
    const due = this.#now() >= this.#until;
    if (this.#door !== undefined) {
      if (full && due) this.#shut(this.#door);
    } else if (used >= this.#options.starving && this.#now() >= this.#shutAt + STARVE_MS) {
      // Bun lets go of connections that have never asked for anything only after 12 s.
      for (const door of this.#leaving) door.close().catch(() => {});
    } else if (this.#opening === undefined && (!full || due)) {
      this.#until = this.#now() + (full ? OPEN_MS : 0);
      this.#opening = this.#open();
    }
  }

  #shut(door: Door): void {
    this.#door = undefined;
    this.#shutAt = this.#now();
    this.#until = this.#shutAt + SHUT_MS;
    this.#leaving.add(door);
    const left = () => void this.#leaving.delete(door);
    door.shut().then(left, left);
  }

  async #open(): Promise<void> {
    try {
      const door = await this.#options.open();
      if (this.#closed) await door.close();
      else this.#enter(door);
    } catch {
      // Descriptors ran out once more, or the place is not free yet: it is tried again at the next look.
    } finally {
      this.#opening = undefined;
    }
  }

  #enter(door: Door): void {
    this.#door = door;
    const failed = () => {
      if (this.#door === door && !this.#closed) this.#shut(door);
    };
    door.failed?.then(failed, failed);
  }
}
