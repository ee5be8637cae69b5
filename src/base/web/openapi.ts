/**
 * Owns the OpenAPI document of a server, made of the descriptions of its routes.
 * Must not know any route. Loaded only when a document is asked for.
 * Invariant: the same routes give the same document.
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import type { GenericSchema } from "valibot";
import type { Answered, Content, Route } from "./route.ts";

type Json = Readonly<Record<string, unknown>>;

/** What a document says beside the routes. */
export interface DocumentOptions {
  readonly info: { readonly title: string; readonly description: string };
  readonly server?: string;
  readonly tags?: readonly { readonly name: string; readonly description: string }[];
  /** Schemas that the document names; what is told by one of them refers to it. */
  readonly schemas: Readonly<Record<string, GenericSchema>>;
  /** What every refusal is, one of them. */
  readonly refusal: GenericSchema;
  readonly securitySchemes: Json;
  /** Which of them let in, by who may ask. */
  readonly security: Partial<Record<Route["access"], readonly Json[]>>;
  /** What is answered, beside what a route says, to who may not ask. */
  readonly unauthorized?: { readonly access: Route["access"]; readonly what: string };
}

/** The document, OpenAPI 3.1. */
export function openApiDocument(routes: readonly Route[], options: DocumentOptions): Json {
  const { info, server, tags, schemas, securitySchemes } = options;
  const made = new Made(options);
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method] = made.operation(route);
  return {
    openapi: "3.1.0",
    info: {
      title: info.title,
      version: "1",
      description: info.description,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/", ...(server !== undefined && { description: server }) }],
    ...(tags !== undefined && { tags }),
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, jsonOf(schema)])),
      securitySchemes,
    },
  };
}

/** The schema as it is; where names are given, what has one is referred to by it. */
function jsonOf(schema: GenericSchema, names?: ReadonlyMap<GenericSchema, string>): Json {
  const whole = names?.get(schema);
  if (whole !== undefined) return referenceTo(whole);
  const { $schema: _, ...rest } = toJsonSchema(schema, {
    target: "draft-2020-12",
    errorMode: "ignore",
    overrideSchema: ({ valibotSchema }) => {
      const name = names?.get(valibotSchema as GenericSchema);
      return name === undefined ? null : referenceTo(name);
    },
  });
  return rest;
}

function referenceTo(name: string): { $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

/** What is made of one route. */
class Made {
  readonly #options: DocumentOptions;
  readonly #names: ReadonlyMap<GenericSchema, string>;

  constructor(options: DocumentOptions) {
    this.#options = options;
    this.#names = new Map(Object.entries(options.schemas).map(([name, schema]) => [schema, name]));
  }

  operation(route: Route): Json {
    const { id, tag, summary, description, access, body } = route;
    const parameters = parametersOf(route);
    return {
      ...(id !== undefined && { operationId: id }),
      ...(tag !== undefined && { tags: [tag] }),
      summary,
      ...(description !== undefined && { description }),
      security: this.#options.security[access] ?? [],
      ...(parameters.length > 0 && { parameters }),
      ...(body !== undefined && {
        requestBody: {
          required: body.required,
          content: this.#contents(body.types ?? { "application/json": body.schema }),
        },
      }),
      responses: this.#responses(route),
    };
  }

  #responses({ access, answers }: Route): Json {
    const { unauthorized, refusal } = this.#options;
    const responses: Record<string, Json> = {};
    for (const [status, answer] of Object.entries(answers)) {
      responses[status] = this.#answer(answer, Number(status));
    }
    if (access === unauthorized?.access) responses["401"] = this.#answer({ what: unauthorized.what }, 401);
    const bodies = { "application/json": refusal };
    responses["default"] = this.#answer({ what: "It was refused, and why", bodies }, 400);
    return responses;
  }

  #answer({ what, bodies, headers }: Answered, status: number): Json {
    const refused = bodies === undefined && status >= 400;
    const content = refused ? { "application/json": this.#options.refusal } : bodies;
    return {
      description: what,
      ...(headers !== undefined && {
        headers: Object.fromEntries(
          Object.entries(headers).map((
            [name, description],
          ) => [name, { description, schema: { type: "string" } }]),
        ),
      }),
      ...(content !== undefined && { content: this.#contents(content) }),
    };
  }

  #contents(types: Readonly<Record<string, Content>>): Json {
    return Object.fromEntries(Object.entries(types).map(([type, is]) => [type, this.#content(is)]));
  }

  #content(is: Content): Json {
    if (is === undefined) return {};
    return { schema: isSchema(is) ? jsonOf(is, this.#names) : is };
  }
}

function isSchema(content: NonNullable<Content>): content is GenericSchema {
  return "~standard" in content;
}

function parametersOf({ params = {}, query = {}, headers = {} }: Route): Json[] {
  const described = (text: string | undefined) => text === undefined ? {} : { description: text };
  return [
    ...Object.entries(params).map(([name, { description, schema }]) => ({
      name,
      in: "path",
      required: true,
      ...described(description),
      schema: isSchema(schema) ? jsonOf(schema) : schema,
    })),
    ...Object.entries(query).map(([name, { description, schema, missing }]) => ({
      name,
      in: "query",
      ...described(description),
      schema: isSchema(schema) ? jsonOf(schema) : schema,
      required: missing !== undefined,
    })),
    ...Object.entries(headers).map(([name, description]) => ({
      name,
      in: "header",
      description,
      schema: { type: "string" },
      required: false,
    })),
  ];
}
