/**
 * Owns when a timetable has something run: a state machine that is shown the wall clock and says which due time is to be run.
 * Must not know any clock or timer, nor what is run: who asks looks often enough that a step of the clock is seen.
 * Invariant: a due time is run once at the most, whatever the clock does; what is passed over is told.
 *
 *   at ────── first ── … ── last ── now           what came due since `at` was decided about
 *             └── passed ─┘   └ run, if it is on time, or as `overlap` and `missed` say
 */
import type { DueTimes } from "../pipeline/timetable/cron.ts";
import type { PlanSchedule } from "../pipeline/plan/plan.ts";
import type { TimetablePlace } from "../run/kept/kept_timetable.ts";

/** What began later than this after its due time was missed, milliseconds. */
const ON_TIME_MS = 90_000;
/** What a clock may go back without the timetable beginning anew, and what each time in `ran` stands for, milliseconds. */
export const DAY_MS = 86_400_000;
/** Times in `ran`: one for each time that the clock went back further than a day. */
const MAX_RAN = 8;

/** What a look at the clock found. */
export interface Decision {
  /** Is to be run now. */
  readonly due?: number;
  /** First and last due time that are not run, and why. */
  readonly passed?: {
    readonly first: number;
    readonly last: number;
    readonly why: "busy" | "missed" | "done";
  };
}

const NOTHING: Decision = {};

/** What a timetable is made of. */
export interface TimetableOptions {
  readonly schedule: PlanSchedule;
  readonly times: DueTimes;
  readonly place: TimetablePlace;
  /** How much later than a due time this device begins, milliseconds. */
  readonly offsetMs: number;
}

/** A timetable that is kept to. All times are milliseconds since the epoch, by the wall clock. */
export class Timetable {
  readonly #options: TimetableOptions;
  #at: number;
  #ran: readonly number[];
  /** The first due time after `at` that was not run; asked for at each look, and dear. */
  #next: { readonly after: number; readonly due: number | undefined } | undefined;

  constructor(options: TimetableOptions) {
    this.#options = options;
    this.#at = options.place.at;
    this.#ran = options.place.ran;
  }

  get place(): TimetablePlace {
    return { at: this.#at, ran: this.#ran };
  }

  /** When the next run begins, unless one goes on; `undefined` if there is none. */
  next(now: number): { readonly due: number; readonly begins: number } | undefined {
    this.#follow(now);
    const due = this.#first();
    return due === undefined ? undefined : { due, begins: due + this.#options.offsetMs };
  }

  /** Decides about all that has come due. @param busy Something was being run all the while. */
  look(now: number, busy: boolean = false): Decision {
    this.#follow(now);
    const until = now - this.#options.offsetMs;
    const first = this.#first();
    if (first === undefined || first > until) return NOTHING;
    const last = this.#lastUpTo(until, first);
    this.#at = last;
    if (this.#wasRun(last)) return { passed: { first, last, why: "done" } };
    const why = busy ? "busy" : "missed";
    if (!this.#isRun(until - last, busy)) return { passed: { first, last, why } };
    this.ran(last);
    if (last === first) return { due: last };
    return { due: last, passed: { first, last: this.#lastUpTo(last - 1, first), why } };
  }

  /** A due time has been run, or is about to be. */
  ran(due: number): void {
    this.#at = Math.max(this.#at, due);
    const others = this.#ran.filter((ran) => ran > due || due - ran >= DAY_MS);
    this.#ran = [...others, due].slice(-MAX_RAN);
  }

  /**
   * An earlier process ran a due time, whatever was written of it. One that is ahead by more than a day was run by a clock
   * that was wrong: it is not run again, and is not where the timetable goes on from.
   */
  found(due: number, now: number): void {
    if (this.#wasRun(due)) return;
    const at = this.#at;
    this.ran(due);
    if (due > now + DAY_MS) this.#at = at;
  }

  #isRun(lateMs: number, busy: boolean): boolean {
    const { overlap, missed } = this.#options.schedule;
    if (busy) return overlap === "queue";
    return lateMs <= ON_TIME_MS || missed === "once";
  }

  /** A clock that has gone back by more than a day was wrong before, or is now: the timetable begins anew where it stands. */
  #follow(now: number): void {
    if (now < this.#at - DAY_MS) this.#at = now;
  }

  #first(): number | undefined {
    if (this.#next?.after === this.#at) return this.#next.due;
    let due = this.#options.times.next(this.#at);
    for (let ran = this.#before(due); ran !== undefined; ran = this.#before(due)) {
      due = this.#options.times.next(ran);
    }
    this.#next = { after: this.#at, due };
    return due;
  }

  /** The last due time up to a moment, of which one is known: there may be a million between them, so they are not counted up. */
  #lastUpTo(until: number, known: number): number {
    let last = known;
    /** From here on nothing is due up to that moment. Due times are whole seconds. */
    let none = until + 1;
    while (none - last > 1_000) {
      const middle = last + Math.ceil((none - last) / 2_000) * 1_000;
      const due = this.#options.times.next(middle - 1);
      if (due === undefined || due > until) none = middle;
      else last = due;
    }
    return last;
  }

  #wasRun(due: number): boolean {
    return this.#before(due) !== undefined;
  }

  /** A due time that was run, and stands for this one. */
  #before(due: number | undefined): number | undefined {
    return due === undefined ? undefined : this.#ran.find((ran) => due <= ran && ran - due < DAY_MS);
  }
}

/** A number from 0 to below 1 that is always the same for a text: FNV-1a, mixed, since short texts differ in few bits. */
export function shareOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
