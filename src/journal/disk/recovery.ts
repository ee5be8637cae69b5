/**
 * Owns what is made of the files that a process has left: which lines the database lacks, and which can't be used.
 * Must not change anything but where the tails go on.
 * Invariant: what it returns is consecutive; what it leaves out, it reports.
 */
import type { Archive, Dropped } from "./archive.ts";
import { TextLines } from "./text_lines.ts";
import { logSize } from "../log_records.ts";
import type { LogRecord, StateRecord } from "../../model/record.ts";
import type { TailContent, Tails } from "./tails.ts";

/** What was found when a journal was opened. */
export interface Recovered {
  /** State records in all. */
  readonly states: number;
  /** Number of the last log record. */
  readonly logs: number;
  /** Records of both streams that the process before had not moved into the database; 0 after an orderly end. */
  readonly fromTail: number;
  /** What could not be used, in words. */
  readonly lost?: string;
}

/** Everything that a journal starts with. */
export interface Start {
  readonly recovered: Recovered;
  readonly states: TextLines;
  readonly logs: TextLines;
  readonly logSize: number;
  readonly cursors: Map<string, number>;
  readonly dropped: Dropped;
  /** Whether each of the tail files holds more that can't be used than what was written last. */
  readonly damaged: readonly boolean[];
}

/** Reads what is there. @param gone Files that should be there and are not, in words. */
export function recover(archive: Archive, tails: Tails, gone: readonly string[] = []): Start {
  const contents = tails.recover();
  const found = contents.flatMap((content) => content.lines);
  const stateTexts = new Map<number, string>();
  const logTexts = new Map<number, string>();
  const cursors = archive.cursors();
  for (const { kind, value, text } of found) {
    if (kind === "c") {
      const { name, seq } = value as { name: string; seq: number };
      cursors.set(name, Math.max(seq, cursors.get(name) ?? 0));
    } else (kind === "s" ? stateTexts : logTexts).set((value as { seq: number }).seq, text);
  }
  const states = consecutive(stateTexts, archive.lastState);
  const logs = newestLogs(logTexts, archive);
  const problems = [
    ...gone,
    ...archive.isWhole("logs") ? [] : ["lines of the log were damaged on the disk"],
    ...tornBytes(contents),
    ...missing(stateTexts, states),
  ];
  return {
    states,
    ...logs,
    cursors,
    damaged: contents.map((content) => content.damaged),
    recovered: {
      states: states.last,
      logs: logs.logs.last,
      fromTail: states.last - states.first + 1 + logs.logs.last - logs.logs.first + 1,
      ...(problems.length > 0 && { lost: problems.join("; ") }),
    },
  };
}

function tornBytes(contents: readonly TailContent[]): string[] {
  const problems: string[] = [];
  for (const { tornBytes, damaged } of contents) {
    if (damaged) {
      problems.push(`${tornBytes} bytes were damaged on the disk: a copy is kept beside the journal`);
    }
  }
  const bytes = contents.reduce((sum, { tornBytes, damaged }) => damaged ? sum : sum + tornBytes, 0);
  if (bytes > 0) problems.push(`the last ${bytes} bytes were torn when the process or the machine ended`);
  return problems;
}

function missing(texts: ReadonlyMap<number, string>, states: TextLines): string[] {
  const unusable = [...texts.keys()].filter((seq) => seq > states.last).length;
  return unusable === 0
    ? []
    : [`${unusable} state records after number ${states.last} follow one that is missing`];
}

/** State records from the one after the database's last, up to the first that is missing. */
function consecutive(texts: ReadonlyMap<number, string>, last: number): TextLines {
  const lines = new TextLines(last + 1);
  for (let text = texts.get(last + 1); text !== undefined; text = texts.get(lines.last + 1)) {
    lines.push({ text, size: 0, at: (JSON.parse(text) as StateRecord).at });
  }
  return lines;
}

/** The log may lack its oldest records, so what counts are the newest that follow each other. */
function newestLogs(
  texts: ReadonlyMap<number, string>,
  archive: Archive,
): { readonly logs: TextLines; readonly logSize: number; readonly dropped: Dropped } {
  const newest = Math.max(archive.lastLog, ...maxOf(texts));
  let first = newest + 1;
  while (first - 1 > archive.lastLog && texts.has(first - 1)) first--;
  let dropped = archive.dropped();
  if (first > archive.lastLog + 1) {
    for (let row = archive.dropOldestLogs(); row !== undefined; row = archive.dropOldestLogs()) {
      dropped = { count: row.last, bytes: dropped.bytes + row.size, at: row.at };
    }
    dropped = { ...dropped, count: first - 1 };
  }
  const logs = new TextLines(first);
  let size = 0;
  for (let seq = first; seq <= newest; seq++) {
    const record = JSON.parse(texts.get(seq)!) as LogRecord;
    logs.push({ text: texts.get(seq)!, size: logSize(record), at: Date.parse(record.at) });
    size += logSize(record);
  }
  return { logs, logSize: size, dropped };
}

function maxOf(texts: ReadonlyMap<number, string>): number[] {
  let max = 0;
  for (const seq of texts.keys()) max = Math.max(max, seq);
  return [max];
}
