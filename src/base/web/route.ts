/**
 * Owns what a route is: where it is, who may ask, what it takes and answers, and what carries it out, all in one
 * description, of which the server, the types of what its handler gets, and the OpenAPI document are made.
 * Must not know any route, nor the library that finds one by its path.
 * Invariant: a handler gets what its description says, read and checked; there is none without the other.
 */
import type { GenericSchema } from "valibot";
import { Refuse } from "./refuse.ts";

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A parameter of a path or a query, and how it is read. */
export interface Parameter<T> {
  readonly description?: string;
  readonly schema: GenericSchema | JsonSchema;
  /** Of a path: it may have slashes. Default: none. */
  readonly slashes?: boolean;
  /** What is thrown where a query does not have it. Default: it may be left out. */
  readonly missing?: () => Refuse;
  /** @param texts What was given: one, or all where there may be several. @throws {Refuse} If it can't be. */
  read(texts: readonly [string, ...string[]], name: string): T;
}
type Params = Readonly<Record<string, Parameter<unknown>>>;
type ValuesOf<P extends Params> = { readonly [N in keyof P]: ReturnType<P[N]["read"]> };

/** What is sent or told as one content type: a schema of the document, a JSON Schema, or nothing that can be said. */
export type Content = GenericSchema | JsonSchema | undefined;
/** Any text. */
export const TEXT: JsonSchema = { type: "string" };
/** Any bytes. */
export const BYTES: JsonSchema = { type: "string", contentEncoding: "binary" };

/** A body that is wanted: checked JSON by a schema, else the handler reads what it is. */
export interface Body<T> {
  readonly required: boolean;
  readonly schema?: GenericSchema<unknown, T>;
  /** By content type, where it is not checked JSON. */
  readonly types?: Readonly<Record<string, Content>>;
  /** Largest one, bytes. Default: the server's own limit. */
  readonly maxBytes?: number;
  /** Whether who reads its parts bounds each number: then one that a double can't hold is no problem of the whole. */
  readonly boundsNumbers?: boolean;
}

/** An answer: what it means, and what it has, by content type. */
export interface Answered {
  readonly what: string;
  readonly bodies?: Readonly<Record<string, Content>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a handler gets. */
export interface Asked<P extends Params = Params, Q extends Params = Params, B = unknown> {
  readonly request: Request;
  /** Aborted when who asks may hear no more of what goes on. Absent: that may be heard to its end. */
  readonly over?: AbortSignal | undefined;
  readonly params: ValuesOf<P>;
  readonly query: Partial<ValuesOf<Q>>;
  readonly body: B;
}

/** One route. */
export interface RouteOf<P extends Params, Q extends Params, B> {
  readonly method: "get" | "put" | "post" | "patch" | "delete";
  /** What is in braces is a parameter: `/store/{key}`. */
  readonly path: string;
  /** Who may ask. */
  readonly access: "anyone" | "token" | "executor" | "user" | "either";
  readonly id?: string;
  readonly tag?: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: P;
  /** Absent: the query is not looked at. */
  readonly query?: Q;
  /** Headers that the handler looks at, with what they mean. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body<B>;
  readonly answers: Readonly<Record<number, Answered>>;
  handle(asked: Asked<P, Q, B>): Response | Promise<Response>;
}

/** One route, whatever it takes. */
export type Route = RouteOf<Params, Params, unknown>;

/** A route whose handler gets what the description says. */
export function route<const P extends Params, const Q extends Params, B>(described: RouteOf<P, Q, B>): Route {
  return described;
}

const NONE: Readonly<Record<string, unknown>> = {};

/** What the parameters of a path say. @param textOf The text in the place of a parameter. */
export function paramsOf({ params }: Route, textOf: (name: string) => string): Asked["params"] {
  if (params === undefined) return NONE;
  const values: Record<string, unknown> = {};
  for (const name in params) values[name] = params[name]!.read([textOf(name)], name);
  return values;
}

/**
 * What a query says.
 *
 * @throws {Refuse} 400 if what is escaped in the address, path or query, is not UTF-8.
 * @param bad What is thrown at a parameter that is unknown or given twice. Default: such are passed over.
 */
export function queryOf(
  { query }: Route,
  url: string,
  bad?: (name: string, problem: string) => Refuse,
): Asked["query"] {
  checkEscapes(url);
  const at = url.indexOf("?");
  if (query === undefined || at < 0 && !hasRequired(query)) return NONE;
  const given = at < 0 ? NOTHING : new URLSearchParams(url.slice(at));
  if (bad !== undefined) checkNames(given, Object.keys(query), bad);
  const values: Record<string, unknown> = {};
  for (const [name, param] of Object.entries(query)) {
    const texts = given.getAll(name);
    if (texts.length > 0) values[name] = param.read(texts as [string, ...string[]], name);
    else if (param.missing !== undefined) throw param.missing();
  }
  return values;
}

const NOTHING = new URLSearchParams();

/** What is escaped and is no text would be read as another one. */
function checkEscapes(url: string): void {
  if (!url.includes("%")) return;
  try {
    decodeURIComponent(url);
  } catch {
    throw new Refuse(400, "ADDRESS", {
      message:
        "The address is not UTF-8 where it is escaped by %: escape UTF-8, and write %25 for the sign itself",
    });
  }
}

function hasRequired(query: Params): boolean {
  for (const name in query) if (query[name]!.missing !== undefined) return true;
  return false;
}

function checkNames(
  given: URLSearchParams,
  known: readonly string[],
  bad: (name: string, problem: string) => Refuse,
): void {
  for (const name of given.keys()) {
    if (!known.includes(name)) {
      const there = known.length === 0 ? "there are no parameters" : `there are ${known.join(", ")}`;
      throw bad(name, `is unknown here: ${there}`);
    }
    if (given.getAll(name).length > 1) throw bad(name, "is there twice: give it once");
  }
}

/** A path as Hono has it. */
export function patternOf({ path, params }: Route): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => `:${name}${params?.[name]?.slashes ? "{.+}" : ""}`);
}

/** Whether a path is one of the route's. */
export function fits({ path }: Route, asked: string): boolean {
  return new RegExp(`^${path.replaceAll(".", "\\.").replace(/\{\w+\}/g, ".+")}$`).test(asked);
}
