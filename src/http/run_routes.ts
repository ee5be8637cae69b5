/**
 * Owns what can be asked of the run as a whole: its pipeline, where its tasks stand, its result so far, and its end.
 * Must not know how a run is carried out.
 */
import { gathered } from "../base/reader_stream.ts";
import { Refuse } from "../base/web/refuse.ts";
import { type Route, route } from "../base/web/route.ts";
import { plannedKindOf } from "../pipeline/kinds/list.ts";
import { conditionText } from "../pipeline/plan/condition.ts";
import type { Plan, PlanTask } from "../pipeline/plan/plan.ts";
import { answer } from "./answer.ts";
import type { Parts } from "./parts.ts";
import { wholeFrom } from "./query.ts";
import { type PipelineView, SCHEMAS, type StandingsView } from "./schema.ts";
import { streamed } from "./streams.ts";

/** Most standings of a page, and what is given when nothing is said. */
const MAX_PAGE = 10_000;
const PAGE = 1_000;

const OF_RUN = { tag: "run", access: "token" } as const;

/** The routes. */
export function runRoutes(parts: Parts): Route[] {
  return [
    route({
      ...OF_RUN,
      id: "getPipeline",
      method: "get",
      path: "/pipeline",
      summary: "The pipeline: tasks, needs, loops",
      query: {},
      answers: { 200: { what: "The pipeline", bodies: { "application/json": SCHEMAS.Pipeline } } },
      handle: () => pipeline(parts),
    }),
    route({
      ...OF_RUN,
      id: "getTasks",
      method: "get",
      path: "/tasks",
      summary: "Where tasks stand, a page at a time, in the order of the pipeline",
      query: {
        offset: wholeFrom("Tasks to leave out. Default 0"),
        limit: wholeFrom("Most tasks of the page. Default 1000", { least: 1, most: MAX_PAGE }),
      },
      answers: { 200: { what: "Tasks", bodies: { "application/json": SCHEMAS.Tasks } } },
      handle: ({ query: { offset = 0, limit = PAGE } }) => {
        const run = parts.run();
        const total = run.plan?.tasks.length ?? 0;
        const page: StandingsView = { total, offset, tasks: run.standings(offset, limit) };
        return answer(parts.redact(JSON.stringify(page)));
      },
    }),
    route({
      ...OF_RUN,
      id: "getResult",
      method: "get",
      path: "/result",
      summary: "The result document so far, as outrider run --json prints it",
      query: {},
      answers: { 200: { what: "The document", bodies: { "application/json": SCHEMAS.Result } } },
      // Told piece by piece: a large result never lies in memory as one text.
      handle: ({ request }) => {
        const run = parts.run();
        return streamed(request, parts, { texts: () => gathered(run.resultJson()) });
      },
    }),
    route({
      ...OF_RUN,
      id: "cancelRun",
      method: "post",
      path: "/cancel",
      summary: "Cancels the run",
      query: {},
      body: { required: false, schema: SCHEMAS.Cancel },
      answers: {
        202: { what: "It is being cancelled", bodies: { "application/json": SCHEMAS.Cancelling } },
        409: { what: "The run is over" },
      },
      handle: ({ body: { because } }) => cancel(parts, because),
    }),
  ];
}

function pipeline(parts: Parts): Response {
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
  const view: PipelineView = {
    name: plan.name,
    onFailure: plan.onFailure,
    tasks: plan.tasks.map((task) => ({
      name: task.name,
      ...work(task),
      needs: task.needs.map((need) => ({ task: name(need.task), on: need.on })),
      join: task.join,
      ...(task.when !== undefined && { when: conditionText(plan, task.when) }),
      attempts: task.retry.attempts,
      allowFailure: task.allowFailure,
      ...(task.uses !== undefined && {
        uses: task.uses.map(({ resource, amount }) => ({
          resource: plan.resources![resource]!.name,
          amount,
        })),
      }),
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
    ...(plan.resources !== undefined && { resources: plan.resources }),
    ...(plan.edges !== undefined && {
      edges: plan.edges.map(({ from, to, times, ...edge }) => ({
        ...edge,
        from: name(from),
        to: name(to),
        ...(times !== undefined && { times }),
      })),
    }),
  };
  return JSON.stringify(view);
}

/** What is shown of what a task runs. */
function work({ run }: PlanTask): { readonly kind: PipelineView["tasks"][number]["kind"] } {
  if (run === undefined) return { kind: "sync" };
  const kind = plannedKindOf(run);
  return { kind: kind.name, ...kind.shown?.(run) };
}

function cancel(parts: Parts, because = "cancelled over HTTP"): Response {
  const run = parts.run();
  if (run.over) {
    throw new Refuse(409, "RUN_OVER", { message: `Run ${run.run} is over: there is nothing to cancel` });
  }
  run.cancel(because);
  return answer(JSON.stringify({ run: run.run, state: "cancelling" }), { status: 202 });
}
