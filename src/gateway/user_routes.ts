/**
 * Owns what users ask: executors, runs, commands, tokens.
 * Must not know how executors speak.
 * Invariant: nothing here waits for an executor; what is asked of one is kept until it is heard.
 */
import type { Hono } from "hono";
import { type ExecutorView, NewInstruction, NewToken } from "../protocol/messages.ts";
import { requireUser } from "./access.ts";
import { checkedId } from "./body.ts";
import type { Ctx, Env, GatewayParts } from "./context.ts";
import { Refuse } from "./failure.ts";
import { ndjsonOf, streamed } from "./follow.ts";
import { resultJson } from "./result.ts";
import type { RunRow } from "./store.ts";
import { executorView, leaseOf, runView } from "./views.ts";

const MAX_SMALL_BYTES = 16 * 1024;
const MAX_RUNS = 1000;
/** Gaps of one run that a list tells. */
const LISTED_MISSING = 10;
/** Longest heartbeat that a list tells, characters of its JSON. */
const LISTED_HEARTBEAT = 4096;

/** Adds the routes. */
export function userRoutes(app: Hono<Env>, parts: GatewayParts): void {
  const { store } = parts;
  app.get("/v1/executors", (c) => {
    requireUser(c);
    return c.json({ executors: store.executors().map((row) => listed(executorView(row, leaseOf(parts)))) });
  });
  app.post("/v1/executors/:executor/commands", async (c) => {
    requireUser(c);
    const executor = checkedId("executor", c.req.param("executor"));
    const command = await parts.intake.json(c.req.raw, { schema: NewInstruction, maxBytes: MAX_SMALL_BYTES });
    return c.json({ id: store.addCommand(executor, command, parts.clock.now()) }, 202);
  });
  app.get("/v1/runs", (c) => {
    requireUser(c);
    const rows = store.runs(MAX_RUNS, c.req.query("executor"));
    const sight = { store, lease: leaseOf(parts), maxMissing: LISTED_MISSING };
    return c.json({ runs: rows.map((row) => runView(row, sight)) });
  });
  app.get("/v1/runs/:run", (c) => c.json(runView(runOf(c, parts), { store, lease: leaseOf(parts) })));
  app.get("/v1/runs/:run/result", (c) => {
    const row = runOf(c, parts);
    return streamed(c, parts, {
      type: "application/json",
      texts: (gone) => resultJson(row, { store, clock: parts.clock, gone }),
    });
  });
  app.get("/v1/runs/:run/logs", (c) => ndjsonOf(c, { parts, run: runOf(c, parts).run, lane: "log" }));
  app.get("/v1/runs/:run/records", (c) => ndjsonOf(c, { parts, run: runOf(c, parts).run, lane: "state" }));
  app.post("/v1/runs/:run/cancel", (c) => cancel(c, parts));
  app.post("/v1/tokens", (c) => makeToken(c, parts));
  app.delete("/v1/tokens/:name", (c) => {
    requireUser(c);
    const dropped = parts.tokens?.drop(checkedId("name", c.req.param("name"))) ?? false;
    if (!dropped) throw new Refuse(404, "NO_TOKEN", `There is no token ${c.req.param("name")}`);
    return c.body(null, 204);
  });
}

/** An executor in a list of thousands: one long heartbeat after the other would make it more than a user can load. */
function listed({ heartbeat, ...view }: ExecutorView): ExecutorView {
  return heartbeat && JSON.stringify(heartbeat).length <= LISTED_HEARTBEAT ? { ...view, heartbeat } : view;
}

function runOf(c: Ctx, { store }: GatewayParts): RunRow {
  requireUser(c);
  const run = checkedId("run", c.req.param("run"));
  const row = store.run(run);
  if (!row) throw new Refuse(404, "NO_RUN", `There is no run ${run}: GET /v1/runs lists them`);
  return row;
}

async function cancel(c: Ctx, parts: GatewayParts): Promise<Response> {
  const { run, executor, state } = runOf(c, parts);
  if (state !== "running") throw new Refuse(409, "RUN_OVER", `Run ${run} is over: it ${state}`);
  const because = c.req.query("because") ?? "Cancelled by the user at the gateway";
  const command: NewInstruction = { type: "cancel", run, because: because.slice(0, 1000) };
  return await Promise.resolve(
    c.json({ id: parts.store.addCommand(executor, command, parts.clock.now()) }, 202),
  );
}

async function makeToken(c: Ctx, { tokens, intake }: GatewayParts): Promise<Response> {
  requireUser(c);
  if (!tokens) throw new Refuse(409, "OPEN", "This gateway has no tokens: give it a token at its start");
  const wanted = await intake.json(c.req.raw, { schema: NewToken, maxBytes: MAX_SMALL_BYTES });
  return c.json({ name: wanted.name, token: await tokens.make(wanted) }, 201);
}
