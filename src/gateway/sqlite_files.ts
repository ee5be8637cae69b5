/**
 * Owns how the files of runs are written to and read from the gateway's database: which run has which, and their blobs.
 * Must not know where their bytes are.
 * Invariant: what a record of a run tells of is here, and nothing else; a row goes with the record that told of it.
 */
import type { FileCatalog, FileChange, RunAnew, RunFileRow } from "./store.ts";
import { SqliteBlobs } from "./sqlite_blobs.ts";
import type { AtOnce } from "./sqlite_port.ts";
import type { GatewayDatabase } from "./sqlite_database.ts";
import type { Row } from "./rows.ts";

/** Files that a list has at most: as many as a run keeps, and some that it kept before it was repeated. */
const LISTED = 20_000;

/** The files of runs, in a gateway's database. */
export class SqliteFiles extends SqliteBlobs implements AtOnce<FileCatalog> {
  constructor(db: GatewayDatabase) {
    super(db, { blobs: "file_blobs", links: "run_files" });
  }

  ofRun(run: string): RunFileRow[] {
    return this.db.all("SELECT * FROM run_files WHERE run = ? ORDER BY seq LIMIT ?", run, LISTED).map(fileOf);
  }

  inRun(run: string, digest: string): RunFileRow | undefined {
    const row = this.db.get("SELECT * FROM run_files WHERE run = ? AND digest = ? LIMIT 1", run, digest);
    return row && fileOf(row);
  }

  dropRun(run: string): string[] {
    return this.db.atomically(() => this.db.all("DELETE FROM run_files WHERE run = ? RETURNING digest", run))
      .map((row) => String(row["digest"]));
  }

  unlinked(digests: readonly string[]): string[] {
    return this.db.all(
      `SELECT value FROM json_each(?)
       WHERE NOT EXISTS (SELECT 1 FROM run_files AS f WHERE f.digest = value)`,
      JSON.stringify(digests),
    ).map((row) => String(row["value"]));
  }

  dropUnlinked(digests: readonly string[]): string[] {
    return this.dropped("digest IN (SELECT value FROM json_each(?))", JSON.stringify(digests));
  }

  /** Takes what records have told, within what is being written; those are there already. @param since Records above are of a life that is over. */
  take(
    run: string,
    { since, changes }: { readonly since?: number; readonly changes: readonly FileChange[] },
  ): void {
    if (since !== undefined) this.db.run("DELETE FROM run_files WHERE run = ? AND seq > ?", run, since);
    for (const change of changes) {
      if ("again" in change) {
        this.#forget(run, change);
        continue;
      }
      const { seq, task, iteration, attempt, name, digest, bytes, item = null } = change;
      this.db.run(
        "INSERT OR IGNORE INTO run_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        run,
        seq,
        task,
        iteration,
        attempt,
        name,
        digest,
        bytes,
        item,
      );
    }
  }

  /** What tasks that are run anew have kept counts no more, but for that of items that stay as they are. */
  #forget(run: string, { seq, again, missing }: RunAnew): void {
    for (const task of again) {
      const done = missing.includes(task) ? this.#doneItems(run, { task, before: seq }) : [];
      this.db.run(
        `DELETE FROM run_files WHERE run = ? AND seq < ? AND task = ?
         AND (item IS NULL OR item NOT IN (SELECT value FROM json_each(?)))`,
        run,
        seq,
        task,
        JSON.stringify(done),
      );
    }
  }

  /** The items of a task whose last attempt has succeeded, as the run's records say. */
  #doneItems(run: string, { task, before }: { readonly task: string; readonly before: number }): number[] {
    // Of the rows of a group SQLite gives the one that has the maximum.
    return this.db.all(
      `SELECT json_extract(text, '$.item') AS item, json_extract(text, '$.outcome') AS outcome, max(seq) FROM records
       WHERE run = ? AND lane = 'state' AND seq < ? AND json_extract(text, '$.type') = 'attempt.settled'
       AND json_extract(text, '$.task') = ? AND json_extract(text, '$.item') IS NOT NULL
       GROUP BY json_extract(text, '$.item')`,
      run,
      before,
      task,
    ).flatMap(({ item, outcome }) => outcome === "succeeded" ? [Number(item)] : []);
  }
}

function fileOf(row: Row): RunFileRow {
  return {
    seq: Number(row["seq"]),
    task: String(row["task"]),
    iteration: Number(row["iteration"]),
    attempt: Number(row["attempt"]),
    name: String(row["name"]),
    digest: String(row["digest"]),
    bytes: Number(row["bytes"]),
    ...(row["item"] !== null && { item: Number(row["item"]) }),
  };
}
