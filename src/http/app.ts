/**
 * Owns the end point's app: its routes put together, who gets past the door, and what becomes of failures.
 * Must not know on which socket it is served, nor how a run is carried out.
 * Invariant: no route answers before the request was admitted and, where it needs one, its token was checked; whatever a
 * route throws becomes an answer in JSON.
 */
import { type Context, Hono } from "hono";
import { systemClock } from "../base/clock.ts";
import { checked } from "../base/web/body.ts";
import { Opened } from "../base/web/opened.ts";
import { errorBody, Refuse } from "../base/web/refuse.ts";
import { fits, paramsOf, patternOf, queryOf, type Route, route } from "../base/web/route.ts";
import { admitted, checkHeaders, type Gate, requireToken } from "./access.ts";
import { answer } from "./answer.ts";
import { Bodies } from "./body.ts";
import { eventRoutes } from "./event_routes.ts";
import { refusalOf } from "./failure.ts";
import { fileRoutes } from "./file_routes.ts";
import { logRoutes } from "./log_routes.ts";
import { noRun, type Parts } from "./parts.ts";
import { HTTP_LIMITS, type HttpOptions, ROOM_SIZE } from "./port.ts";
import { proofRoutes } from "./proof_route.ts";
import { bad } from "./query.ts";
import { runRoutes } from "./run_routes.ts";
import { statusRoutes } from "./status_routes.ts";
import { storeRoutes } from "./store_routes.ts";

type Carry = (c: Context) => Response | Promise<Response>;

/** The local end point, to be given to any server: `serve({ fetch: httpApp(options).fetch, port: 0 })`. */
export function httpApp(options: HttpOptions): Hono {
  const parts = partsOf(options);
  const app = new Hono();
  const routes = endPointRoutes(parts);
  mount(app, routes, parts);
  // Not as routes of their own: a second one for a path would make every request to it a chain of calls.
  app.notFound((c) => failed(c, parts, unknown(c, routes)));
  app.onError((error, c) => answerOf(error, c, parts));
  return app;
}

function partsOf(options: HttpOptions): Parts {
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const gate: Gate = {
    limits,
    door: { hosts: options.hosts ?? [], anyAddress: options.anyAddress ?? false, schemes: ["http"] },
    tokens: () => options.tokens(),
  };
  const clock = options.clock ?? systemClock;
  return {
    options,
    gate,
    bodies: new Bodies(limits, clock),
    opened: options.opened ?? new Opened({ most: limits.open, roomSize: ROOM_SIZE }),
    clock,
    redact: options.redact ?? ((text) => text),
    run: () => {
      const run = options.run();
      if (run === undefined) throw noRun();
      return run;
    },
  };
}

function endPointRoutes(parts: Parts): Route[] {
  const routes: Route[] = [
    ...statusRoutes(parts),
    ...proofRoutes(parts),
    ...storeRoutes(parts),
    ...eventRoutes(parts),
    ...logRoutes(parts),
    ...runRoutes(parts),
    ...fileRoutes(parts),
    route({
      id: "getOpenapi",
      method: "get",
      path: "/openapi.json",
      tag: "status",
      summary: "This document",
      access: "anyone",
      answers: { 200: { what: "OpenAPI 3.1", bodies: { "application/json": { type: "object" } } } },
      handle: async () => answer(JSON.stringify((await import("./openapi.ts")).endPointDocument(routes))),
    }),
  ];
  return routes;
}

/**
 * A route whose path is one of another's, as `/store/watch` is a key's, is found by that one: Hono's fastest router takes no
 * two routes for one path.
 */
function mount(app: Hono, routes: readonly Route[], parts: Parts): void {
  const within = (outer: Route) =>
    routes.filter((route) => route !== outer && route.method === outer.method && fits(outer, route.path));
  const inner = new Set(routes.flatMap(within));
  for (const route of routes) {
    if (inner.has(route)) continue;
    const carry = guarded(route, parts);
    const others = new Map(within(route).map((other) => [other.path, guarded(other, parts)]));
    const [start, name = ""] = route.path.split(/[{}]/);
    const found: Carry = others.size === 0
      ? carry
      : (c) => (others.get(start + c.req.param(name)!) ?? carry)(c);
    app.on(route.method.toUpperCase(), patternOf(route), found);
  }
}

/** One function does what else would be a chain of them: a request is as fast as on a bare route. */
function guarded(route: Route, parts: Parts): Carry {
  const { gate } = parts;
  const { access, method } = route;
  const carry = carried(route, parts);
  // Servers have a limit of their own; counting what is small costs more than the small answers themselves.
  const large = method === "post";
  return (c) => {
    const request = c.req.raw;
    admitted(request, gate);
    if (access === "token") requireToken(request, gate);
    if (large) checkHeaders(request, gate);
    return request.method === "HEAD" ? headOf(carry(c)) : carry(c);
  };
}

/** Gives a handler what its description says. */
function carried(route: Route, { bodies }: Parts): Carry {
  const schema = route.body?.schema;
  return (c) => {
    const request = c.req.raw;
    const params = paramsOf(route, (name) => c.req.param(name)!);
    const query = queryOf(route, request.url, bad);
    if (schema === undefined) return route.handle({ request, params, query, body: undefined });
    return bodies.json(request).then((body) =>
      route.handle({ request, params, query, body: checked(schema, object(body)) })
    );
  };
}

/** No body is the default. @throws {Refuse} 422 if it is a list, which a schema would take for an object. */
function object(body: unknown = {}): unknown {
  if (!Array.isArray(body)) return body ?? {};
  throw new Refuse(422, "SHAPE", { message: "The body does not fit: an object is needed" });
}

/** Hono answers HEAD as GET, and never reads the body: it is let go here, with all that it holds. */
async function headOf(answer: Response | Promise<Response>): Promise<Response> {
  const whole = await answer;
  await whole.body?.cancel();
  return whole;
}

/** What is said to a request that no route is for. */
function unknown({ req: { method, path } }: Context, routes: readonly Route[]): Refuse {
  const known = routes.filter((route) => fits(route, path)).map((route) => route.method.toUpperCase());
  if (known.length === 0) {
    return new Refuse(404, "NO_ROUTE", {
      message: `There is no ${method.slice(0, 20)} ${
        path.slice(0, 100)
      }: GET /openapi.json says what there is`,
    });
  }
  const allow = [...new Set(known.includes("GET") ? [...known, "HEAD"] : known)].join(", ");
  return new Refuse(405, "METHOD", {
    message: `${method.slice(0, 20)} is not for this path: it takes ${allow}`,
    headers: { allow },
  });
}

/** Refuses, but for a request that would not have been admitted at all, which is told only that. */
function failed(c: Context, parts: Parts, refusal: Refuse): Response {
  try {
    admitted(c.req.raw, parts.gate);
  } catch (error) {
    return answerOf(error, c, parts);
  }
  return answerOf(refusal, c, parts);
}

function answerOf(error: unknown, c: Context, { options, redact }: Parts): Response {
  const refusal = refusalOf(error);
  if (refusal !== undefined) {
    const { status, code, message, headers } = refusal;
    return answer(redact(errorBody(code, message)), { status, headers });
  }
  if (c.req.raw.signal.aborted) {
    return answer(errorBody("GONE", "The request was broken off"), { status: 499 });
  }
  options.onDefect?.(error);
  return answer(errorBody("DEFECT", "The end point failed at this: the executor's log says how"), {
    status: 500,
  });
}
