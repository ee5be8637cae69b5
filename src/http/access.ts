/**
 * Owns who is let in: the Host and Origin that a request may have, its size, and its token.
 * Must not know what is asked for.
 * Invariant: no page of another origin, whatever name it reaches this address by, gets past `admitted`; nobody without a
 * token gets past `requireToken`. Comparing a token takes the same time however much of it is right.
 */
import { type Doorway, keptOut } from "../base/web/door.ts";
import { Refuse } from "../base/web/refuse.ts";
import { sameText } from "../base/web/same_text.ts";
import { show } from "../model/problem.ts";
import type { HttpLimits } from "./port.ts";

/** What access is decided by. */
export interface Gate {
  readonly door: Doorway;
  readonly limits: HttpLimits;
  tokens(): readonly string[];
}

const MAX_AUTHORIZATION = 1_024;
/** As most write it. */
const BEARER = "Bearer ";

/** @throws {Refuse} If the request is too large, comes by a name that is not ours, or from a page of another origin. */
export function admitted(request: Request, { door, limits }: Gate): void {
  const out = keptOut(request, door);
  if (out?.by === "host") {
    throw new Refuse(421, "HOST", {
      message: `This end point is not asked as ${show(out.shown)}: use its address, or localhost`,
    });
  }
  if (out?.by === "origin") {
    const who = out.shown === undefined ? "other origins" : show(out.shown);
    throw new Refuse(403, "ORIGIN", { message: `Pages of ${who} get nothing from this end point` });
  }
  if (request.url.length > limits.target + 300) {
    throw new Refuse(414, "TARGET_TOO_LONG", {
      message: `Path and query have more than ${limits.target} characters: shorten them`,
    });
  }
}

/** @throws {Refuse} If the headers are larger than the limit. */
export function checkHeaders({ headers }: Request, { limits }: Gate): void {
  let size = 0;
  headers.forEach((value, name) => size += value.length + name.length + 4);
  if (size > limits.headerBytes) {
    throw new Refuse(431, "HEADERS_TOO_LARGE", {
      message: `The headers have ${size} bytes, more than ${limits.headerBytes}: send fewer`,
    });
  }
}

/** @throws {Refuse} If the request has no token that lets in. */
export function requireToken({ headers }: Request, gate: Gate): void {
  const given = headers.get("authorization");
  if (given === null) {
    throw unauthorized("No token came with the request");
  }
  if (given.length > MAX_AUTHORIZATION) throw unauthorized("The token is longer than any");
  const start = given.startsWith(BEARER) && given[BEARER.length] !== " "
    ? BEARER.length
    : /^bearer +/i.exec(given)?.[0].length ?? given.length;
  let known = false;
  for (const token of gate.tokens()) if (sameText(given, token, start)) known = true;
  if (!known) throw unauthorized("The token is not one of this run");
}

/** The refusal of who has not shown that he knows a token. */
export function unauthorized(what: string): Refuse {
  return new Refuse(401, "TOKEN", {
    message: `${what}: send Authorization: Bearer TOKEN; tasks have it as OUTRIDER_TOKEN`,
    headers: { "www-authenticate": "Bearer" },
  });
}
