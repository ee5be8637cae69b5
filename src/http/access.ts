/**
 * Owns who is let in: the Host and Origin that a request may have, its size, and its token.
 * Must not know what is asked for.
 * Invariant: no page of another origin, whatever name it reaches this address by, gets past `admit`; nobody without a
 * token gets past `requireToken`. Comparing a token takes the same time however much of it is right.
 */
import { isLoopback } from "../base/loopback.ts";
import { show } from "../model/problem.ts";
import { Refuse } from "./failure.ts";
import type { HttpLimits } from "./port.ts";

/** What access is decided by. */
export interface Gate {
  readonly hosts: readonly string[];
  /** Whether any IP address will do as a Host: it can't be a name that someone else has pointed here. */
  readonly anyAddress: boolean;
  readonly limits: HttpLimits;
  tokens(): readonly string[];
}

/** The port of a host; in an IPv6 address without brackets none can be told. */
const PORT = /(?<=^[^:]*|\]):\d{1,5}$/;
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

const MAX_HOST = 300;
const MAX_AUTHORIZATION = 1_024;

/** @throws {Refuse} If the request is too large, comes by a name that is not ours, or from a page of another origin. */
export function admit(request: Request, { hosts, anyAddress, limits }: Gate): void {
  const { headers, url } = request;
  const host = headers.get("host") ?? hostOf(url);
  // Names that always mean this machine; a Unix socket's clients say `localhost`.
  if (!isLoopback(host.replace(PORT, "")) && !(anyAddress && ADDRESS.test(host)) && !named(host, hosts)) {
    throw new Refuse(421, "HOST", {
      message: `This end point is not asked as ${show(host)}: use its address, or localhost`,
    });
  }
  const origin = headers.get("origin");
  if (origin !== null && origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
    throw new Refuse(403, "ORIGIN", { message: `Pages of ${show(origin)} get nothing from this end point` });
  }
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") {
    throw new Refuse(403, "ORIGIN", { message: "Pages of other origins get nothing from this end point" });
  }
  if (url.length > limits.target + 300) {
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
  const start = /^bearer +/i.exec(given)?.[0].length ?? given.length;
  let known = false;
  for (const token of gate.tokens()) if (sameText(given, token, start)) known = true;
  if (!known) throw unauthorized("The token is not one of this run");
}

/** Whether a text, from `start` on, is another one, in time that depends on the length of `given` alone. */
export function sameText(given: string, wanted: string, start: number = 0): boolean {
  let difference = given.length - start ^ wanted.length;
  const length = wanted.length || 1;
  for (let at = start, other = 0; at < given.length; at++) {
    difference |= given.charCodeAt(at) ^ wanted.charCodeAt(other);
    if (++other === length) other = 0;
  }
  return difference === 0 && wanted !== "";
}

/** The refusal of who has not shown that he knows a token. */
export function unauthorized(what: string): Refuse {
  return new Refuse(401, "TOKEN", {
    message: `${what}: send Authorization: Bearer TOKEN; tasks have it as OUTRIDER_TOKEN`,
    headers: { "www-authenticate": "Bearer" },
  });
}

function named(host: string, hosts: readonly string[]): boolean {
  if (host.length > MAX_HOST) return false;
  const name = host.replace(/:\d{1,5}$/, "").toLowerCase();
  return hosts.some((allowed) => allowed.toLowerCase() === name);
}

/** Where there is no Host header (HTTP/1.0, a test), the URL has it. */
function hostOf(url: string): string {
  return new URL(url).host;
}
