/**
 * Owns the timetable that an agent keeps to: which pipeline's it is, waiting until it is due, and what of it outlives the
 * process.
 * Must not know how a run is carried out, nor where a newer pipeline comes from.
 * Invariant: a due time is written down as run only after its run has been begun, and a run that was begun counts as one; so
 * none is run twice, whenever the process ends.
 */
import { messageOf } from "../base/message.ts";
import { localTime } from "../base/shown.ts";
import { Bell } from "../base/wait.ts";
import type { PlanSchedule } from "../pipeline/plan/plan.ts";
import type { KeptTimetable } from "../run/kept/kept_timetable.ts";
import type { HttpTimetable } from "../serving/serving.ts";
import type { JobSource } from "./handed.ts";
import type { AgentPort } from "./port.ts";
import { DAY_MS, type Decision, shareOf, Timetable } from "./timetable.ts";

/** How often the wall clock is looked at, at the least, milliseconds: so late a step of it is seen. */
const LOOK_MS = 30_000;

/** A pipeline with a timetable. */
export interface Timetabled {
  readonly source: JobSource;
  /** Names its hand-out; absent: it is a file. */
  readonly tag: string | undefined;
  readonly pipeline: string;
  readonly schedule: PlanSchedule;
}

/** What a timekeeper needs. */
export interface TimekeeperOptions {
  readonly port: Pick<AgentPort, "clock" | "state" | "newId" | "note" | "readText">;
  /** Spreads devices: the id of this one, if it has one. */
  readonly executor: string | undefined;
  /** Nothing new is to start. */
  readonly paused: () => boolean;
  /** What the gateway is told of it has changed. */
  readonly changed: () => void;
}

interface Kept extends Timetabled {
  readonly timetable: Timetable;
  readonly seed: string;
}

/** Keeps to one timetable at a time. */
export class Timekeeper {
  readonly #options: TimekeeperOptions;
  readonly #bell: Bell = new Bell();
  /** Due times of runs that an earlier process began, by hand-out. */
  readonly #begun: { readonly tag: string | undefined; readonly due: number }[] = [];
  #kept: Kept | undefined;
  /** The due time that came while something was run, and is to be run next. */
  #waiting: number | undefined;
  /** Whether the state directory has what was handed out. */
  #saved = false;
  /** Where the timetable stood when it was last written down. */
  #savedAt = -Infinity;

  constructor(options: TimekeeperOptions) {
    this.#options = options;
  }

  /** What is kept to, if anything is. */
  get kept(): Timetabled | undefined {
    return this.#kept;
  }

  /** What is told of it. */
  told(): HttpTimetable | undefined {
    if (this.#kept === undefined) return undefined;
    const { pipeline, schedule: { cron, timezone, overlap, missed }, timetable, tag } = this.#kept;
    const next = timetable.next(this.#options.port.clock.now());
    const last = timetable.place.ran.at(-1);
    return {
      pipeline,
      cron,
      timezone,
      overlap,
      missed,
      ...(tag !== undefined && { handout: tag }),
      ...(next !== undefined && { next: next.begins, nextDue: next.due }),
      ...(last !== undefined && { last }),
    };
  }

  /** A run that an earlier process began is there: its due time is not run again, whatever was written of it. */
  found(tag: string | undefined, due: number): void {
    this.#begun.push({ tag, due });
  }

  /**
   * Goes on with a timetable that was handed to an earlier process; that of a file is in the file. One that only can't be read
   * now stays for the next process.
   */
  async remember(): Promise<void> {
    const { state, readText, note } = this.#options.port;
    const kept = state?.timetable;
    if (kept?.tag === undefined) return;
    const { tag, pipeline, schedule } = kept;
    try {
      const text = await readText(await state!.timetableFile(tag));
      await this.#keepTo({ source: { text }, tag, pipeline, schedule }, kept);
      this.#saved = true;
    } catch (error) {
      note(`The timetable of ${pipeline} can't be kept to: ${messageOf(error)}`);
      if ((error as { readonly code?: unknown }).code === "ENOENT") await state!.keepToNone();
    }
  }

  /** Keeps to this timetable from now on. Where it is the same as before, it goes on as it stood. */
  async take(taken: Timetabled): Promise<void> {
    const { state, clock, note, newId } = this.#options.port;
    const before = this.#kept === undefined
      ? state?.timetable
      : { ...this.#kept, ...this.#kept.timetable.place };
    const goesOn = before !== undefined && before.tag === taken.tag && before.pipeline === taken.pipeline &&
      JSON.stringify(before.schedule) === JSON.stringify(taken.schedule);
    if (goesOn && this.#kept !== undefined) return;
    this.#passWaiting(`${taken.pipeline} has taken its place`);
    const fresh = { at: clock.now(), ran: [], seed: before?.seed ?? newId() };
    if (this.#kept?.tag !== taken.tag) this.#saved = false;
    await this.#keepTo(taken, goesOn ? before : fresh);
    await this.#save();
    const { next } = this.told()!;
    note(
      `${taken.pipeline} has a timetable (${taken.schedule.cron}, ${taken.schedule.timezone}): ${
        next === undefined
          ? "it is never due again"
          : next <= clock.now()
          ? `a run has been due since ${localTime(next)}`
          : `the next run begins at ${localTime(next)}`
      }`,
    );
    this.#told();
  }

  /** Keeps to none any more. */
  async end(because: string): Promise<void> {
    if (this.#kept === undefined) return;
    this.#passWaiting(because);
    this.#options.port.note(`The timetable of ${this.#kept.pipeline} ends: ${because}`);
    this.#kept = undefined;
    this.#saved = false;
    await this.#options.port.state?.keepToNone();
    this.#told();
  }

  /** A pause began or ended. */
  look(): void {
    this.#bell.ring();
  }

  /** Something has been run all the time since the last look: what came due meanwhile waits, or is passed over. */
  ranOn(): void {
    const due = this.#decide(true);
    if (due === undefined) return;
    this.#passWaiting("a later one came due");
    this.#waiting = due;
  }

  /** Resolves to the due time that is to be run; to nothing once the timetable is another or none, or the signal is aborted. */
  async due(signal: AbortSignal): Promise<number | undefined> {
    const { clock } = this.#options.port;
    const kept = this.#kept;
    while (!signal.aborted && this.#kept === kept && kept !== undefined) {
      // It began anew where the clock was set back to: the next process is to go on from there, and not to begin anew again.
      if (kept.timetable.place.at < this.#savedAt) {
        await this.#save();
        continue;
      }
      const paused = this.#options.paused();
      const due = paused ? undefined : this.#waiting ?? this.#decide(false);
      if (due !== undefined) {
        this.#waiting = undefined;
        return due;
      }
      const now = clock.now();
      const begins = paused ? Infinity : kept.timetable.next(now)?.begins ?? Infinity;
      const ms = Math.min(Math.max(begins - now, 1), LOOK_MS);
      await this.#bell.wait(signal, { clock, ms });
    }
    return undefined;
  }

  /** Something else is to be run first: unless that takes the timetable's place, the due time is the next. */
  giveBack(due: number): void {
    this.#waiting = due;
  }

  /** The run for a due time has been begun. */
  async began(due: number): Promise<void> {
    this.#kept?.timetable.ran(due);
    await this.#save();
    this.#options.changed();
  }

  #decide(busy: boolean): number | undefined {
    if (this.#kept === undefined) return undefined;
    const { due, passed } = this.#kept.timetable.look(this.#options.port.clock.now(), busy);
    if (passed !== undefined) this.#sayPassed(passed);
    return due;
  }

  /** What waits is not run any more, since the timetable is over. */
  #passWaiting(because: string): void {
    const due = this.#waiting;
    this.#waiting = undefined;
    if (due !== undefined) this.#sayLeftOut({ first: due, last: due }, because);
  }

  #sayPassed({ first, last, why }: NonNullable<Decision["passed"]>): void {
    const reason = {
      busy: "a run was going on",
      missed: "nothing was there to run it, or the clock was set forward",
      done: "it has been run, and the clock was set back",
    }[why];
    this.#sayLeftOut({ first, last }, reason);
  }

  #sayLeftOut({ first, last }: { readonly first: number; readonly last: number }, because: string): void {
    const { pipeline } = this.#kept!;
    const what = first === last
      ? `The run of ${pipeline} that was due at ${localTime(first)} is`
      : `The runs of ${pipeline} that were due from ${localTime(first)} to ${localTime(last)} are`;
    this.#options.port.note(`${what} left out: ${because}`);
  }

  async #keepTo(
    taken: Timetabled,
    { at, ran, seed }: Pick<KeptTimetable, "at" | "ran" | "seed">,
  ): Promise<void> {
    const { dueTimes } = await import("../pipeline/timetable/cron.ts");
    const { schedule, tag, pipeline } = taken;
    const share = shareOf(`${this.#options.executor ?? seed} ${pipeline}`);
    // Whole seconds, as due times are.
    const offsetMs = Math.floor(share * Math.min(schedule.jitterMs, DAY_MS) / 1_000) * 1_000;
    const timetable = new Timetable({ schedule, times: dueTimes(schedule), place: { at, ran }, offsetMs });
    const now = this.#options.port.clock.now();
    for (const { tag: its, due } of this.#begun) if (its === tag) timetable.found(due, now);
    this.#waiting = undefined;
    this.#savedAt = at;
    this.#kept = { ...taken, timetable, seed };
  }

  async #save(): Promise<void> {
    const { state } = this.#options.port;
    if (state === undefined || this.#kept === undefined) return;
    const { source, tag, pipeline, schedule, seed, timetable: { place } } = this.#kept;
    const kept = { ...(tag !== undefined && { tag }), pipeline, schedule, seed, ...place };
    this.#savedAt = place.at;
    const text = this.#saved || typeof source === "string" ? undefined : source.text;
    if (await state.keepTo(kept, text)) this.#saved = true;
  }

  #told(): void {
    this.#bell.ring();
    this.#options.changed();
  }
}
