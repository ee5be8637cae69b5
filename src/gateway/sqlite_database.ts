/**
 * Owns an SQLite database by `node:sqlite`, which all three runtimes have: how it is opened, read, and written as a whole.
 * Must not know what is kept in it, but for the steps that make its tables.
 * Invariant: what `atomically` has done durably is on the disk when it returns, and nothing of what has thrown.
 */
import { chmodSync, closeSync, openSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Row } from "./rows.ts";
import { STEPS } from "./schema.ts";

/** The database could not be opened or is of a newer version. */
export class GatewayStoreError extends Error {
  readonly code = "OUTRIDER_GATEWAY_STORE";
  override name = "GatewayStoreError";
}

/**
 * Opens the database of a gateway, or makes it; its tables are those of today then.
 *
 * @param path Path of the file; `:memory:` keeps nothing.
 * @throws {GatewayStoreError} If it can't be opened or is of a newer version.
 */
export function openDatabase(path: string): GatewayDatabase {
  let db: DatabaseSync;
  try {
    forThisUser(path);
    db = new DatabaseSync(path);
    // A new one can give back what it does not use any more; one that has tables already uses it again.
    db.exec("PRAGMA busy_timeout = 5000; PRAGMA auto_vacuum = INCREMENTAL");
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864");
    migrate(db, path);
  } catch (cause) {
    if (cause instanceof GatewayStoreError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayStoreError(
      `The gateway's database can't be opened: ${path}: ${message}: check that the folder is there and can be written`,
      { cause },
    );
  }
  return new GatewayDatabase(db);
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

/** An open database. */
export class GatewayDatabase {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;
  #durable = true;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Does what `work` does as a whole; unless `durably` is false, it is on the disk then. */
  atomically<T>(work: () => T, { durably = true }: { readonly durably?: boolean } = {}): T {
    if (this.#depth > 0) return work();
    this.#sync(durably);
    return this.#transaction(work);
  }

  /** The same for work that is awaited; nobody else may use the database meanwhile. */
  async transaction<T>(
    work: () => Promise<T>,
    { durably = true }: { readonly durably?: boolean } = {},
  ): Promise<T> {
    this.#sync(durably);
    this.#depth++;
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      const result = await work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      throw this.#rolledBack(error);
    } finally {
      this.#depth--;
    }
  }

  close(): void {
    this.#db.close();
  }

  /** How many rows were changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    const row = this.#statement(sql).get(...values) as Row | undefined;
    return row && withNumbers(row);
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return (this.#statement(sql).all(...values) as Row[]).map(withNumbers);
  }

  /** One row after the other, for who may have enough of them. */
  each(sql: string, ...values: SQLInputValue[]): IterableIterator<Row> {
    return this.#statement(sql).iterate(...values) as IterableIterator<Row>;
  }

  #transaction<T>(work: () => T): T {
    this.#depth++;
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      throw this.#rolledBack(error);
    } finally {
      this.#depth--;
    }
  }

  #rolledBack(error: unknown): unknown {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    return error;
  }

  #sync(durable: boolean): void {
    if (durable === this.#durable) return;
    this.#db.exec(`PRAGMA synchronous = ${durable ? "FULL" : "NORMAL"}`);
    this.#durable = durable;
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
}

function withNumbers(row: Row): Row {
  for (const name in row) if (typeof row[name] === "bigint") row[name] = Number(row[name]);
  return row;
}
