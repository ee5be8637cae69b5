/**
 * Owns answers that go on: how they are woken, kept alive, and ended.
 * Must not know what they tell.
 * Invariant: a stream goes no faster than it is read; when it is over, however that came, nothing of it is left: no place,
 * no timer and no listener.
 */
import type { Bell } from "../base/wait.ts";
import { goesOn } from "../base/web/opened.ts";
import { Refuse } from "../base/web/refuse.ts";
import { answer, TYPE } from "./answer.ts";
import type { Parts } from "./parts.ts";
import type { HttpRun } from "./port.ts";

/** The formats in which something that goes on can be told. */
export type Format = "sse" | "ndjson" | "text";

/** Bells of those who follow a run, which ring when it is over. A run that lasts for months has seen many come and go. */
const following: WeakMap<HttpRun, Set<Bell>> = new WeakMap();

/** Rings the bell when the run ends, until the returned function is called. Whether it is over already, `over` says. */
export function ringAtEnd(run: HttpRun, bell: Bell): () => void {
  let bells = following.get(run);
  if (bells === undefined) {
    const all = bells = new Set();
    following.set(run, all);
    run.whenOver.then(() => {
      for (const each of all) each.ring();
    });
  }
  const mine = bells.add(bell);
  return () => void mine.delete(bell);
}

/** What a stream is made of. */
export interface StreamParts {
  /** `undefined`: one document, as JSON. */
  readonly format?: Format;
  /** Texts to come; between two of them it may wait. `""` says that it is alive. */
  readonly texts: (gone: AbortSignal) => AsyncGenerator<string, void, undefined>;
  /** Called at once, before anything is read; what it returns is called when the stream is over. */
  readonly listen?: () => () => void;
}

const TYPES: Readonly<Record<Format, string>> = { sse: TYPE.sse, ndjson: TYPE.ndjson, text: TYPE.text };
/** Says nothing, in each format; plain text has no word for that. */
const NOTHING: Readonly<Record<Format, string>> = { sse: ": alive\n\n", ndjson: "\n", text: "" };

/** An answer that goes on until its texts end or its reader goes. It has one of the places that there are. */
export function streamed(request: Request, parts: Parts, { format, texts, listen }: StreamParts): Response {
  const { opened, clock, gate, options } = parts;
  const body = goesOn({
    opened,
    texts: (gone) => spoken(texts(gone), format),
    listen,
    stallMs: gate.limits.stallMs,
    clock,
    signal: request.signal,
    failed: options.onDefect,
  });
  return answer(body, {
    type: format === undefined ? TYPE.json : TYPES[format],
    headers: { "x-accel-buffering": "no" },
  });
}

/** The texts in words of a format. Bun sends the head of an answer with the first of its body, so that comes at once. */
async function* spoken(
  texts: AsyncGenerator<string, void, undefined>,
  format: Format | undefined,
): AsyncGenerator<string, void, undefined> {
  const nothing = format === undefined ? "" : NOTHING[format];
  try {
    yield nothing;
    for await (const text of texts) yield text === "" ? nothing : text;
  } finally {
    await texts.return();
  }
}

/** The format that an Accept header asks for, of those that are offered; the first one where it does not say. */
export function formatOf(accept: string | null, offered: readonly Format[]): Format {
  for (const part of (accept ?? "*/*").split(",").slice(0, 20)) {
    const [type = "", ...params] = part.split(";").map((word) => word.trim().toLowerCase());
    if (params.some((param) => /^q=0(\.0*)?$/.test(param))) continue;
    if (type === "*/*") return offered[0]!;
    const format = offered.find((each) =>
      TYPES[each].split(";")[0] === type || type === "application/jsonl" && each === "ndjson"
    );
    if (format !== undefined) return format;
  }
  throw new Refuse(406, "ACCEPT", {
    message: `This is told as ${
      offered.map((each) => TYPES[each].split(";")[0]).join(", ")
    }: ask for one of them by Accept`,
  });
}

/** One message of server-sent events. */
export function sseMessage(
  { id, event, data }: { readonly id?: number; readonly event?: string; readonly data: string },
): string {
  return (id === undefined ? "" : `id: ${id}\n`) + (event === undefined ? "" : `event: ${event}\n`) +
    `data: ${data.replaceAll("\n", "\ndata: ")}\n\n`;
}
