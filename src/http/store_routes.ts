/**
 * Owns the store's routes: reading, writing under conditions, counting, listing.
 * Must not know how the store keeps what it is given.
 * Invariant: a version is an ETag and an ETag a version; what is refused has changed nothing.
 */
import { show } from "../model/problem.ts";
import { dateOf } from "../base/clock.ts";
import { fromBase64 } from "../base/base64.ts";
import { answer, empty, TYPE } from "./answer.ts";
import { parseJson, readObject, readValue } from "./body.ts";
import { ifMatch, ifNoneMatch, matchesNone } from "./conditions.ts";
import { Refuse } from "./failure.ts";
import type { Ctx, Parts, Route } from "./parts.ts";
import type { HttpChange, HttpStore } from "./port.ts";
import { Query } from "./query.ts";
import { watchStore } from "./store_watch.ts";
import { checkIncrement } from "./schema.ts";

/** Longest that one request is held, milliseconds. */
export const MAX_WAIT_MS: number = 5 * 60_000;
/** Longest expiry, milliseconds: what a duration can say. */
const MAX_EXPIRY_MS: number = 24 * 24 * 3_600_000;
/** Most keys of a page, and what is given when nothing is said. */
const MAX_PAGE = 10_000;
const PAGE = 1_000;

/** The routes. */
export function storeRoutes(parts: Parts): Route[] {
  const KEY = "/store/:key{.+}";
  return [
    { method: "get", path: "/store", who: "token", answer: (c) => list(c, parts) },
    { method: "get", path: KEY, who: "token", answer: (c) => readOrWatch(c, parts) },
    { method: "put", path: KEY, who: "token", answer: (c) => write(c, parts) },
    { method: "delete", path: KEY, who: "token", answer: (c) => remove(c, parts) },
    { method: "post", path: `${KEY}/increment`, who: "token", answer: (c) => increment(c, parts) },
  ];
}

/**
 * The path has the way to watch where a key called `watch` would be; that one is read with `?key`. Watching is no route of its
 * own because Hono's fastest router takes no two routes for one path.
 */
function readOrWatch(c: Ctx, parts: Parts): Response | Promise<Response> {
  const key = c.req.param("key")!;
  if (key !== "watch") return read(c, parts, key);
  const query = new Query(c.req.url, ["prefix", "initial", "key", "wait", "since"]);
  return query.flag("key") === true ? read(c, parts, key) : watchStore(c, parts, query);
}

function list(c: Ctx, parts: Parts): Response {
  const query = new Query(c.req.url, ["prefix", "cursor", "limit"]);
  const cursor = query.text("cursor");
  const page = parts.run().store.keys({
    prefix: query.text("prefix") ?? "",
    limit: query.count("limit", { least: 1, most: MAX_PAGE }) ?? PAGE,
    ...(cursor !== undefined && { cursor }),
  });
  return answer(JSON.stringify(page));
}

function read(c: Ctx, parts: Parts, key: string): Response | Promise<Response> {
  const { store } = parts.run();
  if (c.req.url.includes("?")) {
    const query = new Query(c.req.url, ["wait", "since", "key"]);
    const timeoutMs = query.duration("wait", MAX_WAIT_MS);
    const since = query.count("since");
    if (timeoutMs !== undefined) {
      return held(c, parts, { key, timeoutMs, since: since ?? store.version(key) });
    }
    if (since !== undefined && store.version(key) <= since) return notModified(store.version(key));
  }
  return tell(c, store, key);
}

/** Waits for a newer version, then tells it; 304 when there is none in time. */
async function held(
  c: Ctx,
  parts: Parts,
  { key, timeoutMs, since }: { readonly key: string; readonly timeoutMs: number; readonly since: number },
): Promise<Response> {
  const { store } = parts.run();
  const close = parts.opened.open();
  try {
    const change = await store.wait(key, since, { timeoutMs, signal: c.req.raw.signal });
    if (change === undefined) {
      return store.get(key) === undefined ? gone(key, store.version(key)) : notModified(store.version(key));
    }
    return change.value === undefined
      ? gone(key, change.version)
      : entry(c, change as HttpChange & { value: string });
  } catch (error) {
    if (c.req.raw.signal.aborted) return empty(499);
    throw error;
  } finally {
    close();
  }
}

function tell(c: Ctx, store: HttpStore, key: string): Response {
  const found = store.get(key);
  if (found === undefined) return gone(key, store.version(key));
  const condition = c.req.raw.headers.get("if-none-match");
  if (condition !== null && !matchesNone(condition, found.version)) return notModified(found.version);
  return entry(c, found);
}

function entry(c: Ctx, { value, version, expiresAt }: HttpChange & { readonly value: string }): Response {
  const headers = {
    etag: `"${version}"`,
    ...(expiresAt !== undefined && { expires: dateOf(expiresAt).toUTCString() }),
  };
  const accept = c.req.raw.headers.get("accept");
  if (accept === null || accept === "*/*" || /(?:\*\/\*|application\/(?:json|\*))/.test(accept)) {
    return answer(value, { headers });
  }
  if (accept.includes(TYPE.bytes)) return answer(bytesOf(value), { type: TYPE.bytes, headers });
  if (accept.includes("text/plain")) return answer(textOf(value), { type: TYPE.text, headers });
  throw new Refuse(406, "ACCEPT", {
    message:
      "A value is told as application/json, bytes also as application/octet-stream, a string also as text/plain",
  });
}

const BYTES = /^\{"\$bytes":"([^"\\]*)"\}$/;

function bytesOf(value: string): Uint8Array<ArrayBuffer> {
  const base64 = BYTES.exec(value)?.[1];
  if (base64 !== undefined) return fromBase64(base64) as Uint8Array<ArrayBuffer>;
  throw new Refuse(406, "NOT_BYTES", { message: "The value is not bytes: ask for application/json" });
}

function textOf(value: string): string {
  const text: unknown = JSON.parse(value);
  if (typeof text === "string") return text;
  throw new Refuse(406, "NOT_TEXT", { message: "The value is not a string: ask for application/json" });
}

function gone(key: string, version: number): never {
  const shown = show(key);
  throw new Refuse(404, "NO_KEY", {
    message: `There is no key ${shown}: set it, or wait for it with ?wait=30s&since=${version}`,
    headers: { "outrider-version": String(version) },
  });
}

function notModified(version: number): Response {
  return empty(304, { etag: `"${version}"` });
}

async function write(c: Ctx, parts: Parts): Promise<Response> {
  const key = c.req.param("key")!;
  const query = new Query(c.req.url, ["expires", "as"]);
  const expiresInMs = query.duration("expires", MAX_EXPIRY_MS);
  const text = await readValue(c.req.raw, {
    limits: parts.gate.limits,
    as: query.word("as", ["json", "text", "bytes"]),
  });
  const { store } = parts.run();
  const ifVersion = ifMatch(c.req.raw.headers, () => store.get(key)?.version) ??
    ifNoneMatch(c.req.raw.headers);
  const before = store.get(key) !== undefined;
  try {
    const version = store.set(key, text, { ifVersion, expiresInMs });
    return empty(before ? 204 : 201, { etag: `"${version}"` });
  } catch (error) {
    // Says at which line and column, where it is no JSON at all.
    if ((error as { code?: unknown }).code === "BAD_VALUE") parseJson(text);
    throw error;
  }
}

function remove(c: Ctx, parts: Parts): Response {
  const key = c.req.param("key")!;
  new Query(c.req.url, []);
  const { store } = parts.run();
  const ifVersion = ifMatch(c.req.raw.headers, () => store.get(key)?.version);
  if (!store.delete(key, { ifVersion })) gone(key, store.version(key));
  return empty(204, { etag: `"${store.version(key)}"` });
}

async function increment(c: Ctx, parts: Parts): Promise<Response> {
  new Query(c.req.url, []);
  const { by } = checkIncrement(await readObject(c.req.raw, parts.gate.limits));
  const { value, version } = parts.run().store.increment(c.req.param("key")!, by);
  return answer(JSON.stringify({ value, version }), { headers: { etag: `"${version}"` } });
}
