/**
 * Owns keeping secrets out of the combined log, a journal before a journal, and out of the records that leave the device.
 * Must not know what the secrets are.
 * Invariant: no line reaches the journal behind it with a secret in it, also not half of one in each of two lines: of a long
 * one that was cut, or of base64 that is wrapped. No line waits for another.
 */
import { type Journal, journalBefore, type LogEntry } from "../journal/journal.ts";
import type { StateRecord } from "../model/record.ts";
import type { Redactor } from "./redactor.ts";
import type { RedactionStream } from "./stream.ts";

/** A line this long may have been cut; what follows on the same stream belongs to it. In UTF-16 code units. */
const CUT = 64 * 1024 - 1;
/** Streams of output on which a secret may have begun that are remembered; beyond, the oldest is forgotten. */
const MAX_OPEN = 1_000;

/** A stream of redaction, and how many secrets it knows. */
interface Going {
  readonly stream: RedactionStream;
  readonly count: number;
}

/** The journal, with a log that holds no secrets. */
export function redactingJournal(journal: Journal, redactor: Redactor): Journal {
  if (redactor.idle) return journal;
  const made = (): Going => ({ stream: redactor.stream(), count: redactor.count });
  const open = new Map<string, Going>();
  let fresh = made();
  const textOf = (entry: LogEntry): string => {
    if (redactor.count !== fresh.count) fresh = made();
    const { text, task, iteration, attempt, item, stream } = entry;
    const key = `${iteration} ${attempt} ${item} ${stream} ${task}`;
    const going = open.get(key) ?? fresh;
    const told = going.stream.record(text, { cut: text.length >= CUT });
    if (!going.stream.open) open.delete(key);
    else if (going === fresh) {
      fresh = made();
      open.set(key, going);
      if (open.size > MAX_OPEN) open.delete(open.keys().next().value!);
    }
    // One that goes on since before does not know of what has become secret meanwhile.
    return going.count === redactor.count ? told : redactor.text(told);
  };
  return journalBefore(journal, { log: (entry) => journal.log({ ...entry, text: textOf(entry) }) });
}

/** What of a journal is told elsewhere: its values, errors and reasons are without secrets too. What is kept stays as it is. */
export function toldOf(journal: Journal, redactor: Redactor | undefined): Journal {
  if (redactor === undefined) return journal;
  return journalBefore(journal, {
    states: (after, limit, options) =>
      journal.states(after, limit, options).map((record) => toldRecord(record, redactor)),
  });
}

/** Fields of records that hold JSON, whose numbers have to stay numbers. */
const JSON_FIELDS: readonly string[] = ["value", "detail", "graph"];

function toldRecord(record: StateRecord, redactor: Redactor): StateRecord {
  const text = redactor.idle ? "" : JSON.stringify(record);
  if (redactor.text(text) === text) return record;
  const entries = Object.entries(record).map(([name, value]): [string, unknown] => {
    const isJson = JSON_FIELDS.includes(name) && typeof value === "string";
    return [name, isJson ? redactor.json(value) : redactor.value(value)];
  });
  return Object.fromEntries(entries) as unknown as StateRecord;
}
