/**
 * Owns how the run goes as a whole: its state, its newest record, its times.
 * Must not know its tasks.
 * Invariant: no time is earlier than that of the newest record.
 */
import { between } from "../base/clock.ts";
import type { RunState } from "../model/outcome.ts";
import type { StateRecord } from "../model/record.ts";

/** How the run stands. */
export type RunView = RunState | "stopping";

/** The course. */
export class Course {
  state: RunView = "running";
  because: string | undefined;
  startedAt = 0;
  endedAt: number | undefined;
  /** Time of the newest record. */
  now = 0;
  seq = 0;
  /** When the run began, by `performance.now()`; not known of a run in a file. */
  #begun: number | undefined;
  #tookMs: number | undefined;
  /** When it went on after an interruption. */
  #resumedAt: number | undefined;
  /** What the executor's clock is ahead of `performance.now()`, milliseconds; not known of a run in a file. */
  #clock: number | undefined;

  /** Takes the next record. */
  add(record: StateRecord): void {
    this.seq = record.seq;
    if (record.at > this.now) this.now = record.at;
    switch (record.type) {
      case "run.started":
        this.startedAt = record.at;
        break;
      case "run.resumed":
        this.state = "running";
        this.endedAt = undefined;
        this.#resumedAt = record.at;
        break;
      case "run.stopping":
        this.state = "stopping";
        this.because = record.because;
        break;
      case "run.ended":
        this.state = record.state;
        this.endedAt = record.at;
        this.#tookMs = record.tookMs;
        break;
    }
  }

  /** Takes the executor's time, milliseconds since the epoch: the browser's may be another. */
  setTime(now: number): void {
    this.#clock = now - performance.now();
  }

  /** Takes how long the run has been going on, milliseconds. */
  setRan(ms: number): void {
    this.#begun = performance.now() - ms;
  }

  /** How long it took, or has been going on: as the executor timed it, where it told. @param live Whether it still tells. */
  took(live: boolean): number {
    if (this.endedAt !== undefined) return this.#tookMs ?? between(this.startedAt, this.endedAt);
    if (live && this.#begun !== undefined) return performance.now() - this.#begun;
    return between(this.startedAt, live ? this.time() : this.now);
  }

  /** How much of that was since the run went on, if it did. @param live As above. */
  sinceResume(live: boolean): number | undefined {
    if (this.#resumedAt === undefined) return undefined;
    return Math.max(0, this.took(live) - between(this.startedAt, this.#resumedAt));
  }

  /** The run's time: that of the executor while the run goes on, then that of its end. */
  time(): number {
    if (this.endedAt !== undefined) return this.endedAt;
    return this.#clock === undefined ? this.now : Math.max(this.now, this.#clock + performance.now());
  }
}
