/**
 * Owns what holds where nothing is said: each default once, for code, help texts, docs and tests. Names end in their unit.
 * Must not know who reads it; it imports nothing.
 */

/** What running tasks get to end after a first stop. */
export const STOP_GRACE_MS = 10_000;
/** What a task gets between being told to stop and being terminated. */
export const KILL_GRACE_MS = 2_000;
/** Workers at the most. */
export const MAX_WORKERS = 64;
/** Time between two heartbeats. */
export const HEARTBEAT_MS = 10_000;
/** Heartbeats that may be missed before an executor counts as lost, and the least silence that it takes. */
export const MISSED_BEATS = 4;
export const LEASE_MS = 45_000;
/** Most log that is kept: in a journal, and for the gateway. */
export const LOG_BYTES: number = 64 * 1024 ** 2;
/** Largest file that a run keeps, bytes. */
export const MAX_FILE_BYTES: number = 4 * 1024 ** 3;
/** Most bytes of all files that a run keeps. */
export const MAX_FILES_BYTES: number = 16 * 1024 ** 3;
/** Least level of log records that are kept and sent. */
export const LOG_LEVEL = "debug";
/** How long a task's wait for the store, an event or a flag lasts. */
export const WAIT_MS = 30_000;
/** Longest value that a condition looks at, in UTF-16 code units of its JSON. */
export const MAX_LOOKED_AT: number = 1024 ** 2;
/** Longest text that a condition looks for a pattern in, in UTF-16 code units. */
export const MAX_MATCHED = 10_000;
/** The gateway's port. */
export const GATEWAY_PORT = 8410;
/** Address of what only this machine is to reach. */
export const HOSTNAME = "127.0.0.1";

/** A default of whole seconds as a person writes it: `10s`. */
export function inSeconds(ms: number): string {
  return `${ms / 1_000}s`;
}

/** A default of whole gibibytes as a person writes it: `4GiB`. */
export function inGibibytes(bytes: number): string {
  return `${bytes / 1024 ** 3}GiB`;
}

/** A default of whole mebibytes as a person writes it: `64MiB`. */
export function inMebibytes(bytes: number): string {
  return `${bytes / 1024 ** 2}MiB`;
}
