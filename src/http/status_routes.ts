/**
 * Owns what is open to anyone who reaches the address: whether the executor lives, is ready, and how it stands; metrics, and
 * the page, which holds nothing of the run and asks for it with the token that it is given.
 * Must not tell values or log lines.
 */
import { errorBody } from "../base/web/refuse.ts";
import { type Route, route, TEXT as ANY_TEXT } from "../base/web/route.ts";
import { answer, TYPE } from "./answer.ts";
import { Metrics } from "./metrics.ts";
import type { Parts } from "./parts.ts";
import type { HttpPage } from "./port.ts";
import { SCHEMAS } from "./schema.ts";
import { Status } from "./status.ts";

const OPEN = { method: "get", tag: "status", access: "anyone" } as const;
const STATUS = { "application/json": SCHEMAS.Status };
const TEXT = { "text/plain": ANY_TEXT };

/** The routes. */
export function statusRoutes(parts: Parts): Route[] {
  const { options, redact } = parts;
  const status = new Status(parts);
  const metrics = new Metrics(options);
  return [
    route({
      ...OPEN,
      id: "getStatus",
      path: "/status",
      summary: "How the executor and its run stand",
      answers: {
        200: { what: "It can work", bodies: STATUS },
        503: { what: "It can't work; unable says why", bodies: STATUS },
      },
      handle: () => {
        const { text, able } = status.document();
        return able ? answer(text) : answer(text, { status: 503 });
      },
    }),
    route({
      ...OPEN,
      id: "getLivez",
      path: "/livez",
      summary: "Whether the executor lives",
      answers: { 200: { what: "It does", bodies: TEXT } },
      handle: () => answer("alive\n", { type: TYPE.text }),
    }),
    route({
      ...OPEN,
      id: "getReadyz",
      path: "/readyz",
      summary: "Whether the executor can work",
      answers: { 200: { what: "It can", bodies: TEXT }, 503: { what: "It can't, and why" } },
      handle: () => {
        const unable = options.unable?.();
        if (unable === undefined) return answer("ready\n", { type: TYPE.text });
        return answer(redact(errorBody("UNABLE", unable)), { status: 503 });
      },
    }),
    route({
      ...OPEN,
      id: "getMetrics",
      path: "/metrics",
      summary: "Counts and times in Prometheus' text format",
      answers: { 200: { what: "The metrics", bodies: TEXT } },
      handle: () => answer(redact(metrics.text()), { type: TYPE.metrics }),
    }),
    ...(options.page === undefined ? [] : [pageRoute(options.page)]),
  ];
}

/** Scripts and styles of the page itself, and nothing from anywhere else. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; " +
  "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

function pageRoute({ html, policy = PAGE_POLICY }: HttpPage): Route {
  const headers = { "content-security-policy": policy };
  return route({
    ...OPEN,
    id: "getPage",
    path: "/",
    summary: "A page that shows the run",
    answers: { 200: { what: "The page", bodies: { "text/html": ANY_TEXT } } },
    handle: () => answer(html, { type: TYPE.html, headers }),
  });
}
