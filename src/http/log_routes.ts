/**
 * Owns the combined log over HTTP, and the records of what happened, which a page draws from.
 * Must not know who writes either.
 * Invariant: following costs the run next to nothing: a reader is woken once for many lines, reads pages, and rests between
 * them while the run goes on.
 */
import type { Level, LogRecord, StateRecord } from "../journal/record.ts";
import type { Ctx, Parts, Route } from "./parts.ts";
import type { HttpRun } from "./port.ts";
import { Query } from "./query.ts";
import { lastSeen } from "./since.ts";
import { Bell, type Format, formatOf, sseMessage, streamed } from "./streams.ts";

const PAGE = 500;
/** Lines of a reader that follows are gathered for so long, milliseconds. */
const GATHER_MS = 20;

/** Between full pages a reader rests so many times as long as a page has cost: the run comes first. */
const REST_FACTOR = 20;
const MOST_REST_MS = 200;
/** Rest when the run has written in the meantime, milliseconds: what reads at the other end needs a core too. */
const BUSY_REST_MS = 100;

/** Levels, least severe first. */
const LEVELS: readonly Level[] = ["debug", "info", "warn", "error", "critical"];

/** The routes. */
export function logRoutes(parts: Parts): Route[] {
  return [
    { method: "get", path: "/logs", who: "token", answer: (c) => logs(c, parts) },
    { method: "get", path: "/records", who: "token", answer: (c) => records(c, parts) },
  ];
}

function logs(c: Ctx, parts: Parts): Response {
  const query = new Query(c.req.url, ["since", "task", "level", "follow"]);
  const run = parts.run();
  const task = query.text("task");
  const least = LEVELS.indexOf(query.word("level", LEVELS) ?? "debug");
  const format = formatOf(c.req.raw.headers.get("accept"), ["ndjson", "text", "sse"]);
  const wanted = (record: LogRecord) =>
    record.dropped !== undefined ||
    (task === undefined || record.task === task) && LEVELS.indexOf(record.level) >= least;
  return paged<LogRecord>(c, parts, {
    run,
    format,
    following: query.flag("follow") ?? format === "sse",
    since: query.count("since") ?? 0,
    read: (after) => run.journal.logs(after, PAGE),
    watch: (ring) => run.journal.watch({ log: ring }),
    text: (record) => wanted(record) ? logText(record, format) : undefined,
  });
}

function records(c: Ctx, parts: Parts): Response {
  const query = new Query(c.req.url, ["since", "values", "follow"]);
  const run = parts.run();
  const values = query.flag("values") ?? false;
  const format = formatOf(c.req.raw.headers.get("accept"), ["ndjson", "sse"]);
  return paged<StateRecord>(c, parts, {
    run,
    format,
    following: query.flag("follow") ?? format === "sse",
    since: query.count("since") ?? 0,
    read: (after) => run.journal.states(after, PAGE),
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

function paged<R extends { readonly seq: number }>(c: Ctx, parts: Parts, source: Paged<R>): Response {
  const { format } = source;
  const since = lastSeen(c.req.raw.headers) ?? source.since;
  const { aliveMs } = parts.gate.limits;
  const { opened, redact } = parts;
  const { signal } = c.req.raw;
  return streamed({
    format,
    opened,
    signal,
    texts: async function* (gone) {
      for await (const text of texts({ ...source, since }, { signal: gone, aliveMs })) yield redact(text);
    },
  });
}

async function* texts<R extends { readonly seq: number }>(
  { run, following, since, read, watch, text }: Paged<R>,
  { signal, aliveMs }: { readonly signal: AbortSignal; readonly aliveMs: number },
): AsyncGenerator<string, void, undefined> {
  const bell = new Bell();
  run.whenOver.then(() => bell.ring());
  /** Whether something is written, or the run ends, within so many milliseconds. */
  const rung = async (ms: number) => {
    // The watcher leaves at the first ring: those who write pay for one.
    const stop = watch(() => {
      stop();
      bell.ring();
    });
    const heard = await bell.wait(ms, signal);
    stop();
    return heard;
  };
  let quietSince = Date.now();
  for (let at = since;;) {
    const { over } = run;
    const began = performance.now();
    const page = read(at);
    at = page.at(-1)?.seq ?? at;
    const told = page.map((record) => text(record) ?? "").join("");
    const spentMs = performance.now() - began;
    if (told !== "") {
      quietSince = Date.now();
      yield told;
    }
    if (page.length === PAGE && following && !over) {
      const busy = await rung(Math.min(MOST_REST_MS, spentMs * REST_FACTOR));
      if (busy && !run.over) await new Bell().wait(BUSY_REST_MS, signal);
      if (signal.aborted) return;
    }
    if (page.length > 0) continue;
    if (!following || over) return;
    const heard = await rung(Math.max(50, aliveMs - (Date.now() - quietSince)));
    if (signal.aborted) return;
    if (heard) await new Bell().wait(GATHER_MS, signal);
    else if (Date.now() - quietSince >= aliveMs) {
      quietSince = Date.now();
      yield "";
    }
  }
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
