/**
 * Owns one exchange with whatever listens at an address: its limits in time and size, and, in words, what answered when it
 * is no executor.
 * Must not know what is asked, nor who may.
 * Invariant: every wait ends, and no more than the limit is held, whatever the other end does.
 */
import { refusalText } from "../line/refusals.ts";
import { soundJson } from "../../model/json_text.ts";
import { type Clock, systemClock } from "../../base/clock.ts";

/** Until the head of an answer is here, milliseconds. */
const HEAD_MS = 10_000;
/** Until a whole answer is here, from its head on, milliseconds. */
const BODY_MS = 60_000;
/** Between two pieces of an answer that goes on, milliseconds; an executor says every 10 s that it is alive. */
const SILENCE_MS = 30_000;
/** Largest answer, and largest line of one that goes on, bytes or characters. */
const MAX_SIZE = 64 * 1024 * 1024;

/** The end point refused, or could not be asked. The message is for a person. */
export class EndPointError extends Error {
  readonly code = "OUTRIDER_END_POINT";
  override name = "EndPointError";
  /** Absent when there was no answer. */
  readonly status: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly status?: number } = {}) {
    super(message, options);
    this.status = options.status;
  }
}

/** Sends a request; resolves with the head of the answer. Redirects are not followed. */
export type Send = (signal: AbortSignal) => Promise<Response>;

/** What goes with an exchange. */
export interface ExchangeOptions {
  /** How the address is written for a person. */
  readonly url: string;
  /** How long the executor was asked to hold its answer, milliseconds. */
  readonly heldMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default: the real one. */
  readonly clock?: Pick<Clock, "after"> | undefined;
}

/** A whole answer. */
export class Told {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly #url: string;

  constructor(url: string, { status, headers }: Response, text: string) {
    this.#url = url;
    this.status = status;
    this.headers = headers;
    this.text = text;
  }

  /** The answer as JSON, if it is what was asked for. @throws {EndPointError} If it is not. */
  json<T extends object>(fits: (value: Partial<T>) => boolean): T {
    const value = soundJson(this.text);
    if (typeof value === "object" && value !== null && fits(value)) return value as T;
    throw new EndPointError(
      `${this.#url} is not the end point of an executor: it answered ${this.status} with ${this.#what()}: check the address`,
      { status: this.status },
    );
  }

  /** The error for an answer that is a refusal, or none at all. */
  refusal(): EndPointError {
    const { status } = this;
    const error = (soundJson(this.text) as { readonly error?: { code?: unknown; message?: unknown } } | null)
      ?.error;
    if (typeof error?.code === "string" && typeof error.message === "string") {
      const { code, message } = error;
      return new EndPointError(`${refusalText("executor", { code, message })} (${status} ${code})`, {
        status,
      });
    }
    return new EndPointError(
      `${this.#url} answered ${status} with ${this.#what()}, and not as an executor does: check the address`,
      { status },
    );
  }

  #what(): string {
    const { text } = this;
    const type = this.headers.get("content-type") ?? "";
    if (this.status >= 300 && this.status < 400) return "a redirect, as a proxy or a web server does";
    if (text.trim() === "") return "nothing (an empty answer)";
    if (/html/i.test(type) || /^\s*<(!doctype|html)/i.test(text)) {
      return "a web page, as a proxy or a web server does";
    }
    return soundJson(text) === undefined ? "something that is no JSON" : "JSON of another program";
  }
}

/** Asks, and reads the whole answer. @throws {EndPointError} If there is none within the limits. */
export async function exchange(send: Send, options: ExchangeOptions): Promise<Told> {
  const { url } = options;
  const stop = new AbortController();
  const answer = await headOf(send, options, stop);
  const late = `${url} did not finish its answer within ${
    BODY_MS / 1000
  } s: what listens there is no executor, or it hangs`;
  const text = await limited(textOf(answer, url), { ...options, ms: BODY_MS, late, stop });
  return new Told(url, answer, text);
}

/**
 * Asks, and tells the lines of an answer that goes on, without the empty ones that only say that it is alive; or gives the
 * whole answer where it is another than 200.
 */
export async function follow(send: Send, options: ExchangeOptions): Promise<Told | AsyncGenerator<string>> {
  const told = await pieces(send, options);
  return told instanceof Told ? told : linesOf(told, options.url);
}

/** Asks, and tells the pieces of an answer that goes on; or gives the whole answer where it is another than 200. */
export async function pieces(
  send: Send,
  options: ExchangeOptions,
): Promise<Told | AsyncGenerator<Uint8Array, void, undefined>> {
  const stop = new AbortController();
  const answer = await headOf(send, options, stop);
  if (answer.status === 200) return untilSilent(piecesOf(answer, options.url), { ...options, stop });
  const late = `${options.url} did not finish its answer within ${BODY_MS / 1000} s`;
  const text = await limited(textOf(answer, options.url), { ...options, ms: BODY_MS, late, stop });
  return new Told(options.url, answer, text);
}

async function* untilSilent(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  options: ExchangeOptions & { readonly stop: AbortController },
): AsyncGenerator<Uint8Array, void, undefined> {
  const late = `Nothing has come from ${options.url} for ${
    SILENCE_MS / 1000
  } s: the executor hangs, or has ended`;
  try {
    for (;;) {
      const next = await limited(pieces.next(), { ...options, ms: SILENCE_MS, late });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Whoever reads no further ends the answer. It is not waited for: a piece may be under way that never comes.
    void pieces.return();
  }
}

function headOf(
  send: Send,
  options: ExchangeOptions,
  stop: AbortController,
): Promise<Response> {
  const { url, heldMs = 0 } = options;
  const asked = send(stop.signal).catch((error: unknown) => {
    throw new EndPointError(unanswered(url, error), { cause: error });
  });
  const seconds = HEAD_MS / 1000;
  const late =
    `${url} took the connection and said nothing for ${seconds} s: what listens there is no executor, or it hangs`;
  return limited(asked, { ...options, ms: HEAD_MS + heldMs, late, stop });
}

function unanswered(url: string, error: unknown): string {
  const { message = "", code = "", cause } = error as { message?: string; code?: string; cause?: unknown };
  const inner = cause as { readonly message?: string; readonly code?: string } | undefined;
  const words = `${message} ${code} ${inner?.message ?? ""} ${inner?.code ?? ""}`;
  return /HPE_|hang up|reset|closed|malformed|invalid|parse|incomplete|protocol|ended/i.test(words) &&
      !/refused/i.test(words)
    ? `What listens at ${url} broke the connection off, or does not speak HTTP: it is no executor, or it has just ended`
    : `Nothing answers at ${url}: the executor may have ended`;
}

interface Limit extends Pick<ExchangeOptions, "signal" | "clock"> {
  readonly ms: number;
  /** What is said when the time is over. */
  readonly late: string;
  /** Breaks the exchange off. */
  readonly stop: AbortController;
}

/** What `work` comes to, unless the time is over or the signal is aborted first; then the exchange is broken off. */
async function limited<T>(
  work: Promise<T>,
  { ms, late, signal, stop, clock = systemClock }: Limit,
): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const cancel = clock.after(ms, () => reject(new EndPointError(late)));
  const stopped = () => reject(signal?.reason);
  signal?.addEventListener("abort", stopped);
  if (signal?.aborted) stopped();
  try {
    return await Promise.race([work, over]);
  } catch (error) {
    stop.abort();
    throw error;
  } finally {
    cancel();
    signal?.removeEventListener("abort", stopped);
  }
}

async function textOf(answer: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of piecesOf(answer, url)) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > MAX_SIZE) throw tooLarge(url);
  }
  return text + decoder.decode();
}

function tooLarge(url: string): EndPointError {
  return new EndPointError(
    `${url} answered more than ${MAX_SIZE / 1024 / 1024} MiB: what listens there is no executor`,
  );
}

async function* piecesOf(answer: Response, url: string): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = answer.body?.getReader();
  try {
    for (;;) {
      const next = await reader?.read().catch((cause: unknown) => {
        throw new EndPointError(`The connection to ${url} was broken off: the executor has ended`, { cause });
      });
      if (next === undefined || next.done) return;
      yield next.value;
    }
  } finally {
    reader?.cancel().catch(() => {});
  }
}

async function* linesOf(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  url: string,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== "") yield line;
    if (rest.length > MAX_SIZE) throw tooLarge(url);
  }
  rest += decoder.decode();
  if (rest.trim() !== "") yield rest;
}
