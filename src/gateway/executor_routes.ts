/**
 * Owns what executors ask: a pipeline, heartbeats, records.
 * Must not know what users see of it.
 * Invariant: records are kept before they are acknowledged.
 */
import { type Route, route } from "../base/web/route.ts";
import { BatchReply, Heartbeat, HeartbeatReply, RecordBatch } from "../protocol/messages.ts";
import { HANDOUT_HEADER, HASH_HEADER } from "../protocol/words.ts";
import { json } from "./answer.ts";
import type { GatewayParts } from "./context.ts";
import { Refuse } from "../base/web/refuse.ts";
import { executorName, rivalName, runName } from "./heard.ts";
import { passedOver, runToldOf } from "./dropped.ts";
import { ingest } from "./ingest.ts";
import { EXECUTOR, GROUPS } from "./param.ts";
import { linked, next } from "./queue.ts";
import { requireRoom } from "./retention.ts";
import type { ExecutorRow, GatewayStore, Within } from "./store.ts";
import { hasRival, type Lease, leaseOf } from "./views.ts";

/** Largest heartbeat, bytes: they are small and of constant size, and the last one of each executor is kept. */
const MAX_HEARTBEAT_BYTES = 16 * 1024;
/** Sessions of an executor that are remembered as over. */
const MAX_SESSIONS = 8;

const OF_EXECUTOR = { access: "executor", params: EXECUTOR } as const;

/** The routes. */
export function executorRoutes(parts: GatewayParts): Route[] {
  return [
    route({
      ...OF_EXECUTOR,
      method: "get",
      path: "/v1/executors/{executor}/pipeline",
      summary:
        "Hands out the oldest bundle for the executor or one of its groups that it has not done with; If-None-Match names the last one that it has",
      query: { group: GROUPS },
      answers: {
        200: {
          what: `The bundle; its SHA-256 in ${HASH_HEADER}, its id in ${HANDOUT_HEADER}, its name in ETag`,
          bodies: { "application/octet-stream": undefined },
        },
        204: { what: "Nothing yet" },
        304: { what: "Nothing yet but what it has done with" },
      },
      handle: ({ request, params: { executor }, query: { group = [] } }) =>
        pipeline(parts, {
          executor,
          groups: group,
          known: request.headers.get("if-none-match") ?? undefined,
        }),
    }),
    route({
      ...OF_EXECUTOR,
      method: "post",
      path: "/v1/executors/{executor}/heartbeat",
      summary: "Says that the executor lives; the reply carries commands",
      body: { required: true, schema: Heartbeat, maxBytes: MAX_HEARTBEAT_BYTES },
      answers: { 200: { what: "Commands not seen yet", bodies: { "application/json": HeartbeatReply } } },
      handle: ({ params: { executor }, body }) => heartbeat(parts, executor, body),
    }),
    route({
      ...OF_EXECUTOR,
      method: "post",
      path: "/v1/executors/{executor}/records",
      summary:
        "Takes numbered records of one lane of one run, at least once; the reply acknowledges cumulatively",
      // A record with a number that can't be is set aside alone.
      body: { required: true, schema: RecordBatch, maxBytes: parts.maxBatchBytes, boundsNumbers: true },
      answers: { 200: { what: "What the gateway has", bodies: { "application/json": BatchReply } } },
      handle: ({ params: { executor }, body }) => records(parts, executor, body),
    }),
  ];
}

async function pipeline(
  { store, heard, clock }: GatewayParts,
  { executor, groups, known }: {
    readonly executor: string;
    readonly groups: readonly string[];
    readonly known: string | undefined;
  },
): Promise<Response> {
  await store.atomically((store) => seen(executor, { store, heard, now: clock.now() }), { durably: false });
  const handed = await next(store, { executor, groups, known, at: clock.now() });
  if (!handed) {
    return known === undefined
      ? new Response(null, { status: 204 })
      : new Response(null, { status: 304, headers: { etag: known } });
  }
  return new Response(handed.bytes, {
    headers: {
      "content-type": "application/octet-stream",
      etag: handed.tag,
      [HASH_HEADER]: handed.hash,
      [HANDOUT_HEADER]: handed.id,
    },
  });
}

async function heartbeat(parts: GatewayParts, executor: string, body: Heartbeat): Promise<Response> {
  const { store, heard, clock } = parts;
  const now = clock.now();
  const row = await store.atomically(
    (store) => heardHeartbeat(executor, body, { store, heard, now }),
    { durably: false },
  );
  const rival = rivalOf(row, body, leaseOf(parts));
  const commands = row.heartbeat === body ? await store.commands(executor, seenHere(body, store)) : [];
  const reply: HeartbeatReply = { commands, storage: store.id, ...(rival === undefined ? {} : { rival }) };
  return json(reply);
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

type Seen = Pick<GatewayParts, "heard"> & { readonly store: Within; readonly now: number };

/** Notes a heartbeat, and the run that it names; resolves to the executor, whose heartbeat is this one unless it came late. */
export async function heardHeartbeat(executor: string, body: Heartbeat, there: Seen): Promise<ExecutorRow> {
  const { store, heard, now } = there;
  const row = withHeartbeat(await seen(executor, there), { heartbeat: body, now, heard });
  await store.putExecutor(row);
  if (row.heartbeat === body) await seenRun(body, { store, heard, executor, now });
  return row;
}

/** Notes that something was heard of an executor. */
async function seen(id: string, { store, heard, now }: Seen): Promise<ExecutorRow> {
  heard.hear(executorName(id));
  const known = await store.executor(id);
  const row: ExecutorRow = known
    ? { ...known, lastSeenAt: now }
    : { id, firstSeenAt: now, lastSeenAt: now, heartbeat: undefined, over: [], rival: undefined };
  await store.putExecutor(row);
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
async function seenRun(
  heartbeat: Heartbeat,
  { store, heard, executor, now }: Seen & { readonly executor: string },
): Promise<void> {
  const { run, quiet = false } = heartbeat;
  if (!run) return;
  const row = await runToldOf(store, run.id, { executor, now });
  if (row?.executor !== executor) return;
  const pipeline = row.pipeline ?? run.pipeline;
  const runtime = row.runtime ?? heartbeat.runtime;
  const next = await linked(store, { ...row, pipeline, runtime, quiet, lastSeenAt: now }, run.handout);
  heard.hear(runName(run.id));
  await store.putRun(next);
}

async function records(parts: GatewayParts, executor: string, batch: RecordBatch): Promise<Response> {
  const { store, heard, clock, bells } = parts;
  const now = clock.now();
  requireRoom(parts.retention);
  const { acknowledged, final, rejected, changed } = await store.atomically(async (store) => {
    await seen(executor, { store, heard, now });
    const before = await runToldOf(store, batch.run, { executor, now });
    if (before === undefined) {
      return { acknowledged: await passedOver(store, batch), final: true, rejected: [], changed: false };
    }
    if (before.executor !== executor) {
      throw new Refuse(403, "RUN_EXECUTOR", {
        message:
          `Run ${batch.run} is of another executor than ${executor}: do two devices share a state directory?`,
      });
    }
    heard.hear(runName(batch.run));
    const result = ingest(before, { batch, now });
    await store.ingest(await linked(store, result.row, batch.handout), result.ingested);
    const { row: { acknowledged, final } } = result;
    return { ...result, acknowledged, final: final !== undefined };
  });
  if (changed) bells.ring(`run:${batch.run}`);
  const reply: BatchReply = {
    acknowledged,
    rejected,
    final,
    commands: await store.commands(executor, 0),
    storage: store.id,
  };
  return json(reply);
}
