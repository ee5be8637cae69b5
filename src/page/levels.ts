/**
 * Owns the levels of the log as the page offers them.
 * Must not know the log.
 */

/** Least severe first, as in the journal. */
export const LEVELS: readonly string[] = ["debug", "info", "warn", "error", "critical"];
