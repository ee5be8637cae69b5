/**
 * Owns how what a registry knows is written to and read from the gateway's database.
 * Must not know what the rows mean, nor where the bytes of blobs are.
 * Invariant: what was answered is on the disk; that somebody relies on a blob need not be.
 */
import type { Bytes } from "../base/bytes.ts";
import { artifactTypeOf } from "../model/oci.ts";
import type { Catalog, ManifestRow, NewManifest, Page, ReferrerRow } from "./registry/catalog.ts";
import type { Row } from "./rows.ts";
import { SqliteBlobs } from "./sqlite_blobs.ts";
import type { GatewayDatabase } from "./sqlite_database.ts";
import type { AtOnce } from "./sqlite_port.ts";

/** What is behind the last of no page. */
const FIRST = "";

/** What a registry knows, in a gateway's database. */
export class SqliteCatalog extends SqliteBlobs implements AtOnce<Catalog> {
  constructor(db: GatewayDatabase) {
    super(db, { blobs: "registry_blobs", links: "registry_links", counted: "registry_manifests" });
  }

  manifest(repository: string, reference: string): ManifestRow | undefined {
    const digest = reference.startsWith("sha256:") ? reference : this.#tagged(repository, reference);
    if (digest === undefined) return undefined;
    const row = this.db.get(
      "SELECT * FROM registry_manifests WHERE repository = ? AND digest = ?",
      repository,
      digest,
    );
    const bytes = row?.["bytes"];
    if (row === undefined || !(bytes instanceof Uint8Array)) return undefined;
    return { digest, type: String(row["type"]), bytes: bytes as Bytes };
  }

  putManifest({ repository, digest, type, bytes, tag, manifest }: NewManifest): void {
    this.db.atomically(() => {
      this.db.run(
        "INSERT OR REPLACE INTO registry_manifests VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        repository,
        digest,
        type,
        artifactTypeOf(manifest) ?? null,
        manifest.subject?.digest ?? null,
        manifest.annotations === undefined ? null : JSON.stringify(manifest.annotations),
        bytes.length,
        bytes,
      );
      const { config, layers, manifests } = manifest;
      for (const { digest: to } of [...(config ? [config] : []), ...layers, ...manifests]) {
        this.db.run("INSERT OR IGNORE INTO registry_links VALUES (?, ?, ?)", repository, digest, to);
      }
      if (tag === undefined) return;
      this.db.run("INSERT OR REPLACE INTO registry_tags VALUES (?, ?, ?)", repository, tag, digest);
    });
  }

  dropManifest(repository: string, digest: string): boolean {
    return this.db.atomically(() => {
      for (const [table, column] of [["tags", "digest"], ["links", "manifest"]]) {
        this.db.run(
          `DELETE FROM registry_${table} WHERE repository = ? AND ${column} = ?`,
          repository,
          digest,
        );
      }
      const sql = "DELETE FROM registry_manifests WHERE repository = ? AND digest = ?";
      return this.db.run(sql, repository, digest) > 0;
    });
  }

  dropTag(repository: string, tag: string): boolean {
    const sql = "DELETE FROM registry_tags WHERE repository = ? AND tag = ?";
    return this.db.atomically(() => this.db.run(sql, repository, tag) > 0);
  }

  hasRepository(repository: string): boolean {
    const sql = "SELECT 1 FROM registry_manifests WHERE repository = ? LIMIT 1";
    return this.db.get(sql, repository) !== undefined;
  }

  tags(repository: string, { last = FIRST, limit }: Page): string[] {
    const sql = "SELECT tag FROM registry_tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?";
    return this.db.all(sql, repository, last, limit).map((row) => String(row["tag"]));
  }

  repositories({ last = FIRST, limit }: Page): string[] {
    const sql =
      "SELECT DISTINCT repository FROM registry_manifests WHERE repository > ? ORDER BY repository LIMIT ?";
    return this.db.all(sql, last, limit).map((row) => String(row["repository"]));
  }

  referrers(
    repository: string,
    subject: string,
    { type, last = FIRST, limit }: Parameters<Catalog["referrers"]>[2],
  ): ReferrerRow[] {
    return this.db.all(
      `SELECT digest, type, size, artifact_type, annotations FROM registry_manifests
       WHERE repository = ?1 AND subject = ?2 AND digest > ?3 AND (?4 IS NULL OR artifact_type = ?4)
       ORDER BY digest LIMIT ?5`,
      repository,
      subject,
      last,
      type ?? null,
      limit,
    ).map(referrerOf);
  }

  #tagged(repository: string, tag: string): string | undefined {
    const sql = "SELECT digest FROM registry_tags WHERE repository = ? AND tag = ?";
    const row = this.db.get(sql, repository, tag);
    return row && String(row["digest"]);
  }
}

function referrerOf(row: Row): ReferrerRow {
  const { artifact_type: artifactType, annotations } = row;
  return {
    digest: String(row["digest"]),
    type: String(row["type"]),
    size: Number(row["size"]),
    artifactType: artifactType === null ? undefined : String(artifactType),
    annotations: annotations === null ? undefined : JSON.parse(String(annotations)),
  };
}
