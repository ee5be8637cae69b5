/**
 * Owns what a journal on disk holds: the database and, of what that lacks, the lines in memory; the bound of the log.
 * Must not know of tail files, timers and watchers.
 * Invariant: a record is in the database or in memory; it is in both only for as long as a transaction takes.
 */
import { isoTime } from "../../base/clock.ts";
import type { Archive, Dropped, Most } from "./archive.ts";
import type { LastRecords, LogEntry } from "../journal.ts";
import { gapRecord, logSize } from "../log_records.ts";
import {
  type AttemptKey,
  isPlainDispatch,
  isPlainEnd,
  type LogRecord,
  type StateEvent,
  type StateRecord,
} from "../../model/record.ts";
import type { Start } from "./recovery.ts";
import { Latest } from "../superseded.ts";
import type { TextLines } from "./text_lines.ts";

/** A value in the database with fewer characters stays there: its record would take as much. */
const WORTH_REPLACING = 256;

/** All records and cursors of a journal. */
export class Contents {
  readonly #archive: Archive;
  readonly #logBytes: number;
  readonly #states: TextLines;
  readonly #logs: TextLines;
  readonly #cursors: Map<string, number>;
  readonly #latest: Latest = new Latest();
  /** Records in the database whose value can go with the next `save`. */
  readonly #replaced: Map<number, string> = new Map();
  #dropped: Dropped;
  #logSize: number;

  constructor(archive: Archive, start: Start, { logBytes }: { readonly logBytes: number }) {
    this.#archive = archive;
    this.#logBytes = logBytes;
    this.#states = start.states;
    this.#logs = start.logs;
    this.#cursors = start.cursors;
    this.#dropped = start.dropped;
    this.#logSize = archive.logSize() + start.logSize;
    this.#dropOldLogs();
  }

  get last(): LastRecords {
    return { states: this.#states.last, logs: this.#logs.last };
  }

  /** Numbers of the newest records that the database has. */
  get saved(): LastRecords {
    return { states: this.#archive.lastState, logs: this.#archive.lastLog };
  }

  /** Whether a `save` would have anything to do. */
  get unsaved(): boolean {
    const { states, logs } = this.saved;
    // Also records of the log that were dropped before: the database has to know their numbers.
    return this.#states.last > states || this.#logs.last > logs || this.#cursors.size > 0;
  }

  append(event: StateEvent, at: number): number {
    const seq = this.#states.push({ text: stateText(this.#states.last + 1, at, event), size: 0, at });
    if (event.type === "store.changed") this.#supersede(seq, at, event);
    return seq;
  }

  log(entry: LogEntry): LogRecord {
    const record: LogRecord = { seq: this.#logs.last + 1, ...entry, at: isoTime(entry.at) };
    const size = logSize(entry);
    this.#logs.push({ text: JSON.stringify(record), size, at: entry.at });
    this.#logSize += size;
    this.#dropOldLogs();
    return record;
  }

  states(after: number, most: Most): StateRecord[] {
    return this.#read("states", Math.max(0, after), most).map((text) => JSON.parse(text) as StateRecord);
  }

  logs(after: number, { limit, size }: Most): LogRecord[] {
    const { count, bytes, at } = this.#dropped;
    if (limit < 1) return [];
    const gap = after < count ? [gapRecord(at, { count, bytes })] : [];
    const texts = this.#read("logs", Math.max(after, count), { limit: limit - gap.length, size });
    return [...gap, ...texts.map((text) => JSON.parse(text) as LogRecord)];
  }

  cursor(name: string): number {
    return this.#cursors.get(name) ?? 0;
  }

  setCursor(name: string, seq: number): void {
    this.#cursors.set(name, seq);
  }

  /** Names of all cursors. */
  cursorNames(): Iterable<string> {
    return this.#cursors.keys();
  }

  /** Calls `each` with the texts of records in memory with numbers above `after`, oldest first. */
  textsAfter(stream: "states" | "logs", after: number, each: (text: string) => void): void {
    const lines = stream === "states" ? this.#states : this.#logs;
    for (let seq = Math.max(after + 1, lines.first); seq <= lines.last; seq++) each(lines.at(seq).text);
  }

  /** Takes all into the database. It is safe against a power cut once the write-ahead log is synced. */
  save(): void {
    this.#archive.save({
      states: this.#states,
      logs: this.#logs,
      replaced: this.#replaced,
      cursors: this.#cursors,
      dropped: this.#dropped,
    });
    this.#replaced.clear();
    this.#states.clear();
    this.#logs.clear();
  }

  #supersede(seq: number, at: number, event: Extract<StateEvent, { type: "store.changed" }>): void {
    const replaced = this.#latest.note(seq, at, event);
    if (replaced === undefined) return;
    const text = stateText(replaced.seq, replaced.at, replaced.event);
    if (replaced.seq >= this.#states.first) {
      this.#states.put(replaced.seq, { text, size: 0, at: replaced.at });
    } else if (replaced.size > WORTH_REPLACING) this.#replaced.set(replaced.seq, text);
  }

  #read(stream: "states" | "logs", after: number, most: Most): string[] {
    const texts = this.#archive.read(stream, after, most);
    let left = texts.reduce((rest, text) => rest - text.length, most.size);
    const lines = stream === "states" ? this.#states : this.#logs;
    const next = Math.max(after + texts.length + 1, lines.first);
    for (let seq = next; seq <= lines.last && texts.length < most.limit && left > 0; seq++) {
      const { text } = lines.at(seq);
      texts.push(text);
      left -= text.length;
    }
    return texts;
  }

  #dropOldLogs(): void {
    while (this.#logSize > this.#logBytes) {
      const row = this.#archive.dropOldestLogs();
      const { size, at } = row ?? this.#logs.shift();
      const count = row?.last ?? this.#logs.first - 1;
      this.#logSize -= size;
      this.#dropped = { count, bytes: this.#dropped.bytes + size, at };
    }
  }
}

/** The JSON of a state record, without making the record. Written by hand for the two that there are most of. */
function stateText(seq: number, at: number, event: StateEvent): string {
  const head = `{"seq":${seq},"at":${Number.isFinite(at) ? at : 0},`;
  if (event.type === "attempt.dispatched" && isPlainDispatch(event)) {
    return `${head}${keyText(event)},"worker":${numberText(event.worker)}}`;
  }
  if (event.type === "attempt.settled" && isPlainEnd(event)) return head + endText(event);
  return head + JSON.stringify(event).slice(1);
}

function keyText({ type, task, iteration, attempt, item }: { readonly type: string } & AttemptKey): string {
  const text = `"type":"${type}","task":${JSON.stringify(task)},"iteration":${
    numberText(iteration)
  },"attempt":${numberText(attempt)}`;
  return item === undefined ? text : `${text},"item":${numberText(item)}`;
}

function endText(event: Extract<StateEvent, { readonly type: "attempt.settled" }>): string {
  const { worker, outcome, value, startedAt, endedAt } = event;
  let text = keyText(event);
  if (worker !== undefined) text += `,"worker":${numberText(worker)}`;
  text += `,"outcome":"${outcome}"`;
  if (value !== undefined) text += `,"value":${JSON.stringify(value)}`;
  if (startedAt !== undefined) text += `,"startedAt":${numberText(startedAt)}`;
  if (endedAt !== undefined) text += `,"endedAt":${numberText(endedAt)}`;
  return `${text}}`;
}

/** As `JSON.stringify` has it. */
function numberText(value: number): string {
  return Number.isFinite(value) ? `${value}` : "null";
}
