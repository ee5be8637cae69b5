/**
 * Owns the trace of a run in Chrome's format, which Perfetto and chrome://tracing open: a line for each worker, a bar for
 * each attempt; and one beside the workers for each that has waited for what is scarce.
 * Must not know where the trace is written.
 * Invariant: it is valid JSON at its end, and never lies in memory as a whole.
 *
 * Format: "Trace Event Format" (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).
 */
import { between } from "../base/clock.ts";
import { isFailure } from "./outcome.ts";
import { type Dispatched, type Settled, type StateRecord, type StateRecords, statesOf } from "./record.ts";

/** The trace of a run that is over, in pieces. */
export function* traceOf(journal: StateRecords): Generator<string> {
  yield '{"displayTimeUnit":"ms","traceEvents":[\n';
  yield JSON.stringify({ name: "process_name", ph: "M", pid: 1, args: { name: "outrider" } });
  const workers = new Set<number>();
  const waits = new OpenWaits();
  for (const record of statesOf(journal)) {
    const events = [...waits.take(record), ...eventsOf(record, workers)];
    if (events.length > 0) yield events.map((event) => `,\n${JSON.stringify(event)}`).join("");
  }
  yield "\n]}\n";
}

/** How long attempts have waited that are handed out and have not ended. One that was taken back is handed out anew. */
class OpenWaits {
  readonly #open: Map<string, StateRecord & Dispatched> = new Map();

  /** The bar of what has ended with a record, if it had waited: one that has no line, since many may wait at a time. */
  take(record: StateRecord): object[] {
    if (record.type !== "attempt.dispatched" && record.type !== "attempt.settled") return [];
    const isWait = record.type === "attempt.dispatched" && record.waitedMs !== undefined;
    if (this.#open.size === 0 && !isWait) return [];
    const { task, iteration, attempt, item } = record;
    const key = JSON.stringify([task, iteration, attempt, item]);
    if (record.type === "attempt.dispatched") {
      if (record.waitedMs === undefined) this.#open.delete(key);
      else this.#open.set(key, record);
      return [];
    }
    const waited = this.#open.get(key);
    this.#open.delete(key);
    if (waited?.waitedMs === undefined) return [];
    const { seq: id, at, waitedMs } = waited;
    const args = { iteration, attempt, ...(item !== undefined && { item }) };
    const end = { name: `${task} waits`, cat: "waiting", pid: 1, tid: 0, id };
    return [
      { ...end, ph: "b", ts: micros(at - waitedMs), args },
      { ...end, ph: "e", ts: micros(at) },
    ];
  }
}

function eventsOf(record: StateRecord, workers: Set<number>): object[] {
  switch (record.type) {
    case "run.started":
      return [
        {
          name: "process_labels",
          ph: "M",
          pid: 1,
          args: { labels: `${record.pipeline} on ${record.runtime}` },
        },
        mark("run started", record.at),
      ];
    case "run.stopping":
      return [mark(`stopping: ${record.because}`, record.at)];
    case "run.ended":
      return [mark(`run ${record.state}`, record.at)];
    case "event.emitted":
      return [mark(`event ${record.event}`, record.at)];
    case "attempt.settled":
      return barOf(record, workers);
    default:
      return [];
  }
}

function barOf(settled: Settled, workers: Set<number>): object[] {
  const { task, iteration, attempt, item, items, outcome, because, error, startedAt, endedAt, worker = 0 } =
    settled;
  // A mapped task as a whole is not drawn: its items are.
  if (startedAt === undefined || endedAt === undefined || items !== undefined) return [];
  const bar = {
    name: task,
    cat: outcome,
    ph: "X",
    pid: 1,
    tid: worker,
    ts: micros(startedAt),
    dur: micros(between(startedAt, endedAt)),
    ...(outcome !== "succeeded" && { cname: isFailure(outcome) ? "terrible" : "grey" }),
    args: {
      outcome,
      iteration,
      attempt,
      ...(item !== undefined && { item }),
      ...(because !== undefined && { because }),
      ...(error !== undefined && { error: `${error.name}: ${error.message}` }),
    },
  };
  if (workers.has(worker)) return [bar];
  workers.add(worker);
  const name = worker === 0 ? "no worker" : `worker ${worker}`;
  return [{ name: "thread_name", ph: "M", pid: 1, tid: worker, args: { name } }, bar];
}

function mark(name: string, at: number): object {
  return { name, ph: "i", s: "g", pid: 1, tid: 0, ts: micros(at) };
}

/** Microseconds, to the nanosecond. */
function micros(ms: number): number {
  return Math.round(ms * 1e6) / 1e3;
}
