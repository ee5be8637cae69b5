/**
 * Owns the port to what a gateway keeps. Types only.
 * Must not know what is behind it, nor who asks.
 * Invariant: every call is whole: it is kept, all of it, when it returns, or it throws and nothing was.
 */
import type { RunState } from "../pipeline/outcome.ts";
import type { Command, Final, Flag, Heartbeat, NewCommand, Parked } from "../uplink/messages.ts";
import type { Bytes, Lane, LaneNumbers } from "../uplink/port.ts";

/** A bundle as it is handed out. */
export interface Handout {
  readonly bytes: Bytes;
  readonly hash: string;
  /** Grows with every upload. */
  readonly version: number;
}

/** An executor as it is kept. Times are milliseconds since the epoch. */
export interface ExecutorRow {
  readonly id: string;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly heartbeat: Heartbeat | undefined;
  /** Sessions that are over, newest first: a heartbeat of one of them comes late. */
  readonly over: readonly string[];
}

/** A run as it is kept. Times are milliseconds since the epoch. */
export interface RunRow {
  readonly run: string;
  readonly executor: string;
  readonly pipeline: string | undefined;
  readonly runtime: string | undefined;
  readonly state: RunState;
  readonly version: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly lastSeenAt: number;
  /** Its executor has announced silence. */
  readonly quiet: boolean;
  readonly acknowledged: LaneNumbers;
  readonly final: Final | undefined;
}

/** A record as it is kept: the JSON that came. */
export interface RecordRow {
  readonly seq: number;
  readonly text: string;
}

/** Records and gaps that are new. */
export interface Ingested {
  readonly lane: Lane;
  readonly records: readonly RecordRow[];
  readonly missing: readonly Parked[];
}

/** A token as it is kept: never its text. */
export interface TokenRow {
  readonly name: string;
  readonly kind: "user" | "executor" | "both";
  /** The one executor that it speaks for. */
  readonly executor: string | undefined;
  /** The one experiment whose flags an executor's opens; none if absent. A user's opens all. */
  readonly experiment: string | undefined;
  /** The groups whose bundles an executor's opens, beside `all`. */
  readonly groups: readonly string[];
  /** SHA-256 of its text, lower-case hexadecimal. */
  readonly hash: string;
}

/**
 * The answer that an operation on a flag was given, kept so that it is done once. What the operation itself says is not
 * kept again: the flag of one that set it has no value here.
 */
export interface FlagAnswer {
  readonly flag: Flag | undefined;
  readonly done: boolean;
}

/** What a gateway keeps. */
export interface GatewayStore {
  /** Makes the bundle the newest for the target (an executor's id, or `group:NAME`); returns its version. */
  assign(
    target: string,
    bundle: { readonly bytes: Bytes; readonly hash: string; readonly at: number },
  ): number;
  /** The newest bundle for any of the targets, without its bytes unless its version is above `after`. */
  newest(targets: readonly string[], after: number): Handout | undefined;

  executor(id: string): ExecutorRow | undefined;
  executors(): ExecutorRow[];
  putExecutor(row: ExecutorRow): void;

  run(run: string): RunRow | undefined;
  /** Newest first. */
  runs(limit: number): RunRow[];
  putRun(row: RunRow): void;
  /** Keeps what came for a run, all at once and durably. */
  ingest(row: RunRow, ingested: Ingested): void;
  /** At most `limit`, and few enough not to fill the memory, but one at least if there is one. */
  records(
    run: string,
    read: {
      readonly lane: Lane;
      readonly after: number;
      readonly limit: number;
      /** Characters after which no further record is read; one is always read. Default: 8 Mi. */
      readonly size?: number;
    },
  ): RecordRow[];
  /** The first of them, at most `limit`. */
  missing(run: string, limit: number): (Parked & { readonly lane: Lane })[];

  /** Returns the command's number. */
  addCommand(executor: string, command: NewCommand): number;
  /** Commands with a number above `seen`, oldest first; those up to it are forgotten. */
  commands(executor: string, seen: number): Command[];

  flag(experiment: string, name: string): Flag | undefined;
  flags(experiment: string): Flag[];
  /** How many flags an experiment has, and the bytes of all their values. */
  flagsSize(experiment: string): { readonly count: number; readonly bytes: number };
  putFlag(experiment: string, flag: Flag): void;
  /** The answer that the operation was given before. */
  flagAnswer(experiment: string, operation: string): FlagAnswer | undefined;
  putFlagAnswer(
    experiment: string,
    answer: FlagAnswer & { readonly operation: string; readonly at: number },
  ): void;

  tokens(): TokenRow[];
  putToken(row: TokenRow): void;
  /** Whether there was one. */
  dropToken(name: string): boolean;

  /** Does what `work` does as a whole; unless `durably` is false, it is on the disk then. Default true. */
  atomically<T>(work: () => T, options?: { readonly durably?: boolean }): T;
  close(): void;
}
