/**
 * Owns how users see executors and runs; above all, what counts as lost.
 * Must not know of HTTP.
 * Invariant: "lost" is never kept, only seen: whatever is heard later, at once, makes it untrue.
 */
import type { ExecutorView, RunView } from "../uplink/messages.ts";
import { isComplete } from "./ingest.ts";
import type { ExecutorRow, GatewayStore, RunRow } from "./store.ts";

/** Silence after which an executor counts as lost, milliseconds, if its heartbeats do not come more slowly. */
export const LEASE_MS = 45_000;
/** Heartbeats that may be missed. */
const MISSED = 4;

/** When it is, and how long silence is borne. */
export interface Lease {
  readonly now: number;
  readonly leaseMs: number;
}

/** An executor as users see it. */
export function executorView(row: ExecutorRow, lease: Lease): ExecutorView {
  const { id, heartbeat } = row;
  const silent = lease.now - row.lastSeenAt > leaseOf(row, lease) && !heartbeat?.quiet;
  return {
    id,
    state: silent ? "lost" : heartbeat?.state ?? "idle",
    firstSeenAt: new Date(row.firstSeenAt).toISOString(),
    lastSeenAt: new Date(row.lastSeenAt).toISOString(),
    ...(heartbeat ? { heartbeat } : {}),
  };
}

/** Where a run is seen: what is kept beside it, when, and how many of its gaps are told. */
export interface RunSight {
  readonly store: GatewayStore;
  readonly lease: Lease;
  /** Default 1,000. */
  readonly maxMissing?: number;
}

/** A run as users see it. */
export function runView(row: RunRow, { store, lease, maxMissing = 1000 }: RunSight): RunView {
  const limit = leaseOf(store.executor(row.executor), lease);
  const lost = row.state === "running" && !row.quiet && lease.now - row.lastSeenAt > limit;
  return {
    run: row.run,
    executor: row.executor,
    ...(row.pipeline === undefined ? {} : { pipeline: row.pipeline }),
    ...(row.runtime === undefined ? {} : { runtime: row.runtime }),
    state: lost ? "lost" : row.state,
    version: row.version,
    ...(row.startedAt === undefined ? {} : { startedAt: new Date(row.startedAt).toISOString() }),
    ...(row.endedAt === undefined ? {} : { endedAt: new Date(row.endedAt).toISOString() }),
    lastSeenAt: new Date(row.lastSeenAt).toISOString(),
    acknowledged: row.acknowledged,
    complete: isComplete(row),
    missing: store.missing(row.run, maxMissing),
  };
}

function leaseOf(row: ExecutorRow | undefined, { leaseMs }: Lease): number {
  return Math.max(leaseMs, MISSED * (row?.heartbeat?.intervalMs ?? 0));
}
