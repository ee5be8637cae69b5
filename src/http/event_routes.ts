/**
 * Owns the events' routes: publishing one, and following all.
 * Must not know who else emits or listens.
 * Invariant: a reader that comes back with the last number it has seen misses nothing that is still kept, and is told of
 * what is not.
 */
import { Bell } from "../base/wait.ts";
import { PAGE_SIZE } from "../base/reader_stream.ts";
import { type Route, route, TEXT } from "../base/web/route.ts";
import { answer } from "./answer.ts";
import type { Parts } from "./parts.ts";
import type { HttpEvent, HttpEvents, HttpRun } from "./port.ts";
import { anyText } from "./query.ts";
import { SCHEMAS } from "./schema.ts";
import { FOLLOW, LAST_EVENT_ID, lastSeen, SINCE } from "./since.ts";
import { type Format, formatOf, ringAtEnd, sseMessage, streamed } from "./streams.ts";

/** Events read at a time. */
const PAGE = 256;

/** The routes. */
export function eventRoutes(parts: Parts): Route[] {
  return [
    route({
      id: "emitEvent",
      method: "post",
      path: "/events",
      tag: "events",
      summary: "Publishes an event",
      access: "token",
      query: {},
      body: { required: true, schema: SCHEMAS.NewEvent },
      answers: { 201: { what: "Its number", bodies: { "application/json": SCHEMAS.EventMade } } },
      handle: ({ body: { type, detail, from } }) => {
        const text = detail === undefined ? undefined : JSON.stringify(detail);
        const id = parts.run().events.emit(type, text, from);
        return answer(JSON.stringify({ id }), { status: 201 });
      },
    }),
    route({
      id: "followEvents",
      method: "get",
      path: "/events",
      tag: "events",
      summary: "Tells events, those that are kept and those to come",
      description: "Where events are no longer kept, `missed` says how many come before the next one.",
      access: "token",
      query: { since: SINCE, type: anyText("Only events of this type"), follow: FOLLOW },
      headers: LAST_EVENT_ID,
      answers: {
        200: {
          what: "Events",
          bodies: { "text/event-stream": TEXT, "application/x-ndjson": SCHEMAS.Event },
        },
      },
      handle: ({ request, query: { since, type = "*", follow } }) => {
        const run = parts.run();
        const format = formatOf(request.headers.get("accept"), ["sse", "ndjson"]);
        const after = lastSeen(request.headers) ?? since ?? 0;
        const following = follow ?? format === "sse";
        return streamed(request, parts, {
          format,
          texts: (gone) => texts(run, parts, { format, since: after, following, type, gone }),
        });
      },
    }),
  ];
}

interface Following {
  readonly format: Format;
  readonly since: number;
  readonly following: boolean;
  readonly type: string;
  /** Aborted when the reader has gone. */
  readonly gone: AbortSignal;
}

async function* texts(
  run: HttpRun,
  { opened, clock, gate }: Parts,
  { format, since, following, type, gone }: Following,
): AsyncGenerator<string, void, undefined> {
  const { events } = run;
  const bell = new Bell({ keeps: true });
  const unfollow = ringAtEnd(run, bell);
  const stop = events.watch(type, () => bell.ring());
  try {
    for (let at = since;;) {
      const { over } = run;
      const held = await opened.room.hold(() => pageOf(events, { type, after: at, format }), gone);
      if (held === undefined) return;
      const { made: { text, upTo, more }, leave } = held;
      try {
        if (text !== "") yield text;
      } finally {
        leave();
      }
      at = Math.max(at, upTo);
      if (more) continue;
      if (!following || over) return;
      if (!await bell.wait(gone, { clock, ms: gate.limits.aliveMs })) {
        if (gone.aborted) return;
        yield "";
      }
    }
  } finally {
    unfollow();
    stop();
  }
}

interface Page {
  readonly text: string;
  readonly upTo: number;
  readonly more: boolean;
}

/** The events after a number, as many as fill a page, and at least one. */
function pageOf(
  events: HttpEvents,
  { type, after, format }: { readonly type: string; readonly after: number; readonly format: Format },
): Page {
  const page = events.read(type, after, PAGE);
  let text = page.missed > 0 ? missedText(page.missed, format) : "";
  for (const event of page.events) {
    if (text.length >= PAGE_SIZE) return { text, upTo: event.id - 1, more: true };
    text += eventText(event, format);
  }
  return { text, upTo: page.upTo, more: page.upTo > after && page.upTo < events.last };
}

function missedText(missed: number, format: Format): string {
  const data = JSON.stringify({ missed });
  return format === "ndjson" ? `${data}\n` : sseMessage({ event: "missed", data });
}

/** The detail's text goes in as it is: it is JSON already. */
function eventText({ id, type, detail, at, from }: HttpEvent, format: Format): string {
  const data = `{"id":${id},"type":${JSON.stringify(type)}` +
    (detail === undefined ? "" : `,"detail":${detail}`) +
    `,"at":${at}` + (from === undefined ? "" : `,"from":${JSON.stringify(from)}`) + "}";
  return format === "ndjson" ? `${data}\n` : sseMessage({ id, data });
}
