/**
 * Owns what the end point asks of the parts around it. Types only.
 * Must not know who carries them out: a store, a journal, an agent, or a test's fake.
 * Invariant: only the store, the events and `cancel` change anything.
 */
import type { Clock } from "../base/clock.ts";
import type { KeptFile } from "../model/file.ts";
import type { OpenFile } from "../runtime/port.ts";
import type { RunSnapshot, TaskStanding } from "../model/snapshot.ts";
import type { LogRecord, StateRecord } from "../model/record.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import type { Opened } from "../base/web/opened.ts";

/** A value of the store; `value` is JSON text. Without a value, the key is gone. */
export interface HttpChange {
  readonly key: string;
  readonly value?: string;
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
}

/** The store as the end point sees it. What it refuses is an error with a `code`; see failure.ts. */
export interface HttpStore {
  stats(): { readonly keys: number; readonly size: number; readonly waits: number };
  get(key: string): (HttpChange & { readonly value: string }) | undefined;
  version(key: string): number;
  set(
    key: string,
    value: string,
    options: { readonly ifVersion?: number | undefined; readonly expiresInMs?: number | undefined },
  ): number;
  delete(key: string, options: { readonly ifVersion?: number | undefined }): boolean;
  keys(options: { readonly prefix?: string; readonly cursor?: string; readonly limit?: number }): {
    readonly keys: readonly string[];
    readonly cursor?: string;
  };
  increment(key: string, by?: number): { readonly value: number; readonly version: number };
  watch(what: { readonly prefix: string }, listener: (change: HttpChange) => void): () => void;
  wait(
    key: string,
    since: number,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<HttpChange | undefined>;
}

/** Names the attempt that emitted an event. */
export interface HttpEmitter {
  readonly task: string;
  readonly iteration: number;
  readonly attempt: number;
}

/** An event; `detail` is JSON text. */
export interface HttpEvent {
  readonly id: number;
  readonly type: string;
  readonly detail?: string;
  readonly at: number;
  readonly from?: HttpEmitter;
}

/** The events as the end point sees them. */
export interface HttpEvents {
  readonly last: number;
  emit(type: string, detail?: string, from?: HttpEmitter): number;
  read(
    type: string,
    since: number,
    limit?: number,
  ): { readonly events: readonly HttpEvent[]; readonly upTo: number; readonly missed: number };
  watch(type: string, listener: (event: HttpEvent) => void): () => void;
}

/** How much is read at a time. */
interface ReadOptions {
  /** Characters after which no further record is read, about. Default: no bound. */
  readonly size?: number;
}

/** The journal as the end point sees it. */
export interface HttpJournal {
  states(after: number, limit: number, options?: ReadOptions): StateRecord[];
  logs(after: number, limit: number, options?: ReadOptions): LogRecord[];
  watch(watcher: { state?(record: StateRecord): void; log?(record: LogRecord): void }): () => void;
}

/** The files that tasks of a run have kept. */
export interface HttpFiles {
  list(): readonly (KeptFile & HttpEmitter)[];
  /** Opens the bytes of one that is listed. */
  open(sha256: string): Promise<OpenFile>;
}

/** A run as the end point sees it. */
export interface HttpRun {
  readonly run: string;
  readonly store: HttpStore;
  readonly events: HttpEvents;
  readonly journal: HttpJournal;
  readonly files: HttpFiles;
  /** The plan, once it is loaded. */
  readonly plan: Plan | undefined;
  /** Whether it has ended, and its last record is written. */
  readonly over: boolean;
  /** Settles when it is over; never rejects. */
  readonly whenOver: Promise<void>;
  snapshot(limit?: number): RunSnapshot;
  standings(offset?: number, limit?: number): TaskStanding[];
  /** The result document so far, in pieces. */
  resultJson(): Iterable<string>;
  cancel(because: string): void;
}

/** What an executor does that has one run after the other. */
export type HttpState = "idle" | "running" | "paused" | "stopping";

/** Something that is not as it should be, although work goes on. */
export interface HttpCondition {
  /** Stable, such as `disk_full`. */
  readonly code: string;
  readonly message: string;
}

/** What is known of the gateway. */
export interface HttpGateway {
  /** Without credentials. */
  readonly url: string;
  /** Milliseconds since the epoch; absent if it has never answered. */
  readonly lastContactAt?: number;
  /** Records that the gateway does not have yet. */
  readonly spool: { readonly state: number; readonly log: number; readonly bytes?: number };
  /** Heartbeats that were not answered, since the start. */
  readonly heartbeatFailures: number;
}

/** The timetable that an agent keeps to. Times are milliseconds since the epoch. */
export interface HttpTimetable {
  /** The name of the pipeline. */
  readonly pipeline: string;
  /** Names its hand-out; absent: it is a file's. */
  readonly handout?: string;
  readonly cron: string;
  readonly timezone: string;
  readonly overlap: "skip" | "queue";
  readonly missed: "skip" | "once";
  /** When the next run begins; absent if it is never due again. */
  readonly next?: number;
  /** The due time that it is for: the jitter of the device earlier. */
  readonly nextDue?: number;
  /** The last due time that was run. */
  readonly last?: number;
}

/** A page, whole: it asks no other host for anything. */
export interface HttpPage {
  readonly html: string;
  /** The page's `Content-Security-Policy`. Default: inline scripts and styles, and nothing from elsewhere. */
  readonly policy?: string;
}

/** What the app is made of. */
export interface HttpOptions {
  /** Name and version, such as `deno 2.9.6`. */
  readonly runtime: string;
  /** Outrider's version. */
  readonly version: string;
  /** The executor's id. */
  readonly executor: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** The run that goes on, or the last one; asked with every request. */
  run(): HttpRun | undefined;
  /** Has the listener called before another run takes the place of the present one. */
  readonly beforeNext?: (listener: () => void) => void;
  /** Tokens that let in, asked with every request: the run's own, and perhaps one of the operator's. */
  tokens(): readonly string[];
  /** Names under which the end point may be asked, beside `localhost` and loopback addresses; ports don't count. */
  readonly hosts?: readonly string[];
  /** Whether it may be asked by any IP address; for a server that others reach. Default false. */
  readonly anyAddress?: boolean;
  /** Takes secrets out of a text. Default: there are none. */
  readonly redact?: (text: string) => string;
  /** Why the executor can't work, if it can't. */
  readonly unable?: () => string | undefined;
  /** What the executor does; for one that lives longer than a run. */
  readonly state?: () => HttpState;
  readonly conditions?: () => readonly HttpCondition[];
  readonly gateway?: () => HttpGateway | undefined;
  /** The timetable that it keeps to, if there is one. */
  readonly timetable?: () => HttpTimetable | undefined;
  readonly page?: HttpPage;
  /** Counts the answers that are held or go on; by it one can wait for them to end. Default: one of its own. */
  readonly opened?: Opened;
  /** What waits are timed by. Default: the real one. */
  readonly clock?: Pick<Clock, "after" | "monotonic">;
  readonly limits?: Partial<HttpLimits>;
  /** Told of what no route foresaw. */
  readonly onDefect?: (error: unknown) => void;
}

/** Characters of texts larger than a page that all readers together may have waiting for them. */
export const ROOM_SIZE: number = 32 * 1024 * 1024;

/** Limits of the end point. */
export interface HttpLimits {
  /** Largest body, bytes. Default 4 MiB, enough for the largest value. */
  readonly bodyBytes: number;
  /** Longest time for a body to arrive, milliseconds. Default 30,000. */
  readonly bodyMs: number;
  /** Longest target (path and query), characters. Default 8,192. */
  readonly target: number;
  /** Most bytes of all headers together. Default 32,768. */
  readonly headerBytes: number;
  /** Answers that are held or go on, at the same time. Default 256. */
  readonly open: number;
  /** Time after which a stream without news says that it is alive, milliseconds. Default 10,000. */
  readonly aliveMs: number;
  /** The longest time that a reader takes nothing of an answer that goes on, milliseconds; then it is let go. Default 60,000. */
  readonly stallMs: number;
}

/** The limits when nothing else is said. */
export const HTTP_LIMITS: HttpLimits = {
  bodyBytes: 4 * 1024 * 1024,
  bodyMs: 30_000,
  target: 8_192,
  headerBytes: 32_768,
  open: 256,
  aliveMs: 10_000,
  stallMs: 60_000,
};
