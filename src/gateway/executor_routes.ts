/**
 * Owns what executors ask: a pipeline, heartbeats, records.
 * Must not know what users see of it.
 * Invariant: records are kept before they are acknowledged.
 */
import type { Hono } from "hono";
import type { Heartbeat } from "../uplink/messages.ts";
import { Batch, HASH_HEADER, Heartbeat as HeartbeatSchema } from "../uplink/protocol.ts";
import { requireExecutor, requireGroups } from "./access.ts";
import { checkedId } from "./body.ts";
import type { Ctx, Env, GatewayParts } from "./context.ts";
import { Refuse } from "./failure.ts";
import { ingest, newRun } from "./ingest.ts";
import type { ExecutorRow, RunRow } from "./store.ts";

/** Largest heartbeat, bytes: they are small and of constant size. */
const MAX_HEARTBEAT_BYTES = 64 * 1024;
/** Sessions of an executor that are remembered as over. */
const MAX_SESSIONS = 8;

/** Adds the routes. */
export function executorRoutes(app: Hono<Env>, parts: GatewayParts): void {
  app.get("/v1/executors/:executor/pipeline", (c) => pipeline(c, parts));
  app.post("/v1/executors/:executor/heartbeat", (c) => heartbeat(c, parts));
  app.post("/v1/executors/:executor/records", (c) => records(c, parts));
}

function executorOf(c: Ctx): string {
  const executor = checkedId("executor", c.req.param("executor"));
  requireExecutor(c, executor);
  return executor;
}

/** The groups that the executor says it is in. @throws {Refuse} If they are none, or its token is not for one of them. */
function groupsOf(c: Ctx): string[] {
  const groups = (c.req.queries("group") ?? []).slice(0, 16).map((group) => checkedId("group", group));
  requireGroups(c, groups);
  return groups;
}

function pipeline(c: Ctx, { store, clock }: GatewayParts): Response {
  const executor = executorOf(c);
  seen(executor, { store, now: clock.now() });
  const groups = groupsOf(c);
  const known = /^"(\d{1,15})-/.exec(c.req.header("if-none-match") ?? "")?.[1];
  const after = known === undefined ? 0 : Number(known);
  const targets = groups.map((group) => `group:${group}`);
  const found = store.newest([executor, "group:all", ...targets], after);
  if (!found) return c.body(null, 204);
  const etag = `"${found.version}-${found.hash}"`;
  if (found.version <= after) return c.body(null, 304, { etag });
  return c.body(found.bytes, 200, {
    "content-type": "application/octet-stream",
    etag,
    [HASH_HEADER]: found.hash,
  });
}

async function heartbeat(c: Ctx, { store, clock, intake }: GatewayParts): Promise<Response> {
  const executor = executorOf(c);
  const body = await intake.json(c.req.raw, { schema: HeartbeatSchema, maxBytes: MAX_HEARTBEAT_BYTES });
  const now = clock.now();
  const newer = store.atomically(() => {
    const row = seen(executor, { store, now });
    const next = withHeartbeat(row, body);
    if (!next) return false;
    store.putExecutor(next);
    seenRun(body, { store, executor, now });
    return true;
  }, { durably: false });
  return c.json({ commands: newer ? store.commands(executor, body.seen) : [] });
}

type Seen = Pick<GatewayParts, "store"> & { readonly now: number };

/** Notes that something was heard of an executor. */
function seen(id: string, { store, now }: Seen): ExecutorRow {
  const known = store.executor(id);
  const row: ExecutorRow = known
    ? { ...known, lastSeenAt: now }
    : { id, firstSeenAt: now, lastSeenAt: now, heartbeat: undefined, over: [] };
  store.putExecutor(row);
  return row;
}

/** The row with a heartbeat, unless a newer one has come before it. */
function withHeartbeat(row: ExecutorRow, heartbeat: Heartbeat): ExecutorRow | undefined {
  const last = row.heartbeat;
  if (!last) return { ...row, heartbeat };
  if (last.session === heartbeat.session) {
    return heartbeat.version > last.version ? { ...row, heartbeat } : undefined;
  }
  if (row.over.includes(heartbeat.session)) return undefined;
  return { ...row, heartbeat, over: [last.session, ...row.over].slice(0, MAX_SESSIONS) };
}

/** A heartbeat names the run that is going on; its state is told by records alone. */
function seenRun(heartbeat: Heartbeat, { store, executor, now }: Seen & { readonly executor: string }): void {
  const { run, quiet = false } = heartbeat;
  if (!run) return;
  const known = store.run(run.id);
  if (known && known.executor !== executor) return;
  const row = known ?? newRun(run.id, { executor, now });
  const pipeline = row.pipeline ?? run.pipeline;
  const runtime = row.runtime ?? heartbeat.runtime;
  store.putRun({ ...row, pipeline, runtime, quiet, lastSeenAt: now });
}

async function records(c: Ctx, parts: GatewayParts): Promise<Response> {
  const { store, clock, bells, intake, maxBatchBytes } = parts;
  const executor = executorOf(c);
  const batch = await intake.json(c.req.raw, { schema: Batch, maxBytes: maxBatchBytes });
  const now = clock.now();
  const { row, rejected, changed } = store.atomically(() => {
    seen(executor, { store, now });
    const before: RunRow = store.run(batch.run) ?? newRun(batch.run, { executor, now });
    if (before.executor !== executor) {
      throw new Refuse(
        403,
        "RUN_EXECUTOR",
        `Run ${batch.run} is of another executor than ${executor}: do two devices share a state directory?`,
      );
    }
    const result = ingest(before, { batch, now });
    store.ingest(result.row, result.ingested);
    return result;
  });
  if (changed) bells.ring(`run:${batch.run}`);
  return c.json({
    acknowledged: row.acknowledged,
    rejected,
    final: row.final !== undefined,
    commands: store.commands(executor, 0),
  });
}
