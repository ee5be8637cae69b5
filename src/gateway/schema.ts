/**
 * Owns the tables of the gateway's database.
 * Must not know who reads or writes them.
 * Invariant: a step is never changed, only added to; `user_version` counts the steps.
 */

/** Steps from an empty database to the present one; the n-th leads to `user_version` n. */
export const STEPS: readonly string[] = [
  `
CREATE TABLE bundles (hash TEXT PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE assignments (version INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE executors (id TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, heartbeat TEXT, over TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (run TEXT PRIMARY KEY, executor TEXT NOT NULL, row TEXT NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX runs_seen ON runs (seen);
CREATE TABLE records (run TEXT NOT NULL, lane TEXT NOT NULL, seq INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (run, lane, seq)) WITHOUT ROWID;
CREATE TABLE missing (run TEXT NOT NULL, lane TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, status INTEGER, reason TEXT NOT NULL, PRIMARY KEY (run, lane, first)) WITHOUT ROWID;
CREATE TABLE commands (id INTEGER PRIMARY KEY AUTOINCREMENT, executor TEXT NOT NULL, command TEXT NOT NULL);
CREATE INDEX commands_executor ON commands (executor, id);
CREATE TABLE flags (experiment TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (experiment, name)) WITHOUT ROWID;
CREATE TABLE flag_answers (experiment TEXT NOT NULL, operation TEXT NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (experiment, operation)) WITHOUT ROWID;
CREATE INDEX flag_answers_at ON flag_answers (at);
CREATE TABLE tokens (name TEXT PRIMARY KEY, kind TEXT NOT NULL, executor TEXT, hash TEXT NOT NULL) WITHOUT ROWID;
`,
  `
ALTER TABLE tokens ADD COLUMN experiment TEXT;
ALTER TABLE tokens ADD COLUMN executor_groups TEXT;
CREATE INDEX flag_answers_of ON flag_answers (experiment, at);
`,
  `
CREATE TABLE storage (id TEXT NOT NULL, before_queue INTEGER NOT NULL);
INSERT INTO storage SELECT 's-' || lower(hex(randomblob(8))), coalesce(max(version), 0) FROM assignments;
CREATE TABLE handouts (version INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, target TEXT NOT NULL, hash TEXT NOT NULL, pipeline TEXT, at INTEGER NOT NULL, ended TEXT, ended_at INTEGER, because TEXT);
CREATE INDEX handouts_target ON handouts (target, version);
CREATE INDEX handouts_open ON handouts (target, version) WHERE ended IS NULL;
CREATE TABLE deliveries (executor TEXT NOT NULL, version INTEGER NOT NULL, run TEXT, closed INTEGER NOT NULL, PRIMARY KEY (executor, version)) WITHOUT ROWID;
CREATE INDEX deliveries_version ON deliveries (version);
INSERT INTO handouts (version, id, target, hash, at) SELECT version, 'q-' || lower(hex(randomblob(5))), target, hash, at FROM assignments ORDER BY version;
DROP TABLE assignments;
ALTER TABLE executors ADD COLUMN rival TEXT;
`,
  `
CREATE TABLE registry_blobs (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE registry_manifests (repository TEXT NOT NULL, digest TEXT NOT NULL, type TEXT NOT NULL, artifact_type TEXT, subject TEXT, annotations TEXT, size INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (repository, digest));
CREATE INDEX registry_subjects ON registry_manifests (repository, subject, digest) WHERE subject IS NOT NULL;
CREATE TABLE registry_links (repository TEXT NOT NULL, manifest TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (repository, manifest, digest)) WITHOUT ROWID;
CREATE INDEX registry_links_digest ON registry_links (digest);
CREATE TABLE registry_tags (repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (repository, tag)) WITHOUT ROWID;
`,
  `
CREATE TABLE file_blobs (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE run_files (run TEXT NOT NULL, seq INTEGER NOT NULL, task TEXT NOT NULL, iteration INTEGER NOT NULL, attempt INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID;
CREATE INDEX run_files_digest ON run_files (digest, run);
`,
  `
CREATE TABLE projected (stream TEXT NOT NULL, seq INTEGER NOT NULL);
`,
  `
ALTER TABLE runs ADD COLUMN state TEXT AS (CASE WHEN json_valid(row) THEN json_extract(row, '$.state') END) VIRTUAL;
CREATE INDEX runs_state ON runs (state, seen);
`,
  // How long the gateway has run in all, milliseconds, and how long it had when something was heard, put or used last.
  `
ALTER TABLE storage ADD COLUMN ran INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN complete INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET complete = coalesce(json_extract(row, '$.acknowledged.state') >= json_extract(row, '$.final.records.state')
  AND json_extract(row, '$.acknowledged.log') >= json_extract(row, '$.final.records.log'), 0)
  WHERE CASE WHEN json_valid(row) THEN json_type(row, '$.final.records') = 'object' AND json_type(row, '$.acknowledged') = 'object' END;
CREATE INDEX runs_heard ON runs (heard);
CREATE INDEX runs_complete ON runs (heard) WHERE complete = 1;
ALTER TABLE executors ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
ALTER TABLE commands ADD COLUMN put INTEGER NOT NULL DEFAULT 0;
ALTER TABLE handouts ADD COLUMN put INTEGER NOT NULL DEFAULT 0;
ALTER TABLE flags ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
CREATE TABLE dropped (n INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE, executor TEXT NOT NULL, at INTEGER NOT NULL, because TEXT NOT NULL, complete INTEGER NOT NULL, state INTEGER NOT NULL, log INTEGER NOT NULL, came INTEGER NOT NULL DEFAULT 0, clearing INTEGER NOT NULL DEFAULT 1);
CREATE INDEX dropped_clearing ON dropped (n) WHERE clearing = 1;
`,
  `
ALTER TABLE run_files ADD COLUMN item INTEGER;
`,
  `
ALTER TABLE projected RENAME TO projected_records;
CREATE TABLE projected (name TEXT PRIMARY KEY, stream TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO projected SELECT 'O_REC', stream, seq FROM projected_records;
DROP TABLE projected_records;
`,
  `
CREATE INDEX runs_executor ON runs (executor, seen);
`,
];
