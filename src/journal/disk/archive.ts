/**
 * Owns the database of a journal: lines packed into rows, cursors, and what was dropped from the log.
 * Must not know about tails, timers and watchers.
 * Invariant: rows hold consecutive lines; together they run from the first kept to the last saved one without gaps.
 */
import type { Checksum, Database } from "./port.ts";
import { JournalError } from "../errors.ts";
import type { TextLine, TextLines } from "./text_lines.ts";
import { damagedLine } from "../log_records.ts";

/** 2: rows have a checksum; those of version 1 have none. */
const VERSION = 2;

/** A row holds lines up to about so many characters: one row costs as much as one record would. */
const ROW_SIZE = 1 << 16;

const SCHEMA = `
CREATE TABLE states (last INTEGER PRIMARY KEY, first INTEGER NOT NULL, lines TEXT NOT NULL, sum INTEGER);
CREATE TABLE logs (last INTEGER PRIMARY KEY, first INTEGER NOT NULL, size INTEGER NOT NULL, at REAL NOT NULL, lines TEXT NOT NULL, sum INTEGER);
CREATE TABLE cursors (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dropped (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL, bytes INTEGER NOT NULL, at REAL NOT NULL);
INSERT INTO dropped VALUES (1, 0, 0, 0);
PRAGMA user_version = ${VERSION};
`;

const FROM_1 = `
ALTER TABLE states ADD COLUMN sum INTEGER;
ALTER TABLE logs ADD COLUMN sum INTEGER;
PRAGMA user_version = ${VERSION};
`;

/** What was dropped from the log: records 1 to `count`, their size, and the time of the last. */
export interface Dropped {
  readonly count: number;
  readonly bytes: number;
  readonly at: number;
}

/** How much is read at a time. */
export interface Most {
  readonly limit: number;
  /** In characters. */
  readonly size: number;
}

/** A row of the log, without its lines. */
interface LogRow {
  readonly first: number;
  readonly last: number;
  readonly size: number;
  readonly at: number;
}

/** A row with its lines. */
interface Row {
  readonly first: number;
  readonly last: number;
  readonly lines: readonly string[];
}

/** What goes into the database at once. */
export interface Batch {
  readonly states: TextLines;
  readonly logs: TextLines;
  /** New texts of state records that were saved before. */
  readonly replaced: ReadonlyMap<number, string>;
  readonly cursors: ReadonlyMap<string, number>;
  readonly dropped: Dropped;
}

/** How a journal's database is opened. */
export interface ArchiveOptions {
  /** Bound of the log: rows are smaller than a sixteenth of it, so that it is dropped in small steps. */
  readonly logBytes: number;
  readonly checksum: Checksum;
  /** It must be there already. */
  readonly existing: boolean;
}

/** A journal's database. */
export class Archive {
  readonly #database: Database;
  readonly #checksum: Checksum;
  readonly #rowSize: number;
  /** Kept rows of the log, oldest first. */
  readonly #logRows: LogRow[];
  /** The row read last, by table: readers come back for the rest of it. */
  readonly #cache: Map<string, Row> = new Map();
  #lastState: number;
  #lastLog: number;

  constructor(database: Database, { logBytes, checksum, existing }: ArchiveOptions) {
    this.#database = database;
    this.#checksum = checksum;
    this.#rowSize = Math.min(ROW_SIZE, logBytes / 16);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    // Whoever holds this journal syncs the files itself, in the order that `save`, `checkpoint` and `settle` ask for.
    database.exec("PRAGMA wal_autocheckpoint = 0");
    this.#transact(() => prepareSchema(database, existing));
    this.#lastState = lastOf(
      database.prepare("SELECT first, last FROM states ORDER BY last").all(),
      0,
      "states",
    );
    this.#logRows = database.prepare("SELECT first, last, size, at FROM logs ORDER BY last")
      .all() as unknown as LogRow[];
    const count = this.dropped().count;
    this.#lastLog = lastOf(this.#logRows, (this.#logRows[0]?.first ?? count + 1) - 1, "logs");
    // What was dropped but not yet deleted when the process before ended.
    while (this.#logRows[0] !== undefined && this.#logRows[0].last <= count) this.#logRows.shift();
    // What is taken for true later is looked at now; of the log, damaged lines are told as such when they are read.
    if (!this.isWhole("states")) throw damagedFrom(1);
    for (let seq = 1; seq <= this.#lastState;) seq = this.#stateRow(seq).last + 1;
  }

  /** Number of the last state record saved. */
  get lastState(): number {
    return this.#lastState;
  }

  /** Number of the last log record saved or dropped by the time of saving. */
  get lastLog(): number {
    return this.#lastLog;
  }

  /** Whether all rows of a table can be found: whole rows may be gone without a trace else. */
  isWhole(table: "states" | "logs"): boolean {
    const [found] = this.#database.prepare(`PRAGMA quick_check(${table})`).all();
    return found !== undefined && Object.values(found)[0] === "ok";
  }

  /** Size of the log that is kept. */
  logSize(): number {
    return this.#logRows.reduce((size, row) => size + row.size, 0);
  }

  dropped(): Dropped {
    return this.#database.prepare("SELECT count, bytes, at FROM dropped").all()[0] as unknown as Dropped;
  }

  cursors(): Map<string, number> {
    const rows = this.#database.prepare("SELECT name, seq FROM cursors").all();
    return new Map(rows.map(({ name, seq }) => [name as string, seq as number]));
  }

  /** Gives up the oldest row of the log; it is deleted with the next `save`. */
  dropOldestLogs(): LogRow | undefined {
    return this.#logRows.shift();
  }

  /** Takes all lines in. They are safe against a power cut once the write-ahead log is synced. */
  save(batch: Batch): void {
    const { states, logs, replaced, cursors, dropped } = batch;
    const newRows: LogRow[] = [];
    this.#transact(() => {
      const state = this.#database.prepare(
        "INSERT INTO states (first, last, lines, sum) VALUES (?, ?, ?, ?)",
      );
      for (const row of rowsOf(states, ROW_SIZE)) {
        state.run(row.first, row.last, row.text, this.#sumOf(row, row.text));
      }
      const log = this.#database.prepare(
        "INSERT INTO logs (first, last, size, at, lines, sum) VALUES (?, ?, ?, ?, ?, ?)",
      );
      for (const { first, last, size, at, text } of rowsOf(logs, this.#rowSize)) {
        log.run(first, last, size, at, text, this.#sumOf({ first, last }, text));
        newRows.push({ first, last, size, at });
      }
      this.#replace(replaced);
      const cursor = this.#database.prepare("INSERT OR REPLACE INTO cursors VALUES (?, ?)");
      for (const [name, seq] of cursors) cursor.run(name, seq);
      this.#database.prepare("DELETE FROM logs WHERE last <= ?").run(dropped.count);
      this.#database.prepare("UPDATE dropped SET count = ?, bytes = ?, at = ?").run(
        dropped.count,
        dropped.bytes,
        dropped.at,
      );
    });
    this.#lastState = Math.max(this.#lastState, states.last);
    this.#lastLog = Math.max(this.#lastLog, logs.last);
    this.#logRows.push(...newRows);
  }

  /** Makes everything safe against a power cut at once; the thread waits for the disk. */
  settle(): void {
    this.#database.exec("PRAGMA synchronous = FULL");
    this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    this.#database.exec("PRAGMA synchronous = OFF");
  }

  /** Moves what is in the write-ahead log, which must be synced, to its place. The next `save` may come only when both files are synced. */
  checkpoint(): void {
    this.#database.exec("PRAGMA wal_checkpoint(PASSIVE)");
  }

  /** Texts of lines with a number above `after`, at most `limit`, and none more once they have `size` characters. */
  read(table: "states" | "logs", after: number, { limit, size }: Most): string[] {
    const texts: string[] = [];
    let left = size;
    const last = table === "states" ? this.#lastState : this.#lastLog;
    for (let seq = after + 1; seq <= last && texts.length < limit && left > 0;) {
      const row = this.#row(table, seq);
      if (row === undefined) break;
      for (; seq <= row.last && texts.length < limit && left > 0; seq++) {
        const text = row.lines[seq - row.first]!;
        texts.push(text);
        left -= text.length;
      }
    }
    return texts;
  }

  close(): void {
    this.#database.exec("PRAGMA synchronous = FULL");
    this.#database.close();
  }

  /** The row with a line. */
  #row(table: "states" | "logs", seq: number): Row | undefined {
    const cached = this.#cache.get(table);
    if (cached !== undefined && cached.first <= seq && seq <= cached.last) return cached;
    const row = table === "states" ? this.#stateRow(seq) : this.#logRow(seq);
    if (row !== undefined) this.#cache.set(table, row);
    return row;
  }

  #stateRow(seq: number): Row {
    const row = this.#read("states", seq);
    if (row !== undefined) return row;
    throw damagedFrom(seq);
  }

  /** A row of the log; where it can't be read, lines that say so. */
  #logRow(seq: number): Row | undefined {
    const known = this.#logRows.find(({ first, last }) => first <= seq && seq <= last);
    if (known === undefined) return undefined;
    const { first, last, at } = known;
    let row: Row | undefined;
    try {
      row = this.#read("logs", seq);
    } catch {
      // SQLite can't make sense of its file there.
    }
    if (row?.first === first && row.last === last) return row;
    const lines = Array.from({ length: last - first + 1 }, (_, index) => damagedLine(first + index, at));
    return { first, last, lines };
  }

  /** The row with a line, if it is as it was written. */
  #read(table: "states" | "logs", seq: number): Row | undefined {
    const [found] = this.#database.prepare(
      `SELECT first, last, lines, sum FROM ${table} WHERE last >= ? ORDER BY last LIMIT 1`,
    ).all(
      seq,
    ) as unknown as ({ first: number; last: number; lines: string; sum: number | null } | undefined)[];
    if (found === undefined || found.first > seq) return undefined;
    const { first, last, sum } = found;
    const lines = found.lines.split("\n");
    if (lines.length !== last - first + 1) return undefined;
    const whole = sum === null ? lines.every(isJson) : sum === this.#sumOf(found, found.lines);
    return whole ? { first, last, lines } : undefined;
  }

  #sumOf({ first, last }: { readonly first: number; readonly last: number }, text: string): number {
    return this.#checksum(text, this.#checksum(`${first} ${last}`));
  }

  /** Writes rows of states anew, each once. */
  #replace(replaced: ReadonlyMap<number, string>): void {
    const update = this.#database.prepare("UPDATE states SET lines = ?, sum = ? WHERE last = ?");
    const rows = new Map<number, { readonly first: number; readonly lines: string[] }>();
    for (const [seq, text] of replaced) {
      const row = this.#row("states", seq);
      if (row === undefined) continue;
      const { first, lines } = rows.get(row.last) ?? { first: row.first, lines: [...row.lines] };
      lines[seq - first] = text;
      rows.set(row.last, { first, lines });
    }
    for (const [last, { first, lines }] of rows) {
      const text = lines.join("\n");
      update.run(text, this.#sumOf({ first, last }, text), last);
    }
    this.#cache.delete("states");
  }

  #transact(work: () => void): void {
    this.#database.exec("BEGIN EXCLUSIVE");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      try {
        this.#database.exec("ROLLBACK");
      } catch {
        // A full disk has rolled it back already.
      }
      throw error;
    }
  }
}

function damagedFrom(seq: number): JournalError {
  return new JournalError(
    "CORRUPT",
    `The journal's state records from ${seq} on are damaged: move it away to start anew`,
  );
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

function prepareSchema(database: Database, existing: boolean): void {
  const version = database.prepare("PRAGMA user_version").all()[0]!["user_version"] as number;
  if (version > VERSION) {
    throw new JournalError(
      "NEWER_VERSION",
      `The journal has version ${version}, this Outrider knows up to ${VERSION}: use the newer one`,
    );
  }
  if (version === VERSION) return;
  if (version === 1) return database.exec(FROM_1);
  if (database.prepare("SELECT name FROM sqlite_master").all().length > 0) {
    throw new JournalError(
      "CORRUPT",
      "The file is a database but no journal of Outrider: move it away, or choose another state directory",
    );
  }
  if (existing) {
    throw new JournalError("CORRUPT", "The journal is missing or was emptied, and what was in it with it");
  }
  database.exec(SCHEMA);
}

/** The last number, if the rows follow each other. */
function lastOf(rows: readonly object[], before: number, table: string): number {
  let last = before;
  for (const row of rows as readonly { readonly first: number; readonly last: number }[]) {
    if (row.first !== last + 1) {
      throw new JournalError(
        "CORRUPT",
        `The journal's ${table} ${last + 1} to ${row.first - 1} are missing: move it away to start anew`,
      );
    }
    last = row.last;
  }
  return last;
}

function* rowsOf(lines: TextLines, limit: number): Generator<LogRow & { readonly text: string }> {
  let texts: TextLine[] = [];
  let length = 0;
  for (let seq = lines.first; seq <= lines.last; seq++) {
    const line = lines.at(seq);
    texts.push(line);
    length += Math.max(line.text.length, line.size);
    if (length < limit && seq < lines.last) continue;
    yield {
      first: seq - texts.length + 1,
      last: seq,
      size: texts.reduce((size, line) => size + line.size, 0),
      at: line.at,
      text: texts.map((line) => line.text).join("\n"),
    };
    texts = [];
    length = 0;
  }
}
