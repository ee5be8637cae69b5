/**
 * Owns a run whose executor told no graph: its tasks are those that records name.
 * Must not know where records come from.
 * Invariant: once the run is told anew, nothing more is told of what was before.
 */
import type { Clock } from "../../base/clock.ts";
import type { StateRecord } from "../../model/record.ts";
import type { FeedSink } from "../data.ts";
import { tasksAlone } from "./graph.ts";

/** Pause before tasks that were not known are shown, milliseconds; and so many times as long as that took. */
const ANEW_MS = 300, ANEW_TIMES = 5;

/** Of which run it is, and until when it is told. */
export interface PlainRun {
  readonly head: { readonly id: string; readonly runtime: string };
  readonly name: string;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** Tells such a run. */
export class Plain {
  readonly #sink: FeedSink;
  readonly #run: PlainRun;
  readonly #records: StateRecord[] = [];
  readonly #tasks: Set<string> = new Set();
  #soon = false;
  #tookMs = 0;

  constructor(sink: FeedSink, run: PlainRun) {
    this.#sink = sink;
    this.#run = run;
    this.#anew();
  }

  /** Takes a record; another task has all of them told anew, with it. */
  add(record: StateRecord): void {
    this.#records.push(record);
    const task = "task" in record ? record.task : undefined;
    if (task !== undefined && !this.#tasks.has(task)) {
      this.#tasks.add(task);
      const ms = Math.max(ANEW_MS, ANEW_TIMES * this.#tookMs);
      if (!this.#soon) this.#run.clock.after(ms, () => this.#anew());
      this.#soon = true;
    }
    if (!this.#soon) this.#sink.record(record);
  }

  #anew(): void {
    const { head, name, signal, clock } = this.#run;
    if (signal.aborted) return;
    const begun = clock.monotonic();
    this.#soon = false;
    this.#sink.begin(head, tasksAlone(name, this.#tasks));
    for (const record of this.#records) this.#sink.record(record);
    this.#tookMs = clock.monotonic() - begun;
  }
}
