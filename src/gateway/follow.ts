/**
 * Owns records as NDJSON, those that are here and, if asked, those to come; and the result, told in pieces.
 * Must not know what they hold.
 * Invariant: the stream goes no faster than it is read and holds one page; a reader that takes nothing is let go.
 */
import type { Bytes } from "../base/bytes.ts";
import { PAGE_SIZE } from "../base/reader_stream.ts";
import { goesOn } from "../base/web/opened.ts";
import type { Stream } from "../model/stream.ts";
import type { GatewayParts } from "./context.ts";
import { isComplete } from "./ingest.ts";
import { parsedOr } from "./rows.ts";

/** Most records of a page. */
const READ = 500;
/** An empty line is sent after this long without a record, so that the line is not taken for dead. */
const ALIVE_MS = 5000;
/** A reader that takes nothing for so long is let go. */
const STALL_MS = 60_000;

interface Follow {
  readonly parts: GatewayParts;
  readonly run: string;
  readonly lane: Stream;
  /** Without the values of attempts. Default false. */
  readonly bare?: boolean;
  /** Aborted when who follows may hear no more. */
  readonly over?: AbortSignal | undefined;
}

/** Answers with the records above `since`; with `follow`, until the run is over and all of it is here. */
export function ndjsonOf(
  request: Request,
  what: Follow,
  { since = 0, follow = false }: { readonly since?: number; readonly follow?: boolean },
): Response {
  return toldInPieces(request, what.parts, {
    type: "application/x-ndjson",
    texts: (gone) => linesOf(what, { since, follow, gone }),
    over: what.over,
  });
}

/** An answer that is told piece by piece. Whoever asks for its head alone gets that, and nothing is begun. */
export function toldInPieces(
  { method, signal }: Request,
  { clock, opened }: GatewayParts,
  { type, texts, over, ...more }: {
    readonly type: string;
    readonly texts: (gone: AbortSignal) => AsyncGenerator<string | Bytes, void, undefined>;
    readonly over?: AbortSignal | undefined;
    readonly status?: number;
    /** Laid over those that say it is not to be kept. */
    readonly headers?: Readonly<Record<string, string>>;
  },
): Response {
  const headers = { "content-type": type, "cache-control": "no-store", ...more.headers };
  const init = { headers, status: more.status ?? 200 };
  if (method === "HEAD") return new Response(null, init);
  // A request made anew would not do: what its signal follows is forgotten with it.
  const either = over === undefined ? signal : AbortSignal.any([signal, over]);
  return new Response(goesOn({ opened, texts, stallMs: STALL_MS, clock, signal: either }), init);
}

async function* linesOf(
  { parts, run, lane, bare = false }: Follow,
  { since, follow, gone }: { readonly since: number; readonly follow: boolean; readonly gone: AbortSignal },
): AsyncGenerator<string, void, undefined> {
  const { store, bells, clock, opened, sessions } = parts;
  const news = bells.listen(`run:${run}`);
  try {
    for (let after = since;;) {
      // It may be followed for one of them.
      sessions?.sweep();
      const read = async () =>
        pageOf(await store.records(run, { lane, after, limit: READ, size: PAGE_SIZE }), { after, bare });
      const held = await opened.room.hold(read, gone);
      if (held === undefined) return;
      const { made: { text, upTo }, leave } = held;
      after = upTo;
      try {
        if (text !== "") yield text;
      } finally {
        leave();
      }
      if (text !== "") continue;
      const row = await store.run(run);
      if (!follow || !row || isComplete(row)) return;
      await news.wait(gone, { clock, ms: ALIVE_MS });
      yield "\n";
    }
  } finally {
    news.leave();
  }
}

function pageOf(
  records: readonly { readonly seq: number; readonly text: string }[],
  { after, bare }: { readonly after: number; readonly bare: boolean },
): { readonly text: string; readonly upTo: number } {
  const texts = records.map(({ text }) => `${bare ? withoutValue(text) : text}\n`);
  return { text: texts.join(""), upTo: records.at(-1)?.seq ?? after };
}

function withoutValue(text: string): string {
  if (!text.includes('"value":')) return text;
  const record = parsedOr(text, undefined);
  if (!isAttempt(record)) return text;
  const { value: _, ...rest } = record;
  return JSON.stringify(rest);
}

function isAttempt(record: unknown): record is { readonly value?: unknown } {
  return (record as { readonly type?: unknown } | undefined)?.type === "attempt.settled";
}
