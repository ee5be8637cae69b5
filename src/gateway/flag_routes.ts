/**
 * Owns the routes of flags: values that all executors of an experiment and the user share.
 * Must not know what they are for, nor where they are kept.
 */
import * as v from "valibot";
import { type Route, route } from "../base/web/route.ts";
import { MAX_FLAG_BYTES } from "../base/limits.ts";
import { FlagOperation, FlagReply, FlagValue, SharedFlag } from "../protocol/messages.ts";
import { MAX_FLAG_WAIT_MS } from "../protocol/words.ts";
import { json } from "./answer.ts";
import type { GatewayParts } from "./context.ts";
import { EXPERIMENT, FLAG, numberOf } from "./param.ts";

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
      handle: async ({ params: { experiment } }) => json({ flags: await parts.desk.flags(experiment) }),
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
      handle: async ({ request: { signal }, params, query: { after, wait = 0 } }) => {
        const waitMs = Math.min(wait, MAX_FLAG_WAIT_MS);
        const flag = await parts.desk.flag(params, { after, waitMs, signal });
        return flag ? json(flag) : new Response(null, { status: 204 });
      },
    }),
    route({
      ...OF_FLAG,
      method: "put",
      summary: "Sets a flag, whatever it was",
      body: { required: true, schema: FlagValue, maxBytes: MAX_FLAG_BYTES },
      answers: AFTER_IT,
      handle: async ({ params, body: { value } }) => {
        const reply: FlagReply = { flag: await parts.desk.setFlag(params, value), done: true };
        return json(reply);
      },
    }),
    route({
      ...OF_FLAG,
      method: "post",
      summary: "Sets, counts or compares a flag, once for each id however often it is sent",
      body: { required: true, schema: FlagOperation, maxBytes: MAX_FLAG_BYTES },
      answers: AFTER_IT,
      handle: async ({ params, body }) => json(await parts.desk.changeFlag(params, body)),
    }),
  ];
}
