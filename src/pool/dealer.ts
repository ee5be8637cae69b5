/**
 * Owns which lane gets what is ready.
 * Must not know what comes next (the supply does), nor how many lanes there should be.
 * Invariant: after `deal` there is not both something ready and a warm lane without anything to do.
 */
import type { LaneItem } from "./attempt.ts";
import type { Crew } from "./crew.ts";
import type { Lane } from "./lane.ts";
import type { Pace } from "./pace.ts";
import type { Supply } from "./port.ts";

/** Hands out the attempts of one run. */
export class Dealer {
  readonly #crew: Crew;
  readonly #supply: Supply;
  readonly #pace: Pace;

  constructor({ crew, supply, pace }: { readonly crew: Crew; readonly supply: Supply; readonly pace: Pace }) {
    this.#crew = crew;
    this.#supply = supply;
    this.#pace = pace;
  }

  /** Hands out what is ready to the lanes that have room. */
  deal(): void {
    this.#alone();
    this.#idle();
    this.#lengthen();
    if (this.#supply.ready === 0) this.#balance();
  }

  /** Attempts that want a lane of their own: a fresh one, or an idle one. */
  #alone(): void {
    const supply = this.#supply;
    for (let next = supply.alone; next !== undefined; next = supply.alone) {
      const { fresh } = next;
      const lane = fresh ? this.#crew.unused() : this.#crew.idle();
      if (lane === undefined) {
        if (fresh) this.#makeRoom();
        return;
      }
      const item = supply.takeAlone(lane.id);
      if (item === undefined) return;
      if (!this.#offer(lane, [item])) return;
      if (fresh) this.#crew.leave(lane);
    }
  }

  /** A fresh attempt waits: a new worker is needed, in the place of an idle one if there can be no more. */
  #makeRoom(): void {
    if (this.#crew.starting > 0) return;
    if (this.#crew.room > 0) {
      this.#crew.grow();
      return;
    }
    const idle = this.#crew.idle();
    if (idle !== undefined) this.#crew.dismiss(idle);
  }

  #idle(): void {
    const supply = this.#supply;
    for (const lane of this.#crew.taking) {
      if (supply.ready === 0) return;
      if (!lane.warm || lane.outstanding > 0) continue;
      this.#offer(lane, supply.take(lane.id, { max: this.#pace.line, ready: this.#share() }));
    }
  }

  /** Gives busy lanes more before they run dry: the line behind their last attempt, then what is ready. */
  #lengthen(): void {
    const supply = this.#supply;
    const { line, queue } = this.#pace;
    for (const lane of this.#crew.taking) {
      if (!lane.warm || lane.outstanding === 0 || lane.outstanding > line * 0.75) continue;
      const { last } = lane;
      if (last !== undefined) {
        this.#offer(lane, supply.extend(lane.id, { last: last.task, max: line - lane.outstanding }));
      }
      if (supply.ready > 0 && lane.outstanding < queue) {
        this.#offer(lane, supply.take(lane.id, { max: line - lane.outstanding, ready: this.#share() }));
      }
    }
  }

  /** Nothing is ready: lanes with nothing to do take over what waits behind others. */
  #balance(): void {
    const supply = this.#supply;
    for (const lane of this.#crew.taking) {
      if (!lane.warm || lane.outstanding > 0) continue;
      const victim = [...this.#crew.taking].filter((other) => other.running !== undefined && other.spare)
        .sort((a, b) => b.outstanding - a.outstanding)[0];
      if (victim === undefined) return;
      supply.giveBack(victim.revokeTail());
      if (supply.ready === 0) return;
      this.#offer(lane, supply.take(lane.id, { max: this.#pace.line, ready: 1 }));
    }
  }

  /** Whether there was room for all: what was taken back from a lane takes its place until its worker has passed it. */
  #offer(lane: Lane, items: readonly LaneItem[]): boolean {
    if (items.length === 0) return true;
    this.#supply.commit();
    const left = lane.offer(items);
    if (left.length > 0) this.#supply.giveBack([...left].reverse());
    return left.length === 0;
  }

  /** How many of the ready attempts a lane may take at a time, so that there is something for the others too. */
  #share(): number {
    const fair = Math.floor(this.#supply.ready / (2 * Math.max(1, this.#crew.taking.size)));
    return Math.max(1, Math.min(fair, this.#pace.queue));
  }
}
