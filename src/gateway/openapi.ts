/**
 * Owns the OpenAPI document of Outrider's own dialect, made of the schemas that both ends read.
 * Must not know how a route is carried out.
 * Invariant: every route of the app is in OPERATIONS, and nothing else is (held by a test).
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import type { GenericSchema } from "valibot";
import * as protocol from "../protocol/messages.ts";
import { HANDOUT_HEADER, HASH_HEADER, Id } from "../protocol/words.ts";

/** Schemas that the document names. */
const SCHEMAS: Readonly<Record<string, GenericSchema>> = {
  Heartbeat: protocol.Heartbeat,
  HeartbeatReply: protocol.HeartbeatReply,
  Command: protocol.Instruction,
  NewCommand: protocol.NewInstruction,
  Batch: protocol.RecordBatch,
  BatchReply: protocol.BatchReply,
  Flag: protocol.SharedFlag,
  FlagOperation: protocol.FlagOperation,
  FlagReply: protocol.FlagReply,
  FlagValue: protocol.FlagValue,
  Submitted: protocol.Submitted,
  HandoutView: protocol.HandoutView,
  Withdrawn: protocol.Withdrawn,
  ExecutorView: protocol.ExecutorView,
  ExecutorQueue: protocol.ExecutorQueue,
  RunView: protocol.ReportedRun,
  NewToken: protocol.NewToken,
  TokenMade: protocol.TokenMade,
  ErrorReply: protocol.ErrorReply,
};

interface Operation {
  readonly method: "get" | "post" | "put" | "delete";
  readonly path: string;
  readonly summary: string;
  /** Whose token it needs. */
  readonly who: "executor" | "user" | "either" | "anyone";
  readonly query?: Readonly<Record<string, string>>;
  /** A schema's name, or `bytes`. */
  readonly body?: string;
  /** By status: a schema's name, a list of them under a key, `bytes`, `ndjson`, `json`, or nothing. */
  readonly answers: Readonly<Record<number, { readonly what: string; readonly is?: string }>>;
}

const NOTHING = { what: "Nothing yet" };

/** Every route. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/health",
    summary: "Says that the gateway is there",
    who: "anyone",
    answers: { 200: { what: "It is", is: "json" } },
  },
  {
    method: "get",
    path: "/v1/openapi.json",
    summary: "This document",
    who: "anyone",
    answers: { 200: { what: "OpenAPI 3.1", is: "json" } },
  },
  {
    method: "get",
    path: "/v1/executors/{executor}/pipeline",
    summary:
      "Hands out the oldest bundle for the executor or one of its groups that it has not done with; If-None-Match names the last one that it has",
    who: "executor",
    query: { group: "A group that the executor is in; may be given up to 16 times" },
    answers: {
      200: {
        what: `The bundle; its SHA-256 in ${HASH_HEADER}, its id in ${HANDOUT_HEADER}, its name in ETag`,
        is: "bytes",
      },
      204: NOTHING,
      304: { what: "Nothing yet but what it has done with" },
    },
  },
  {
    method: "post",
    path: "/v1/executors/{executor}/heartbeat",
    summary: "Says that the executor lives; the reply carries commands",
    who: "executor",
    body: "Heartbeat",
    answers: { 200: { what: "Commands not seen yet", is: "HeartbeatReply" } },
  },
  {
    method: "post",
    path: "/v1/executors/{executor}/records",
    summary:
      "Takes numbered records of one lane of one run, at least once; the reply acknowledges cumulatively",
    who: "executor",
    body: "Batch",
    answers: { 200: { what: "What the gateway has", is: "BatchReply" } },
  },
  {
    method: "get",
    path: "/v1/experiments/{experiment}/flags",
    summary: "Lists the flags of an experiment",
    who: "either",
    answers: { 200: { what: "Flags by name", is: "flags:Flag" } },
  },
  {
    method: "get",
    path: "/v1/experiments/{experiment}/flags/{name}",
    summary: "Reads a flag; with after and wait, as soon as it is newer",
    who: "either",
    query: {
      after: "Version that is known",
      wait: "How long to wait for a newer one, milliseconds, at most 60000",
    },
    answers: { 200: { what: "The flag", is: "Flag" }, 204: { what: "There is none" } },
  },
  {
    method: "put",
    path: "/v1/experiments/{experiment}/flags/{name}",
    summary: "Sets a flag, whatever it was",
    who: "either",
    body: "FlagValue",
    answers: { 200: { what: "The flag after it", is: "FlagReply" } },
  },
  {
    method: "post",
    path: "/v1/experiments/{experiment}/flags/{name}",
    summary: "Sets, counts or compares a flag, once for each id however often it is sent",
    who: "either",
    body: "FlagOperation",
    answers: { 200: { what: "The flag after it", is: "FlagReply" } },
  },
  {
    method: "post",
    path: "/v1/bundles",
    summary: "Puts a bundle at the end of the queue of an executor or a group",
    who: "user",
    query: {
      to: "An executor's id, group:NAME, or group:all",
      name: "What it is listed as: its pipeline's name",
      replace: "1: what waits in that queue leaves it",
    },
    body: "bytes",
    answers: {
      201: { what: "It will be handed out, after those before it", is: "Submitted" },
      409: { what: "The queue is full", is: "ErrorReply" },
    },
  },
  {
    method: "get",
    path: "/v1/handouts",
    summary:
      "Lists what was handed to the gateway, with each executor that it is for, the newest first, at most 1000",
    who: "user",
    query: { executor: "Only those for this executor" },
    answers: { 200: { what: "Hand-outs", is: "handouts:HandoutView" } },
  },
  {
    method: "post",
    path: "/v1/handouts/{handout}/cancel",
    summary: "Takes a hand-out out of the queue, and has its runs cancelled",
    who: "user",
    query: { because: "Why, in words" },
    answers: {
      202: { what: "It is withdrawn; what of it is being cancelled", is: "Withdrawn" },
      409: { what: "It is over", is: "ErrorReply" },
    },
  },
  {
    method: "get",
    path: "/v1/executors",
    summary: "Lists executors",
    who: "user",
    answers: { 200: { what: "Executors by id", is: "executors:ExecutorView" } },
  },
  {
    method: "get",
    path: "/v1/executors/{executor}",
    summary: "Tells of an executor and of its queue, the oldest first",
    who: "user",
    answers: { 200: { what: "The executor, if it was ever seen, and its hand-outs", is: "ExecutorQueue" } },
  },
  {
    method: "post",
    path: "/v1/executors/{executor}/commands",
    summary: "Asks something of an executor, in the reply to its next heartbeat",
    who: "user",
    body: "NewCommand",
    answers: { 202: { what: "The command's id", is: "json" } },
  },
  {
    method: "get",
    path: "/v1/runs",
    summary: "Lists runs, the last heard of first, at most 1000",
    who: "user",
    query: { executor: "Only those of this executor" },
    answers: { 200: { what: "Runs", is: "runs:RunView" } },
  },
  {
    method: "get",
    path: "/v1/runs/{run}",
    summary: "Tells how a run stands",
    who: "user",
    answers: { 200: { what: "The run", is: "RunView" } },
  },
  {
    method: "get",
    path: "/v1/runs/{run}/result",
    summary: "The result document of a run, or what there is of it so far",
    who: "user",
    answers: { 200: { what: "The document that outrider run --json prints", is: "json" } },
  },
  {
    method: "get",
    path: "/v1/runs/{run}/logs",
    summary: "The combined log of a run, one record a line; empty lines only keep the connection alive",
    who: "user",
    query: { since: "Only records with a higher number", follow: "1: goes on until the run is over" },
    answers: { 200: { what: "Log records", is: "ndjson" } },
  },
  {
    method: "get",
    path: "/v1/runs/{run}/records",
    summary: "The state records of a run, one a line",
    who: "user",
    query: { since: "Only records with a higher number", follow: "1: goes on until the run is over" },
    answers: { 200: { what: "State records", is: "ndjson" } },
  },
  {
    method: "post",
    path: "/v1/runs/{run}/cancel",
    summary: "Asks the executor to cancel the run, in the reply to its next heartbeat",
    who: "user",
    query: { because: "Why, in words" },
    answers: {
      202: { what: "The command's id", is: "json" },
      409: { what: "The run is over", is: "ErrorReply" },
    },
  },
  {
    method: "post",
    path: "/v1/tokens",
    summary: "Makes a token; its text is shown this once",
    who: "user",
    body: "NewToken",
    answers: { 201: { what: "The token", is: "TokenMade" } },
  },
  {
    method: "delete",
    path: "/v1/tokens/{name}",
    summary: "Withdraws a token",
    who: "user",
    answers: { 204: { what: "It is withdrawn" } },
  },
];

type Json = Record<string, unknown>;

/** The document, OpenAPI 3.1. */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const operation of OPERATIONS) {
    (paths[operation.path] ??= {})[operation.method] = operationOf(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Outrider gateway",
      version: "1",
      description:
        "The end point of the core services: hands out pipelines, takes heartbeats, results and logs.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(SCHEMAS).map(([name, schema]) => [name, schemaOf(schema)])),
      securitySchemes: {
        executor: { type: "http", scheme: "bearer", description: "An executor's token" },
        user: { type: "http", scheme: "bearer", description: "A user's token" },
      },
    },
  };
}

function schemaOf(schema: GenericSchema): Json {
  const { $schema: _, ...rest } = toJsonSchema(schema, { target: "draft-2020-12", errorMode: "ignore" });
  return rest;
}

const SECURITY = {
  executor: [{ executor: [] }],
  user: [{ user: [] }],
  either: [{ executor: [] }, { user: [] }],
  anyone: [],
};

function operationOf({ path, summary, who, query, body, answers }: Operation): Json {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: schemaOf(Id),
  }));
  const inQuery = Object.entries(query ?? {}).map(([name, description]) => ({
    name,
    in: "query",
    description,
    schema: { type: "string" },
  }));
  const responses: Record<string, Json> = {};
  for (const [status, { what, is }] of Object.entries(answers)) {
    responses[status] = { description: what, ...(is === undefined ? {} : { content: contentOf(is) }) };
  }
  responses["default"] = { description: "It was refused, and why", content: contentOf("ErrorReply") };
  return {
    summary,
    security: SECURITY[who],
    ...(inPath.length + inQuery.length > 0 ? { parameters: [...inPath, ...inQuery] } : {}),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body) } }),
    responses,
  };
}

function contentOf(is: string): Json {
  if (is === "bytes") return { "application/octet-stream": {} };
  if (is === "ndjson") return { "application/x-ndjson": {} };
  if (is === "json") return { "application/json": { schema: {} } };
  const [key, name] = is.includes(":") ? is.split(":") : [undefined, is];
  const reference = { $ref: `#/components/schemas/${name}` };
  const schema = key === undefined ? reference : {
    type: "object",
    properties: { [key]: { type: "array", items: reference } },
    required: [key],
  };
  return { "application/json": { schema } };
}
