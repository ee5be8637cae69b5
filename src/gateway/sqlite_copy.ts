/**
 * Owns how a gateway's database is copied while a gateway writes to it, and how a copy is looked at before it is believed.
 * Must not know where the copy goes from there, nor what lies beside the database.
 * Invariant: a copy is the database at one moment; the database itself is only read.
 */
import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "../base/message.ts";
import type { Row } from "./rows.ts";
import { STEPS } from "./schema.ts";
import { GatewayStoreError } from "./sqlite_database.ts";

/** Where blobs stand in the database. */
export type BlobTable = "file_blobs" | "registry_blobs";

/** What a database says of itself. */
export interface DatabaseInside {
  readonly storage: string;
  readonly runs: number;
  /** Runs of which not all had come. */
  readonly open: number;
  /** By their digests. */
  readonly blobs: Readonly<Record<BlobTable, readonly string[]>>;
}

/**
 * Copies the database, at one moment, to a file that is not there yet; who writes to it meanwhile does not wait.
 *
 * @throws {GatewayStoreError} If it can't be read, or is none of this version.
 */
export function copyDatabase(path: string, to: string): void {
  opened(path, (db) => {
    const { version } = requireGateway(db, path);
    if (version < STEPS.length) {
      throw new GatewayStoreError(
        `${path} is of an older version: start a gateway of this version on it first, or copy it by that version`,
      );
    }
    // So a database of before it could shrink gives its copy what it needs for that.
    if (numberOf(db, "auto_vacuum") === 0) db.exec("PRAGMA auto_vacuum = INCREMENTAL");
    closeSync(openSync(to, "wx", 0o600));
    db.prepare("VACUUM INTO ?").run(to);
  });
}

/**
 * Looks at a copy.
 *
 * @throws {GatewayStoreError} If it is broken, none of a gateway, or of a newer version.
 */
export function inspectDatabase(path: string): DatabaseInside {
  return opened(path, (db) => {
    const { storage } = requireGateway(db, path);
    const [check] = db.prepare("PRAGMA quick_check(1)").all() as Row[];
    const found = String(Object.values(check ?? {})[0]);
    if (found !== "ok") throw new GatewayStoreError(`${path} is broken: ${found}`);
    const count = (where: string) =>
      Number((db.prepare(`SELECT count(*) AS n FROM runs ${where}`).get() as Row)["n"]);
    const blobs = (table: BlobTable) =>
      (db.prepare(`SELECT digest FROM ${table}`).all() as Row[]).map(({ digest }) => String(digest));
    return {
      storage,
      runs: count(""),
      open: count("WHERE complete = 0"),
      blobs: { file_blobs: blobs("file_blobs"), registry_blobs: blobs("registry_blobs") },
    };
  });
}

/** Takes blobs out of a copy whose bytes were removed while it was made: they are asked for again. */
export function forgetBlobs(path: string, table: BlobTable, digests: readonly string[]): void {
  const db = new DatabaseSync(path);
  try {
    const sql = `DELETE FROM ${table} WHERE digest IN (SELECT value FROM json_each(?))`;
    db.prepare(sql).run(JSON.stringify(digests));
  } finally {
    db.close();
  }
}

function opened<T>(path: string, work: (db: DatabaseSync) => T): T {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    db.exec("PRAGMA busy_timeout = 5000");
    return work(db);
  } catch (cause) {
    if (cause instanceof GatewayStoreError) throw cause;
    throw new GatewayStoreError(
      `${path} can't be read or copied as a gateway's database: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  } finally {
    db?.close();
  }
}

function requireGateway(
  db: DatabaseSync,
  path: string,
): { readonly storage: string; readonly version: number } {
  const version = numberOf(db, "user_version");
  const named = db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name IN ('storage', 'handouts')")
    .get();
  if (version === 0 || Number((named as Row)["n"]) !== 2) {
    throw new GatewayStoreError(`${path} is no database of a gateway`);
  }
  if (version > STEPS.length) {
    throw new GatewayStoreError(`${path} is of a newer version of Outrider: use that version`);
  }
  return { storage: String((db.prepare("SELECT id FROM storage").get() as Row)["id"]), version };
}

function numberOf(db: DatabaseSync, pragma: string): number {
  return Number((db.prepare(`PRAGMA ${pragma}`).get() as Row)[pragma]);
}
