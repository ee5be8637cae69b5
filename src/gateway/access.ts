/**
 * Owns who may ask for what.
 * Must not know what is answered.
 * Invariant: a request gets past here only with a token of the right kind, or, where there are no tokens, from a client
 * that can't be a web page of someone else.
 */
import { keptOut } from "../base/web/door.ts";
import { Refuse } from "../base/web/refuse.ts";
import type { Asked, Route } from "../base/web/route.ts";
import type { GatewayParts } from "./context.ts";
import { CHALLENGE } from "./registry/said.ts";
import type { Tokens } from "./tokens.ts";
import type { Session } from "./sessions.ts";
import type { TokenRow } from "./store.ts";

/** Who asks. */
export interface Asker {
  /** Absent where the gateway has no tokens. */
  readonly token?: TokenRow;
  /** Absent where the token itself came. */
  readonly session?: Session;
}

/**
 * Who asks: the token that came with a request, or the one of the session that it is part of.
 *
 * @param basic The token may be the password of any user: so send it those who know registries. No session opens those.
 * @throws {Refuse} If it is not let in.
 */
export async function askerOf(
  request: Request,
  { tokens, sessions, hosts, basic = false }: Pick<GatewayParts, "tokens" | "sessions" | "hosts"> & {
    readonly basic?: boolean;
  },
): Promise<Asker> {
  if (!tokens) return admitLocal(request, hosts);
  if (!basic && !request.headers.has("authorization")) {
    const session = await sessions?.of(request);
    if (session) return { token: session.token, session };
  }
  return { token: await tokenOf(request, { tokens, basic }) };
}

async function tokenOf(
  request: Request,
  { tokens, basic }: { readonly tokens: Tokens; readonly basic: boolean },
): Promise<TokenRow> {
  const [, scheme, sent] = /^(Bearer|Basic) +(\S+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  const text = scheme?.toLowerCase() !== "basic" ? sent : basic ? passwordIn(sent!, request) : undefined;
  const token = text === undefined ? undefined : await tokens.find(text);
  if (token) return token;
  throw new Refuse(401, "TOKEN", {
    message: "No valid token came with the request: send Authorization: Bearer TOKEN",
    headers: basic ? { "www-authenticate": CHALLENGE } : {},
  });
}

/**
 * The password of a user. A browser that was once given it sends it along with whatever a page of somebody else asks.
 *
 * @throws {Refuse} 403 if such a page asks.
 */
function passwordIn(sent: string, request: Request): string | undefined {
  const site = request.headers.get("sec-fetch-site") ?? "none";
  if (request.headers.has("origin") || site !== "none" && site !== "same-origin") {
    throw new Refuse(403, "ORIGIN", { message: "The gateway takes no user and password from web pages" });
  }
  try {
    const pair = new TextDecoder().decode(Uint8Array.from(atob(sent), (each) => each.charCodeAt(0)));
    return pair.slice(pair.indexOf(":") + 1);
  } catch {
    return undefined;
  }
}

/** A page in a browser could reach a gateway without tokens by another name for its address, or by a form. */
function admitLocal(request: Request, hosts: readonly string[]): Asker {
  // Deno makes an address of whatever stands in Host.
  const url = URL.parse(request.url);
  if (url === null) {
    throw new Refuse(400, "HOST", {
      message: "The request's Host is no host: ask the gateway by its address",
    });
  }
  const out = keptOut(request, { hosts, anyAddress: true, schemes: ["http", "https"] });
  if (out?.by === "host") {
    throw new Refuse(403, "HOST", {
      message: `This gateway has no tokens and is not asked as ${url.hostname}: use its IP address`,
    });
  }
  if (out?.by === "origin") {
    throw new Refuse(403, "ORIGIN", {
      message: "This gateway has no tokens and takes nothing from web pages but its own",
    });
  }
  return {};
}

/** @throws {Refuse} 403 if who asks may not ask for the route, whatever else the request says. */
export function requireKind(access: Route["access"], token: TokenRow | undefined): void {
  if (access === "user" && token?.kind === "executor") {
    throw new Refuse(403, "TOKEN_KIND", { message: "The token is an executor's: this needs a user's" });
  }
  if (access === "executor" && token?.kind === "user") {
    throw new Refuse(403, "TOKEN_KIND", { message: "The token is a user's: this needs an executor's" });
  }
}

/** @throws {Refuse} 403 if an executor's token is for other things than the request names. */
export function requireNamed(
  token: TokenRow | undefined,
  { params, query }: Pick<Asked, "params" | "query">,
): void {
  const { executor, experiment } = params;
  if (typeof executor === "string") requireExecutor(token, executor);
  if (token?.kind !== "executor") return;
  if (typeof experiment === "string" && token.experiment !== experiment) {
    throw new Refuse(403, "TOKEN_EXPERIMENT", {
      message:
        `The token is not for the flags of experiment ${experiment}: make one that names it (POST /v1/tokens, "experiment")`,
    });
  }
  if (Array.isArray(query["group"])) requireGroups(token, query["group"]);
}

function requireExecutor(token: TokenRow | undefined, executor: string): void {
  if (token?.executor === undefined || token.executor === executor) return;
  throw new Refuse(403, "TOKEN_EXECUTOR", {
    message: `The token speaks for another executor than ${executor}`,
  });
}

function requireGroups(token: TokenRow, groups: readonly string[]): void {
  const strange = groups.find((group) => group !== "all" && !token.groups.includes(group));
  if (strange === undefined) return;
  throw new Refuse(403, "TOKEN_GROUP", {
    message: `The token is not for group ${strange}: make one that names it (POST /v1/tokens, "groups")`,
  });
}
