/**
 * Owns the combined log over HTTP, and the records of what happened, which a page draws from.
 * Must not know who writes either.
 * Invariant: following costs the run next to nothing: a reader is woken once for many lines, reads pages, and rests between
 * them while the run goes on. A page is bounded in characters: a reader that reads nothing holds no more than one.
 */
import { LOG_LEVEL } from "../defaults.ts";
import { Bell, sleep } from "../base/wait.ts";
import { PAGE_SIZE } from "../base/reader_stream.ts";
import { type Route, route, TEXT } from "../base/web/route.ts";
import { LEVELS, type LogRecord, type StateRecord } from "../model/record.ts";
import type { Parts } from "./parts.ts";
import type { HttpRun } from "./port.ts";
import { anyText, flag, word } from "./query.ts";
import { SCHEMAS } from "./schema.ts";
import { FOLLOW, LAST_EVENT_ID, lastSeen, SINCE } from "./since.ts";
import { type Format, formatOf, ringAtEnd, sseMessage, streamed } from "./streams.ts";

/** Most records read at a time. */
const PAGE = 500;
/** Lines of a reader that follows are gathered for so long, milliseconds. */
const GATHER_MS = 20;

/** A reader that has cost so many milliseconds rests so many times as long: the run comes first. */
const REST_AFTER_MS = 5;
const REST_FACTOR = 20;
const MOST_REST_MS = 200;
/** Rest when the run has written in the meantime, milliseconds: what reads at the other end needs a core too. */
const BUSY_REST_MS = 100;

const OF_LOGS = { method: "get", tag: "logs", access: "token", headers: LAST_EVENT_ID } as const;

/** The routes. */
export function logRoutes(parts: Parts): Route[] {
  return [
    route({
      ...OF_LOGS,
      id: "getLogs",
      path: "/logs",
      summary: "The combined log",
      query: {
        since: SINCE,
        task: anyText("Only lines of this task"),
        level: word("Least level. Default debug", LEVELS),
        follow: FOLLOW,
      },
      answers: {
        200: {
          what: "Lines",
          bodies: {
            "application/x-ndjson": SCHEMAS.LogRecord,
            "text/plain": TEXT,
            "text/event-stream": TEXT,
          },
        },
      },
      handle: ({ request, query }) => logs(request, parts, query),
    }),
    route({
      ...OF_LOGS,
      id: "getRecords",
      path: "/records",
      summary: "What happened, as the journal has it",
      query: {
        since: SINCE,
        values: flag("Whether values are told too. Default false"),
        follow: FOLLOW,
      },
      answers: {
        200: {
          what: "Records",
          bodies: { "application/x-ndjson": SCHEMAS.StateRecord, "text/event-stream": TEXT },
        },
      },
      handle: ({ request, query }) => records(request, parts, query),
    }),
  ];
}

interface Wanted {
  readonly since?: number;
  readonly follow?: boolean;
}

function logs(
  request: Request,
  parts: Parts,
  { since = 0, task, level = LOG_LEVEL, follow }: Wanted & {
    readonly task?: string;
    readonly level?: LogRecord["level"];
  },
): Response {
  const run = parts.run();
  const least = LEVELS.indexOf(level);
  const format = formatOf(request.headers.get("accept"), ["ndjson", "text", "sse"]);
  const wanted = (record: LogRecord) =>
    record.dropped !== undefined ||
    (task === undefined || record.task === task) && LEVELS.indexOf(record.level) >= least;
  return paged<LogRecord>(request, parts, {
    run,
    format,
    following: follow ?? format === "sse",
    since,
    read: (after) => run.journal.logs(after, PAGE, { size: PAGE_SIZE }),
    watch: (ring) => run.journal.watch({ log: ring }),
    text: (record) => wanted(record) ? logText(record, format) : undefined,
  });
}

function records(
  request: Request,
  parts: Parts,
  { since = 0, values = false, follow }: Wanted & { readonly values?: boolean },
): Response {
  const run = parts.run();
  const format = formatOf(request.headers.get("accept"), ["ndjson", "sse"]);
  return paged<StateRecord>(request, parts, {
    run,
    format,
    following: follow ?? format === "sse",
    since,
    read: (after) => run.journal.states(after, PAGE, { size: PAGE_SIZE }),
    watch: (ring) => run.journal.watch({ state: ring }),
    text: (record) => lineOf(record.seq, JSON.stringify(values ? record : withoutValue(record)), format),
  });
}

/** Something that is numbered and read in pages. */
interface Paged<R> {
  readonly run: HttpRun;
  readonly format: Format;
  readonly following: boolean;
  readonly since: number;
  read(after: number): R[];
  watch(ring: () => void): () => void;
  text(record: R): string | undefined;
}

function paged<R extends { readonly seq: number }>(
  request: Request,
  parts: Parts,
  source: Paged<R>,
): Response {
  const since = lastSeen(request.headers) ?? source.since;
  return streamed(request, parts, {
    format: source.format,
    texts: (gone) => texts({ ...source, since }, parts, gone),
  });
}

async function* texts<R extends { readonly seq: number }>(
  source: Paged<R>,
  { opened, clock, gate, redact }: Parts,
  gone: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const { run, following, watch } = source;
  const { aliveMs } = gate.limits;
  const bell = new Bell({ keeps: true });
  const unfollow = ringAtEnd(run, bell);
  /** Whether something is written, or the run ends, within so many milliseconds. */
  const rung = async (ms: number) => {
    // The watcher leaves at the first ring: those who write pay for one.
    const stop = watch(() => {
      stop();
      bell.ring();
    });
    const heard = await bell.wait(gone, { clock, ms });
    stop();
    return heard;
  };
  let quietSince = clock.monotonic();
  let spentMs = 0;
  try {
    for (let at = source.since;;) {
      const { over } = run;
      const held = await opened.room.hold(() => {
        const began = clock.monotonic();
        const page = pageOf(source, { after: at, redact });
        spentMs += clock.monotonic() - began;
        return page;
      }, gone);
      if (held === undefined) return;
      const { made: { text, upTo }, leave } = held;
      const some = upTo > at;
      at = upTo;
      try {
        if (text !== "") {
          yield text;
          quietSince = clock.monotonic();
        }
      } finally {
        leave();
      }
      if (some && following && !over && spentMs >= REST_AFTER_MS) {
        const busy = await rung(Math.min(MOST_REST_MS, spentMs * REST_FACTOR));
        spentMs = 0;
        if (busy && !run.over) await sleep(clock, BUSY_REST_MS, gone);
        if (gone.aborted) return;
      } else if (some && text === "") await sleep(clock, 0, gone);
      if (some) continue;
      if (!following || over) return;
      const heard = await rung(aliveMs - (clock.monotonic() - quietSince));
      if (heard) await sleep(clock, GATHER_MS, gone);
      if (gone.aborted) return;
      // Also when there is news all the time, of which this reader is told nothing.
      if (clock.monotonic() - quietSince >= aliveMs) {
        yield "";
        quietSince = clock.monotonic();
      }
    }
  } finally {
    unfollow();
  }
}

interface Page {
  readonly text: string;
  /** Number of the last record that it has, or that was left out. */
  readonly upTo: number;
}

/** The records after a number, as many as fill a page, and at least one. */
function pageOf<R extends { readonly seq: number }>(
  { read, text: textOf }: Paged<R>,
  { after, redact }: { readonly after: number; readonly redact: Parts["redact"] },
): Page {
  let text = "";
  let upTo = after;
  for (const record of read(after)) {
    if (text.length >= PAGE_SIZE) break;
    text += textOf(record) ?? "";
    upTo = record.seq;
  }
  return { text: redact(text), upTo };
}

function logText(record: LogRecord, format: Format): string {
  if (format !== "text") return lineOf(record.seq, JSON.stringify(record), format);
  const { at, level, task, text } = record;
  return `${at} ${level.toUpperCase().padEnd(8)} ${task ?? "outrider"} | ${text}\n`;
}

function lineOf(seq: number, data: string, format: Format): string {
  return format === "sse" ? sseMessage({ id: seq, data }) : `${data}\n`;
}

function withoutValue(record: StateRecord): object {
  if ("value" in record) {
    const { value: _, ...rest } = record;
    return rest;
  }
  if ("detail" in record) {
    const { detail: _, ...rest } = record;
    return rest;
  }
  return record;
}
