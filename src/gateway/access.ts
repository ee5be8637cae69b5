/**
 * Owns who may ask for what.
 * Must not know what is answered.
 * Invariant: a request gets past here only with a token of the right kind, or, where there are no tokens, from a client
 * that can't be a web page of someone else.
 */
import type { Ctx, GatewayParts } from "./context.ts";
import { Refuse } from "./failure.ts";
import type { TokenRow } from "./store.ts";

/** Lets a request in and notes its token. */
export async function admit(c: Ctx, { tokens, hosts }: GatewayParts): Promise<void> {
  if (!tokens) return admitLocal(c.req.raw, hosts);
  const text = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  const token = text === undefined ? undefined : await tokens.find(text);
  if (!token) {
    throw new Refuse(401, "TOKEN", "No valid token came with the request: send Authorization: Bearer TOKEN");
  }
  c.set("token", token);
}

/** A page in a browser could reach a gateway without tokens by another name for its address, or by a form. */
function admitLocal(request: Request, hosts: readonly string[]): void {
  const url = URL.parse(request.url);
  // Deno makes an address of whatever stands in Host.
  if (url === null) {
    throw new Refuse(400, "HOST", "The request's Host is no host: ask the gateway by its address");
  }
  const { host, hostname } = url;
  const known = hostname === "localhost" || /^\d+(\.\d+){3}$/.test(hostname) || hostname.startsWith("[") ||
    hosts.includes(hostname);
  if (!known) {
    throw new Refuse(
      403,
      "HOST",
      `This gateway has no tokens and is not asked as ${hostname}: use its IP address`,
    );
  }
  const origin = request.headers.get("origin");
  const site = request.headers.get("sec-fetch-site") ?? "none";
  const foreign = origin === null
    // An image or a link of a page names no origin, and asking for a pipeline takes it.
    ? site !== "none" && site !== "same-origin"
    : origin !== `http://${host}` && origin !== `https://${host}`;
  if (foreign) {
    throw new Refuse(403, "ORIGIN", "This gateway has no tokens and takes nothing from web pages");
  }
}

/** @throws {Refuse} 403 if the token is not a user's. */
export function requireUser(c: Ctx): void {
  const token: TokenRow | undefined = c.get("token");
  if (token && token.kind === "executor") {
    throw new Refuse(403, "TOKEN_KIND", "The token is an executor's: this needs a user's");
  }
}

/** @throws {Refuse} 403 if the token is an executor's and was not made for this experiment. */
export function requireExperiment(c: Ctx, experiment: string): void {
  const token: TokenRow | undefined = c.get("token");
  if (token?.kind !== "executor" || token.experiment === experiment) return;
  throw new Refuse(
    403,
    "TOKEN_EXPERIMENT",
    `The token is not for the flags of experiment ${experiment}: make one that names it (POST /v1/tokens, "experiment")`,
  );
}

/** @throws {Refuse} 403 if the token is an executor's and was not made for all of these groups. */
export function requireGroups(c: Ctx, groups: readonly string[]): void {
  const token: TokenRow | undefined = c.get("token");
  if (token?.kind !== "executor") return;
  const strange = groups.find((group) => group !== "all" && !token.groups.includes(group));
  if (strange === undefined) return;
  throw new Refuse(
    403,
    "TOKEN_GROUP",
    `The token is not for group ${strange}: make one that names it (POST /v1/tokens, "groups")`,
  );
}

/** @throws {Refuse} 403 if the token may not speak for the executor. */
export function requireExecutor(c: Ctx, executor: string): void {
  const token: TokenRow | undefined = c.get("token");
  if (!token) return;
  if (token.kind === "user") {
    throw new Refuse(403, "TOKEN_KIND", "The token is a user's: this needs an executor's");
  }
  if (token.executor !== undefined && token.executor !== executor) {
    throw new Refuse(403, "TOKEN_EXECUTOR", `The token speaks for another executor than ${executor}`);
  }
}
