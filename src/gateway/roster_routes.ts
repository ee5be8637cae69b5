/**
 * Owns what is asked of the fleet as a whole: how many executors and runs stand how, and those that are looked for.
 * Must not know how they are read.
 * Invariant: an answer is of bounded size, however many executors there are.
 */
import { isoTime } from "../base/clock.ts";
import { type Route, route } from "../base/web/route.ts";
import { EXECUTOR_VIEW_STATES, type ExecutorListed, Overview } from "../protocol/messages.ts";
import { GROUP } from "../protocol/words.ts";
import { tagged } from "./answer.ts";
import type { GatewayParts } from "./context.ts";
import { numberOf, oneOf, words } from "./param.ts";
import type { ExecutorRow } from "./store.ts";
import { executorStateOf, hasRival, type Lease, leaseOf } from "./views.ts";

/** Executors of one answer: what is given when nothing is said, and the most. */
const PAGE = 100;
const MAX_PAGE = 500;
/** Longest text that is looked for, characters. */
const MAX_FIND = 200;

type State = ExecutorListed["state"];

/** What is looked for. */
interface Wanted {
  readonly state?: State;
  readonly find?: string;
  readonly offset?: number;
  readonly limit?: number;
}

/** The routes. */
export function rosterRoutes(parts: GatewayParts): Route[] {
  return [
    route({
      method: "get",
      path: "/v1/overview",
      summary: "Tells how many executors and runs stand how, and lists executors, a page at a time, by id",
      access: "user",
      query: {
        state: oneOf("Only executors in this state", EXECUTOR_VIEW_STATES),
        find: words("Only executors with this in their id, a group, their version or their run", MAX_FIND),
        offset: numberOf("Executors to leave out. Default 0"),
        limit: numberOf(`Most executors that are listed: up to ${MAX_PAGE}. Default ${PAGE}`),
      },
      headers: { "if-none-match": "The ETag" },
      answers: {
        200: { what: "The fleet", bodies: { "application/json": Overview } },
        304: { what: "The same as before" },
      },
      handle: async ({ request, query }) => await tagged(request, await overview(parts, query)),
    }),
  ];
}

async function overview(
  { roster, ...parts }: GatewayParts,
  { state, find = "", offset = 0, limit = PAGE }: Wanted,
): Promise<Overview> {
  const { executors, runs } = await roster.rows();
  const lease = leaseOf(parts);
  const counts: Record<State, number> = { idle: 0, running: 0, paused: 0, stopping: 0, lost: 0 };
  const part = find.trim().toLowerCase();
  const most = Math.min(limit, MAX_PAGE);
  const listed: ExecutorListed[] = [];
  let matching = 0;
  for (const row of executors) {
    const stands = executorStateOf(row, lease);
    counts[stands]++;
    if (state !== undefined && stands !== state || !has(row, part)) continue;
    if (matching++ >= offset && listed.length < most) listed.push(listedOf(row, stands, lease));
  }
  return { total: executors.length, counts, runs, matching, offset, executors: listed };
}

function has({ id, heartbeat }: ExecutorRow, part: string): boolean {
  if (part === "") return true;
  const { groups = [], outrider, run } = heartbeat ?? {};
  const texts = [id, ...groups.map((group) => GROUP + group), outrider, run?.id, run?.pipeline];
  return texts.some((text) => text?.toLowerCase().includes(part));
}

function listedOf(row: ExecutorRow, state: State, lease: Lease): ExecutorListed {
  const { id, lastSeenAt, heartbeat } = row;
  const { groups, outrider, runtime, run } = heartbeat ?? {};
  return {
    id,
    state,
    lastSeenAt: isoTime(lastSeenAt),
    ...(groups !== undefined && { groups }),
    ...(outrider !== undefined && { outrider }),
    ...(runtime !== undefined && { runtime }),
    ...(run !== undefined && { run: { id: run.id, pipeline: run.pipeline, state: run.state } }),
    ...(hasRival(row, lease) && { rival: true }),
  };
}
