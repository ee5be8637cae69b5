/**
 * Owns the gateway's app: its routes put together, and what becomes of their failures.
 * Must not know on which socket it is served.
 * Invariant: whatever a route throws becomes an answer in JSON; a defect becomes a 500 and is told to `onDefect`.
 */
import { type Context, Hono } from "hono";
import { MAX_BATCH_BYTES } from "../base/limits.ts";
import { Opened } from "../base/web/opened.ts";
import { errorBody, Refuse } from "../base/web/refuse.ts";
import { paramsOf, patternOf, queryOf, type Route, route } from "../base/web/route.ts";
import { type Asker, askerOf, requireKind, requireNamed } from "./access.ts";
import { json } from "./answer.ts";
import { Bells } from "./bells.ts";
import { localDesk } from "./desk/local.ts";
import { Heard } from "./heard.ts";
import { Intake } from "./body.ts";
import type { GatewayOptions, GatewayParts } from "./context.ts";
import { executorRoutes } from "./executor_routes.ts";
import { GatewayOpenError } from "./failure.ts";
import { runFileRoutes } from "./file_routes.ts";
import { flagRoutes } from "./flag_routes.ts";
import { pageRoutes } from "./page_routes.ts";
import { queueRoutes } from "./queue_routes.ts";
import { blobRoutes } from "./registry/blob_routes.ts";
import { Blobs } from "./registry/blobs.ts";
import { manifestRoutes } from "./registry/manifest_routes.ts";
import { registryErrorBody, ROOT } from "./registry/said.ts";
import { Roster } from "./roster.ts";
import { rosterRoutes } from "./roster_routes.ts";
import { Sessions } from "./sessions.ts";
import { userRoutes } from "./user_routes.ts";
import { LEASE_MS } from "../defaults.ts";

export type { GatewayOptions } from "./context.ts";

/** Largest body where its route does not say. */
const MAX_SMALL_BYTES = 16 * 1024;
const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
/** What to do where files have no room. */
const FILES_ADVICE =
  "remove those of runs that nobody needs (DELETE /v1/runs/{run}/files), or give the gateway more (--files-size)";
/** Answers that may go on at the same time. */
const MAX_OPEN = 1_000;
/** Characters of records larger than a page that all readers together may have waiting for them. */
const ROOM_SIZE = 64 * 1024 * 1024;

/** Told of what no route foresaw. */
export interface GatewayDefects {
  readonly onDefect?: (error: unknown) => void;
}

/**
 * A reference gateway, to be given to any server: `serve(gatewayApp({ store, clock }).fetch)`.
 *
 * @throws {GatewayOpenError} If the store holds tokens, and none are asked for.
 */
export function gatewayApp(options: GatewayOptions & GatewayDefects): Hono {
  if (!options.tokens && options.store.holdsTokens) {
    throw new GatewayOpenError(
      "The gateway's database holds tokens, and without one at its start the gateway would let everybody in: set OUTRIDER_GATEWAY_TOKEN, give --token-file, or take another --db",
    );
  }
  const bells = options.bells ?? new Bells();
  const parts: GatewayParts = {
    maxBundleBytes: MAX_BUNDLE_BYTES,
    maxBatchBytes: MAX_BATCH_BYTES,
    leaseMs: LEASE_MS,
    hosts: [],
    ...options,
    tokens: options.tokens,
    sessions: options.tokens && new Sessions(options.tokens, options.clock),
    roster: new Roster(options.store, options.clock),
    retention: options.retention,
    bells,
    heard: options.heard ?? new Heard(options.clock),
    desk: options.desk ?? localDesk({ ...options, bells }),
    intake: new Intake(options.clock),
    opened: new Opened({ most: MAX_OPEN, roomSize: ROOM_SIZE, already: "go on already" }),
    blobs: options.registry &&
      new Blobs(options.registry, { catalog: options.store.catalog, clock: options.clock }),
    files: options.files && options.store.files &&
      new Blobs({ advice: FILES_ADVICE, ...options.files }, {
        catalog: options.store.files,
        clock: options.clock,
      }),
  };
  parts.retention?.over(parts);
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    if (c.res.status >= 400) await parts.intake.rest(c.req.raw);
  });
  for (const each of gatewayRoutes(parts, { executors: options.desk === undefined })) {
    app.on(each.method.toUpperCase(), patternOf(each), (c) => carryOut(each, c, parts));
  }
  app.notFound((c) => unknown(c, parts));
  app.onError((error, { req: { path } }) => {
    if (error instanceof Refuse) return refused(error, path);
    options.onDefect?.(error);
    return refused(
      new Refuse(500, "DEFECT", { message: "The gateway failed at this: its own log says how" }),
      path,
    );
  });
  return app;
}

function gatewayRoutes(
  parts: GatewayParts,
  { executors }: { readonly executors: boolean },
): Route[] {
  const ANY_JSON = { "application/json": {} };
  const routes: Route[] = [
    route({
      method: "get",
      path: "/v1/health",
      summary: "Says that the gateway is there",
      access: "anyone",
      answers: { 200: { what: "It is", bodies: ANY_JSON } },
      handle: () => json({ ok: true }),
    }),
    route({
      method: "get",
      path: "/v1/openapi.json",
      summary: "This document",
      access: "anyone",
      answers: { 200: { what: "OpenAPI 3.1", bodies: ANY_JSON } },
      handle: async () => json((await import("./openapi.ts")).gatewayDocument(routes)),
    }),
    ...executors ? executorRoutes(parts) : [],
    ...pageRoutes(parts),
    ...rosterRoutes(parts),
    ...flagRoutes(parts),
    ...queueRoutes(parts),
    ...userRoutes(parts),
    ...runFileRoutes(parts, { executors }),
    ...manifestRoutes(parts, () => registryOf(parts)),
    ...blobRoutes(parts, () => registryOf(parts)),
  ];
  return routes;
}

/** Where blobs are. @throws {Refuse} If the gateway keeps none. */
function registryOf({ blobs }: GatewayParts): Blobs {
  if (blobs !== undefined) return blobs;
  throw new Refuse(404, "UNSUPPORTED", {
    message: "This gateway was started without a place for what is pushed: give it --registry DIR",
  });
}

/** Lets a request in, gives the handler what its description says, and answers. */
async function carryOut(route: Route, c: Context, parts: GatewayParts): Promise<Response> {
  const request = c.req.raw;
  const { access, body: wanted } = route;
  const { token, session }: Asker = access === "anyone"
    ? {}
    : await askerOf(request, { ...parts, basic: route.path.startsWith(ROOT) });
  requireKind(access, token);
  const params = paramsOf(route, (name) => c.req.param(name)!);
  const query = queryOf(route, request.url);
  requireNamed(token, { params, query });
  const schema = wanted?.schema;
  const body = schema === undefined ? undefined : await parts.intake.json(request, {
    schema,
    maxBytes: wanted?.maxBytes ?? MAX_SMALL_BYTES,
    boundsNumbers: wanted?.boundsNumbers,
  });
  // What goes on for a token, or a session, ends with it.
  const over = token === undefined || query["follow"] !== true
    ? undefined
    : AbortSignal.any([await parts.tokens!.over(token), ...session === undefined ? [] : [session.over]]);
  return await route.handle({
    request,
    over,
    params,
    query,
    body,
  });
}

/** What is asked for that there is not is told to those alone who are let in. */
async function unknown({ req: { method, path, raw } }: Context, parts: GatewayParts): Promise<Response> {
  const basic = path.startsWith(ROOT);
  if (basic || path.startsWith("/v1/")) await askerOf(raw, { ...parts, basic });
  const message = `There is no ${method} ${path}: GET /v1/openapi.json says what there is`;
  return refused(new Refuse(404, "NO_ROUTE", { message }), path);
}

function refused({ status, code, message, headers }: Refuse, path: string): Response {
  const later = status === 503 ? { "retry-after": "5" } : {};
  const body = path.startsWith(ROOT) ? registryErrorBody(code, message) : errorBody(code, message);
  return new Response(body, {
    status,
    headers: { "content-type": "application/json", ...headers, ...later },
  });
}
