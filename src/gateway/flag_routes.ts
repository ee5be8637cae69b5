/**
 * Owns flags: values that all executors of an experiment and the user share.
 * Must not know what they are for.
 * Invariant: an operation is done once, however often it comes, and its answer is the same each time.
 */
import * as v from "valibot";
import { Refuse } from "../base/web/refuse.ts";
import { type Route, route } from "../base/web/route.ts";
import { MAX_FLAG_BYTES } from "../base/limits.ts";
import { FlagOperation, FlagReply, FlagValue, SharedFlag } from "../protocol/messages.ts";
import { applied } from "../protocol/flag_change.ts";
import { MAX_FLAG_WAIT_MS } from "../protocol/words.ts";
import { json } from "./answer.ts";
import type { GatewayParts } from "./context.ts";
import { EXPERIMENT, FLAG, numberOf } from "./param.ts";
import type { FlagAnswer, Within } from "./store.ts";

/** What the flags of one experiment may come to, all together. */
const MAX_FLAGS = { count: 10_000, bytes: 16 * 1024 * 1024 };
const OF_FLAG = {
  access: "either",
  path: "/v1/experiments/{experiment}/flags/{name}",
  params: FLAG,
} as const;
const AFTER_IT = { 200: { what: "The flag after it", bodies: { "application/json": FlagReply } } } as const;

/** The routes. */
export function flagRoutes(parts: GatewayParts): Route[] {
  return [
    route({
      method: "get",
      path: "/v1/experiments/{experiment}/flags",
      summary: "Lists the flags of an experiment",
      access: "either",
      params: EXPERIMENT,
      answers: {
        200: {
          what: "Flags by name",
          bodies: { "application/json": v.object({ flags: v.array(SharedFlag) }) },
        },
      },
      handle: async ({ params: { experiment } }) => json({ flags: await parts.store.flags(experiment) }),
    }),
    route({
      ...OF_FLAG,
      method: "get",
      summary: "Reads a flag; with after and wait, as soon as it is newer",
      query: {
        after: numberOf("Version that is known"),
        wait: numberOf(`How long to wait for a newer one, milliseconds, at most ${MAX_FLAG_WAIT_MS}`),
      },
      answers: {
        200: { what: "The flag", bodies: { "application/json": SharedFlag } },
        204: { what: "There is none" },
      },
      handle: ({ request, params, query }) => read(request.signal, parts, { ...params, ...query }),
    }),
    route({
      ...OF_FLAG,
      method: "put",
      summary: "Sets a flag, whatever it was",
      body: { required: true, schema: FlagValue, maxBytes: MAX_FLAG_BYTES },
      answers: AFTER_IT,
      handle: ({ params, body: { value } }) => put(parts, params, value),
    }),
    route({
      ...OF_FLAG,
      method: "post",
      summary: "Sets, counts or compares a flag, once for each id however often it is sent",
      body: { required: true, schema: FlagOperation, maxBytes: MAX_FLAG_BYTES },
      answers: AFTER_IT,
      handle: ({ params, body }) => change(parts, params, body),
    }),
  ];
}

interface Named {
  readonly experiment: string;
  readonly name: string;
}

function bellOf({ experiment, name }: Named): string {
  return `flag:${experiment}/${name}`;
}

async function read(
  signal: AbortSignal,
  { store, clock, bells }: GatewayParts,
  { after = -1, wait = 0, ...named }: Named & { readonly after?: number; readonly wait?: number },
): Promise<Response> {
  const until = clock.monotonic() + Math.min(wait, MAX_FLAG_WAIT_MS);
  const news = bells.listen(bellOf(named));
  try {
    for (;;) {
      const flag = await store.flag(named.experiment, named.name);
      const left = until - clock.monotonic();
      // A lower one is that of a storage which took the place of the one that the asker knows.
      if ((flag && flag.version !== after) || left <= 0 || after < 0 || signal.aborted) {
        return flag ? json(flag) : new Response(null, { status: 204 });
      }
      await news.wait(signal, { clock, ms: Math.min(left, MAX_FLAG_WAIT_MS) });
    }
  } finally {
    news.leave();
  }
}

async function put({ store, bells }: GatewayParts, named: Named, value: unknown): Promise<Response> {
  const flag = await store.atomically(async (store) => {
    const before = await store.flag(named.experiment, named.name);
    const next = { name: named.name, value, version: (before?.version ?? 0) + 1 };
    await keep(next, { before, store, experiment: named.experiment });
    return next;
  });
  bells.ring(bellOf(named));
  const reply: FlagReply = { flag, done: true };
  return json(reply);
}

async function change(
  { store, clock, bells }: GatewayParts,
  named: Named,
  operation: FlagOperation,
): Promise<Response> {
  const { experiment, name } = named;
  // Ids of operations on different flags do not meet.
  const id = `${name}/${operation.id}`;
  const answer = await store.atomically(async (store) => {
    const answered = await store.flagAnswer(experiment, id);
    if (answered) return withValue(answered, operation);
    const before = await store.flag(experiment, name);
    const made = applied(name, { flag: before, operation });
    if ("refused" in made) throw new Refuse(409, made.refused.code, { message: made.refused.message });
    // What changed nothing may be asked again, and is answered by what holds then.
    if (!made.done || !made.flag) return made;
    await keep(made.flag, { before, store, experiment });
    await store.putFlagAnswer(experiment, {
      ...withoutValue(made, operation),
      operation: id,
      at: clock.monotonic(),
    });
    return made;
  });
  if (answer.done) bells.ring(bellOf(named));
  return json(answer.flag ? answer : { done: answer.done });
}

interface Keep {
  readonly before: SharedFlag | undefined;
  readonly store: Within;
  readonly experiment: string;
}

/** @throws {Refuse} 413 if the flags of the experiment came to more than they may. */
async function keep(flag: SharedFlag, { before, store, experiment }: Keep): Promise<void> {
  await store.putFlag(experiment, flag);
  if (before !== undefined && bytesOf(flag) <= bytesOf(before)) return;
  const { count, bytes } = await store.flagsSize(experiment);
  if (count <= MAX_FLAGS.count && bytes <= MAX_FLAGS.bytes) return;
  throw new Refuse(413, "FLAGS_FULL", {
    message:
      `The flags of experiment ${experiment} would be ${count} and have ${bytes} bytes: ${MAX_FLAGS.count} and ${MAX_FLAGS.bytes} are allowed: use those that are there, or another experiment`,
  });
}

function bytesOf({ value }: SharedFlag): number {
  return new TextEncoder().encode(JSON.stringify(value ?? null)).length;
}

/** What an operation sets a flag to comes with it each time, so it is not kept a second time. */
function withoutValue(answer: FlagAnswer, operation: FlagOperation): FlagAnswer {
  if (!("value" in operation) || answer.flag === undefined) return answer;
  const { value: _, ...flag } = answer.flag;
  return { ...answer, flag };
}

function withValue(answer: FlagAnswer, operation: FlagOperation): FlagAnswer {
  if (!("value" in operation) || answer.flag === undefined || "value" in answer.flag) return answer;
  return { ...answer, flag: { ...answer.flag, value: operation.value } };
}
