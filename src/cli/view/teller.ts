/**
 * Owns which happenings of a run become lines for a person, in every view.
 * Must not know where the lines go.
 * Invariant: in a large pipeline the number of its lines does not grow with the number of tasks that went well; nor in any with
 * the number of items of mapped tasks.
 */
import type { FollowedEvent } from "../../run/inspection.ts";
import { type AttemptKey, type Level, LEVELS, type LogRecord, type StateEvent } from "../../model/record.ts";
import { isFailure } from "../../model/outcome.ts";
import { LineWriter } from "./text_line.ts";
import type { Paint } from "./paint.ts";
import { MAX_ROWS } from "./report.ts";
import type { Viewed } from "./view.ts";

/** Failures told as they happen in a large pipeline; the rest are counted. */
const MAX_FAILURES_TOLD = 20;

/** Where lines go: those of tasks to `out`, those of Outrider itself to `err`. */
export type Tell = (lines: string, to: "out" | "err") => void;

/** Turns events into lines. */
export class Teller {
  readonly #execution: Viewed;
  readonly #tell: Tell;
  readonly #writer: LineWriter;
  readonly #level: number;
  readonly #unwatch: () => void;
  #large: boolean | undefined;
  #failures = 0;

  constructor(
    execution: Viewed,
    options: {
      readonly paint: Paint;
      readonly time: (at: number) => string;
      readonly level: Level;
      readonly tell: Tell;
    },
  ) {
    this.#execution = execution;
    this.#tell = options.tell;
    this.#writer = new LineWriter(options.paint, options.time);
    this.#level = severityOf(options.level);
    this.#unwatch = execution.follow((event) => this.#take(event), (event) => this.#wants(event));
  }

  /** Whether there are too many tasks for a line each; known once the run has started. */
  get large(): boolean {
    return this.#large ??= this.#execution.snapshot(0).tasks > MAX_ROWS;
  }

  note(at: number, text: string): void {
    this.#tell(this.#writer.note(at, text), "err");
  }

  close(): void {
    this.#unwatch();
  }

  /** What went well in a large pipeline is no line, nor an item of a mapped task that did. */
  #wants(event: StateEvent): boolean {
    switch (event.type) {
      case "attempt.settled":
        return isFailure(event.outcome) || !this.#isOneOfMany(event);
      case "attempt.planned":
        return event.attempt > 1 && !this.#isOneOfMany(event);
      default:
        return false;
    }
  }

  #take(event: FollowedEvent): void {
    switch (event.type) {
      case "attempt.settled":
        return this.#settled(event);
      case "log":
        return this.#log(event);
      case "attempt.planned":
        this.#tell(this.#writer.planned(event.at, event), "out");
    }
  }

  #log(record: LogRecord): void {
    // What Outrider reports as going well the views show themselves; it is in the log, and shown to those who debug. What
    // programs print that it runs, such as one that installs, takes its time.
    const hushed = record.from === "executor" && record.stream === "log" &&
      this.#level === severityOf("info");
    if (severityOf(record.level) < (hushed ? severityOf("warn") : this.#level)) return;
    this.#tell(this.#writer.log(record), record.from === "executor" ? "err" : "out");
  }

  #isOneOfMany({ item }: AttemptKey): boolean {
    return item !== undefined || this.large;
  }

  #settled(event: FollowedEvent & { readonly type: "attempt.settled" }): void {
    if (!this.#isOneOfMany(event)) return this.#tell(this.#writer.settled(event), "out");
    this.#failures++;
    if (this.#failures <= MAX_FAILURES_TOLD) this.#tell(this.#writer.settled(event), "out");
    if (this.#failures === MAX_FAILURES_TOLD + 1) {
      this.note(event.at, "more failures are counted from here on, and told at the end");
    }
  }
}

function severityOf(level: Level): number {
  return LEVELS.indexOf(level);
}
