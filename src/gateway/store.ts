/**
 * Owns the port to what a gateway keeps. Types only.
 * Must not know what is behind it, nor who asks.
 * Invariant: every call is whole: it is kept, all of it, when its promise is fulfilled, or it is rejected and nothing was.
 */
import type { RunState } from "../model/outcome.ts";
import type {
  Final,
  Heartbeat,
  Instruction,
  NewInstruction,
  Parked,
  SharedFlag,
} from "../protocol/messages.ts";
import type { Bytes } from "../base/bytes.ts";
import type { Stream, StreamNumbers } from "../model/stream.ts";
import type { BlobCatalog, Catalog } from "./registry/catalog.ts";
import type { StoreUpkeep } from "./upkeep.ts";

/** A bundle for an executor or a group. */
export interface NewHandout {
  /** An executor's id, or `group:NAME`. */
  readonly target: string;
  /** Absent where they are kept elsewhere. */
  readonly bytes: Bytes | undefined;
  readonly hash: string;
  readonly pipeline: string | undefined;
  readonly at: number;
  /** What users name it by, where that is known already. */
  readonly id?: string;
}

/** A place in the queue of an executor or a group. Times are milliseconds since the epoch. */
export interface HandoutRow extends Omit<NewHandout, "bytes" | "id"> {
  /** What users name it by; no two storages have the same. */
  readonly id: string;
  /** Its place: grows with every upload. */
  readonly version: number;
  /** It is handed out to nobody any more. */
  readonly ended: HandoutEnd | undefined;
}

/** Why a hand-out is over for all. */
export interface HandoutEnd {
  readonly how: "done" | "withdrawn" | "replaced";
  readonly at: number;
  readonly because?: string | undefined;
}

/** What one executor has been given. */
export interface DeliveryRow {
  readonly executor: string;
  readonly version: number;
  /** The run that carries it out, once it is heard of. */
  readonly run: string | undefined;
  /** The executor has done with it: it is not given to it again. */
  readonly closed: boolean;
}

/** An executor as it is kept. Times are milliseconds since the epoch. */
export interface ExecutorRow {
  readonly id: string;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly heartbeat: Heartbeat | undefined;
  /** Sessions that are over, newest first: a heartbeat of one of them comes late. */
  readonly over: readonly string[];
  /** One of them that lives on beside the present one, and when it was last heard. */
  readonly rival: { readonly session: string; readonly at: number } | undefined;
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
  /** The due time of the timetable that it is for. */
  readonly scheduledFor?: number;
  readonly endedAt: number | undefined;
  readonly lastSeenAt: number;
  /** Its executor has announced silence. */
  readonly quiet: boolean;
  readonly acknowledged: StreamNumbers;
  readonly final: Final | undefined;
  /** The hand-out that it carries out. */
  readonly handout?: string;
  /** Ids of its lives, the present one first; none where none was told. */
  readonly lives: readonly string[];
}

/** A record as it is kept: the JSON that came. */
export interface RecordRow {
  readonly seq: number;
  readonly text: string;
}

/** Records and gaps that are new. */
export interface Ingested {
  readonly lane: Stream;
  readonly records: readonly RecordRow[];
  readonly missing: readonly Parked[];
  /** Default: nothing is told of files. */
  readonly files?: readonly FileChange[];
  /** What the run goes on from: what is kept above that, in both lanes, goes. */
  readonly since?: StreamNumbers;
}

/** A file of a run, as a record of it tells. */
export interface RunFileRow {
  /** The record's number. */
  readonly seq: number;
  readonly task: string;
  readonly iteration: number;
  readonly attempt: number;
  /** Which item of a mapped task. */
  readonly item?: number;
  readonly name: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  readonly bytes: number;
}

/** What a record changes of the files of its run: one is kept, or tasks are run anew and theirs count no more. */
export type FileChange = RunFileRow | RunAnew;

/** Tasks are run anew; of those in `missing` only the items that have not succeeded. */
export interface RunAnew {
  readonly seq: number;
  readonly again: readonly string[];
  readonly missing: readonly string[];
}

/** The files of runs: what records tell of, and which of that is here. */
export interface FileCatalog extends BlobCatalog {
  ofRun(run: string): Promise<RunFileRow[]>;
  /** One with this digest. */
  inRun(run: string, digest: string): Promise<RunFileRow | undefined>;
  /** Forgets the files of a run; their digests. */
  dropRun(run: string): Promise<string[]>;
  /** Those of some digests that no run has. */
  unlinked(digests: readonly string[]): Promise<string[]>;
  /** Drops those of the blobs that nothing refers to; their digests. */
  dropUnlinked(digests: readonly string[]): Promise<string[]>;
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
  readonly flag: (Omit<SharedFlag, "value"> & Partial<Pick<SharedFlag, "value">>) | undefined;
  readonly done: boolean;
}

/** Which hand-outs are open to an executor. */
export interface OpenOptions {
  readonly executor?: string;
  readonly known?: number;
  readonly limit?: number;
}

/** Some executors of many. */
export interface ExecutorPage {
  readonly executors: readonly ExecutorRow[];
  readonly last: string | undefined;
}

/** Which runs. */
export interface RunsOf {
  readonly executor?: string | undefined;
  readonly state?: RunState | undefined;
  /** Those heard longest ago, and these first. Default: those heard last. */
  readonly longAgo?: boolean;
}

/** Runs by state. */
export type RunCounts = Readonly<Record<RunState, number>>;

/** The counts of some runs of many; `last` is what to go on after, absent at the end. */
export interface RunCountsPage {
  readonly counts: RunCounts;
  readonly last: string | undefined;
}

/** How far a stream of a fleet's servers was read. */
export interface Projected {
  /** Names the stream: another of its name begins to count anew. */
  readonly stream: string;
  readonly seq: number;
}

/** What a gateway keeps. */
export interface GatewayStore {
  /** Names this storage. */
  readonly id: string;
  /** What was pushed. */
  readonly catalog: Catalog;
  /** Whether anybody has to show a token: there were some when it was opened, or some were put since. */
  readonly holdsTokens: boolean;
  /** What runs have kept. Absent: it keeps no files. */
  readonly files?: FileCatalog;
  /** What keeps it from growing for ever. */
  readonly upkeep: StoreUpkeep;

  /** Puts a bundle at the end of a queue. */
  addHandout(handout: NewHandout): Promise<HandoutRow>;
  /** The hand-out with this id, or of this version. */
  handout(name: string | number): Promise<HandoutRow | undefined>;
  /**
   * Those for any of the targets that are not over and that the executor, if one is named, has not done with, the oldest
   * first. `known`: version of one that it has done with; of those from before there was a queue, older ones are over too.
   */
  openHandouts(targets: readonly string[], options?: OpenOptions): Promise<HandoutRow[]>;
  /** Those for any of the targets, or all, the newest first, over or not. */
  handouts(targets: readonly string[] | undefined, limit: number): Promise<HandoutRow[]>;
  /** It is over for all; its bundle goes when nobody else is to have it. Of those that are over the newest 1,000 are kept. */
  endHandout(version: number, end: HandoutEnd): Promise<void>;
  bundle(hash: string): Promise<Bytes | undefined>;
  delivery(executor: string, version: number): Promise<DeliveryRow | undefined>;
  deliveries(version: number): Promise<DeliveryRow[]>;
  putDelivery(row: DeliveryRow): Promise<void>;

  executor(id: string): Promise<ExecutorRow | undefined>;
  executors(): Promise<ExecutorRow[]>;
  /** Those with an id above `after`, about `limit` of them, by id; `last` is what to go on after, absent at the end. */
  executorsAfter(after: string, limit: number): Promise<ExecutorPage>;
  /** About 10,000 are kept, those that were heard last. */
  putExecutor(row: ExecutorRow): Promise<void>;

  run(run: string): Promise<RunRow | undefined>;
  /** Newest first; of all, or of one executor, in any state, or in one. */
  runs(limit: number, of?: RunsOf): Promise<RunRow[]>;
  /** How many runs with an id above `after` there are, about `limit` of them, by the state that they have told. */
  runCountsAfter(after: string, limit: number): Promise<RunCountsPage>;
  putRun(row: RunRow): Promise<void>;
  /** Keeps what came for a run, all at once and durably. */
  ingest(row: RunRow, ingested: Ingested): Promise<void>;
  /** At most `limit`, and few enough not to fill the memory, but one at least if there is one. */
  records(
    run: string,
    read: {
      readonly lane: Stream;
      readonly after: number;
      readonly limit: number;
      /** Characters after which no further record is read; one is always read. Default: 8 Mi. */
      readonly size?: number;
    },
  ): Promise<RecordRow[]>;
  /** The first of them, at most `limit`. */
  missing(run: string, limit: number): Promise<(Parked & { readonly lane: Stream })[]>;

  /**
   * Returns the command's number: the time in milliseconds, or the next one. So it is higher than any that was given out
   * before, be it by another storage, or by this one before it was put back from a copy.
   */
  addCommand(executor: string, command: NewInstruction, at: number): Promise<number>;
  /** How many commands wait for an executor. */
  waitingCommands(executor: string): Promise<number>;
  /** Commands with a number above `seen`, oldest first; those up to it are forgotten. */
  commands(executor: string, seen: number): Promise<Instruction[]>;

  flag(experiment: string, name: string): Promise<SharedFlag | undefined>;
  flags(experiment: string): Promise<SharedFlag[]>;
  /** How many flags an experiment has, and the bytes of all their values. */
  flagsSize(experiment: string): Promise<{ readonly count: number; readonly bytes: number }>;
  putFlag(experiment: string, flag: SharedFlag): Promise<void>;
  /** The answer that the operation was given before. */
  flagAnswer(experiment: string, operation: string): Promise<FlagAnswer | undefined>;
  /** `at`: by the monotonic clock. Kept for an hour that the gateway runs, whatever the time of day. */
  putFlagAnswer(
    experiment: string,
    answer: FlagAnswer & { readonly operation: string; readonly at: number },
  ): Promise<void>;

  /** How far the records of a fleet were read into this store. */
  /** @param name Of the stream. */
  projected(name: string): Promise<Projected | undefined>;
  putProjected(name: string, projected: Projected): Promise<void>;

  tokens(): Promise<TokenRow[]>;
  putToken(row: TokenRow): Promise<void>;
  /** Whether there was one. */
  dropToken(name: string): Promise<boolean>;

  /**
   * Does what `work` does with the store that it is given as a whole, and nobody else's calls in between; unless `durably` is
   * false, it is on the disk then. Default true. `work` awaits nothing but that store: everybody waits for it.
   */
  atomically<T>(
    work: (store: Within) => Promise<T>,
    options?: { readonly durably?: boolean },
  ): Promise<T>;
  close(): void;
}

/** A store in the midst of what is done as a whole. */
export type Within = Omit<GatewayStore, "atomically" | "close">;
