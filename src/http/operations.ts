/**
 * Owns the description of every route, for people and for the OpenAPI document.
 * Must not know how a route is carried out.
 * Invariant: every route of the app is here, and nothing else is (held by a test).
 */
import { LEVELS } from "../model/record.ts";

/** One parameter. */
export interface Parameter {
  readonly name: string;
  readonly in: "query" | "header";
  readonly description: string;
  /** A JSON Schema. */
  readonly schema: Readonly<Record<string, unknown>>;
}

/** An answer: what it means, and its bodies by content type; a capital name is a schema. */
export interface Answer {
  readonly what: string;
  readonly bodies?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One route, described. */
export interface Operation {
  readonly id: string;
  readonly method: "get" | "put" | "post" | "delete";
  readonly path: string;
  readonly tag: "status" | "store" | "events" | "logs" | "run";
  readonly summary: string;
  readonly description?: string;
  readonly who: "anyone" | "token";
  readonly parameters?: readonly Parameter[];
  readonly body?: {
    readonly required: boolean;
    readonly types: Readonly<Record<string, string | undefined>>;
  };
  readonly answers: Readonly<Record<number, Answer>>;
}

const JSON_TYPE = "application/json";
const BYTES = "application/octet-stream";
const TEXT = "text/plain";
const SSE = "text/event-stream";
const NDJSON = "application/x-ndjson";

const text = { type: "string" };
const whole = { type: "integer", minimum: 0 };
const flag = { type: "boolean" };
const duration = { type: "string", pattern: "^\\d+(\\.\\d+)?(ms|s|m|h)$", examples: ["30s"] };

function query(name: string, description: string, schema: Parameter["schema"] = text): Parameter {
  return { name, in: "query", description, schema };
}

function header(name: string, description: string): Parameter {
  return { name, in: "header", description, schema: text };
}

const SINCE = query("since", "Only what has a higher number", whole);
const FOLLOW = query(
  "follow",
  "Goes on until the run is over. Default: true as server-sent events, else false",
  flag,
);
const LAST_EVENT_ID = header(
  "Last-Event-ID",
  "As since; sent by clients of server-sent events when they come back",
);
const IF_MATCH = header("If-Match", "Only if the key has this version: an ETag, or * for any");
const ETAG = { ETag: "The key's version, in quotes" };
const CONFLICT = { what: "The key has another version, or there is one, or none" };

/** A value in the forms in which it is sent. */
const VALUE = { [JSON_TYPE]: "Value", [BYTES]: "bytes", [TEXT]: "text" };

/** Every route. */
export const OPERATIONS: readonly Operation[] = [
  {
    id: "getStatus",
    method: "get",
    path: "/status",
    tag: "status",
    summary: "How the executor and its run stand",
    who: "anyone",
    answers: {
      200: { what: "It can work", bodies: { [JSON_TYPE]: "Status" } },
      503: { what: "It can't work; unable says why", bodies: { [JSON_TYPE]: "Status" } },
    },
  },
  {
    id: "getProof",
    method: "get",
    path: "/proof",
    tag: "status",
    summary: "That the executor knows the same token, before it is sent",
    description:
      "The client sends Authorization: Proof PROOF; a proof is HMAC-SHA-256 by the token, in hexadecimal digits: the client's of `outrider client CHALLENGE`, the executor's of `outrider executor CHALLENGE`.",
    who: "anyone",
    parameters: [
      query("challenge", "32 to 128 random hexadecimal digits in small letters", {
        type: "string",
        pattern: "^[0-9a-f]{32,128}$",
      }),
    ],
    answers: {
      200: { what: "The executor's proof", bodies: { [JSON_TYPE]: "Proof" } },
      401: { what: "The client's proof fits no token" },
    },
  },
  {
    id: "getLivez",
    method: "get",
    path: "/livez",
    tag: "status",
    summary: "Whether the executor lives",
    who: "anyone",
    answers: { 200: { what: "It does", bodies: { [TEXT]: "text" } } },
  },
  {
    id: "getReadyz",
    method: "get",
    path: "/readyz",
    tag: "status",
    summary: "Whether the executor can work",
    who: "anyone",
    answers: { 200: { what: "It can", bodies: { [TEXT]: "text" } }, 503: { what: "It can't, and why" } },
  },
  {
    id: "getMetrics",
    method: "get",
    path: "/metrics",
    tag: "status",
    summary: "Counts and times in Prometheus' text format",
    who: "anyone",
    answers: { 200: { what: "The metrics", bodies: { [TEXT]: "text" } } },
  },
  {
    id: "getOpenapi",
    method: "get",
    path: "/openapi.json",
    tag: "status",
    summary: "This document",
    who: "anyone",
    answers: { 200: { what: "OpenAPI 3.1", bodies: { [JSON_TYPE]: undefined } } },
  },
  {
    id: "listKeys",
    method: "get",
    path: "/store",
    tag: "store",
    summary: "Lists keys in code unit order, a page at a time",
    who: "token",
    parameters: [
      query("prefix", "Only keys that start with it"),
      query("cursor", "The cursor of the page before"),
      query("limit", "Most keys of the page. Default 1000", { type: "integer", minimum: 1, maximum: 10_000 }),
    ],
    answers: { 200: { what: "Keys", bodies: { [JSON_TYPE]: "Keys" } } },
  },
  {
    id: "watchStore",
    method: "get",
    path: "/store/watch",
    tag: "store",
    summary: "Tells what is there and then every change, until the run is over",
    description:
      "Events are `set` and `delete`. Of a key that changes while the reader is slow, only the newest " +
      "change is told. A key that is called `watch` is read as `/store/watch?key`.",
    who: "token",
    parameters: [
      query("prefix", "Only keys that start with it"),
      query("initial", "Whether what is there is told first. Default true", flag),
      query("key", "Reads the key called watch instead", flag),
      query("wait", "With key: see GET /store/{key}", duration),
      query("since", "With key: see GET /store/{key}", whole),
    ],
    answers: { 200: { what: "Changes", bodies: { [SSE]: "text", [NDJSON]: "Change" } } },
  },
  {
    id: "getKey",
    method: "get",
    path: "/store/{key}",
    tag: "store",
    summary: "Reads a value, or waits for a newer one",
    description:
      "Slashes in a key may be written as they are. With `wait`, the request is held until the key's version is " +
      "above `since` (default: its present one), at most 5 minutes.",
    who: "token",
    parameters: [
      query("wait", "How long to wait for a newer version, such as 30s", duration),
      query("since", "The version that is known", whole),
      header("If-None-Match", "Versions that are known, as ETags"),
    ],
    answers: {
      200: {
        what: "The value",
        bodies: VALUE,
        headers: { ...ETAG, Expires: "When the key goes, if it does" },
      },
      304: { what: "Nothing newer", headers: ETAG },
      404: {
        what: "There is no such key",
        headers: { "Outrider-Version": "The version that its deletion had, or 0" },
      },
      406: { what: "The value can't be told in a form that Accept names" },
    },
  },
  {
    id: "setKey",
    method: "put",
    path: "/store/{key}",
    tag: "store",
    summary: "Writes a value",
    who: "token",
    parameters: [
      query("expires", "The key goes after this time, such as 5m. Default: never", duration),
      query("as", "What the body is, whatever Content-Type says", {
        type: "string",
        enum: ["json", "text", "bytes"],
      }),
      IF_MATCH,
      header("If-None-Match", "*: only if there is no such key"),
    ],
    body: { required: true, types: { [JSON_TYPE]: "Value", [BYTES]: "bytes" } },
    answers: {
      201: { what: "There was no such key", headers: ETAG },
      204: { what: "There was one", headers: ETAG },
      412: CONFLICT,
      413: { what: "The value is too large" },
      414: { what: "The key is too long" },
      422: { what: "The value is not JSON by the value rule" },
      507: { what: "The store is full" },
    },
  },
  {
    id: "deleteKey",
    method: "delete",
    path: "/store/{key}",
    tag: "store",
    summary: "Deletes a key",
    who: "token",
    parameters: [IF_MATCH],
    answers: {
      204: { what: "It is gone", headers: ETAG },
      404: { what: "There is no such key" },
      412: CONFLICT,
    },
  },
  {
    id: "incrementKey",
    method: "post",
    path: "/store/{key}/increment",
    tag: "store",
    summary: "Adds to a number; a key that is not there counts as 0",
    who: "token",
    body: { required: false, types: { [JSON_TYPE]: "Increment" } },
    answers: {
      200: { what: "The sum", bodies: { [JSON_TYPE]: "Incremented" }, headers: ETAG },
      409: { what: "The value is no number, or the sum is out of range" },
    },
  },
  {
    id: "emitEvent",
    method: "post",
    path: "/events",
    tag: "events",
    summary: "Publishes an event",
    who: "token",
    body: { required: true, types: { [JSON_TYPE]: "NewEvent" } },
    answers: { 201: { what: "Its number", bodies: { [JSON_TYPE]: "EventMade" } } },
  },
  {
    id: "followEvents",
    method: "get",
    path: "/events",
    tag: "events",
    summary: "Tells events, those that are kept and those to come",
    description: "Where events are no longer kept, `missed` says how many come before the next one.",
    who: "token",
    parameters: [SINCE, query("type", "Only events of this type"), FOLLOW, LAST_EVENT_ID],
    answers: { 200: { what: "Events", bodies: { [SSE]: "text", [NDJSON]: "Event" } } },
  },
  {
    id: "getLogs",
    method: "get",
    path: "/logs",
    tag: "logs",
    summary: "The combined log",
    who: "token",
    parameters: [
      SINCE,
      query("task", "Only lines of this task"),
      query("level", "Least level. Default debug", {
        type: "string",
        enum: LEVELS,
      }),
      FOLLOW,
      LAST_EVENT_ID,
    ],
    answers: { 200: { what: "Lines", bodies: { [NDJSON]: "LogRecord", [TEXT]: "text", [SSE]: "text" } } },
  },
  {
    id: "getRecords",
    method: "get",
    path: "/records",
    tag: "logs",
    summary: "What happened, as the journal has it",
    who: "token",
    parameters: [
      SINCE,
      query("values", "Whether values are told too. Default false", flag),
      FOLLOW,
      LAST_EVENT_ID,
    ],
    answers: { 200: { what: "Records", bodies: { [NDJSON]: "StateRecord", [SSE]: "text" } } },
  },
  {
    id: "getPipeline",
    method: "get",
    path: "/pipeline",
    tag: "run",
    summary: "The pipeline: tasks, needs, loops",
    who: "token",
    answers: { 200: { what: "The pipeline", bodies: { [JSON_TYPE]: "Pipeline" } } },
  },
  {
    id: "getTasks",
    method: "get",
    path: "/tasks",
    tag: "run",
    summary: "Where tasks stand, a page at a time, in the order of the pipeline",
    who: "token",
    parameters: [
      query("offset", "Tasks to leave out. Default 0", whole),
      query("limit", "Most tasks of the page. Default 1000", {
        type: "integer",
        minimum: 1,
        maximum: 10_000,
      }),
    ],
    answers: { 200: { what: "Tasks", bodies: { [JSON_TYPE]: "Tasks" } } },
  },
  {
    id: "getResult",
    method: "get",
    path: "/result",
    tag: "run",
    summary: "The result document so far, as outrider run --json prints it",
    who: "token",
    answers: { 200: { what: "The document", bodies: { [JSON_TYPE]: "Result" } } },
  },
  {
    id: "cancelRun",
    method: "post",
    path: "/cancel",
    tag: "run",
    summary: "Cancels the run",
    who: "token",
    body: { required: false, types: { [JSON_TYPE]: "Cancel" } },
    answers: {
      202: { what: "It is being cancelled", bodies: { [JSON_TYPE]: "Cancelling" } },
      409: { what: "The run is over" },
    },
  },
];
