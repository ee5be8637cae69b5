/**
 * Owns what users ask: executors, runs, commands, tokens.
 * Must not know how executors speak.
 * Invariant: nothing here waits for an executor; what is asked of one is kept until it is heard.
 */
import * as v from "valibot";
import { Refuse } from "../base/web/refuse.ts";
import { type Route, route } from "../base/web/route.ts";
import { RUN_STATES } from "../model/outcome.ts";
import {
  ErrorReply,
  ExecutorView,
  NewInstruction,
  NewToken,
  ReportedRun,
  TokenMade,
} from "../protocol/messages.ts";
import { json, tagged } from "./answer.ts";
import type { GatewayParts } from "./context.ts";
import { GONE, requireRun } from "./dropped.ts";
import { ndjsonOf, toldInPieces } from "./follow.ts";
import { EXECUTOR, isOneOf, numberOf, oneOf, RUN, TOKEN, words } from "./param.ts";
import { resultJson } from "./result.ts";
import { executorView, leaseOf, runView } from "./views.ts";

const MAX_RUNS = 1000;
/** Gaps of one run that a list tells. */
const LISTED_MISSING = 10;
/** Longest heartbeat that a list tells, characters of its JSON. */
const LISTED_HEARTBEAT = 4096;

/** Longest reason that is kept, characters. */
const MAX_BECAUSE = 1000;

const GET = { method: "get", access: "user" } as const;
const OF_RUN = { access: "user", params: RUN } as const;
const ANY_JSON = { "application/json": {} } as const;
const COMMAND = { what: "The command's id", bodies: ANY_JSON } as const;
const STATE = oneOf("Only those in this state", [...RUN_STATES, "lost"] as const);
const FOLLOWED = {
  since: numberOf("Only records with a higher number"),
  follow: isOneOf("1: goes on until the run is over", ["", "1", "true"]),
} as const;

/** The routes. */
export function userRoutes(parts: GatewayParts): Route[] {
  return [...ofExecutors(parts), ...ofRuns(parts), ...ofRecords(parts), ...ofTokens(parts)];
}

function ofExecutors(parts: GatewayParts): Route[] {
  const { store } = parts;
  return [
    route({
      ...GET,
      path: "/v1/executors",
      summary: "Lists executors",
      answers: {
        200: {
          what: "Executors by id",
          bodies: { "application/json": v.object({ executors: v.array(ExecutorView) }) },
        },
      },
      handle: async () => {
        const lease = leaseOf(parts);
        return json({ executors: (await store.executors()).map((row) => listed(executorView(row, lease))) });
      },
    }),
    route({
      method: "post",
      path: "/v1/executors/{executor}/commands",
      summary: "Asks something of an executor, in the reply to its next heartbeat",
      access: "user",
      params: EXECUTOR,
      body: { required: true, schema: NewInstruction },
      answers: { 202: COMMAND },
      handle: async ({ params: { executor }, body }) =>
        json({ id: await parts.desk.instruct(executor, body) }, 202),
    }),
  ];
}

function ofRuns(parts: GatewayParts): Route[] {
  const { store, clock } = parts;
  return [
    route({
      ...GET,
      path: "/v1/runs",
      summary: "Lists runs, the last heard of first, at most 1000",
      query: {
        executor: words("Only those of this executor"),
        state: STATE,
        limit: numberOf("At most so many. Default 1000"),
      },
      headers: { "if-none-match": "The ETag" },
      answers: {
        200: { what: "Runs", bodies: { "application/json": v.object({ runs: v.array(ReportedRun) }) } },
        304: { what: "The same as before" },
      },
      handle: async ({ request, query: { executor, state, limit = MAX_RUNS } }) => {
        const most = Math.min(limit, MAX_RUNS);
        return await tagged(request, { runs: await runsOf(parts, { executor, state, most }) });
      },
    }),
    route({
      ...OF_RUN,
      method: "get",
      path: "/v1/runs/{run}",
      summary: "Tells how a run stands",
      answers: { 200: { what: "The run", bodies: { "application/json": ReportedRun } }, ...GONE },
      handle: async ({ params: { run } }) =>
        json(await runView(await requireRun(run, parts), { store, lease: leaseOf(parts) })),
    }),
    route({
      ...OF_RUN,
      method: "get",
      path: "/v1/runs/{run}/result",
      summary: "The result document of a run, or what there is of it so far",
      answers: { 200: { what: "The document that outrider run --json prints", bodies: ANY_JSON }, ...GONE },
      handle: async ({ request, params: { run } }) => {
        const row = await requireRun(run, parts);
        return toldInPieces(request, parts, {
          type: "application/json",
          texts: (gone) => resultJson(row, { store, clock, gone }),
        });
      },
    }),
    route({
      ...OF_RUN,
      method: "post",
      path: "/v1/runs/{run}/cancel",
      summary: "Asks the executor to cancel the run, in the reply to its next heartbeat",
      query: { because: words("Why, in words", MAX_BECAUSE) },
      answers: {
        202: COMMAND,
        409: { what: "The run is over", bodies: { "application/json": ErrorReply } },
        ...GONE,
      },
      handle: async ({ params, query: { because = "Cancelled by the user at the gateway" } }) => {
        const { run, executor, state } = await requireRun(params.run, parts);
        if (state !== "running") {
          throw new Refuse(409, "RUN_OVER", { message: `Run ${run} is over: it ${state}` });
        }
        const command: NewInstruction = { type: "cancel", run, because };
        return json({ id: await parts.desk.instruct(executor, command) }, 202);
      },
    }),
  ];
}

/** Runs, those that were heard last first. */
async function runsOf(
  { store, ...parts }: GatewayParts,
  { executor, state, most }: {
    readonly executor: string | undefined;
    readonly state: ReportedRun["state"] | undefined;
    readonly most: number;
  },
): Promise<ReportedRun[]> {
  const sight = { store, lease: leaseOf(parts), maxMissing: LISTED_MISSING };
  // What is lost tells that it is running, and is behind all that is: there it is looked for, however much runs.
  const isLost = state === "lost";
  const told = isLost ? "running" : state;
  const rows = await store.runs(told === "running" ? MAX_RUNS : most, {
    executor,
    state: told,
    longAgo: isLost,
  });
  const runs: ReportedRun[] = [];
  for (const row of rows) {
    if (!isLost && runs.length >= most) break;
    const view = await runView(row, sight);
    if (state === undefined || view.state === state) runs.push(view);
  }
  return isLost ? runs.reverse().slice(0, most) : runs;
}

function ofRecords(parts: GatewayParts): Route[] {
  const NDJSON = { "application/x-ndjson": undefined };
  return [
    route({
      ...OF_RUN,
      method: "get",
      path: "/v1/runs/{run}/logs",
      summary: "The combined log of a run, one record a line; empty lines only keep the connection alive",
      query: FOLLOWED,
      answers: { 200: { what: "Log records", bodies: NDJSON }, ...GONE },
      handle: async ({ request, over, params, query }) => {
        const { run } = await requireRun(params.run, parts);
        return ndjsonOf(request, { parts, run, lane: "log", over }, query);
      },
    }),
    route({
      ...OF_RUN,
      method: "get",
      path: "/v1/runs/{run}/records",
      summary: "The state records of a run, one a line",
      query: { ...FOLLOWED, bare: isOneOf("1: without the values of attempts", ["1", "true"]) },
      answers: { 200: { what: "State records", bodies: NDJSON }, ...GONE },
      handle: async ({ request, over, params, query: { bare = false, ...query } }) => {
        const { run } = await requireRun(params.run, parts);
        return ndjsonOf(request, { parts, run, lane: "state", bare, over }, query);
      },
    }),
  ];
}

function ofTokens({ tokens }: GatewayParts): Route[] {
  return [
    route({
      method: "post",
      path: "/v1/tokens",
      summary: "Makes a token; its text is shown this once",
      access: "user",
      body: { required: true, schema: NewToken },
      answers: { 201: { what: "The token", bodies: { "application/json": TokenMade } } },
      handle: async ({ body }) => {
        if (!tokens) {
          throw new Refuse(409, "OPEN", {
            message: "This gateway has no tokens: give it a token at its start",
          });
        }
        const made: TokenMade = { name: body.name, token: await tokens.make(body) };
        return json(made, 201);
      },
    }),
    route({
      method: "delete",
      path: "/v1/tokens/{name}",
      summary: "Withdraws a token",
      access: "user",
      params: TOKEN,
      answers: { 204: { what: "It is withdrawn" } },
      handle: async ({ params: { name } }) => {
        if (await tokens?.drop(name)) return new Response(null, { status: 204 });
        throw new Refuse(404, "NO_TOKEN", { message: `There is no token ${name}` });
      },
    }),
  ];
}

/** An executor in a list of thousands: one long heartbeat after the other would make it more than a user can load. */
function listed({ heartbeat, ...view }: ExecutorView): ExecutorView {
  return heartbeat && JSON.stringify(heartbeat).length <= LISTED_HEARTBEAT ? { ...view, heartbeat } : view;
}
