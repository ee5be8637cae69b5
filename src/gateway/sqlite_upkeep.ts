/**
 * Owns how a gateway's database is kept from growing for ever: what goes, a little at a time.
 * Must not know how long what is kept.
 * Invariant: a run is there with all that it had, or it is none any more; what is left of one is found and removed later.
 */
import { isComplete } from "./ingest.ts";
import { type Row, runOf } from "./rows.ts";
import type { GatewayDatabase } from "./sqlite_database.ts";
import type { AtOnce } from "./sqlite_port.ts";
import type { Cleared, DroppedRun, Dropping, StoreUpkeep } from "./upkeep.ts";

/** Rows that one step removes at most, and bytes of records after which it removes no more. */
const STEP_ROWS = 1000;
const STEP_TEXT = 4 * 1024 * 1024;
/** Pages that one step gives back to the disk: 2 MiB. */
const STEP_PAGES = 512;
/** Share of unused pages that the database keeps for what comes next. */
const SPARE = 0.1;
/** Dropped runs that are remembered. */
const MAX_DROPPED = 100_000;

/** Keeps a database small. */
export class SqliteUpkeep implements AtOnce<StoreUpkeep> {
  readonly #db: GatewayDatabase;
  #ran: number | undefined;

  constructor(db: GatewayDatabase) {
    this.#db = db;
  }

  ran(): number {
    return this.#ran ??= Number(this.#db.get("SELECT ran FROM storage")?.["ran"] ?? 0);
  }

  hasRun(ms: number): void {
    this.#db.atomically(() => this.#db.run("UPDATE storage SET ran = ?", ms), { durably: false });
    this.#ran = ms;
  }

  bytes(): number {
    return (this.#pragma("page_count") - this.#pragma("freelist_count")) * this.#pragma("page_size");
  }

  shrink(): boolean {
    if (this.#pragma("freelist_count") <= this.#pragma("page_count") * SPARE) return false;
    const before = this.#pragma("page_count");
    this.#db.all(`PRAGMA incremental_vacuum(${STEP_PAGES})`);
    // A database of before it could shrink only uses its pages again.
    return this.#pragma("page_count") < before;
  }

  dropRun(
    before: number,
    { at, because, onlyComplete }: Dropping & { readonly onlyComplete: boolean },
  ): DroppedRun | undefined {
    return this.#db.atomically(() => {
      const which = onlyComplete ? "complete = 1 AND" : "";
      const row = this.#db.get(`SELECT * FROM runs WHERE ${which} heard < ? ORDER BY heard LIMIT 1`, before);
      if (row === undefined) return undefined;
      const [run, executor, kept] = [String(row["run"]), String(row["executor"]), runOf(row)];
      const { state, log } = kept?.acknowledged ?? { state: 0, log: 0 };
      const complete = kept !== undefined && isComplete(kept);
      this.#db.run(
        "INSERT OR REPLACE INTO dropped (run, executor, at, because, complete, state, log) VALUES (?, ?, ?, ?, ?, ?, ?)",
        run,
        executor,
        at,
        because,
        complete ? 1 : 0,
        state,
        log,
      );
      this.#db.run("DELETE FROM runs WHERE run = ?", run);
      this.#db.run(
        `DELETE FROM dropped WHERE clearing = 0 AND n <= (SELECT max(n) FROM dropped) - ${MAX_DROPPED}`,
      );
      return { run, executor, at, because, complete, acknowledged: { state, log }, came: 0 };
    });
  }

  clear(): Cleared | undefined {
    return this.#db.atomically(() => {
      const next = this.#db.get("SELECT run, executor FROM dropped WHERE clearing = 1 ORDER BY n LIMIT 1");
      if (next === undefined) return undefined;
      const run = String(next["run"]);
      const digests = this.#clearOf(run);
      if (digests === undefined) this.#db.run("UPDATE dropped SET clearing = 0 WHERE run = ?", run);
      return { executor: String(next["executor"]), digests: digests ?? [] };
    });
  }

  dropped(run: string): DroppedRun | undefined {
    const row = this.#db.get("SELECT * FROM dropped WHERE run = ?", run);
    return row && droppedOf(row);
  }

  putDropped({ run, acknowledged: { state, log }, came }: Parameters<StoreUpkeep["putDropped"]>[0]): void {
    const sql = "UPDATE dropped SET state = ?, log = ?, came = ? WHERE run = ?";
    this.#db.atomically(() => this.#db.run(sql, state, log, came, run));
  }

  takeUp(run: string): void {
    this.#db.atomically(() => {
      while (this.#clearOf(run) !== undefined);
      this.#db.run("DELETE FROM dropped WHERE run = ?", run);
    });
  }

  heardOf(run: string): void {
    const sql = "UPDATE runs SET heard = ?1 WHERE run = ?2 AND heard < ?1";
    this.#db.atomically(() => this.#db.run(sql, this.ran(), run), { durably: false });
  }

  dropExecutors(before: number): number {
    return this.#db.atomically(() => {
      const gone = this.#db.all(
        `DELETE FROM executors WHERE id IN (SELECT id FROM executors WHERE heard < ? LIMIT ${STEP_ROWS}) RETURNING id`,
        before,
      );
      for (const { id } of gone) {
        this.#db.run("DELETE FROM deliveries WHERE executor = ?", String(id));
        this.#db.run("DELETE FROM commands WHERE executor = ?", String(id));
      }
      return gone.length;
    });
  }

  dropCommands(before: number): number {
    const sql = `DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE put < ? LIMIT ${STEP_ROWS})`;
    return this.#db.atomically(() => this.#db.run(sql, before));
  }

  dropFlags(before: number): number {
    return this.#db.atomically(() =>
      this.#db.run(
        `DELETE FROM flags WHERE (experiment, name) IN
         (SELECT experiment, name FROM flags WHERE used < ? LIMIT ${STEP_ROWS})`,
        before,
      )
    );
  }

  unwanted(before: number): number | undefined {
    const row = this.#db.get(
      `SELECT version FROM handouts WHERE ended IS NULL AND put < ? AND target NOT LIKE 'group:%'
       AND target NOT IN (SELECT id FROM executors) LIMIT 1`,
      before,
    );
    return row && Number(row["version"]);
  }

  /** Removes some of what a run has left; the digests of files that it had, or nothing if nothing was left. */
  #clearOf(run: string): string[] | undefined {
    for (const lane of ["state", "log"]) {
      const last = this.#lastOfStep(run, lane);
      if (last === undefined) continue;
      this.#db.run("DELETE FROM records WHERE run = ? AND lane = ? AND seq <= ?", run, lane, last);
      return [];
    }
    const files = this.#db.all(
      `DELETE FROM run_files WHERE (run, seq) IN (SELECT run, seq FROM run_files WHERE run = ? LIMIT ${STEP_ROWS}) RETURNING digest`,
      run,
    );
    if (files.length > 0) return files.map(({ digest }) => String(digest));
    const sql =
      `DELETE FROM missing WHERE (run, lane, first) IN (SELECT run, lane, first FROM missing WHERE run = ? LIMIT ${STEP_ROWS})`;
    return this.#db.run(sql, run) > 0 ? [] : undefined;
  }

  /** Number of the last record that one step removes. */
  #lastOfStep(run: string, lane: string): number | undefined {
    const sql =
      `SELECT seq, octet_length(text) AS size FROM records WHERE run = ? AND lane = ? ORDER BY seq LIMIT ${STEP_ROWS}`;
    let last: number | undefined;
    let size = 0;
    for (const row of this.#db.each(sql, run, lane)) {
      last = Number(row["seq"]);
      size += Number(row["size"]);
      if (size >= STEP_TEXT) break;
    }
    return last;
  }

  #pragma(name: string): number {
    return Number(this.#db.get(`PRAGMA ${name}`)?.[name]);
  }
}

function droppedOf(row: Row): DroppedRun {
  return {
    run: String(row["run"]),
    executor: String(row["executor"]),
    at: Number(row["at"]),
    because: String(row["because"]),
    complete: row["complete"] === 1,
    acknowledged: { state: Number(row["state"]), log: Number(row["log"]) },
    came: Number(row["came"]),
  };
}
