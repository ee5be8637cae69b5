/**
 * Owns the shapes that the page works with: what it is told, and by whom.
 * Must not know whether the run goes on or lies in a file.
 * Invariant: types only; the same page draws from every feed.
 */
import type { LogRecord, StateRecord } from "../model/record.ts";
import type { Lack } from "../model/lack.ts";
import type { On } from "../model/outcome.ts";

/** One task, as `GET /pipeline` has it. */
export interface PageTask {
  readonly name: string;
  /** `sync`, or the name of a kind of task. */
  readonly kind: string;
  readonly needs: readonly { readonly task: string; readonly on: On }[];
  readonly join: "all" | "any";
  /** Its condition, in few words. */
  readonly when?: string;
  readonly attempts: number;
  readonly allowFailure: boolean;
  readonly uses?: readonly { readonly resource: string; readonly amount: number }[];
  /** Milliseconds. */
  readonly timeoutMs?: number;
}

/** The pipeline, as `GET /pipeline` has it; every need comes before the task that has it. */
export interface PagePipeline {
  readonly name: string;
  readonly onFailure: "stop" | "continue";
  readonly tasks: readonly PageTask[];
  readonly loops: readonly {
    readonly from: string;
    readonly to: string;
    readonly times: number;
    readonly on: On;
    readonly body: readonly string[];
  }[];
  /** Where edges decide. */
  readonly edges?: readonly { readonly from: string; readonly to: string; readonly weak: boolean }[];
}

/** An attempt that runs now; of `GET /status`. */
export interface PageRunning {
  readonly task: string;
  readonly iteration: number;
  readonly attempt: number;
  readonly worker: number;
  readonly progress?: { readonly fraction: number; readonly text?: string };
}

/** What the page takes of `GET /status`. */
export interface PageStatus {
  readonly runtime: string;
  readonly version: string;
  /** The executor's time of day, ISO 8601. */
  readonly at: string;
  readonly unable?: string;
  readonly conditions?: readonly { readonly code: string; readonly message: string }[];
  /** The timetable that an agent keeps to. */
  readonly timetable?: { readonly cron: string; readonly timezone: string; readonly next?: string };
  readonly run?: {
    readonly id: string;
    readonly pipeline: string;
    readonly state: string;
    /** How long it has been going on, milliseconds. */
    readonly ranMs: number;
    /** Tasks by where they stand. */
    readonly counts: Readonly<Record<string, number>>;
    readonly running: readonly PageRunning[];
    /** Tasks that wait, of which some lack resources. */
    readonly waiting?: readonly { readonly task: string; readonly lacks?: readonly Lack[] }[];
    readonly workers: { readonly busy: number; readonly idle: number; readonly starting: number };
  };
}

/** A key of the store. `text` is JSON; absent when the key is gone. */
export interface PageEntry {
  readonly key: string;
  readonly version: number;
  readonly text?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
}

/** An event. `detail` is JSON text. */
export interface PageEvent {
  readonly id: number;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly detail?: string;
  readonly from?: { readonly task: string; readonly iteration: number; readonly attempt: number };
}

/** What a record tells of a file. */
export type PageFile = Extract<StateRecord, { readonly type: "file.kept" | "file.refused" }>;

/** How the page stands to what it shows. */
export type Connection =
  | { readonly state: "connecting" | "live" | "idle" | "over" | "report" }
  /** The run is over, all of it was told, and who told it has ended. */
  | { readonly state: "gone" }
  /** Who tells does not answer; it is asked again by itself. */
  | { readonly state: "away"; readonly since: number }
  /** It answers, but not without a token that it knows. */
  | { readonly state: "denied"; readonly because: string };

/** Which lines of the log are wanted. */
export interface LogFilter {
  readonly task?: string;
  readonly level: string;
}

/** Who is told. */
export interface FeedSink {
  /** A run begins to be told; what was told before is void. */
  begin(run: { readonly id: string; readonly runtime: string }, pipeline: PagePipeline): void;
  record(record: StateRecord): void;
  status(status: PageStatus): void;
  link(link: Connection): void;
}

/** What a page asks, in a word. */
export type ToldBy = "executor" | "gateway";

/** Who tells: an executor, a gateway, or a file. Every `follow…` goes on until its signal is aborted. */
export interface Feed {
  readonly teller: ToldBy;
  start(sink: FeedSink): void;
  followLog(filter: LogFilter, tell: (record: LogRecord) => void, signal: AbortSignal): void;
  followStore(tell: (entry: PageEntry) => void, signal: AbortSignal): void;
  followEvents(tell: (event: PageEvent) => void, signal: AbortSignal): void;
  /** The JSON text of an attempt's value. */
  value(seq: number): Promise<string | undefined>;
  /** The JSON text of a key's value. */
  storeValue(key: string): Promise<string | undefined>;
  /** The bytes of a file, to be saved; absent where there are none. */
  readonly file?: (sha256: string) => Promise<Blob>;
  /** Cancels the run; absent where there is nothing to cancel. */
  readonly cancel?: (because: string) => Promise<void>;
  /** Takes a token from a person; absent where none is needed. */
  readonly useToken?: (token: string) => void;
}
