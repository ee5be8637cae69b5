/**
 * Owns the OpenAPI document of the end point, made of the schemas that requests are checked against.
 * Must not know how a route is carried out. Loaded only when it is asked for.
 * Invariant: the same sources give the same document.
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import { type Answer, type Operation, OPERATIONS } from "./operations.ts";
import { SCHEMAS } from "./schema.ts";

type Json = Record<string, unknown>;
type Schema = Parameters<typeof toJsonSchema>[0];

/** The document, OpenAPI 3.1. */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const operation of OPERATIONS) {
    (paths[operation.path] ??= parametersOf(operation.path))[operation.method] = operationOf(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Outrider's local end point",
      version: "1",
      description:
        "Status, store, events, logs and metrics of an executor while a run goes on. docs/http.md explains it.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{
      url: "/",
      description: "The address is in the log, in OUTRIDER_URL and in the state directory",
    }],
    tags: [
      { name: "status", description: "Open to anyone who reaches the address" },
      { name: "store", description: "What all tasks of the run share" },
      { name: "events", description: "What tasks publish" },
      { name: "logs", description: "The combined log, and the records of what happened" },
      { name: "run", description: "The run as a whole" },
    ],
    paths,
    components: {
      schemas: {
        Value: { description: 'Any JSON value; bytes are {"$bytes": "<base64>"}.' },
        ...Object.fromEntries(
          Object.entries(SCHEMAS).map(([name, schema]) => [name, schemaOf(schema as Schema)]),
        ),
      },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "The run's token, OUTRIDER_TOKEN" },
      },
    },
  };
}

function schemaOf(schema: Schema): Json {
  const { $schema: _, ...rest } = toJsonSchema(schema, { target: "draft-2020-12", errorMode: "ignore" });
  return rest as Json;
}

function parametersOf(path: string): Json {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  if (names.length === 0) return {};
  return {
    parameters: names.map((name) => ({
      name,
      in: "path",
      required: true,
      description: "1 to 512 characters; percent-encoded",
      schema: { type: "string", minLength: 1, maxLength: 512 },
    })),
  };
}

function operationOf(operation: Operation): Json {
  const { id, tag, summary, description, who, parameters, body, answers } = operation;
  const responses: Json = {};
  for (const [status, answer] of Object.entries(answers)) {
    responses[status] = answerOf(answer, Number(status));
  }
  if (who === "token") {
    responses["401"] = answerOf({ what: "No token that lets in came with the request" }, 401);
  }
  responses["default"] = answerOf({ what: "It was refused, and why" }, 400);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    security: who === "token" ? [{ token: [] }] : [],
    ...(parameters !== undefined && { parameters: parameters.map((each) => ({ ...each, required: false })) }),
    ...(body !== undefined && { requestBody: { required: body.required, content: contentOf(body.types) } }),
    responses,
  };
}

function answerOf({ what, bodies, headers }: Answer, status: number): Json {
  const refused = bodies === undefined && status >= 400;
  const content = refused ? { "application/json": "Refusal" } : bodies;
  return {
    description: what,
    ...(headers !== undefined && {
      headers: Object.fromEntries(
        Object.entries(headers).map((
          [name, description],
        ) => [name, { description, schema: { type: "string" } }]),
      ),
    }),
    ...(content !== undefined && { content: contentOf(content) }),
  };
}

function contentOf(types: Readonly<Record<string, string | undefined>>): Json {
  return Object.fromEntries(
    Object.entries(types).map(([type, is]) => [type, { schema: bodyOf(is) }]),
  );
}

function bodyOf(is: string | undefined): Json {
  if (is === undefined) return { type: "object" };
  if (is === "text") return { type: "string" };
  if (is === "bytes") return { type: "string", contentEncoding: "binary" };
  return { $ref: `#/components/schemas/${is}` };
}
