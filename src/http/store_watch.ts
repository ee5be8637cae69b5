/**
 * Owns watching the store: what is there first, then each change, as server-sent events or NDJSON.
 * Must not know how changes come about.
 * Invariant: a reader ends with the newest value of every key, however slow it is; what it has not read of a key that
 * changes again is replaced, so that no more is held than there are keys.
 */
import type { Ctx, Parts } from "./parts.ts";
import type { HttpChange, HttpRun, HttpStore } from "./port.ts";
import type { Query } from "./query.ts";
import { Bell, type Format, formatOf, sseMessage, streamed } from "./streams.ts";

/** Keys listed at a time. */
const PAGE = 500;

/** Answers with the changes of all keys with a prefix. */
export function watchStore(c: Ctx, parts: Parts, query: Query): Response {
  const run = parts.run();
  const { aliveMs } = parts.gate.limits;
  const prefix = query.text("prefix") ?? "";
  const initial = query.flag("initial") ?? true;
  const format = formatOf(c.req.raw.headers.get("accept"), ["sse", "ndjson"]);
  const pending = new Map<string, HttpChange>();
  const bell = new Bell();
  run.whenOver.then(() => bell.ring());
  return streamed({
    format,
    opened: parts.opened,
    signal: c.req.raw.signal,
    listen: () =>
      run.store.watch({ prefix }, (change) => {
        // Deleted first, so that changes stay in the order of their last happening.
        pending.delete(change.key);
        pending.set(change.key, change);
        bell.ring();
      }),
    texts: async function* (signal) {
      if (initial) yield* present(run.store, prefix, format);
      yield* changes({ run, pending, bell, format }, { signal, aliveMs });
    },
  });
}

interface Watch {
  readonly run: HttpRun;
  /** Changes that are not told yet, by key. */
  readonly pending: Map<string, HttpChange>;
  readonly bell: Bell;
  readonly format: Format;
}

async function* changes(
  { run, pending, bell, format }: Watch,
  { signal, aliveMs }: { readonly signal: AbortSignal; readonly aliveMs: number },
): AsyncGenerator<string, void, undefined> {
  for (;;) {
    const { over } = run;
    const batch = [...pending.values()];
    pending.clear();
    if (batch.length > 0) yield batch.map((change) => messageOf(change, format)).join("");
    else if (over) return;
    else if (!await bell.wait(aliveMs, signal)) {
      if (signal.aborted) return;
      yield "";
    }
  }
}

function* present(store: HttpStore, prefix: string, format: Format): Generator<string> {
  let cursor: string | undefined;
  do {
    const page = store.keys({ prefix, limit: PAGE, ...(cursor !== undefined && { cursor }) });
    const entries = page.keys.map((key) => store.get(key)).filter((entry) => entry !== undefined);
    if (entries.length > 0) yield entries.map((entry) => messageOf(entry, format)).join("");
    cursor = page.cursor;
  } while (cursor !== undefined);
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
