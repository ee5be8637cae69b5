/**
 * Owns the metrics, in Prometheus' text format.
 * Must not know who collects them.
 * Invariant: counters only grow while the process lives, over runs too; a run costs nothing for them until they are asked
 * for: they are read from the journal then, from where the last reading ended.
 */
import { between } from "../base/clock.ts";
import { OUTCOMES } from "../model/outcome.ts";
import { type StateRecord, statesOf } from "../model/record.ts";
import { Histogram } from "./histogram.ts";
import type { HttpOptions, HttpRun } from "./port.ts";

/** Seconds. */
const DURATIONS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800, 3_600];
const GAPS = [0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1, 1, 10];

const WORKER_STATES = ["busy", "idle", "starting"] as const;
const HELD = ["processor", "memory", "limit"] as const;
const STANDINGS = ["waiting", "ready", "running", "retrying"] as const;

/** The metrics of one process. */
export class Metrics {
  readonly #options: HttpOptions;
  readonly #attempts: Map<string, number> = new Map(OUTCOMES.map((outcome) => [outcome, 0]));
  readonly #durations: Histogram = new Histogram(DURATIONS);
  readonly #gaps: Histogram = new Histogram(GAPS);
  /** When the last attempt on each worker of the run ended. */
  #endedAt: Map<number, number> = new Map();
  #run: HttpRun | undefined;
  /** How long the run has been going on, milliseconds. */
  #ranMs = 0;
  #read = 0;
  #runs = 0;
  #asked = false;

  constructor(options: HttpOptions) {
    this.#options = options;
    // Whoever asks now and then misses no run that came and went meanwhile.
    options.beforeNext?.(() => this.#asked && this.#look());
  }

  /** The text. */
  text(): string {
    this.#asked = true;
    const run = this.#look();
    return `${
      [...this.#process(), ...this.#tasks(), ...this.#present(run), ...this.#gateway()].join("\n")
    }\n`;
  }

  /** Reads what is new of the present run, after the rest of the one before it. */
  #look(): HttpRun | undefined {
    const run = this.#options.run();
    if (run !== this.#run) {
      this.#fold();
      this.#run = run;
      this.#read = 0;
      this.#endedAt = new Map();
      if (run !== undefined) this.#runs++;
    }
    this.#fold();
    return run;
  }

  #fold(): void {
    if (this.#run === undefined) return;
    this.#ranMs = this.#run.snapshot(0).ranMs;
    for (const record of statesOf(this.#run.journal, this.#read)) {
      this.#add(record);
      this.#read = record.seq;
    }
  }

  #add(record: StateRecord): void {
    // What a mapped task came to as a whole is no attempt.
    if (record.type !== "attempt.settled" || record.items !== undefined) return;
    const { outcome, startedAt, endedAt, worker } = record;
    this.#attempts.set(outcome, (this.#attempts.get(outcome) ?? 0) + 1);
    if (startedAt === undefined || endedAt === undefined) return;
    this.#durations.observe(between(startedAt, endedAt) / 1_000);
    if (worker === undefined) return;
    const before = this.#endedAt.get(worker);
    const gapMs = before === undefined || startedAt < before ? undefined : between(before, startedAt);
    // A longer one than the run can have had is a step of the wall clock.
    if (gapMs !== undefined && gapMs <= this.#ranMs) this.#gaps.observe(gapMs / 1_000);
    this.#endedAt.set(worker, endedAt);
  }

  #process(): string[] {
    const { version, runtime, startedAt, unable, conditions } = this.#options;
    return [
      ...metric("outrider_info", "gauge", {
        help: "Version and runtime",
        lines: [`outrider_info{version=${quote(version)},runtime=${quote(runtime)}} 1`],
      }),
      ...gauge("outrider_start_time_seconds", "When the process started, since the epoch", startedAt / 1_000),
      ...gauge("outrider_able", "Whether the executor can work", unable?.() === undefined ? 1 : 0),
      ...gauge("outrider_conditions", "Degraded conditions that hold now", conditions?.().length ?? 0),
      ...metric("outrider_runs_total", "counter", {
        help: "Runs that were seen",
        lines: [`outrider_runs_total ${this.#runs}`],
      }),
    ];
  }

  #tasks(): string[] {
    return [
      ...metric("outrider_attempts_total", "counter", {
        help: "Attempts by outcome",
        lines: [...this.#attempts].map(([outcome, count]) =>
          `outrider_attempts_total{outcome="${outcome}"} ${count}`
        ),
      }),
      ...metric("outrider_attempt_duration_seconds", "histogram", {
        help: "From an attempt's start to its end",
        lines: this.#durations.lines("outrider_attempt_duration_seconds"),
      }),
      ...metric("outrider_between_attempts_seconds", "histogram", {
        help: "From the end of an attempt to the start of the next one on the same worker",
        lines: this.#gaps.lines("outrider_between_attempts_seconds"),
      }),
    ];
  }

  #present(run: HttpRun | undefined): string[] {
    if (run === undefined) return [];
    const { counts, workers } = run.snapshot(0);
    const store = run.store.stats();
    return [
      ...metric("outrider_tasks", "gauge", {
        help: "Tasks of the run that are not settled, by where they stand",
        lines: STANDINGS.map((name) => `outrider_tasks{standing="${name}"} ${counts[name]}`),
      }),
      ...metric("outrider_workers", "gauge", {
        help: "Workers by what they do",
        lines: WORKER_STATES.map((state) => `outrider_workers{state="${state}"} ${workers[state]}`),
      }),
      ...metric("outrider_workers_held", "gauge", {
        help: "1 while tasks wait and no worker more is started, by what keeps it",
        lines: HELD.map((by) => `outrider_workers_held{by="${by}"} ${workers.held === by ? 1 : 0}`),
      }),
      ...gauge("outrider_store_keys", "Keys in the store", store.keys),
      ...gauge("outrider_store_characters", "Characters of keys and values in the store", store.size),
      ...gauge("outrider_store_waits", "Waits on the store that are open", store.waits),
      ...gauge("outrider_events", "Number of the newest event", run.events.last),
    ];
  }

  #gateway(): string[] {
    const gateway = this.#options.gateway?.();
    if (gateway === undefined) return [];
    const { spool, heartbeatFailures, lastContactAt } = gateway;
    return [
      ...metric("outrider_spool_records", "gauge", {
        help: "Records that the gateway does not have yet",
        lines: [
          `outrider_spool_records{lane="state"} ${spool.state}`,
          `outrider_spool_records{lane="log"} ${spool.log}`,
        ],
      }),
      ...metric("outrider_heartbeat_failures_total", "counter", {
        help: "Heartbeats that were not answered",
        lines: [`outrider_heartbeat_failures_total ${heartbeatFailures}`],
      }),
      ...(lastContactAt === undefined ? [] : gauge(
        "outrider_gateway_contact_time_seconds",
        "When the gateway last answered, since the epoch",
        lastContactAt / 1_000,
      )),
    ];
  }
}

function metric(
  name: string,
  type: "counter" | "gauge" | "histogram",
  { help, lines }: { readonly help: string; readonly lines: readonly string[] },
): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}

function gauge(name: string, help: string, value: number): string[] {
  return metric(name, "gauge", { help, lines: [`${name} ${value}`] });
}

/** A label's value, as the format wants it. */
function quote(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}
