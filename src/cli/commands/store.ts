/**
 * Owns `outrider store`: reads, writes and watches the store of a run on this machine.
 * Must not know how the store works.
 */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { RouteMap } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { EXIT } from "../line/context.ts";
import { type AskOptions, endPointFlags, endPointOf } from "../ask/end_point.ts";
import type { EndPointFlags } from "../ask/end_point.ts";
import { EndPointError, type Told } from "../ask/exchange.ts";
import { duration, formOfGiven, wholeNumber } from "../line/options.ts";

interface GetFlags extends EndPointFlags {
  readonly raw?: boolean;
  readonly wait?: number;
}

interface SetFlags extends EndPointFlags {
  readonly text?: boolean;
  readonly expires?: number;
  readonly ifVersion?: number;
}

function pathOf(key: string): string {
  return `/store/${encodeURIComponent(key)}`;
}

/** Longest that one request is held; a longer wait asks again. */
const HELD_MS = 60_000;

async function get(this: CliContext, { raw, wait, ...where }: GetFlags, key: string): Promise<void> {
  const endPoint = await endPointOf(where, this.runtime);
  // The key that is called as the way to watch is has a way of its own.
  const path = key === "watch" ? "/store/watch?key" : pathOf(key);
  let answer = await endPoint.ask(path, { expected: [404] });
  for (let left = wait ?? 0; answer.status === 404 && left > 0; left -= HELD_MS) {
    const since = answer.headers.get("outrider-version") ?? "0";
    const heldMs = Math.min(left, HELD_MS);
    const held = `${path}${path.includes("?") ? "&" : "?"}wait=${heldMs}ms&since=${since}`;
    answer = await endPoint.ask(held, { expected: [304, 404], heldMs });
    if (answer.status === 304) answer = await endPoint.ask(path, { expected: [404] });
  }
  if (answer.status === 404) {
    if (answer.headers.get("outrider-version") === null) throw answer.refusal();
    this.runtime.stderr.write(`There is no key ${JSON.stringify(key)}\n`);
    this.exitCode = EXIT.failed;
    return;
  }
  const { text } = answer;
  const { stdout } = this.runtime;
  const value: unknown = raw ? JSON.parse(text) : undefined;
  if (typeof value !== "string") return stdout.json(`${text}\n`);
  // A file or a program gets it as it is; a terminal would obey it.
  if (stdout.isTTY) stdout.write(value);
  else stdout.raw(value);
}

async function set(
  this: CliContext,
  { text, expires, ifVersion, ...where }: SetFlags,
  key: string,
  value: string,
): Promise<void> {
  const query = [
    `as=${text ? "text" : formOfGiven(value)}`,
    ...(expires === undefined ? [] : [`expires=${expires}ms`]),
  ];
  await write(this, where, {
    path: `${pathOf(key)}?${query.join("&")}`,
    method: "PUT",
    body: value,
    headers: conditionOf(ifVersion),
  });
}

async function remove(
  this: CliContext,
  { ifVersion, ...where }: EndPointFlags & { readonly ifVersion?: number },
  key: string,
): Promise<void> {
  await write(this, where, { path: pathOf(key), method: "DELETE", headers: conditionOf(ifVersion) });
}

function conditionOf(ifVersion: number | undefined): Record<string, string> {
  if (ifVersion === undefined) return {};
  return ifVersion === 0 ? { "if-none-match": "*" } : { "if-match": `"${ifVersion}"` };
}

/** A refusal that is no mistake of the person's, such as another version, ends with exit code 1. */
async function write(
  context: CliContext,
  where: EndPointFlags,
  { path, ...options }: AskOptions & { readonly path: string },
): Promise<void> {
  const endPoint = await endPointOf(where, context.runtime);
  try {
    await endPoint.ask(path, options);
  } catch (error) {
    if (!(error instanceof EndPointError) || ![404, 412].includes(error.status ?? 0)) throw error;
    context.runtime.stderr.write(`${error.message}\n`);
    context.exitCode = EXIT.failed;
  }
}

async function keys(
  this: CliContext,
  { json, ...where }: EndPointFlags & { readonly json?: boolean },
  prefix = "",
): Promise<void> {
  const endPoint = await endPointOf(where, this.runtime);
  const { stdout } = this.runtime;
  let before = json ? "[" : "";
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const after: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const told: Told = await endPoint.ask(`/store?prefix=${encodeURIComponent(prefix)}${after}`);
    const page = told.json<{ readonly keys: readonly string[]; readonly cursor?: string }>(({ keys }) =>
      Array.isArray(keys)
    );
    cursor = page.cursor;
    if (!json) stdout.write(page.keys.map((key) => `${key}\n`).join(""));
    else if (page.keys.length > 0) {
      stdout.json(`${before}${page.keys.map((key) => JSON.stringify(key)).join(",")}`);
      before = ",";
    }
  }
  if (json) stdout.json(before === "[" ? "[]\n" : "]\n");
}

async function watch(this: CliContext, where: EndPointFlags, prefix = ""): Promise<void> {
  const endPoint = await endPointOf(where, this.runtime);
  const ending = new AbortController();
  const unlisten = this.runtime.onSignal(() => ending.abort());
  try {
    const lines = endPoint.follow(`/store/watch?prefix=${encodeURIComponent(prefix)}`, {
      headers: { accept: "application/x-ndjson" },
      signal: ending.signal,
    });
    for await (const line of lines) this.runtime.stdout.json(`${line}\n`);
  } catch (error) {
    if (!ending.signal.aborted) throw error;
  } finally {
    unlisten();
  }
}

const KEY = { placeholder: "KEY", brief: "The key", parse: String } as const;
const PREFIX = {
  placeholder: "PREFIX",
  brief: "Only keys that start with it",
  parse: String,
  optional: true,
} as const;
const IF_VERSION = {
  kind: "parsed",
  parse: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  optional: true,
  placeholder: "N",
  brief: "Only if the key has this version; 0: only if there is none",
} as const;

/** `outrider store` */
export const command: RouteMap<CliContext> = buildRouteMap({
  routes: {
    get: buildCommand<GetFlags, [string], CliContext>({
      func: get,
      parameters: {
        positional: { kind: "tuple", parameters: [KEY] },
        flags: {
          raw: {
            kind: "boolean",
            optional: true,
            withNegated: false,
            brief: "Print a string as it is, not as JSON",
          },
          wait: {
            kind: "parsed",
            parse: duration,
            optional: true,
            placeholder: "TIME",
            brief: "How long to wait for the key, such as 30s",
          },
          ...endPointFlags,
        },
      },
      docs: { brief: "Print the value of a key as JSON; exit code 1 if there is none" },
    }),
    set: buildCommand<SetFlags, [string, string], CliContext>({
      func: set,
      parameters: {
        positional: {
          kind: "tuple",
          parameters: [KEY, { placeholder: "VALUE", brief: "The value as JSON", parse: String }],
        },
        flags: {
          text: {
            kind: "boolean",
            optional: true,
            withNegated: false,
            brief: "The value is a string, not JSON",
          },
          expires: {
            kind: "parsed",
            parse: duration,
            optional: true,
            placeholder: "TIME",
            brief: "The key goes after this time, such as 5m",
          },
          ifVersion: IF_VERSION,
          ...endPointFlags,
        },
      },
      docs: { brief: "Set a key; exit code 1 if --if-version does not fit" },
    }),
    watch: buildCommand<EndPointFlags, [string?], CliContext>({
      func: watch,
      parameters: { positional: { kind: "tuple", parameters: [PREFIX] }, flags: endPointFlags },
      docs: {
        brief: "Print what is there and then every change, one JSON document a line, until the run is over",
      },
    }),
    delete: buildCommand<EndPointFlags & { readonly ifVersion?: number }, [string], CliContext>({
      func: remove,
      parameters: {
        positional: { kind: "tuple", parameters: [KEY] },
        flags: { ifVersion: IF_VERSION, ...endPointFlags },
      },
      docs: { brief: "Delete a key; exit code 1 if there is none" },
    }),
    keys: buildCommand<EndPointFlags & { readonly json?: boolean }, [string?], CliContext>({
      func: keys,
      parameters: {
        positional: { kind: "tuple", parameters: [PREFIX] },
        flags: {
          json: {
            kind: "boolean",
            optional: true,
            withNegated: false,
            brief: "Print one JSON document, a list",
          },
          ...endPointFlags,
        },
      },
      docs: { brief: "List keys, one a line" },
    }),
  },
  docs: {
    brief: "Read, write and watch the store of a run on this machine",
    fullDescription:
      `Reads, writes and watches the store that all tasks of a run share, while the run goes on.

A task's program needs no options: OUTRIDER_URL and OUTRIDER_TOKEN are in its environment.`,
  },
});
