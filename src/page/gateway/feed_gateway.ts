/**
 * Owns hearing of a run from what a gateway has of it.
 * Must not know how anything is shown.
 * Invariant: what was missed is asked for by number; where a run goes on from an earlier record, it is told anew.
 */
import { LEVELS, type LogRecord, type StateRecord } from "../../model/record.ts";
import { localTimeOf } from "../../base/shown.ts";
import { isoTime, systemClock } from "../../base/clock.ts";
import type { Feed, FeedSink, LogFilter, PageEntry, PageEvent, PageStatus } from "../data.ts";
import { followLines, Refused } from "../asking.ts";
import { readLines } from "../lines.ts";
import { gatewayTime } from "./ago.ts";
import { ask, Looking } from "./ask.ts";
import { KeptOfRun } from "./kept.ts";
import { graphTold, isReadable } from "./graph.ts";
import { Plain } from "./plain.ts";

/** A run as the gateway tells it. */
export interface RunTold {
  readonly run: string;
  readonly executor: string;
  readonly pipeline?: string;
  readonly runtime?: string;
  readonly state: "running" | "succeeded" | "failed" | "cancelled" | "lost";
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly lastSeenAt: string;
  readonly acknowledged: { readonly state: number; readonly log: number };
  readonly complete: boolean;
  readonly missing: readonly { readonly from: number; readonly to: number; readonly reason: string }[];
}

/** A feed from a gateway. */
export class GatewayFeed implements Feed {
  readonly teller = "gateway";
  #told: RunTold;
  #sink: FeedSink | undefined;
  #round: AbortController = new AbortController();
  #seq = 0;
  #awaySince = 0;
  #asked = false;
  /** What is known where the executor told no graph. */
  #plain: Plain | undefined;
  readonly #kept: KeptOfRun = new KeptOfRun();

  constructor(told: RunTold) {
    this.#told = told;
  }

  readonly cancel = async (because: string): Promise<void> => {
    await ask(`${this.#path}/cancel?because=${encodeURIComponent(because)}`, { method: "POST" });
    this.#asked = true;
    this.#tell();
  };

  get #path(): string {
    return `/v1/runs/${encodeURIComponent(this.#told.run)}`;
  }

  start(sink: FeedSink): void {
    this.#sink = sink;
    sink.link({ state: "connecting" });
    this.#begin();
    new Looking(() => this.#look(), (error) => this.#failed(error));
  }

  followLog({ task, level }: LogFilter, tell: (record: LogRecord) => void, signal: AbortSignal): void {
    const least = LEVELS.findIndex((each) => each === level);
    let since = 0;
    this.#follow({
      path: () => `${this.#path}/logs?follow=1&since=${since}`,
      signal,
      tell(line) {
        const record = line as LogRecord;
        since = record.seq;
        const wanted = record.dropped !== undefined ||
          (task === undefined || record.task === task) && LEVELS.indexOf(record.level) >= least;
        if (wanted) tell(record);
      },
    });
  }

  followStore(tell: (entry: PageEntry) => void, signal: AbortSignal): void {
    this.#kept.followStore(tell, signal);
  }

  followEvents(tell: (event: PageEvent) => void, signal: AbortSignal): void {
    this.#kept.followEvents(tell, signal);
  }

  async value(seq: number): Promise<string | undefined> {
    const enough = new AbortController();
    const response = await ask(`${this.#path}/records?since=${seq - 1}`, { signal: enough.signal });
    let found: string | undefined;
    await readLines(response.body!, (line) => {
      const record = line as { readonly seq: number; readonly value?: string };
      if (record.seq === seq) found = record.value;
      enough.abort();
    }).catch(() => {});
    return found;
  }

  storeValue(key: string): Promise<string | undefined> {
    return Promise.resolve(this.#kept.value(key));
  }

  async file(sha256: string): Promise<Blob> {
    return await (await ask(`${this.#path}/files/${sha256}`)).blob();
  }

  /** All of the run is told anew. */
  #begin(): void {
    this.#round.abort();
    this.#round = new AbortController();
    this.#seq = 0;
    this.#plain = undefined;
    this.#kept.clear();
    this.#follow({
      path: () => `${this.#path}/records?bare=1&follow=1&since=${this.#seq}`,
      signal: this.#round.signal,
      tell: (line) => this.#take(line),
    });
  }

  #follow(lines: {
    readonly path: () => string;
    readonly tell: (line: unknown) => void;
    readonly signal: AbortSignal;
  }): void {
    void followLines({
      ...lines,
      ask: (path, signal) => ask(path, { signal }),
      isOver: () => this.#told.complete,
    });
  }

  #take(line: unknown): void {
    const { seq } = line as { readonly seq: number };
    const first = this.#seq === 0;
    this.#seq = seq;
    if (!isReadable(line)) return;
    if (first) this.#meet(line);
    this.#kept.add(line);
    if (this.#plain === undefined) this.#sink!.record(line);
    else this.#plain.add(line);
  }

  /** The first record says what pipeline it is. */
  #meet(record: StateRecord): void {
    const { run, pipeline, runtime = "" } = this.#told;
    const started = record.type === "run.started" ? record : undefined;
    const graph = started?.graph === undefined ? undefined : graphTold(started.graph);
    const head = { id: run, runtime: started?.runtime ?? runtime };
    if (graph !== undefined) return this.#sink!.begin(head, graph);
    const name = started?.pipeline ?? pipeline ?? "a pipeline";
    this.#plain = new Plain(this.#sink!, { head, name, signal: this.#round.signal, clock: systemClock });
  }

  async #look(): Promise<void> {
    const told = await (await ask(this.#path)).json() as RunTold;
    const before = this.#told.acknowledged.state;
    this.#told = told;
    this.#awaySince = 0;
    // It goes on from an earlier record: what came after that is void.
    if (told.acknowledged.state < before) this.#begin();
    this.#tell();
  }

  /** @param unable Why the gateway tells no more of it. */
  #tell(unable?: string): void {
    const { runtime = "", state } = this.#told;
    const at = isoTime(gatewayTime());
    const more = unable === undefined ? {} : { unable };
    const status: PageStatus = { runtime, version: "", at, conditions: this.#conditions(), ...more };
    this.#sink!.status(status);
    this.#sink!.link({ state: state === "running" || state === "lost" ? "live" : "over" });
  }

  #conditions(): NonNullable<PageStatus["conditions"]> {
    const { state, executor, lastSeenAt, missing, complete } = this.#told;
    const lines: Readonly<Record<string, string | false>> = {
      lost: state === "lost" &&
        `Executor ${executor} is lost: nothing was heard of it since ${
          localTimeOf(lastSeenAt)
        }. What it tells later counts.`,
      asked: this.#asked && (state === "running" || state === "lost") &&
        "The run is to be cancelled: its executor hears of it with its next heartbeat.",
      late: state !== "running" && state !== "lost" && !complete && missing.length === 0 &&
        "The run is over; not all of its records are here yet.",
      missing: missing.length > 0 &&
        `Records of this run will never come: ${missing[0]!.reason}${missing.length > 1 ? ", and more" : ""}`,
      plain: this.#plain !== undefined &&
        "Nothing is told of this pipeline's graph, since it is too large or its executor is of an older version: tasks are shown as they are reported, without what they need.",
    };
    return Object.entries(lines).flatMap(([code, message]) => message === false ? [] : { code, message });
  }

  #failed(error: unknown): void {
    if (error instanceof Refused) {
      this.#awaySince = 0;
      return this.#tell(error.message);
    }
    if (this.#awaySince === 0) this.#awaySince = systemClock.now();
    this.#sink!.link({ state: "away", since: this.#awaySince });
  }
}
