/**
 * Owns watching the store: what is there first, then each change, as server-sent events or NDJSON.
 * Must not know how changes come about.
 * Invariant: a reader ends with the newest value of every key, however slow it is; what it has not read of a key that
 * changes again is replaced, so that no more is held than there are keys.
 */
import { Bell } from "../base/wait.ts";
import { PAGE_SIZE } from "../base/reader_stream.ts";
import type { Parts } from "./parts.ts";
import type { HttpChange, HttpRun, HttpStore } from "./port.ts";
import { type Format, formatOf, ringAtEnd, sseMessage, streamed } from "./streams.ts";

/** Keys listed at a time. */
const PAGE = 500;

/** Answers with the changes of all keys with a prefix. */
export function watchStore(
  request: Request,
  parts: Parts,
  { prefix = "", initial = true }: { readonly prefix?: string; readonly initial?: boolean },
): Response {
  const run = parts.run();
  const format = formatOf(request.headers.get("accept"), ["sse", "ndjson"]);
  const pending = new Map<string, HttpChange>();
  const bell = new Bell({ keeps: true });
  return streamed(request, parts, {
    format,
    listen: () => {
      const unwatch = run.store.watch({ prefix }, (change) => {
        // Deleted first, so that changes stay in the order of their last happening.
        pending.delete(change.key);
        pending.set(change.key, change);
        bell.ring();
      });
      const unfollow = ringAtEnd(run, bell);
      return () => {
        unwatch();
        unfollow();
      };
    },
    texts: async function* (gone) {
      const watch: Watch = { run, pending, bell, format, gone };
      if (initial) yield* present(watch, prefix, parts);
      yield* changes(watch, parts);
    },
  });
}

interface Watch {
  readonly run: HttpRun;
  /** Changes that are not told yet, by key. */
  readonly pending: Map<string, HttpChange>;
  readonly bell: Bell;
  readonly format: Format;
  /** Aborted when the reader has gone. */
  readonly gone: AbortSignal;
}

async function* changes(
  { run, pending, bell, format, gone }: Watch,
  { opened, clock, gate }: Parts,
): AsyncGenerator<string, void, undefined> {
  for (;;) {
    const { over } = run;
    const held = await opened.room.hold(() => pageOf(pending.values(), format), gone);
    if (held === undefined) return;
    const { made: { text, told }, leave } = held;
    // What has changed again since is told again.
    for (const change of told) if (pending.get(change.key) === change) pending.delete(change.key);
    try {
      if (text !== "") yield text;
    } finally {
      leave();
    }
    if (text !== "") continue;
    if (over) return;
    if (!await bell.wait(gone, { clock, ms: gate.limits.aliveMs })) {
      if (gone.aborted) return;
      yield "";
    }
  }
}

async function* present(
  { run, format, gone }: Watch,
  prefix: string,
  { opened }: Parts,
): AsyncGenerator<string, void, undefined> {
  let cursor: string | undefined;
  do {
    const page = run.store.keys({ prefix, limit: PAGE, ...(cursor !== undefined && { cursor }) });
    for (let at = 0; at < page.keys.length;) {
      const held = await opened.room.hold(
        () => pageOf(entriesOf(run.store, page.keys.slice(at)), format),
        gone,
      );
      if (held === undefined) return;
      const { made: { text, told }, leave } = held;
      // Keys that are gone by now are told by their change.
      at = told.length === 0 ? page.keys.length : page.keys.indexOf(told.at(-1)!.key, at) + 1;
      try {
        if (text !== "") yield text;
      } finally {
        leave();
      }
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
}

function* entriesOf(store: HttpStore, keys: readonly string[]): Generator<HttpChange> {
  for (const key of keys) {
    const entry = store.get(key);
    if (entry !== undefined) yield entry;
  }
}

/** As many of the changes as fill a page, and at least one. */
function pageOf(
  found: Iterable<HttpChange>,
  format: Format,
): { readonly text: string; readonly told: readonly HttpChange[] } {
  let text = "";
  const told: HttpChange[] = [];
  for (const change of found) {
    text += messageOf(change, format);
    told.push(change);
    if (text.length >= PAGE_SIZE) break;
  }
  return { text, told };
}

/** The value's text goes in as it is: it is JSON already. */
function messageOf({ key, value, version, expiresAt }: HttpChange, format: Format): string {
  const data = `{"key":${JSON.stringify(key)},"version":${version}` +
    (value === undefined ? "" : `,"value":${value}`) +
    (expiresAt === undefined ? "" : `,"expiresAt":${expiresAt}`) + "}";
  return format === "ndjson"
    ? `${data}\n`
    : sseMessage({ event: value === undefined ? "delete" : "set", data });
}
