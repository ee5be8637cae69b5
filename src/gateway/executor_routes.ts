/**
 * Owns what executors ask: a pipeline, heartbeats, records.
 * Must not know what users see of it.
 * Invariant: records are kept before they are acknowledged.
 */
import type { Hono } from "hono";
import { Heartbeat, RecordBatch } from "../protocol/messages.ts";
import { HANDOUT_HEADER, HASH_HEADER } from "../protocol/words.ts";
import { requireExecutor, requireGroups } from "./access.ts";
import { checkedId } from "./body.ts";
import type { Ctx, Env, GatewayParts } from "./context.ts";
import { Refuse } from "./failure.ts";
import { executorName, rivalName, runName } from "./heard.ts";
import { ingest, newRun } from "./ingest.ts";
import { linked, next } from "./queue.ts";
import type { ExecutorRow, GatewayStore, RunRow } from "./store.ts";
import { hasRival, type Lease, leaseOf } from "./views.ts";

/** Largest heartbeat, bytes: they are small and of constant size, and the last one of each executor is kept. */
const MAX_HEARTBEAT_BYTES = 16 * 1024;
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

function pipeline(c: Ctx, { store, heard, clock }: GatewayParts): Response {
  const executor = executorOf(c);
  seen(executor, { store, heard, now: clock.now() });
  const groups = groupsOf(c);
  const known = c.req.header("if-none-match");
  const handed = next(store, { executor, groups, known, at: clock.now() });
  if (!handed) return known === undefined ? c.body(null, 204) : c.body(null, 304, { etag: known });
  return c.body(handed.bytes, 200, {
    "content-type": "application/octet-stream",
    etag: handed.tag,
    [HASH_HEADER]: handed.hash,
    [HANDOUT_HEADER]: handed.id,
  });
}

async function heartbeat(c: Ctx, parts: GatewayParts): Promise<Response> {
  const { store, heard, clock, intake } = parts;
  const executor = executorOf(c);
  const body = await intake.json(c.req.raw, { schema: Heartbeat, maxBytes: MAX_HEARTBEAT_BYTES });
  const now = clock.now();
  const row = store.atomically(() => {
    const row = withHeartbeat(seen(executor, { store, heard, now }), { heartbeat: body, now, heard });
    store.putExecutor(row);
    if (row.heartbeat === body) seenRun(body, { store, heard, executor, now });
    return row;
  }, { durably: false });
  const rival = rivalOf(row, body, leaseOf(parts));
  const commands = row.heartbeat === body ? store.commands(executor, seenHere(body, store)) : [];
  return c.json({ commands, storage: store.id, ...(rival === undefined ? {} : { rival }) });
}

/** The last command that the executor has seen of this storage; another numbers its own. */
function seenHere({ seen, storage }: Heartbeat, store: GatewayStore): number {
  return storage === undefined || storage === store.id ? seen : 0;
}

/** The session that a reply tells of: to one that is over the present one, to the present one whoever lives beside it. */
function rivalOf(row: ExecutorRow, { session }: Heartbeat, lease: Lease): string | undefined {
  if (row.heartbeat?.session !== session) return row.heartbeat?.session;
  return hasRival(row, lease) ? row.rival.session : undefined;
}

type Seen = Pick<GatewayParts, "store" | "heard"> & { readonly now: number };

/** Notes that something was heard of an executor. */
function seen(id: string, { store, heard, now }: Seen): ExecutorRow {
  heard.hear(executorName(id));
  const known = store.executor(id);
  const row: ExecutorRow = known
    ? { ...known, lastSeenAt: now }
    : { id, firstSeenAt: now, lastSeenAt: now, heartbeat: undefined, over: [], rival: undefined };
  store.putExecutor(row);
  return row;
}

/**
 * The row with a heartbeat, unless a newer one has come before it. One of a session that is over comes late, as a rule;
 * but if it tells of the present session, then its sender was alive after that one had begun: there are two.
 */
function withHeartbeat(
  row: ExecutorRow,
  { heartbeat, heard, now }: Pick<Seen, "heard" | "now"> & { readonly heartbeat: Heartbeat },
): ExecutorRow {
  const { session, version, rival } = heartbeat;
  const last = row.heartbeat;
  if (!last) return { ...row, heartbeat };
  if (last.session === session) return version > last.version ? { ...row, heartbeat } : row;
  if (row.over.includes(session)) {
    if (rival !== last.session) return row;
    heard.hear(rivalName(row.id));
    return { ...row, rival: { session, at: now } };
  }
  return { ...row, heartbeat, over: [last.session, ...row.over].slice(0, MAX_SESSIONS) };
}

/** A heartbeat names the run that is going on; its state is told by records alone. */
function seenRun(
  heartbeat: Heartbeat,
  { store, heard, executor, now }: Seen & { readonly executor: string },
): void {
  const { run, quiet = false } = heartbeat;
  if (!run) return;
  const known = store.run(run.id);
  if (known && known.executor !== executor) return;
  const row = known ?? newRun(run.id, { executor, now });
  const pipeline = row.pipeline ?? run.pipeline;
  const runtime = row.runtime ?? heartbeat.runtime;
  const next = linked(store, { ...row, pipeline, runtime, quiet, lastSeenAt: now }, run.handout);
  heard.hear(runName(run.id));
  store.putRun(next);
}

async function records(c: Ctx, parts: GatewayParts): Promise<Response> {
  const { store, heard, clock, bells, intake, maxBatchBytes } = parts;
  const executor = executorOf(c);
  const batch = await intake.json(c.req.raw, { schema: RecordBatch, maxBytes: maxBatchBytes });
  const now = clock.now();
  const { row, rejected, changed } = store.atomically(() => {
    seen(executor, { store, heard, now });
    const before: RunRow = store.run(batch.run) ?? newRun(batch.run, { executor, now });
    if (before.executor !== executor) {
      throw new Refuse(
        403,
        "RUN_EXECUTOR",
        `Run ${batch.run} is of another executor than ${executor}: do two devices share a state directory?`,
      );
    }
    heard.hear(runName(batch.run));
    const result = ingest(before, { batch, now });
    store.ingest(linked(store, result.row, batch.handout), result.ingested);
    return result;
  });
  if (changed) bells.ring(`run:${batch.run}`);
  return c.json({
    acknowledged: row.acknowledged,
    rejected,
    final: row.final !== undefined,
    commands: store.commands(executor, 0),
    storage: store.id,
  });
}
