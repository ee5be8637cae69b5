/**
 * Owns what users ask of the queue: to put a bundle into it, to see it, to take something out.
 * Must not know who is given what next.
 * Invariant: what is refused changes nothing, and whatever leaves a queue is told to whoever made it leave.
 */
import * as v from "valibot";
import { sha256 } from "../base/bytes.ts";
import { Refuse } from "../base/web/refuse.ts";
import { type Route, route } from "../base/web/route.ts";
import { ErrorReply, ExecutorQueue, HandoutView, Submitted, Withdrawn } from "../protocol/messages.ts";
import { json } from "./answer.ts";
import type { GatewayParts } from "./context.ts";
import { EXECUTOR, HANDOUT, isOneOf, TO, words } from "./param.ts";
import { targetsOf } from "./queue.ts";
import { executorView, handoutViews, leaseOf } from "./views.ts";

/** Longest name of a pipeline that is kept, characters. */
const MAX_NAME = 256;
/** Hand-outs that are listed: of one executor, and of all. */
const MAX_OF_ONE = 200;
const MAX_OF_ALL = 1000;

/** Longest reason that is kept, characters. */
const MAX_BECAUSE = 1000;

/** The routes. */
export function queueRoutes(parts: GatewayParts): Route[] {
  return [
    route({
      method: "post",
      path: "/v1/bundles",
      summary: "Puts a bundle at the end of the queue of an executor or a group",
      access: "user",
      query: {
        to: TO,
        name: words("What it is listed as: its pipeline's name", MAX_NAME),
        replace: isOneOf("1: what waits in that queue leaves it", ["1", "true"]),
      },
      body: { required: true, types: { "application/octet-stream": undefined } },
      answers: {
        201: {
          what: "It will be handed out, after those before it",
          bodies: { "application/json": Submitted },
        },
        409: { what: "The queue is full", bodies: { "application/json": ErrorReply } },
      },
      handle: ({ request, query: { to, name, replace = false } }) =>
        bundle(request, parts, { to: to!, pipeline: name, replace }),
    }),
    route({
      method: "get",
      path: "/v1/executors/{executor}",
      summary: "Tells of an executor and of its queue, the oldest first",
      access: "user",
      params: EXECUTOR,
      answers: {
        200: {
          what: "The executor, if it was ever seen, and its hand-outs",
          bodies: { "application/json": ExecutorQueue },
        },
      },
      handle: ({ params }) => executor(parts, params.executor),
    }),
    route({
      method: "get",
      path: "/v1/handouts",
      summary:
        "Lists what was handed to the gateway, with each executor that it is for, the newest first, at most 1000",
      access: "user",
      query: { executor: words("Only those for this executor") },
      answers: {
        200: {
          what: "Hand-outs",
          bodies: { "application/json": v.object({ handouts: v.array(HandoutView) }) },
        },
      },
      handle: ({ query }) => handouts(parts, query.executor),
    }),
    route({
      method: "post",
      path: "/v1/handouts/{handout}/cancel",
      summary: "Takes a hand-out out of the queue, and has its runs cancelled",
      access: "user",
      params: HANDOUT,
      query: { because: words("Why, in words", MAX_BECAUSE) },
      answers: {
        202: {
          what: "It is withdrawn; what of it is being cancelled",
          bodies: { "application/json": Withdrawn },
        },
        409: { what: "It is over", bodies: { "application/json": ErrorReply } },
      },
      handle: async ({ params, query: { because = "Withdrawn by the user at the gateway" } }) =>
        json(await parts.desk.withdraw(params.handout, { because, at: parts.clock.now() }), 202),
    }),
  ];
}

async function bundle(
  request: Request,
  { desk, clock, intake, maxBundleBytes }: GatewayParts,
  { to, pipeline, replace }: {
    readonly to: string;
    readonly pipeline: string | undefined;
    readonly replace: boolean;
  },
): Promise<Response> {
  const bytes = await intake.bytes(request, maxBundleBytes);
  if (bytes.length === 0) {
    throw new Refuse(422, "BUNDLE", { message: "The bundle is empty: make one with outrider bundle" });
  }
  const hash = await sha256(bytes);
  const { row, ...queued } = await desk.submit(
    { target: to, bytes, hash, pipeline, at: clock.now() },
    replace,
  );
  const submitted: Submitted = {
    hash,
    bytes: bytes.length,
    to,
    version: row.version,
    id: row.id,
    ...queued,
  };
  return json(submitted, 201);
}

async function executor(parts: GatewayParts, id: string): Promise<Response> {
  const { store } = parts;
  const row = await store.executor(id);
  const targets = targetsOf(id, row?.heartbeat?.groups ?? []);
  const rows = (await store.handouts(targets, MAX_OF_ONE)).reverse();
  if (!row && !rows.some(({ target }) => target === id)) {
    throw new Refuse(404, "NO_EXECUTOR", {
      message: `Executor ${id} was never seen, and nothing waits for it`,
    });
  }
  const lease = leaseOf(parts);
  const executors = row ? [row] : [];
  const views = await handoutViews(rows, { store, lease, executors, limit: MAX_OF_ONE });
  const queue: ExecutorQueue = { ...(row ? { executor: executorView(row, lease) } : {}), handouts: views };
  return json(queue);
}

async function handouts(parts: GatewayParts, executor: string | undefined): Promise<Response> {
  const { store } = parts;
  const only = executor === undefined ? undefined : await store.executor(executor);
  const targets = executor === undefined ? undefined : targetsOf(executor, only?.heartbeat?.groups ?? []);
  const views = await handoutViews(await store.handouts(targets, MAX_OF_ALL), {
    store,
    lease: leaseOf(parts),
    executors: executor === undefined ? await store.executors() : only === undefined ? [] : [only],
    limit: MAX_OF_ALL,
  });
  return json({ handouts: views.filter((view) => executor === undefined || view.executor === executor) });
}
