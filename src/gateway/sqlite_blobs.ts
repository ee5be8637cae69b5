/**
 * Owns how what is known of blobs is written to and read from the gateway's database.
 * Must not know what refers to them, but for where that stands; nor where their bytes are.
 * Invariant: what was answered is on the disk; that somebody relies on a blob need not be.
 */
import type { BlobCatalog } from "./registry/catalog.ts";
import type { AtOnce } from "./sqlite_port.ts";
import type { GatewayDatabase } from "./sqlite_database.ts";

/** Where blobs stand, and what refers to them. */
export interface BlobTables {
  /** Digest, size, age. */
  readonly blobs: string;
  /** What refers to blobs, in its column `digest`. */
  readonly links: string;
  /** What is counted with them, in its column `size`. */
  readonly counted?: string;
}

/** What is known of blobs, in a gateway's database. */
export class SqliteBlobs implements AtOnce<BlobCatalog> {
  protected readonly db: GatewayDatabase;
  readonly #tables: BlobTables;
  /** What the age of blobs is ahead of the monotonic clock: it goes on where it stood when the gateway ended. */
  #ageAhead: number | undefined;

  constructor(db: GatewayDatabase, tables: BlobTables) {
    this.db = db;
    this.#tables = tables;
  }

  blobSize(digest: string): number | undefined {
    const row = this.db.get(`SELECT size FROM ${this.#tables.blobs} WHERE digest = ?`, digest);
    return row && Number(row["size"]);
  }

  putBlob({ digest, size, at }: Parameters<BlobCatalog["putBlob"]>[0]): void {
    const age = this.#age(at);
    this.db.atomically(() =>
      this.db.run(`INSERT OR REPLACE INTO ${this.#tables.blobs} VALUES (?, ?, ?)`, digest, size, age)
    );
  }

  touchBlob(digest: string, at: number): void {
    const age = this.#age(at);
    this.db.atomically(() => {
      this.db.run(`UPDATE ${this.#tables.blobs} SET at = ? WHERE digest = ?`, age, digest);
    }, { durably: false });
  }

  dropBlob(digest: string): void {
    this.db.atomically(() => this.db.run(`DELETE FROM ${this.#tables.blobs} WHERE digest = ?`, digest));
  }

  blobs(): string[] {
    return this.db.all(`SELECT digest FROM ${this.#tables.blobs}`).map((row) => String(row["digest"]));
  }

  forget(ms: number, at: number): string[] {
    return this.dropped("at < ?", this.#age(at) - ms);
  }

  bytes(): number {
    const { blobs, counted } = this.#tables;
    const more = counted === undefined ? "" : ` + (SELECT total(size) FROM ${counted})`;
    return Number(this.db.get(`SELECT (SELECT total(size) FROM ${blobs})${more} AS bytes`)?.["bytes"]);
  }

  /** Drops those that nothing refers to, of some; their digests. */
  protected dropped(where: string, value: number | string): string[] {
    const { blobs, links } = this.#tables;
    return this.db.atomically(() =>
      this.db.all(
        `DELETE FROM ${blobs} WHERE ${where} AND NOT EXISTS
         (SELECT 1 FROM ${links} AS l WHERE l.digest = ${blobs}.digest) RETURNING digest`,
        value,
      )
    ).map((row) => String(row["digest"]));
  }

  #age(at: number): number {
    const { blobs } = this.#tables;
    this.#ageAhead ??= Number(this.db.get(`SELECT max(at) AS at FROM ${blobs}`)?.["at"] ?? 0) - at;
    return Math.floor(at + this.#ageAhead);
  }
}
