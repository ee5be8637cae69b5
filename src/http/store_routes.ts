/**
 * Owns the store's routes: reading, writing under conditions, counting, listing.
 * Must not know how the store keeps what it is given.
 * Invariant: a version is an ETag and an ETag a version; what is refused has changed nothing.
 */
import { show } from "../model/problem.ts";
import { dateOf } from "../base/clock.ts";
import { fromBase64 } from "../base/base64.ts";
import { Refuse } from "../base/web/refuse.ts";
import { BYTES as ANY_BYTES, type Content, type Route, route, TEXT } from "../base/web/route.ts";
import { answer, empty, TYPE } from "./answer.ts";
import type { Form } from "./body.ts";
import { ifMatch, ifNoneMatch, matchesNone } from "./conditions.ts";
import type { Parts } from "./parts.ts";
import type { HttpChange, HttpStore } from "./port.ts";
import { anyText, flag, KEY, lasting, wholeFrom, word } from "./query.ts";
import { SCHEMAS } from "./schema.ts";
import { watchStore } from "./store_watch.ts";

/** Longest that one request is held, milliseconds. */
export const MAX_WAIT_MS: number = 5 * 60_000;
/** Longest expiry, milliseconds: what a duration can say. */
const MAX_EXPIRY_MS: number = 24 * 24 * 3_600_000;
/** Most keys of a page, and what is given when nothing is said. */
const MAX_PAGE = 10_000;
const PAGE = 1_000;

const OF_STORE = { tag: "store", access: "token" } as const;
const OF_KEY = { ...OF_STORE, path: "/store/{key}", params: { key: KEY } } as const;
const PREFIX = anyText("Only keys that start with it");
const IF_MATCH = { "If-Match": "Only if the key has this version: an ETag, or * for any" } as const;
const ETAG = { ETag: "The key's version, in quotes" } as const;
const CONFLICT = { what: "The key has another version, or there is one, or none" } as const;
/** A value in the forms in which it is sent. */
const FORMS: Readonly<Record<string, Content>> = {
  "application/json": SCHEMAS.Value,
  "application/octet-stream": ANY_BYTES,
};

/** The routes. */
export function storeRoutes(parts: Parts): Route[] {
  return [...ofStore(parts), readRoute(parts), writeRoute(parts), ...ofKey(parts)];
}

function ofStore(parts: Parts): Route[] {
  return [
    route({
      ...OF_STORE,
      id: "listKeys",
      method: "get",
      path: "/store",
      summary: "Lists keys in code unit order, a page at a time",
      query: {
        prefix: PREFIX,
        cursor: anyText("The cursor of the page before"),
        limit: wholeFrom("Most keys of the page. Default 1000", { least: 1, most: MAX_PAGE }),
      },
      answers: { 200: { what: "Keys", bodies: { "application/json": SCHEMAS.Keys } } },
      handle: ({ query: { prefix = "", limit = PAGE, cursor } }) =>
        answer(
          JSON.stringify(parts.run().store.keys({ prefix, limit, ...(cursor !== undefined && { cursor }) })),
        ),
    }),
    route({
      ...OF_STORE,
      id: "watchStore",
      method: "get",
      path: "/store/watch",
      summary: "Tells what is there and then every change, until the run is over",
      description:
        "Events are `set` and `delete`. Of a key that changes while the reader is slow, only the newest " +
        "change is told. A key that is called `watch` is read as `/store/watch?key`.",
      query: {
        prefix: PREFIX,
        initial: flag("Whether what is there is told first. Default true"),
        key: flag("Reads the key called watch instead"),
        wait: lasting("With key: see GET /store/{key}", MAX_WAIT_MS),
        since: wholeFrom("With key: see GET /store/{key}"),
      },
      answers: {
        200: {
          what: "Changes",
          bodies: { "text/event-stream": TEXT, "application/x-ndjson": SCHEMAS.Change },
        },
      },
      handle: ({ request, query: { key = false, wait, since, ...watch } }) =>
        key ? read(request, parts, { key: "watch", wait, since }) : watchStore(request, parts, watch),
    }),
  ];
}

function readRoute(parts: Parts): Route {
  return route({
    ...OF_KEY,
    id: "getKey",
    method: "get",
    summary: "Reads a value, or waits for a newer one",
    description:
      "Slashes in a key may be written as they are. With `wait`, the request is held until the key's version is " +
      "above `since` (default: its present one), at most 5 minutes.",
    query: {
      wait: lasting("How long to wait for a newer version, such as 30s", MAX_WAIT_MS),
      since: wholeFrom("The version that is known"),
      key: anyText("Says nothing here; see GET /store/watch"),
    },
    headers: { "If-None-Match": "Versions that are known, as ETags" },
    answers: {
      200: {
        what: "The value",
        bodies: { ...FORMS, "text/plain": TEXT },
        headers: { ...ETAG, Expires: "When the key goes, if it does" },
      },
      304: { what: "Nothing newer", headers: ETAG },
      404: {
        what: "There is no such key",
        headers: { "Outrider-Version": "The version that its deletion had, or 0" },
      },
      406: { what: "The value can't be told in a form that Accept names" },
    },
    handle: ({ request, params: { key }, query: { wait, since } }) =>
      read(request, parts, { key, wait, since }),
  });
}

function writeRoute(parts: Parts): Route {
  return route({
    ...OF_KEY,
    id: "setKey",
    method: "put",
    summary: "Writes a value",
    query: {
      expires: lasting("The key goes after this time, such as 5m. Default: never", MAX_EXPIRY_MS),
      as: word("What the body is, whatever Content-Type says", ["json", "text", "bytes"]),
    },
    headers: { ...IF_MATCH, "If-None-Match": "*: only if there is no such key" },
    body: { required: true, types: FORMS },
    answers: {
      201: { what: "There was no such key", headers: ETAG },
      204: { what: "There was one", headers: ETAG },
      412: CONFLICT,
      413: { what: "The value is too large" },
      414: { what: "The key is too long" },
      422: { what: "The value is not JSON by the value rule" },
      507: { what: "The store is full" },
    },
    handle: ({ request, params: { key }, query: { expires, as } }) =>
      write(request, parts, { key, as, expiresInMs: expires }),
  });
}

function ofKey(parts: Parts): Route[] {
  return [
    route({
      ...OF_KEY,
      id: "deleteKey",
      method: "delete",
      summary: "Deletes a key",
      query: {},
      headers: IF_MATCH,
      answers: {
        204: { what: "It is gone", headers: ETAG },
        404: { what: "There is no such key" },
        412: CONFLICT,
      },
      handle: ({ request, params: { key } }) => remove(request, parts, key),
    }),
    route({
      ...OF_KEY,
      id: "incrementKey",
      method: "post",
      path: "/store/{key}/increment",
      summary: "Adds to a number; a key that is not there counts as 0",
      query: {},
      body: { required: false, schema: SCHEMAS.Increment },
      answers: {
        200: {
          what: "The sum",
          bodies: { "application/json": SCHEMAS.Incremented },
          headers: ETAG,
        },
        409: { what: "The value is no number, or the sum is out of range" },
      },
      handle: ({ params: { key }, body: { by } }) => {
        const { value, version } = parts.run().store.increment(key, by);
        return answer(JSON.stringify({ value, version }), { headers: { etag: `"${version}"` } });
      },
    }),
  ];
}

interface Read {
  readonly key: string;
  /** How long to wait for a newer version, milliseconds. */
  readonly wait: number | undefined;
  readonly since: number | undefined;
}

function read(request: Request, parts: Parts, { key, wait, since }: Read): Response | Promise<Response> {
  const { store } = parts.run();
  if (wait !== undefined) {
    return held(request, parts, { key, timeoutMs: wait, since: since ?? store.version(key) });
  }
  if (since !== undefined && store.version(key) <= since) return notModified(store.version(key));
  return tell(request, store, key);
}

/** Waits for a newer version, then tells it; 304 when there is none in time. */
async function held(
  { signal, headers }: Request,
  parts: Parts,
  { key, timeoutMs, since }: { readonly key: string; readonly timeoutMs: number; readonly since: number },
): Promise<Response> {
  const { store } = parts.run();
  const close = parts.opened.open();
  try {
    const change = await store.wait(key, since, { timeoutMs, signal });
    if (change === undefined) {
      return store.get(key) === undefined ? gone(key, store.version(key)) : notModified(store.version(key));
    }
    return change.value === undefined
      ? gone(key, change.version)
      : entry(headers, change as HttpChange & { value: string });
  } catch (error) {
    if (signal.aborted) return empty(499);
    throw error;
  } finally {
    close();
  }
}

function tell({ headers }: Request, store: HttpStore, key: string): Response {
  const found = store.get(key);
  if (found === undefined) return gone(key, store.version(key));
  const condition = headers.get("if-none-match");
  if (condition !== null && !matchesNone(condition, found.version)) return notModified(found.version);
  return entry(headers, found);
}

function entry(
  asked: Headers,
  { value, version, expiresAt }: HttpChange & { readonly value: string },
): Response {
  const headers = {
    etag: `"${version}"`,
    ...(expiresAt !== undefined && { expires: dateOf(expiresAt).toUTCString() }),
  };
  const accept = asked.get("accept");
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

interface Write {
  readonly key: string;
  readonly as: Form | undefined;
  readonly expiresInMs: number | undefined;
}

/** Each promise more costs a small request as much as its route does. */
function write(request: Request, parts: Parts, { as, ...about }: Write): Promise<Response> {
  return parts.bodies.value(request, as).then((text) => written(request, parts, { ...about, text }));
}

function written(
  { headers }: Request,
  parts: Parts,
  { key, expiresInMs, text }: Omit<Write, "as"> & { readonly text: string },
): Response {
  const { store } = parts.run();
  const ifVersion = ifMatch(headers, () => store.get(key)?.version) ?? ifNoneMatch(headers);
  const before = store.get(key) !== undefined;
  const version = store.set(key, text, { ifVersion, expiresInMs });
  return empty(before ? 204 : 201, { etag: `"${version}"` });
}

function remove({ headers }: Request, parts: Parts, key: string): Response {
  const { store } = parts.run();
  const ifVersion = ifMatch(headers, () => store.get(key)?.version);
  if (!store.delete(key, { ifVersion })) gone(key, store.version(key));
  return empty(204, { etag: `"${store.version(key)}"` });
}
