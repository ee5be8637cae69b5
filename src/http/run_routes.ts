/**
 * Owns what can be asked of the run as a whole: its pipeline, where its tasks stand, its result so far, and its end.
 * Must not know how a run is carried out.
 */
import { gathered } from "../base/reader_stream.ts";
import { kindOf } from "../pipeline/kinds/list.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { answer } from "./answer.ts";
import { readObject } from "./body.ts";
import { Refuse } from "./failure.ts";
import type { Ctx, Parts, Route } from "./parts.ts";
import { Query } from "./query.ts";
import { checkCancel } from "./schema.ts";
import { streamed } from "./streams.ts";

/** Most standings of a page, and what is given when nothing is said. */
const MAX_PAGE = 10_000;
const PAGE = 1_000;

/** The routes. */
export function runRoutes(parts: Parts): Route[] {
  return [
    { method: "get", path: "/pipeline", who: "token", answer: (c) => pipeline(c, parts) },
    { method: "get", path: "/tasks", who: "token", answer: (c) => tasks(c, parts) },
    { method: "get", path: "/result", who: "token", answer: (c) => result(c, parts) },
    { method: "post", path: "/cancel", who: "token", answer: (c) => cancel(c, parts) },
  ];
}

function pipeline(c: Ctx, parts: Parts): Response {
  new Query(c.req.url, []);
  const { plan } = parts.run();
  if (plan === undefined) {
    throw new Refuse(404, "NO_PLAN", {
      message: "The pipeline is still being loaded: ask again in a moment",
    });
  }
  return answer(parts.redact(planJson(plan)));
}

/** The pipeline as JSON: names, needs and loops. */
export function planJson(plan: Plan): string {
  const name = (index: number) => plan.tasks[index]!.name;
  return JSON.stringify({
    name: plan.name,
    onFailure: plan.onFailure,
    tasks: plan.tasks.map((task) => ({
      name: task.name,
      ...work(task),
      needs: task.needs.map((need) => ({ task: name(need.task), on: need.on })),
      join: task.join,
      attempts: task.retry.attempts,
      allowFailure: task.allowFailure,
      ...(task.timeoutMs !== undefined && { timeoutMs: task.timeoutMs }),
      ...(task.estimateMs !== undefined && { estimateMs: task.estimateMs }),
    })),
    loops: plan.loops.map(({ from, to, times, on, body }) => ({
      from: name(from),
      to: name(to),
      times,
      on,
      body: body.map(name),
    })),
  });
}

/** What is shown of what a task runs. */
function work({ run }: PlanTask): Readonly<Record<string, unknown>> {
  if (run === undefined) return { kind: "sync" };
  const kind = kindOf(run);
  return { kind: kind.name, ...kind.shown?.(run) };
}

function tasks(c: Ctx, parts: Parts): Response {
  const query = new Query(c.req.url, ["offset", "limit"]);
  const offset = query.count("offset") ?? 0;
  const limit = query.count("limit", { least: 1, most: MAX_PAGE }) ?? PAGE;
  const run = parts.run();
  const total = run.plan?.tasks.length ?? 0;
  return answer(parts.redact(JSON.stringify({ total, offset, tasks: run.standings(offset, limit) })));
}

/** Told piece by piece: a large result never lies in memory as one text. */
function result(c: Ctx, parts: Parts): Response {
  new Query(c.req.url, []);
  const run = parts.run();
  return streamed(c, parts, { texts: () => gathered(run.resultJson()) });
}

async function cancel(c: Ctx, parts: Parts): Promise<Response> {
  new Query(c.req.url, []);
  const { because } = checkCancel(await readObject(c.req.raw, parts.gate.limits));
  const run = parts.run();
  if (run.over) {
    throw new Refuse(409, "RUN_OVER", { message: `Run ${run.run} is over: there is nothing to cancel` });
  }
  run.cancel(because ?? "cancelled over HTTP");
  return answer(JSON.stringify({ run: run.run, state: "cancelling" }), { status: 202 });
}
