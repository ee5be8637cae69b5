/**
 * Owns hearing of a run from the executor that serves this page: what is asked for, with which token, and what happens
 * when it does not answer.
 * Must not know how anything is shown.
 * Invariant: asks no other host; while the page is not seen, no connection is held; what was missed is asked for by number.
 */
import { systemClock } from "../base/clock.ts";
import { type Followed, followLines, granted, lull, Refused, seen } from "./asking.ts";
import type { LogRecord, StateRecord } from "../model/record.ts";
import type {
  Connection,
  Feed,
  FeedSink,
  LogFilter,
  PageEntry,
  PageEvent,
  PagePipeline,
  PageStatus,
} from "./data.ts";
import { readLines } from "./lines.ts";

/** Between two looks at the status, milliseconds. */
const STATUS_MS = 1_000;
/** An executor that does not answer for so long is away, milliseconds. */
const ANSWER_MS = 5_000;
/** First and longest pause before it is asked again, milliseconds. */
const FIRST_PAUSE_MS = 500, LONGEST_PAUSE_MS = 5_000;

/** Where the token is kept while the tab is open. */
const TOKEN_KEY = "outrider-token";

/** Until a person gives a token, milliseconds. */
const UNTIL_ASKED_MS = 3_600_000;

/** Why the records of a run are no longer followed. */
type Left = "away" | "unseen" | "other run";

/** A feed from the executor. */
export class LiveFeed implements Feed {
  readonly teller = "executor";
  #token: string;
  #sink: FeedSink | undefined;
  #run = "";
  #seq = 0;
  #over = false;
  /** Aborted when all connections are to be made anew: another token, another run. */
  #round: AbortController = new AbortController();
  #awaySince = 0;

  /** @param token From the address; the one of earlier if it has none. */
  constructor(token: string | undefined) {
    this.#token = token ?? sessionStorage.getItem(TOKEN_KEY) ?? "";
    if (token !== undefined) sessionStorage.setItem(TOKEN_KEY, token);
  }

  readonly cancel = async (because: string): Promise<void> => {
    await this.#ask("/cancel", {
      method: "POST",
      body: JSON.stringify({ because }),
      type: "application/json",
    });
  };

  readonly useToken = (token: string): void => {
    this.#token = token.trim();
    sessionStorage.setItem(TOKEN_KEY, this.#token);
    this.#round.abort();
  };

  start(sink: FeedSink): void {
    this.#sink = sink;
    void this.#follow(sink);
  }

  followLog({ task, level }: LogFilter, tell: (record: LogRecord) => void, signal: AbortSignal): void {
    const query = `level=${level}${task === undefined ? "" : `&task=${encodeURIComponent(task)}`}&follow=1`;
    let since = 0;
    void this.#stream({
      path: () => `/logs?${query}&since=${since}`,
      signal,
      tell(line) {
        const record = line as LogRecord;
        since = record.seq;
        tell(record);
      },
    });
  }

  followStore(tell: (entry: PageEntry) => void, signal: AbortSignal): void {
    void this.#stream({
      path: () => "/store/watch",
      signal,
      tell(line) {
        const { value, ...entry } = line as PageEntry & { readonly value?: unknown };
        tell(value === undefined ? entry : { ...entry, text: JSON.stringify(value) });
      },
    });
  }

  followEvents(tell: (event: PageEvent) => void, signal: AbortSignal): void {
    let since = 0;
    void this.#stream({
      path: () => `/events?follow=1&since=${since}`,
      signal,
      tell(line) {
        const { detail, ...event } = line as PageEvent & { readonly missed?: number };
        if (event.missed !== undefined) return;
        since = event.id;
        tell(detail === undefined ? event : { ...event, detail: JSON.stringify(detail) });
      },
    });
  }

  async value(seq: number): Promise<string | undefined> {
    const enough = new AbortController();
    const response = await this.#ask(`/records?values=1&since=${seq - 1}`, { signal: enough.signal });
    let found: string | undefined;
    await readLines(response.body!, (line) => {
      const record = line as { readonly seq: number; readonly value?: string };
      if (record.seq === seq) found = record.value;
      enough.abort();
    }).catch(() => {});
    return found;
  }

  async storeValue(key: string): Promise<string | undefined> {
    const path = key.split("/").map(encodeURIComponent).join("/");
    const response = await this.#ask(`/store/${path}${key === "watch" ? "?key=1" : ""}`, {});
    return await response.text();
  }

  async file(sha256: string): Promise<Blob> {
    return await (await this.#ask(`/files/${sha256}`, {})).blob();
  }

  /** Goes on for ever: the run that goes on, the next one, and the times between. */
  async #follow(sink: FeedSink): Promise<void> {
    sink.link({ state: "connecting" });
    for (let pauseMs = FIRST_PAUSE_MS;;) {
      this.#round = new AbortController();
      const { signal } = this.#round;
      try {
        await seen();
        await this.#lookAtRun(sink, signal);
        pauseMs = FIRST_PAUSE_MS;
        await lull(STATUS_MS, signal);
      } catch (error) {
        if (signal.aborted) continue;
        const link = this.#linkAfter(error);
        sink.link(link);
        await lull(link.state === "denied" ? UNTIL_ASKED_MS : pauseMs, signal);
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      }
    }
  }

  #linkAfter(error: unknown): Connection {
    if (error instanceof Refused) {
      const { status, message: because } = error;
      // What else is refused comes about by itself: a pipeline that is still being loaded.
      return status === 401 || status === 403 ? { state: "denied", because } : { state: "connecting" };
    }
    if (this.#awaySince === 0) this.#awaySince = systemClock.now();
    return this.#over ? { state: "gone" } : { state: "away", since: this.#awaySince };
  }

  /** One look at the run, or a long one while it goes on. */
  async #lookAtRun(sink: FeedSink, signal: AbortSignal): Promise<void> {
    const status = await this.#status();
    this.#awaySince = 0;
    const { run } = status;
    if (run === undefined) {
      sink.status(status);
      return sink.link({ state: "idle" });
    }
    if (run.id !== this.#run) await this.#begin(sink, status, run.id);
    sink.status(status);
    if (this.#over) return sink.link({ state: "over" });
    sink.link({ state: "live" });
    const watched = new AbortController();
    const both = AbortSignal.any([signal, watched.signal]);
    let left: Left | undefined;
    const watching = this.#watchStatus(sink, both).then((why) => {
      left = why;
      watched.abort();
    });
    try {
      await this.#records(sink, both);
    } catch (error) {
      if (left === undefined || left === "away") throw error;
    } finally {
      watched.abort();
      await watching;
    }
    sink.link({ state: this.#over ? "over" : "connecting" });
  }

  async #begin(sink: FeedSink, { runtime }: PageStatus, id: string): Promise<void> {
    const pipeline = await (await this.#ask("/pipeline", {})).json() as PagePipeline;
    this.#run = id;
    this.#seq = 0;
    this.#over = false;
    sink.begin({ id, runtime }, pipeline);
  }

  async #records(sink: FeedSink, signal: AbortSignal): Promise<void> {
    const response = await this.#ask(`/records?follow=1&since=${this.#seq}`, { signal });
    await readLines(response.body!, (line) => {
      const record = line as StateRecord;
      this.#seq = record.seq;
      this.#over = record.type === "run.ended";
      sink.record(record);
    });
  }

  /** Progress, workers and conditions; and whether the executor still answers. */
  async #watchStatus(sink: FeedSink, signal: AbortSignal): Promise<Left | undefined> {
    for (;;) {
      await lull(STATUS_MS, signal);
      if (signal.aborted) return undefined;
      if (document.hidden) return "unseen";
      try {
        const status = await this.#status();
        if (status.run?.id !== this.#run) return "other run";
        sink.status(status);
      } catch {
        return "away";
      }
    }
  }

  async #status(): Promise<PageStatus> {
    const response = await fetch("/status", { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" });
    return await response.json() as PageStatus;
  }

  #stream(
    lines: Pick<Followed, "path" | "tell" | "signal">,
  ): Promise<void> {
    return followLines({
      ...lines,
      ask: (path, signal) => this.#ask(path, { signal }),
      isOver: () => this.#over,
    });
  }

  async #ask(path: string, { method = "GET", body, type, signal }: {
    readonly method?: string;
    readonly body?: string;
    readonly type?: string;
    readonly signal?: AbortSignal;
  }): Promise<Response> {
    const response = await fetch(path, {
      method,
      cache: "no-store",
      redirect: "error",
      ...(body !== undefined && { body }),
      ...(signal !== undefined && { signal }),
      headers: {
        authorization: `Bearer ${this.#token}`,
        accept: "application/json, application/x-ndjson",
        ...(type !== undefined && { "content-type": type }),
      },
    });
    return await granted(response);
  }
}
