/**
 * Owns the end point's app: its routes put together, who gets past the door, and what becomes of failures.
 * Must not know on which socket it is served, nor how a run is carried out.
 * Invariant: no route answers before the request was admitted and, where it needs one, its token was checked; whatever a
 * route throws becomes an answer in JSON.
 */
import { type Context, Hono } from "hono";
import { systemClock } from "../base/clock.ts";
import { admit, checkHeaders, type Gate, requireToken } from "./access.ts";
import { answer, TYPE } from "./answer.ts";
import { eventRoutes } from "./event_routes.ts";
import { errorBody, refusalOf, Refuse } from "./failure.ts";
import { logRoutes } from "./log_routes.ts";
import { Metrics } from "./metrics.ts";
import { noRun, type Parts, type Route } from "./parts.ts";
import { HTTP_LIMITS, type HttpOptions, type HttpPage } from "./port.ts";
import { proofRoutes } from "./proof_route.ts";
import { runRoutes } from "./run_routes.ts";
import { statusRoutes } from "./status_routes.ts";
import { storeRoutes } from "./store_routes.ts";
import { Opened } from "./opened.ts";

/** Scripts and styles of the page itself, and nothing from anywhere else. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; " +
  "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** The local end point, to be given to any server: `serve({ fetch: httpApp(options).fetch, port: 0 })`. */
export function httpApp(options: HttpOptions): Hono {
  const parts = partsOf(options);
  const app = new Hono();
  const routes = routesOf(parts);
  for (const route of routes) app.on(route.method.toUpperCase(), route.path, guarded(route, parts));
  // Not as routes of their own: a second one for a path would make every request to it a chain of calls.
  app.notFound((c) => failed(c, parts, unknown(c, routes)));
  app.onError((error, c) => answerOf(error, c, parts));
  return app;
}

function partsOf(options: HttpOptions): Parts {
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const gate: Gate = {
    limits,
    hosts: options.hosts ?? [],
    anyAddress: options.anyAddress ?? false,
    tokens: () => options.tokens(),
  };
  return {
    options,
    gate,
    opened: options.opened ?? new Opened(limits.open),
    clock: options.clock ?? systemClock,
    redact: options.redact ?? ((text) => text),
    run: () => {
      const run = options.run();
      if (run === undefined) throw noRun();
      return run;
    },
  };
}

function routesOf(parts: Parts): Route[] {
  const metrics = new Metrics(parts.options);
  const { page } = parts.options;
  return [
    ...statusRoutes(parts),
    ...proofRoutes(parts),
    ...storeRoutes(parts),
    ...eventRoutes(parts),
    ...logRoutes(parts),
    ...runRoutes(parts),
    {
      method: "get",
      path: "/metrics",
      who: "anyone",
      answer: () => answer(parts.redact(metrics.text()), { type: TYPE.metrics }),
    },
    {
      method: "get",
      path: "/openapi.json",
      who: "anyone",
      answer: async () => answer(JSON.stringify((await import("./openapi.ts")).openApiDocument())),
    },
    ...(page === undefined ? [] : [pageRoute(page)]),
  ];
}

/** The page itself holds nothing of the run; it asks for it with the token that it is given. */
function pageRoute({ html, policy = PAGE_POLICY }: HttpPage): Route {
  const headers = { "content-security-policy": policy };
  return {
    method: "get",
    path: "/",
    who: "anyone",
    answer: () => answer(html, { type: TYPE.html, headers }),
  };
}

/** One function does what else would be a chain of them: a request is as fast as on a bare route. */
function guarded(
  { method, who, answer }: Route,
  parts: Parts,
): (c: Context) => Response | Promise<Response> {
  const { gate } = parts;
  // Servers have a limit of their own; counting what is small costs more than the small answers themselves.
  const large = method === "post";
  return (c) => {
    const request = c.req.raw;
    admit(request, gate);
    if (who === "token") requireToken(request, gate);
    if (large) checkHeaders(request, gate);
    return request.method === "HEAD" ? headOf(answer(c)) : answer(c);
  };
}

/** Hono answers HEAD as GET, and never reads the body: it is let go here, with all that it holds. */
async function headOf(answer: Response | Promise<Response>): Promise<Response> {
  const whole = await answer;
  await whole.body?.cancel();
  return whole;
}

/** What is said to a request that no route is for. */
function unknown({ req: { method, path } }: Context, routes: readonly Route[]): Refuse {
  const known = routes.filter((route) => patternOf(route.path).test(path)).map((route) =>
    route.method.toUpperCase()
  );
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

/** The paths of a route; its only parameter is a key. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/:key\{[^}]*\}/, ".+")}$`);
}

/** Refuses, but for a request that would not have been admitted at all, which is told only that. */
function failed(c: Context, parts: Parts, refusal: Refuse): Response {
  try {
    admit(c.req.raw, parts.gate);
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
