/**
 * Owns the gateway's page, and how a browser signs in and out.
 * Must not know what the page shows, nor how sessions are held.
 * Invariant: the page holds nothing of the gateway's, so anyone may have it; what it shows it asks for, as a user.
 */
import { Refuse } from "../base/web/refuse.ts";
import { type Route, route, TEXT } from "../base/web/route.ts";
import { NewSession, SessionView } from "../protocol/messages.ts";
import { MAX_TOKEN_LENGTH } from "../protocol/token.ts";
import { askerOf } from "./access.ts";
import { isKnown, json, textTag } from "./answer.ts";
import type { GatewayParts } from "./context.ts";

const SESSION = { "application/json": SessionView } as const;
const PATH = "/v1/session";

/** The routes. */
export function pageRoutes(parts: GatewayParts): Route[] {
  const { sessions } = parts;
  return [
    route({
      method: "get",
      path: "/",
      summary: "A page that shows executors and runs, and takes pipelines",
      access: "anyone",
      answers: { 200: { what: "The page", bodies: { "text/html": TEXT } }, 304: { what: "Known already" } },
      handle: ({ request }) => page(request),
    }),
    route({
      method: "post",
      path: PATH,
      summary: "Begins a session of the gateway's page: the token is exchanged for a cookie",
      access: "anyone",
      body: { required: true, schema: NewSession, maxBytes: 4 * MAX_TOKEN_LENGTH },
      answers: { 204: { what: "The cookie is set" } },
      handle: async ({ request, body: { token } }) => {
        if (sessions === undefined) {
          throw new Refuse(409, "OPEN", { message: "This gateway has no tokens: nobody signs in" });
        }
        return cookied(await sessions.begin(request, token));
      },
    }),
    route({
      method: "get",
      path: PATH,
      summary: "Tells who is signed in",
      access: "anyone",
      answers: { 200: { what: "Who asks, or that nobody does", bodies: SESSION } },
      handle: async ({ request }) => json(await who(request, parts)),
    }),
    route({
      method: "delete",
      path: PATH,
      summary: "Ends the session that the cookie names, and what goes on for it",
      access: "anyone",
      answers: { 204: { what: "It is over" } },
      handle: async ({ request }) =>
        sessions === undefined ? new Response(null, { status: 204 }) : cookied(await sessions.end(request)),
    }),
  ];
}

/** A page that nobody has signed in on is no mistake. @throws {Refuse} If another's page asks. */
async function who(request: Request, parts: GatewayParts): Promise<SessionView> {
  try {
    const { token, session } = await askerOf(request, parts);
    return {
      ...(token !== undefined && { token: token.name }),
      ...(session !== undefined && { leftMs: Math.floor(session.leftMs) }),
    };
  } catch (error) {
    if (error instanceof Refuse && error.status === 401) return { nobody: true };
    throw error;
  }
}

function cookied(cookie: string): Response {
  return new Response(null, { status: 204, headers: { "set-cookie": cookie, "cache-control": "no-store" } });
}

/** Loaded when it is first asked for: most gateways are asked by programs. */
async function page(request: Request): Promise<Response> {
  const { gatewayPage: { html, policy } } = await import("../page/gateway/page.ts");
  const etag = await textTag(html);
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
    "cache-control": "no-cache",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    etag,
  };
  if (isKnown(request, etag)) return new Response(null, { status: 304, headers });
  return new Response(html, { headers });
}
