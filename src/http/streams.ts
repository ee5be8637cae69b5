/**
 * Owns answers that go on: how they are woken, kept alive, bounded in number, and ended.
 * Must not know what they tell.
 * Invariant: a stream goes no faster than it is read; when its reader is gone, nothing of it is left, no timer and no
 * listener.
 */
import { answer, TYPE } from "./answer.ts";
import { Refuse } from "./failure.ts";

/** The formats in which something that goes on can be told. */
export type Format = "sse" | "ndjson" | "text";

/** Keeps count of the answers that are held or go on. */
export class Opened {
  readonly #most: number;
  #count = 0;
  readonly #idle: Set<() => void> = new Set();

  constructor(most: number) {
    this.#most = most;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts one more; the returned function, called once or more, counts it off. @throws {Refuse} 503 at the limit. */
  open(): () => void {
    if (this.#count >= this.#most) {
      throw new Refuse(503, "TOO_MANY_OPEN", {
        message: `${this.#most} answers are open already: close some, or ask again later`,
        headers: { "retry-after": "5" },
      });
    }
    this.#count++;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      if (--this.#count === 0) { for (const tell of this.#idle) tell(); }
    };
  }

  /** Resolves when none is open, or after `ms`. */
  idle(ms: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((done) => {
      const tell = () => {
        clearTimeout(timer);
        this.#idle.delete(tell);
        done();
      };
      const timer = setTimeout(tell, ms);
      this.#idle.add(tell);
    });
  }
}

/** Tells one reader that there is something; a ring that comes before the wait is not lost. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves at a ring (`true`), after `ms` or when the signal is aborted (`false`). */
  wait(ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((done) => {
      const over = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", over);
        this.#wake = undefined;
        const rung = this.#rung;
        this.#rung = false;
        done(rung);
      };
      const timer = setTimeout(over, ms);
      if (this.#rung || signal.aborted) return over();
      signal.addEventListener("abort", over);
      this.#wake = over;
    });
  }
}

/** What a stream is made of. */
export interface StreamParts {
  readonly format: Format;
  /** Texts to come; between two of them it may wait. `""` says that it is alive. */
  readonly texts: (signal: AbortSignal) => AsyncGenerator<string, void, undefined>;
  /** Called at once, before anything is read; what it returns is called when the stream is over. */
  readonly listen?: () => () => void;
  /** Counted while it is open. */
  readonly opened: Opened;
  /** Aborted when the reader has gone, where the server tells. */
  readonly signal: AbortSignal;
}

const TYPES: Readonly<Record<Format, string>> = { sse: TYPE.sse, ndjson: TYPE.ndjson, text: TYPE.text };
/** Says nothing, in each format; plain text has no word for that. */
const NOTHING: Readonly<Record<Format, string>> = { sse: ": alive\n\n", ndjson: "\n", text: "" };

/** An answer that goes on until its texts end or its reader goes. */
export function streamed({ format, texts, listen, opened, signal }: StreamParts): Response {
  const close = opened.open();
  const stop = listen?.();
  const gone = new AbortController();
  const leave = () => gone.abort();
  const over = () => {
    signal.removeEventListener("abort", leave);
    close();
    stop?.();
    gone.abort();
  };
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave);
  const iterator = texts(gone.signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      // Bun sends the head of an answer with the first of its body.
      if (NOTHING[format] !== "") controller.enqueue(encoder.encode(NOTHING[format]));
    },
    async pull(controller) {
      for (;;) {
        const { value, done } = await iterator.next();
        if (done || gone.signal.aborted) {
          over();
          await iterator.return();
          return controller.close();
        }
        const text = value === "" ? NOTHING[format] : value;
        if (text !== "") return controller.enqueue(encoder.encode(text));
      }
    },
    async cancel() {
      over();
      await iterator.return();
    },
  }, { highWaterMark: 0 });
  return answer(body, { type: TYPES[format], headers: { "x-accel-buffering": "no" } });
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
