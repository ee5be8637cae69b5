/**
 * Owns how what a gateway keeps is written to and read from its database.
 * Must not know what the rows mean.
 * Invariant: what was acknowledged is on the disk; heartbeats need not be, the next one makes up for them.
 */
import type { Instruction, NewInstruction, Parked, SharedFlag } from "../protocol/messages.ts";
import type { Bytes } from "../base/bytes.ts";
import { RUN_STATES } from "../model/outcome.ts";
import type { Stream } from "../model/stream.ts";
import {
  answerOf,
  commandOf,
  deliveryOf,
  executorOf,
  flagOf,
  handoutOf,
  missingOf,
  type Row,
  runOf,
  tokenOf,
} from "./rows.ts";
import { SqliteFiles } from "./sqlite_files.ts";
import { SqliteCatalog } from "./sqlite_registry.ts";
import { SqliteUpkeep } from "./sqlite_upkeep.ts";
import { type GatewayDatabase, openDatabase } from "./sqlite_database.ts";
import { type AtOnce, awaited, SharedConnection } from "./sqlite_port.ts";
import { isComplete } from "./ingest.ts";
import type { Catalog } from "./registry/catalog.ts";
import type { StoreUpkeep } from "./upkeep.ts";
import type {
  DeliveryRow,
  ExecutorPage,
  ExecutorRow,
  FileCatalog,
  FlagAnswer,
  GatewayStore,
  HandoutEnd,
  HandoutRow,
  Ingested,
  NewHandout,
  OpenOptions,
  Projected,
  RecordRow,
  RunCountsPage,
  RunRow,
  RunsOf,
  TokenRow,
  Within,
} from "./store.ts";

/** How long the answer to an operation on a flag is kept, milliseconds: longer than anyone tries again. */
const ANSWERS_MS = 3_600_000;
/** How many of them are kept for one experiment, and after how many more they are counted. */
const MAX_ANSWERS = 100_000;
const COUNTED = 1000;
/** Executors that are remembered, and after how many new ones they are counted. */
const MAX_EXECUTORS = 10_000;
const COUNTED_EXECUTORS = 100;
/** Hand-outs that are over and still listed. */
const MAX_ENDED = 1000;
/** After so long a flag counts as used anew when it is read, milliseconds. */
const USED_MS = 24 * 3_600_000;
/** Most text of records that is read at a time, characters. */
const READ_TEXT = 8 * 1024 * 1024;

/** Records that are written by one statement where there are so many. */
const MANY_RECORDS = 32;
const [PUT_RECORD, PUT_RECORDS] = [1, MANY_RECORDS].map((count) => {
  const rows = Array.from({ length: count }, (_, at) => `(?1, ?2, ?${2 * at + 3}, ?${2 * at + 4})`);
  return `INSERT OR IGNORE INTO records VALUES ${rows.join(", ")}`;
}) as [string, string];

/**
 * The store of a gateway in the database at a path, which is made if there is none.
 *
 * @param path Path of the file; `:memory:` keeps nothing.
 * @throws {GatewayStoreError} If it can't be opened or is of a newer version.
 */
export function sqliteGatewayStore(path: string): SqliteGatewayStore {
  const db = openDatabase(path);
  const rows = new SqliteRows(db);
  const connection = new SharedConnection();
  const seenBy = (call: <R>(work: () => R) => Promise<R>): Within => {
    const methods = {
      ...awaited(rows, call),
      id: rows.id,
      catalog: awaited(rows.catalog, call) as unknown as Catalog,
      files: awaited(rows.files, call) as unknown as FileCatalog,
      upkeep: awaited(rows.upkeep, call) as unknown as StoreUpkeep,
      get holdsTokens() {
        return rows.holdsTokens;
      },
    };
    return methods as unknown as Within;
  };
  // Whoever has the connection alone does not wait for it.
  const within = seenBy(async (work) => work());
  return Object.assign(seenBy((work) => connection.call(work)), {
    rows,
    atomically: <T>(work: (store: Within) => Promise<T>, options?: { readonly durably?: boolean }) =>
      connection.alone(() => db.transaction(() => work(within), options)),
    close: () => db.close(),
  });
}

/** A gateway's store in SQLite. */
export interface SqliteGatewayStore extends GatewayStore {
  /** The same calls, each of which returns at once. */
  readonly rows: SqliteRows;
}

/** What is kept, read and written at once. */
export class SqliteRows implements AtOnce<Omit<Within, "catalog" | "files" | "upkeep">> {
  readonly catalog: SqliteCatalog;
  readonly files: SqliteFiles;
  readonly upkeep: SqliteUpkeep;
  readonly #db: GatewayDatabase;
  #id: string | undefined;
  /** What the age of the answers is ahead of the monotonic clock: it goes on where it stood when the gateway ended. */
  #ageAhead: number | undefined;
  /** What the run heard last has in `seen`, which orders them. */
  #lastSeen: number | undefined;
  #answers = 0;
  #newExecutors = 0;

  constructor(db: GatewayDatabase) {
    this.#db = db;
    this.catalog = new SqliteCatalog(db);
    this.files = new SqliteFiles(db);
    this.upkeep = new SqliteUpkeep(db);
  }

  get holdsTokens(): boolean {
    return this.#db.get("SELECT 1 FROM tokens LIMIT 1") !== undefined;
  }

  get id(): string {
    return this.#id ??= String(this.#db.get("SELECT id FROM storage")?.["id"]);
  }

  addHandout({ id, target, bytes, hash, pipeline, at }: NewHandout): HandoutRow {
    return this.atomically(() => {
      if (bytes !== undefined) this.#db.run("INSERT OR IGNORE INTO bundles VALUES (?, ?)", hash, bytes);
      const row = this.#db.get(
        `INSERT INTO handouts (id, target, hash, pipeline, at, put)
         VALUES (coalesce(?, 'q-' || lower(hex(randomblob(5)))), ?, ?, ?, ?, ?) RETURNING *`,
        id ?? null,
        target,
        hash,
        pipeline ?? null,
        at,
        this.upkeep.ran(),
      );
      return handoutOf(row!)!;
    });
  }

  handout(name: string | number): HandoutRow | undefined {
    const column = typeof name === "number" ? "version" : "id";
    const row = this.#db.get(`SELECT * FROM handouts WHERE ${column} = ?`, name);
    return row && handoutOf(row);
  }

  openHandouts(
    targets: readonly string[],
    { executor = "", known = 0, limit = -1 }: OpenOptions = {},
  ): HandoutRow[] {
    return this.#db.all(
      `SELECT * FROM handouts WHERE ended IS NULL AND target IN (${marksOf(targets)})
       AND NOT EXISTS (SELECT 1 FROM deliveries AS d
         WHERE d.version = handouts.version AND d.executor = ? AND d.closed = 1)
       AND (version > ? OR version > (SELECT before_queue FROM storage))
       ORDER BY version LIMIT ?`,
      ...targets,
      executor,
      known,
      limit,
    ).flatMap((row) => handoutOf(row) ?? []);
  }

  handouts(targets: readonly string[] | undefined, limit: number): HandoutRow[] {
    const where = targets === undefined ? "" : `WHERE target IN (${marksOf(targets)})`;
    return this.#db.all(
      `SELECT * FROM handouts ${where} ORDER BY version DESC LIMIT ?`,
      ...targets ?? [],
      limit,
    ).flatMap((row) => handoutOf(row) ?? []);
  }

  endHandout(version: number, { how, at, because }: HandoutEnd): void {
    this.atomically(() => {
      this.#db.run(
        "UPDATE handouts SET ended = ?, ended_at = ?, because = ? WHERE version = ? AND ended IS NULL",
        how,
        at,
        because ?? null,
        version,
      );
      const old = this.#db.all(
        `DELETE FROM handouts WHERE ended IS NOT NULL AND version <=
         (SELECT version FROM handouts WHERE ended IS NOT NULL ORDER BY version DESC LIMIT 1 OFFSET ${MAX_ENDED})
         RETURNING version`,
      );
      for (const row of old) this.#db.run("DELETE FROM deliveries WHERE version = ?", Number(row["version"]));
      this.#db.run("DELETE FROM bundles WHERE hash NOT IN (SELECT hash FROM handouts WHERE ended IS NULL)");
    });
  }

  bundle(hash: string): Bytes | undefined {
    const bytes = this.#db.get("SELECT bytes FROM bundles WHERE hash = ?", hash)?.["bytes"];
    return bytes instanceof Uint8Array ? bytes as Bytes : undefined;
  }

  delivery(executor: string, version: number): DeliveryRow | undefined {
    const row = this.#db.get(
      "SELECT * FROM deliveries WHERE executor = ? AND version = ?",
      executor,
      version,
    );
    return row && deliveryOf(row);
  }

  deliveries(version: number): DeliveryRow[] {
    return this.#db.all("SELECT * FROM deliveries WHERE version = ? ORDER BY executor", version).map(
      deliveryOf,
    );
  }

  putDelivery({ executor, version, run, closed }: DeliveryRow): void {
    this.#db.run(
      "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?)",
      executor,
      version,
      run ?? null,
      closed ? 1 : 0,
    );
  }

  executor(id: string): ExecutorRow | undefined {
    const row = this.#db.get("SELECT * FROM executors WHERE id = ?", id);
    return row && executorOf(row);
  }

  executors(): ExecutorRow[] {
    return this.#db.all("SELECT * FROM executors ORDER BY id").flatMap((row) => executorOf(row) ?? []);
  }

  executorsAfter(after: string, limit: number): ExecutorPage {
    const rows = this.#db.all("SELECT * FROM executors WHERE id > ? ORDER BY id LIMIT ?", after, limit);
    const last = rows.length < limit ? undefined : String(rows.at(-1)!["id"]);
    return { executors: rows.flatMap((row) => executorOf(row) ?? []), last };
  }

  putExecutor(row: ExecutorRow): void {
    const heartbeat = row.heartbeat === undefined ? null : JSON.stringify(row.heartbeat);
    this.#lazily(() => {
      this.#db.run(
        "INSERT OR REPLACE INTO executors VALUES (?, ?, ?, ?, ?, ?, ?)",
        row.id,
        row.firstSeenAt,
        row.lastSeenAt,
        heartbeat,
        JSON.stringify(row.over),
        row.rival === undefined ? null : JSON.stringify(row.rival),
        this.upkeep.ran(),
      );
      if (row.firstSeenAt !== row.lastSeenAt || this.#newExecutors++ % COUNTED_EXECUTORS > 0) return;
      const gone = this.#db.all(
        `DELETE FROM executors WHERE id IN
         (SELECT id FROM executors ORDER BY last_seen DESC LIMIT -1 OFFSET ${MAX_EXECUTORS}) RETURNING id`,
      );
      for (const { id } of gone) this.#db.run("DELETE FROM deliveries WHERE executor = ?", String(id));
    });
  }

  run(run: string): RunRow | undefined {
    const row = this.#db.get("SELECT * FROM runs WHERE run = ?", run);
    return row && runOf(row);
  }

  runs(limit: number, { executor, state, longAgo = false }: RunsOf = {}): RunRow[] {
    // With its own statement each finds its index.
    const asked = { executor, state };
    const given = (["executor", "state"] as const).filter((name) => asked[name] !== undefined);
    const where = given.length === 0 ? "" : `WHERE ${given.map((name) => `${name} = ?`).join(" AND ")}`;
    const order = longAgo ? "seen, run DESC" : "seen DESC, run";
    const sql = `SELECT * FROM runs ${where} ORDER BY ${order} LIMIT ?`;
    return this.#db.all(sql, ...given.map((name) => asked[name]!), limit).flatMap((row) => runOf(row) ?? []);
  }

  runCountsAfter(after: string, limit: number): RunCountsPage {
    const counts = { running: 0, succeeded: 0, failed: 0, cancelled: 0 };
    const rows = this.#db.all("SELECT run, state FROM runs WHERE run > ? ORDER BY run LIMIT ?", after, limit);
    for (const row of rows) {
      const state = RUN_STATES.find((each) => each === row["state"]);
      if (state !== undefined) counts[state]++;
    }
    return { counts, last: rows.length < limit ? undefined : String(rows.at(-1)!["run"]) };
  }

  putRun(row: RunRow): void {
    this.#lazily(() => this.#writeRun(row));
  }

  ingest(row: RunRow, { lane, records, missing, files = [], since }: Ingested): void {
    this.atomically(() => {
      if (since !== undefined) {
        for (const each of ["state", "log"] as const) {
          this.#db.run(
            "DELETE FROM records WHERE run = ? AND lane = ? AND seq > ?",
            row.run,
            each,
            since[each],
          );
          this.#db.run(
            "DELETE FROM missing WHERE run = ? AND lane = ? AND last > ?",
            row.run,
            each,
            since[each],
          );
        }
      }
      this.#putRecords(row.run, lane, records);
      this.files.take(row.run, { changes: files, ...(since !== undefined && { since: since.state }) });
      for (const { from, to, status, reason } of missing) {
        this.#db.run(
          "INSERT OR IGNORE INTO missing VALUES (?, ?, ?, ?, ?, ?)",
          row.run,
          lane,
          from,
          to,
          status ?? null,
          reason,
        );
      }
      this.#writeRun(row);
    });
  }

  records(
    run: string,
    { lane, after, limit, size = READ_TEXT }: Parameters<GatewayStore["records"]>[1],
  ): RecordRow[] {
    const sql = "SELECT seq, text FROM records WHERE run = ? AND lane = ? AND seq > ? ORDER BY seq LIMIT ?";
    const records: RecordRow[] = [];
    let length = 0;
    for (const row of this.#db.each(sql, run, lane, after, limit)) {
      const text = String(row["text"]);
      records.push({ seq: Number(row["seq"]), text });
      length += text.length;
      if (length >= size) break;
    }
    return records;
  }

  missing(run: string, limit: number): (Parked & { readonly lane: Stream })[] {
    const sql = "SELECT * FROM missing WHERE run = ? ORDER BY lane, first LIMIT ?";
    return this.#db.all(sql, run, limit).flatMap((row) => missingOf(row) ?? []);
  }

  addCommand(executor: string, command: NewInstruction, at: number): number {
    const row = this.#db.get(
      `INSERT INTO commands (id, executor, command, put)
       VALUES (max(?, 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'commands'), 0)), ?, ?, ?) RETURNING id`,
      Math.floor(at),
      executor,
      JSON.stringify(command),
      this.upkeep.ran(),
    );
    return Number(row?.["id"]);
  }

  waitingCommands(executor: string): number {
    return Number(this.#db.get("SELECT count(*) AS n FROM commands WHERE executor = ?", executor)?.["n"]);
  }

  commands(executor: string, seen: number): Instruction[] {
    const rows = this.#db.all(
      "SELECT id, command FROM commands WHERE executor = ? ORDER BY id LIMIT 100",
      executor,
    );
    if (rows.some((row) => Number(row["id"]) <= seen)) {
      this.#db.run("DELETE FROM commands WHERE executor = ? AND id <= ?", executor, seen);
    }
    return rows.filter((row) => Number(row["id"]) > seen).flatMap((row) => commandOf(row) ?? []);
  }

  flag(experiment: string, name: string): SharedFlag | undefined {
    const row = this.#db.get("SELECT * FROM flags WHERE experiment = ? AND name = ?", experiment, name);
    if (row === undefined) return undefined;
    this.#used(experiment, row);
    return flagOf(row);
  }

  flags(experiment: string): SharedFlag[] {
    const rows = this.#db.all("SELECT * FROM flags WHERE experiment = ? ORDER BY name", experiment);
    for (const row of rows) this.#used(experiment, row);
    return rows.map(flagOf);
  }

  flagsSize(experiment: string): { readonly count: number; readonly bytes: number } {
    const sql = "SELECT count(*) AS n, total(octet_length(value)) AS bytes FROM flags WHERE experiment = ?";
    const row = this.#db.get(sql, experiment);
    return { count: Number(row?.["n"]), bytes: Number(row?.["bytes"]) };
  }

  putFlag(experiment: string, flag: SharedFlag): void {
    const value = JSON.stringify(flag.value ?? null);
    this.#db.run(
      "INSERT OR REPLACE INTO flags VALUES (?, ?, ?, ?, ?)",
      experiment,
      flag.name,
      value,
      flag.version,
      this.upkeep.ran(),
    );
  }

  /** Somebody has read a flag. */
  #used(experiment: string, { name, used }: Row): void {
    const now = this.upkeep.ran();
    if (Number(used) + USED_MS > now) return;
    const sql = "UPDATE flags SET used = ? WHERE experiment = ? AND name = ?";
    this.#lazily(() => this.#db.run(sql, now, experiment, String(name)));
  }

  flagAnswer(experiment: string, operation: string): FlagAnswer | undefined {
    const row = this.#db.get(
      "SELECT answer FROM flag_answers WHERE experiment = ? AND operation = ?",
      experiment,
      operation,
    );
    return row && answerOf(row);
  }

  putFlagAnswer(
    experiment: string,
    answer: FlagAnswer & { readonly operation: string; readonly at: number },
  ): void {
    const { operation, at: now, ...kept } = answer;
    this.#ageAhead ??= Number(this.#db.get("SELECT max(at) AS at FROM flag_answers")?.["at"] ?? 0) - now;
    const at = now + this.#ageAhead;
    this.#db.run("DELETE FROM flag_answers WHERE at < ?", at - ANSWERS_MS);
    const text = JSON.stringify(kept);
    this.#db.run("INSERT OR REPLACE INTO flag_answers VALUES (?, ?, ?, ?)", experiment, operation, text, at);
    if (this.#answers++ % COUNTED === 0) {
      this.#db.run(
        "DELETE FROM flag_answers WHERE experiment = ?1 AND at < (SELECT at FROM flag_answers WHERE experiment = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
        experiment,
        MAX_ANSWERS,
      );
    }
  }

  projected(name: string): Projected | undefined {
    const row = this.#db.get("SELECT stream, seq FROM projected WHERE name = ?", name);
    return row && { stream: String(row["stream"]), seq: Number(row["seq"]) };
  }

  putProjected(name: string, { stream, seq }: Projected): void {
    this.#db.run("INSERT OR REPLACE INTO projected VALUES (?, ?, ?)", name, stream, seq);
  }

  tokens(): TokenRow[] {
    return this.#db.all("SELECT * FROM tokens ORDER BY name").map(tokenOf);
  }

  putToken(row: TokenRow): void {
    this.#db.run(
      "INSERT OR REPLACE INTO tokens (name, kind, executor, experiment, executor_groups, hash) VALUES (?, ?, ?, ?, ?, ?)",
      row.name,
      row.kind,
      row.executor ?? null,
      row.experiment ?? null,
      JSON.stringify(row.groups),
      row.hash,
    );
  }

  dropToken(name: string): boolean {
    return this.#db.run("DELETE FROM tokens WHERE name = ?", name) > 0;
  }

  /** Does what `work` does as a whole. */
  atomically<T>(work: () => T, options?: { readonly durably?: boolean }): T {
    return this.#db.atomically(work, options);
  }

  /** A write that may be lost with the power. */
  #lazily(work: () => void): void {
    this.atomically(work, { durably: false });
  }

  /** Many by one statement: a call costs more than a row. */
  #putRecords(run: string, lane: Stream, records: readonly RecordRow[]): void {
    for (let at = 0; at < records.length;) {
      const count = records.length - at < MANY_RECORDS ? 1 : MANY_RECORDS;
      const some = records.slice(at, at += count).flatMap(({ seq, text }) => [seq, text]);
      this.#db.run(count === 1 ? PUT_RECORD : PUT_RECORDS, run, lane, ...some);
    }
  }

  #writeRun(row: RunRow): void {
    const text = JSON.stringify(row);
    const last = this.#lastSeen ?? Number(this.#db.get("SELECT max(seen) AS seen FROM runs")?.["seen"] ?? 0);
    // Also after the wall clock was set back, the run heard last comes last.
    this.#lastSeen = Math.max(last + 1, Math.floor(row.lastSeenAt));
    this.#db.run(
      "INSERT OR REPLACE INTO runs (run, executor, row, seen, heard, complete) VALUES (?, ?, ?, ?, ?, ?)",
      row.run,
      row.executor,
      text,
      this.#lastSeen,
      this.upkeep.ran(),
      isComplete(row) ? 1 : 0,
    );
  }
}

function marksOf(values: readonly string[]): string {
  return values.map(() => "?").join(", ");
}
