/**
 * Owns records as NDJSON, those that are here and, if asked, those to come; and the result, told in pieces.
 * Must not know what they hold.
 * Invariant: the stream goes no faster than it is read and holds one page; a reader that takes nothing is let go.
 */
import { PAGE_SIZE, readerStream } from "../base/reader_stream.ts";
import type { Stream } from "../model/stream.ts";
import type { Ctx, GatewayParts } from "./context.ts";
import { Refuse } from "./failure.ts";
import { isComplete } from "./ingest.ts";

/** Most records of a page. */
const READ = 500;
/** An empty line is sent after this long without a record, so that the line is not taken for dead. */
const ALIVE_MS = 5000;
/** A reader that takes nothing for so long is let go. */
const STALL_MS = 60_000;
/** Answers that may go on at the same time. */
const MOST = 1_000;

interface Follow {
  readonly parts: GatewayParts;
  readonly run: string;
  readonly lane: Stream;
}

/** Answers with the records above `since`; with `follow`, until the run is over and all of it is here. */
export function ndjsonOf(c: Ctx, { parts, run, lane }: Follow): Response {
  const since = c.req.query("since") ?? "0";
  if (!/^\d{1,15}$/.test(since)) {
    throw new Refuse(400, "QUERY", `The query has since=${since.slice(0, 50)}: write a whole number from 0`);
  }
  const follow = ["", "1", "true"].includes(c.req.query("follow") ?? "no");
  return streamed(c, parts, {
    type: "application/x-ndjson",
    texts: (gone) => linesOf({ parts, run, lane }, { since: Number(since), follow, gone }),
  });
}

/** An answer that is told piece by piece. Whoever asks for its head alone gets that, and nothing is begun. */
export function streamed(
  c: Ctx,
  { clock, following }: GatewayParts,
  { type, texts }: {
    readonly type: string;
    readonly texts: (gone: AbortSignal) => AsyncGenerator<string, void, undefined>;
  },
): Response {
  const headers = { "content-type": type, "cache-control": "no-store" };
  if (c.req.raw.method === "HEAD") return c.body(null, 200, headers);
  if (following.count >= MOST) {
    throw new Refuse(503, "TOO_MANY_OPEN", `${MOST} answers go on already: close some, or ask again later`);
  }
  following.count++;
  const gone = new AbortController();
  const body = readerStream({
    texts: texts(gone.signal),
    stallMs: STALL_MS,
    clock,
    signal: c.req.raw.signal,
    over: () => {
      following.count--;
      gone.abort();
    },
  });
  return c.body(body, 200, headers);
}

async function* linesOf(
  { parts, run, lane }: Follow,
  { since, follow, gone }: { readonly since: number; readonly follow: boolean; readonly gone: AbortSignal },
): AsyncGenerator<string, void, undefined> {
  const { store, bells, clock, room } = parts;
  for (let after = since;;) {
    const read = () => pageOf(store.records(run, { lane, after, limit: READ, size: PAGE_SIZE }), after);
    const held = await room.hold(read, gone);
    if (held === undefined) return;
    const { made: { text, upTo }, leave } = held;
    after = upTo;
    try {
      if (text !== "") yield text;
    } finally {
      leave();
    }
    if (text !== "") continue;
    const row = store.run(run);
    if (!follow || !row || isComplete(row)) return;
    await bells.wait(`run:${run}`, { clock, ms: ALIVE_MS, signal: gone });
    yield "\n";
  }
}

function pageOf(
  records: readonly { readonly seq: number; readonly text: string }[],
  after: number,
): { readonly text: string; readonly upTo: number } {
  return { text: records.map(({ text }) => `${text}\n`).join(""), upTo: records.at(-1)?.seq ?? after };
}
