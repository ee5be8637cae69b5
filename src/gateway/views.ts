/**
 * Owns how users see executors and runs; above all, what counts as lost.
 * Must not know of HTTP.
 * Invariant: "lost" is never kept, only seen: whatever is heard later, at once, makes it untrue.
 */
import { isoTime } from "../base/clock.ts";
import { MISSED_BEATS } from "../defaults.ts";
import type { ExecutorView, HandoutView, ReportedRun } from "../protocol/messages.ts";
import type { GatewayParts } from "./context.ts";
import { executorName, type Heard, rivalName, runName } from "./heard.ts";
import { isComplete } from "./ingest.ts";
import { membersOf } from "./queue.ts";
import type { DeliveryRow, ExecutorRow, GatewayStore, HandoutRow, RunRow } from "./store.ts";

/** What was heard, and how long silence is borne. */
export interface Lease {
  readonly heard: Heard;
  readonly leaseMs: number;
}

/** An executor as users see it. */
export function executorView(row: ExecutorRow, lease: Lease): ExecutorView {
  const { id, heartbeat } = row;
  return {
    id,
    state: executorStateOf(row, lease),
    firstSeenAt: isoTime(row.firstSeenAt),
    lastSeenAt: isoTime(row.lastSeenAt),
    ...(heartbeat ? { heartbeat } : {}),
    ...(hasRival(row, lease)
      ? { rival: { session: row.rival.session, lastSeenAt: isoTime(row.rival.at) } }
      : {}),
  };
}

/** How an executor stands. */
export function executorStateOf(row: ExecutorRow, lease: Lease): ExecutorView["state"] {
  const { id, heartbeat } = row;
  const silent = lease.heard.silentMs(executorName(id)) > silenceOf(row, lease) && !heartbeat?.quiet;
  return silent ? "lost" : heartbeat?.state ?? "idle";
}

/** Whether another session still speaks as this executor. */
export function hasRival(
  row: ExecutorRow,
  lease: Lease,
): row is ExecutorRow & { readonly rival: NonNullable<ExecutorRow["rival"]> } {
  return row.rival !== undefined && lease.heard.within(rivalName(row.id), silenceOf(row, lease));
}

/** Where a run is seen: what is kept beside it, when, and how many of its gaps are told. */
export interface RunSight {
  readonly store: GatewayStore;
  readonly lease: Lease;
  /** Default 1,000. */
  readonly maxMissing?: number;
}

/** A run as users see it. */
export async function runView(
  row: RunRow,
  { store, lease, maxMissing = 1000 }: RunSight,
): Promise<ReportedRun> {
  const limit = silenceOf(await store.executor(row.executor), lease);
  const lost = row.state === "running" && !row.quiet && lease.heard.silentMs(runName(row.run)) > limit;
  return {
    run: row.run,
    executor: row.executor,
    ...(row.pipeline === undefined ? {} : { pipeline: row.pipeline }),
    ...(row.runtime === undefined ? {} : { runtime: row.runtime }),
    ...(row.handout === undefined ? {} : { handout: row.handout }),
    state: lost ? "lost" : row.state,
    version: row.version,
    ...(row.startedAt === undefined ? {} : { startedAt: isoTime(row.startedAt) }),
    ...(row.scheduledFor === undefined ? {} : { scheduledFor: isoTime(row.scheduledFor) }),
    ...(row.endedAt === undefined ? {} : { endedAt: isoTime(row.endedAt) }),
    lastSeenAt: isoTime(row.lastSeenAt),
    acknowledged: row.acknowledged,
    complete: isComplete(row),
    missing: await store.missing(row.run, maxMissing),
  };
}

/** What hand-outs are with each executor that they are for, in their order; at most `limit` of them. */
export async function handoutViews(
  rows: readonly HandoutRow[],
  { store, lease, executors, limit }: {
    readonly store: GatewayStore;
    readonly lease: Lease;
    readonly executors: readonly ExecutorRow[];
    readonly limit: number;
  },
): Promise<HandoutView[]> {
  const views: HandoutView[] = [];
  for (const row of rows) {
    if (views.length >= limit) break;
    const members = membersOf(row.target, executors);
    if (members.length === 0) views.push(viewOf(row, stateOf(row, undefined)));
    for (const { id, firstSeenAt } of members) {
      const delivery = await store.delivery(id, row.version);
      // It came too late, or gave way before it was given to this one.
      if (!delivery && row.ended && (firstSeenAt > row.ended.at || row.ended.how === "done")) continue;
      const run = delivery?.run === undefined ? undefined : await store.run(delivery.run);
      const state = run === undefined ? stateOf(row, delivery) : (await runView(run, { store, lease })).state;
      views.push({ ...viewOf(row, state), executor: id, ...(run === undefined ? {} : { run: run.run }) });
    }
  }
  return views.slice(0, limit);
}

function viewOf(row: HandoutRow, state: HandoutView["state"]): HandoutView {
  const { id, target: to, pipeline, hash, version, ended } = row;
  return {
    id,
    to,
    ...(to.startsWith("group:") ? {} : { executor: to }),
    ...(pipeline === undefined ? {} : { pipeline }),
    hash,
    version,
    at: isoTime(row.at),
    state,
    ...(ended?.because === undefined ? {} : { because: ended.because }),
  };
}

/** Where a hand-out stands of which no run is known. */
function stateOf({ ended }: HandoutRow, delivery: DeliveryRow | undefined): HandoutView["state"] {
  if (delivery?.closed) return "done";
  return ended?.how ?? (delivery === undefined ? "waiting" : "taken");
}

/** The lease at this moment. */
export function leaseOf({ heard, leaseMs }: Pick<GatewayParts, "heard" | "leaseMs">): Lease {
  return { heard, leaseMs };
}

/** How long an executor may be silent, milliseconds. */
function silenceOf(row: ExecutorRow | undefined, { leaseMs }: Lease): number {
  return Math.max(leaseMs, MISSED_BEATS * (row?.heartbeat?.intervalMs ?? 0));
}
