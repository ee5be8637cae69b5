/**
 * Owns what users ask of the queue: to put a bundle into it, to see it, to take something out.
 * Must not know who is given what next.
 * Invariant: what is refused changes nothing, and whatever leaves a queue is told to whoever made it leave.
 */
import type { Hono } from "hono";
import { sha256 } from "../base/bytes.ts";
import { requireUser } from "./access.ts";
import { checkedId } from "./body.ts";
import type { Ctx, Env, GatewayParts } from "./context.ts";
import { Refuse } from "./failure.ts";
import { submit, targetsOf, withdraw } from "./queue.ts";
import { executorView, handoutViews, leaseOf } from "./views.ts";

/** Longest name of a pipeline that is kept, characters. */
const MAX_NAME = 256;
/** Hand-outs that are listed: of one executor, and of all. */
const MAX_OF_ONE = 200;
const MAX_OF_ALL = 1000;

/** Adds the routes. */
export function queueRoutes(app: Hono<Env>, parts: GatewayParts): void {
  app.post("/v1/bundles", (c) => bundle(c, parts));
  app.get("/v1/executors/:executor", (c) => executor(c, parts));
  app.get("/v1/handouts", (c) => handouts(c, parts));
  app.post("/v1/handouts/:handout/cancel", (c) => cancel(c, parts));
}

async function bundle(c: Ctx, { store, clock, intake, maxBundleBytes }: GatewayParts): Promise<Response> {
  requireUser(c);
  const to = c.req.query("to");
  if (!to) {
    throw new Refuse(400, "TO", "It is not said whom the bundle is for: add ?to=EXECUTOR or ?to=group:NAME");
  }
  checkedId("target", to.startsWith("group:") ? to.slice("group:".length) : to);
  const bytes = await intake.bytes(c.req.raw, maxBundleBytes);
  if (bytes.length === 0) {
    throw new Refuse(422, "BUNDLE", "The bundle is empty: make one with outrider bundle");
  }
  const hash = await sha256(bytes);
  const pipeline = c.req.query("name")?.slice(0, MAX_NAME);
  const replace = ["1", "true"].includes(c.req.query("replace") ?? "");
  const { row, ...queued } = submit(store, { target: to, bytes, hash, pipeline, at: clock.now() }, replace);
  return c.json({ hash, bytes: bytes.length, to, version: row.version, id: row.id, ...queued }, 201);
}

function executor(c: Ctx, parts: GatewayParts): Response {
  requireUser(c);
  const id = checkedId("executor", c.req.param("executor"));
  const { store } = parts;
  const row = store.executor(id);
  const rows = store.handouts(targetsOf(id, row?.heartbeat?.groups ?? []), MAX_OF_ONE).reverse();
  if (!row && !rows.some(({ target }) => target === id)) {
    throw new Refuse(404, "NO_EXECUTOR", `Executor ${id} was never seen, and nothing waits for it`);
  }
  const lease = leaseOf(parts);
  const executors = row ? [row] : [];
  const views = handoutViews(rows, { store, lease, executors, limit: MAX_OF_ONE });
  return c.json({ ...(row ? { executor: executorView(row, lease) } : {}), handouts: views });
}

function handouts(c: Ctx, parts: GatewayParts): Response {
  requireUser(c);
  const { store } = parts;
  const executor = c.req.query("executor");
  const only = executor === undefined ? undefined : store.executor(executor);
  const targets = executor === undefined ? undefined : targetsOf(executor, only?.heartbeat?.groups ?? []);
  const views = handoutViews(store.handouts(targets, MAX_OF_ALL), {
    store,
    lease: leaseOf(parts),
    executors: executor === undefined ? store.executors() : only === undefined ? [] : [only],
    limit: MAX_OF_ALL,
  });
  return c.json({ handouts: views.filter((view) => executor === undefined || view.executor === executor) });
}

function cancel(c: Ctx, { store, clock }: GatewayParts): Response {
  requireUser(c);
  const because = (c.req.query("because") ?? "Withdrawn by the user at the gateway").slice(0, 1000);
  const id = checkedId("hand-out", c.req.param("handout"));
  return c.json(withdraw(store, id, { because, at: clock.now() }), 202);
}
