/**
 * Owns the gateway's database: SQLite, by `node:sqlite`, which all three runtimes have.
 * Must not know what the rows mean.
 * Invariant: what was acknowledged is on the disk; heartbeats need not be, the next one makes up for them.
 */
import { chmodSync, closeSync, openSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Instruction, NewInstruction, Parked, SharedFlag } from "../protocol/messages.ts";
import type { Bytes } from "../base/bytes.ts";
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
import { STEPS } from "./schema.ts";
import type {
  DeliveryRow,
  ExecutorRow,
  FlagAnswer,
  GatewayStore,
  HandoutEnd,
  HandoutRow,
  NewHandout,
  OpenOptions,
  RecordRow,
  RunRow,
  TokenRow,
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
/** Most text of records that is read at a time, characters. */
const READ_TEXT = 8 * 1024 * 1024;

/** The database could not be opened or is of a newer version. */
export class GatewayStoreError extends Error {
  readonly code = "OUTRIDER_GATEWAY_STORE";
  override name = "GatewayStoreError";
}

/**
 * Opens the database of a gateway, or makes it.
 *
 * @param path Path of the file; `:memory:` keeps nothing.
 * @throws {GatewayStoreError} If it can't be opened or is of a newer version.
 */
export function sqliteGatewayStore(path: string): GatewayStore {
  let db: DatabaseSync;
  try {
    forThisUser(path);
    db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000");
    migrate(db, path);
  } catch (cause) {
    if (cause instanceof GatewayStoreError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayStoreError(
      `The gateway's database can't be opened: ${path}: ${message}: check that the folder is there and can be written`,
      { cause },
    );
  }
  return new SqliteStore(db);
}

/** Makes the file, if there is none, so that nobody else can read it; SQLite gives those beside it the same mode. */
function forThisUser(path: string): void {
  if (path === ":memory:") return;
  closeSync(openSync(path, "a", 0o600));
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    try {
      chmodSync(file, 0o600);
    } catch {
      // It is not there yet, or the file system has no modes.
    }
  }
}

function migrate(db: DatabaseSync, path: string): void {
  const version = Number((db.prepare("PRAGMA user_version").get() as Row)["user_version"]);
  if (version > STEPS.length) {
    throw new GatewayStoreError(
      `The gateway's database is of a newer version of Outrider: ${path}: use that version, or another file`,
    );
  }
  STEPS.slice(version).forEach((step, at) => {
    db.exec(`BEGIN; ${step}; PRAGMA user_version = ${version + at + 1}; COMMIT`);
  });
}

class SqliteStore implements GatewayStore {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #id: string | undefined;
  /** What the age of the answers is ahead of the monotonic clock: it goes on where it stood when the gateway ended. */
  #ageAhead: number | undefined;
  /** What the run heard last has in `seen`, which orders them. */
  #lastSeen: number | undefined;
  #depth = 0;
  #durable = true;
  #answers = 0;
  #newExecutors = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  get id(): string {
    return this.#id ??= String(this.#get("SELECT id FROM storage")?.["id"]);
  }

  addHandout({ target, bytes, hash, pipeline, at }: NewHandout): HandoutRow {
    return this.atomically(() => {
      this.#run("INSERT OR IGNORE INTO bundles VALUES (?, ?)", hash, bytes);
      const row = this.#get(
        `INSERT INTO handouts (id, target, hash, pipeline, at)
         VALUES ('q-' || lower(hex(randomblob(5))), ?, ?, ?, ?) RETURNING *`,
        target,
        hash,
        pipeline ?? null,
        at,
      );
      return handoutOf(row!)!;
    });
  }

  handout(name: string | number): HandoutRow | undefined {
    const column = typeof name === "number" ? "version" : "id";
    const row = this.#get(`SELECT * FROM handouts WHERE ${column} = ?`, name);
    return row && handoutOf(row);
  }

  openHandouts(
    targets: readonly string[],
    { executor = "", known = 0, limit = -1 }: OpenOptions = {},
  ): HandoutRow[] {
    return this.#all(
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
    return this.#all(
      `SELECT * FROM handouts ${where} ORDER BY version DESC LIMIT ?`,
      ...targets ?? [],
      limit,
    ).flatMap((row) => handoutOf(row) ?? []);
  }

  endHandout(version: number, { how, at, because }: HandoutEnd): void {
    this.atomically(() => {
      this.#run(
        "UPDATE handouts SET ended = ?, ended_at = ?, because = ? WHERE version = ? AND ended IS NULL",
        how,
        at,
        because ?? null,
        version,
      );
      const old = this.#all(
        `DELETE FROM handouts WHERE ended IS NOT NULL AND version <=
         (SELECT version FROM handouts WHERE ended IS NOT NULL ORDER BY version DESC LIMIT 1 OFFSET ${MAX_ENDED})
         RETURNING version`,
      );
      for (const row of old) this.#run("DELETE FROM deliveries WHERE version = ?", Number(row["version"]));
      this.#run("DELETE FROM bundles WHERE hash NOT IN (SELECT hash FROM handouts WHERE ended IS NULL)");
    });
  }

  bundle(hash: string): Bytes | undefined {
    const bytes = this.#get("SELECT bytes FROM bundles WHERE hash = ?", hash)?.["bytes"];
    return bytes instanceof Uint8Array ? bytes as Bytes : undefined;
  }

  delivery(executor: string, version: number): DeliveryRow | undefined {
    const row = this.#get("SELECT * FROM deliveries WHERE executor = ? AND version = ?", executor, version);
    return row && deliveryOf(row);
  }

  deliveries(version: number): DeliveryRow[] {
    return this.#all("SELECT * FROM deliveries WHERE version = ? ORDER BY executor", version).map(deliveryOf);
  }

  putDelivery({ executor, version, run, closed }: DeliveryRow): void {
    this.#run(
      "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?)",
      executor,
      version,
      run ?? null,
      closed ? 1 : 0,
    );
  }

  executor(id: string): ExecutorRow | undefined {
    const row = this.#get("SELECT * FROM executors WHERE id = ?", id);
    return row && executorOf(row);
  }

  executors(): ExecutorRow[] {
    return this.#all("SELECT * FROM executors ORDER BY id").flatMap((row) => executorOf(row) ?? []);
  }

  putExecutor(row: ExecutorRow): void {
    const heartbeat = row.heartbeat === undefined ? null : JSON.stringify(row.heartbeat);
    this.#lazily(() => {
      this.#run(
        "INSERT OR REPLACE INTO executors VALUES (?, ?, ?, ?, ?, ?)",
        row.id,
        row.firstSeenAt,
        row.lastSeenAt,
        heartbeat,
        JSON.stringify(row.over),
        row.rival === undefined ? null : JSON.stringify(row.rival),
      );
      if (row.firstSeenAt !== row.lastSeenAt || this.#newExecutors++ % COUNTED_EXECUTORS > 0) return;
      this.#run(
        `DELETE FROM executors WHERE id IN
         (SELECT id FROM executors ORDER BY last_seen DESC LIMIT -1 OFFSET ${MAX_EXECUTORS})`,
      );
    });
  }

  run(run: string): RunRow | undefined {
    const row = this.#get("SELECT * FROM runs WHERE run = ?", run);
    return row && runOf(row);
  }

  runs(limit: number, executor?: string): RunRow[] {
    const sql = "SELECT * FROM runs WHERE ?2 IS NULL OR executor = ?2 ORDER BY seen DESC, run LIMIT ?1";
    return this.#all(sql, limit, executor ?? null).flatMap((row) => runOf(row) ?? []);
  }

  putRun(row: RunRow): void {
    this.#lazily(() => this.#writeRun(row));
  }

  ingest(row: RunRow, { lane, records, missing, since }: Parameters<GatewayStore["ingest"]>[1]): void {
    this.atomically(() => {
      if (since !== undefined) {
        for (const each of ["state", "log"] as const) {
          this.#run("DELETE FROM records WHERE run = ? AND lane = ? AND seq > ?", row.run, each, since[each]);
          this.#run(
            "DELETE FROM missing WHERE run = ? AND lane = ? AND last > ?",
            row.run,
            each,
            since[each],
          );
        }
      }
      for (const { seq, text } of records) {
        this.#run("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?)", row.run, lane, seq, text);
      }
      for (const { from, to, status, reason } of missing) {
        this.#run(
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
    for (const row of this.#statement(sql).iterate(run, lane, after, limit)) {
      const text = String(row["text"]);
      records.push({ seq: Number(row["seq"]), text });
      length += text.length;
      if (length >= size) break;
    }
    return records;
  }

  missing(run: string, limit: number): (Parked & { readonly lane: Stream })[] {
    const sql = "SELECT * FROM missing WHERE run = ? ORDER BY lane, first LIMIT ?";
    return this.#all(sql, run, limit).flatMap((row) => missingOf(row) ?? []);
  }

  addCommand(executor: string, command: NewInstruction, at: number): number {
    const row = this.#get(
      `INSERT INTO commands (id, executor, command)
       VALUES (max(?, 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'commands'), 0)), ?, ?) RETURNING id`,
      Math.floor(at),
      executor,
      JSON.stringify(command),
    );
    return Number(row?.["id"]);
  }

  commands(executor: string, seen: number): Instruction[] {
    const rows = this.#all(
      "SELECT id, command FROM commands WHERE executor = ? ORDER BY id LIMIT 100",
      executor,
    );
    if (rows.some((row) => Number(row["id"]) <= seen)) {
      this.#run("DELETE FROM commands WHERE executor = ? AND id <= ?", executor, seen);
    }
    return rows.filter((row) => Number(row["id"]) > seen).flatMap((row) => commandOf(row) ?? []);
  }

  flag(experiment: string, name: string): SharedFlag | undefined {
    const row = this.#get("SELECT * FROM flags WHERE experiment = ? AND name = ?", experiment, name);
    return row && flagOf(row);
  }

  flags(experiment: string): SharedFlag[] {
    return this.#all("SELECT * FROM flags WHERE experiment = ? ORDER BY name", experiment).map(flagOf);
  }

  flagsSize(experiment: string): { readonly count: number; readonly bytes: number } {
    const sql = "SELECT count(*) AS n, total(octet_length(value)) AS bytes FROM flags WHERE experiment = ?";
    const row = this.#get(sql, experiment);
    return { count: Number(row?.["n"]), bytes: Number(row?.["bytes"]) };
  }

  putFlag(experiment: string, flag: SharedFlag): void {
    const value = JSON.stringify(flag.value ?? null);
    this.#run("INSERT OR REPLACE INTO flags VALUES (?, ?, ?, ?)", experiment, flag.name, value, flag.version);
  }

  flagAnswer(experiment: string, operation: string): FlagAnswer | undefined {
    const row = this.#get(
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
    this.#ageAhead ??= Number(this.#get("SELECT max(at) AS at FROM flag_answers")?.["at"] ?? 0) - now;
    const at = now + this.#ageAhead;
    this.#run("DELETE FROM flag_answers WHERE at < ?", at - ANSWERS_MS);
    const text = JSON.stringify(kept);
    this.#run("INSERT OR REPLACE INTO flag_answers VALUES (?, ?, ?, ?)", experiment, operation, text, at);
    if (this.#answers++ % COUNTED === 0) {
      this.#run(
        "DELETE FROM flag_answers WHERE experiment = ?1 AND at < (SELECT at FROM flag_answers WHERE experiment = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
        experiment,
        MAX_ANSWERS,
      );
    }
  }

  tokens(): TokenRow[] {
    return this.#all("SELECT * FROM tokens ORDER BY name").map(tokenOf);
  }

  putToken(row: TokenRow): void {
    this.#run(
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
    return Number(this.#statement("DELETE FROM tokens WHERE name = ?").run(name).changes) > 0;
  }

  atomically<T>(work: () => T, { durably = true }: { readonly durably?: boolean } = {}): T {
    if (this.#depth > 0) return work();
    this.#sync(durably);
    return this.#transaction(work);
  }

  close(): void {
    this.#db.close();
  }

  /** A write that may be lost with the power. */
  #lazily(work: () => void): void {
    this.atomically(work, { durably: false });
  }

  #transaction<T>(work: () => T): T {
    this.#depth++;
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    } finally {
      this.#depth--;
    }
  }

  #sync(durable: boolean): void {
    if (durable === this.#durable) return;
    this.#db.exec(`PRAGMA synchronous = ${durable ? "FULL" : "NORMAL"}`);
    this.#durable = durable;
  }

  #writeRun(row: RunRow): void {
    const text = JSON.stringify(row);
    const last = this.#lastSeen ?? Number(this.#get("SELECT max(seen) AS seen FROM runs")?.["seen"] ?? 0);
    // Also after the wall clock was set back, the run heard last comes last.
    this.#lastSeen = Math.max(last + 1, Math.floor(row.lastSeenAt));
    this.#run("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", row.run, row.executor, text, this.#lastSeen);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      this.#statements.set(sql, statement = this.#db.prepare(sql));
      // One number beyond 2^53 would throw, and with it the whole list.
      statement.setReadBigInts(true);
    }
    return statement;
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    const row = this.#statement(sql).get(...values) as Row | undefined;
    return row && withNumbers(row);
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return (this.#statement(sql).all(...values) as Row[]).map(withNumbers);
  }
}

function withNumbers(row: Row): Row {
  for (const name in row) if (typeof row[name] === "bigint") row[name] = Number(row[name]);
  return row;
}

function marksOf(values: readonly string[]): string {
  return values.map(() => "?").join(", ");
}
