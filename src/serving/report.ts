/**
 * Owns the report of a finished run as one file: the page, with all of the run that it draws from.
 * Must not know how the page looks (page/ does), nor where the file lies.
 * Invariant: what is left out for its size is said in its place.
 */
import { reportHtml } from "../page/page.ts";
import { planJson } from "../http/run_routes.ts";
import type { InspectedExecution } from "../run/inspection.ts";
import type { Journal } from "../journal/journal.ts";
import { type LogRecord, pagesOf, statesOf } from "../model/record.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import { toldOf } from "../secrets/journal.ts";
import type { Redactor } from "../secrets/redactor.ts";
import type { SharedStore } from "../store/store.ts";

/** Longest value that goes into a report, characters of its JSON. */
export const MAX_REPORT_VALUE = 65_536;

/** Most lines of the log in a report, the newest. */
export const MAX_REPORT_LINES = 50_000;

/** Records read at a time. */
const PAGE = 1_000;

/** What a report is made of. */
export type Reported = Pick<InspectedExecution, "run" | "journal" | "store" | "plan">;

/**
 * The report of a run as HTML, in pieces. To be asked for when the run is over, before its journal is closed.
 *
 * What `redactor` knows to be secret is left out of it all. Values of more than 65,536 characters and all but the newest 50,000 lines of the log are left out, which it says.
 */
export function pageReport({ run, journal, store, plan }: Reported, redactor?: Redactor): Iterable<string> {
  const told = toldOf(journal, redactor);
  return reportHtml({
    head: plan === undefined ? [] : [redactor?.json(headOf(run, told, plan)) ?? headOf(run, told, plan)],
    records: recordsOf(told),
    logs: logsOf(told),
    store: storeOf(store, redactor),
  });
}

function headOf(run: string, journal: Journal, plan: Plan): string {
  const started = journal.states(0, PAGE).find((record) => record.type === "run.started");
  return `{"run":${JSON.stringify(run)},"runtime":${JSON.stringify(started?.runtime ?? "")},"pipeline":${
    planJson(plan)
  }}`;
}

/** All but changes of the store, whose end is told apart. */
function* recordsOf(journal: Journal): Generator<string> {
  for (const record of statesOf(journal)) {
    if (record.type === "store.changed") continue;
    if (record.type === "attempt.settled" && record.value !== undefined) {
      yield JSON.stringify({ ...record, value: bounded(record.value) });
    } else if (record.type === "event.emitted" && record.detail !== undefined) {
      yield JSON.stringify({ ...record, detail: bounded(record.detail) });
    } else yield JSON.stringify(record);
  }
}

function* logsOf(journal: Journal): Generator<string> {
  let out = Math.max(0, journal.last().logs - MAX_REPORT_LINES);
  for (const page of pagesOf((after) => journal.logs(after, PAGE), out)) {
    if (out > 0) yield JSON.stringify(leftOut(out, page[0]!));
    out = 0;
    for (const record of page) yield JSON.stringify(record);
  }
}

function leftOut(count: number, { at }: LogRecord): LogRecord {
  const text = `The first ${count} lines are not in this report; --log keeps them all`;
  return { seq: count, at, level: "warn", from: "executor", stream: "log", text };
}

function* storeOf(store: SharedStore, redactor: Redactor | undefined): Generator<string> {
  let cursor: string | undefined;
  do {
    const page = store.keys({ prefix: "", limit: PAGE, ...(cursor !== undefined && { cursor }) });
    for (const key of page.keys) {
      const entry = store.get(key);
      if (entry === undefined) continue;
      const { version, value, expiresAt } = entry;
      yield JSON.stringify({
        key: redactor?.text(key) ?? key,
        version,
        text: bounded(redactor?.json(value) ?? value),
        ...(expiresAt !== undefined && { expiresAt }),
      });
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
}

/** JSON text of a value, or of a sentence that says how large it was. */
function bounded(text: string): string {
  return text.length <= MAX_REPORT_VALUE
    ? text
    : JSON.stringify(`(a value of ${text.length} characters, not in this report)`);
}
