/**
 * Owns what a gateway keeps, and for how long: it looks now and then, drops what is too old or too much, and says so.
 * Must not know how anything is kept.
 * Invariant: what reports is never dropped for room, and nothing is dropped by the time of day: ages are by how long the
 * gateway has run. All is done in small steps, between which others have their turn, and goes on after a restart.
 *
 * | what                                    | goes                                                                    |
 * |-----------------------------------------|-------------------------------------------------------------------------|
 * | a run                                   | when nothing was heard of it for `keepMs`                               |
 * | a run of which all is here              | when there is too little room, the one heard longest ago first          |
 * | an executor, with what it was given     | when nothing was heard of it for `keepMs`                               |
 * | an instruction, a flag                  | when nobody fetched it, or set or read it, for `keepMs`                 |
 * | a hand-out for an executor that is not there | when it has waited for `keepMs`                                    |
 */
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/message.ts";
import { sleep } from "../base/wait.ts";
import { Refuse } from "../base/web/refuse.ts";
import { type FilesOfRuns, removeFiles } from "./run_files.ts";
import type { GatewayStore } from "./store.ts";

/** How often it looks, milliseconds. */
const LOOK_MS = 10_000;
/** A run that was heard within so long stays also where room is wanted: somebody will want to read it. Milliseconds. */
const REST_MS = 3_600_000;
/** Share of the room to which it is emptied. */
const LOW = 0.9;
const DAY_MS = 24 * 3_600_000;

/** What is kept, and who is told of what is not. */
export interface RetentionOptions {
  readonly store: GatewayStore;
  readonly clock: Clock;
  /** Days for which something is kept of which nothing is heard; 0 for ever. */
  readonly keepDays: number;
  /** Most bytes of the database. */
  readonly maxBytes: number;
  /** Whether hand-outs are this gateway's own, and not those of a fleet's servers. */
  readonly isQueue: boolean;
  /** Told what was dropped, in words. */
  readonly onDropped: (words: string) => void;
  /** Told of what a look has failed at, once as long as it is the same; it looks again. */
  readonly onDefect: (error: unknown) => void;
}

/** Keeps a gateway's storage from growing for ever. */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #abort = new AbortController();
  #files: FilesOfRuns["files"];
  #ended: Promise<void> = Promise.resolve();
  /** What the gateway's running time is ahead of the monotonic clock. */
  #ahead: number | undefined;
  #isFull = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Nothing more has room, and nothing can be dropped for it. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Where the files of runs are. */
  over({ files }: Pick<FilesOfRuns, "files">): void {
    this.#files = files;
  }

  /** Looks now and then from now on. */
  start(): void {
    this.#ended = this.#goOn();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#ended;
  }

  async #goOn(): Promise<void> {
    const { clock, onDefect } = this.#options;
    const { signal } = this.#abort;
    let told: string | undefined;
    while (!signal.aborted) {
      try {
        await this.look();
        told = undefined;
      } catch (error) {
        const words = messageOf(error);
        if (words !== told) onDefect(error);
        told = words;
      }
      await sleep(clock, LOOK_MS, signal);
    }
  }

  /** Looks once. */
  async look(): Promise<void> {
    const { store, keepDays } = this.#options;
    const now = await this.#time();
    // What an earlier look, or process, has left.
    await this.#clear();
    if (keepDays > 0) await this.#dropOld(now - keepDays * DAY_MS);
    await this.#makeRoom(now - REST_MS);
    await this.#inSteps(() => store.upkeep.shrink());
  }

  /** How long the gateway has run by now, milliseconds, which is noted. */
  async #time(): Promise<number> {
    const { store: { upkeep }, clock } = this.#options;
    this.#ahead ??= await upkeep.ran() - Math.floor(clock.monotonic());
    const now = this.#ahead + Math.floor(clock.monotonic());
    await upkeep.hasRun(now);
    return now;
  }

  async #dropOld(before: number): Promise<void> {
    const { store, keepDays, clock } = this.#options;
    const { upkeep } = store;
    const because = `nothing was heard of it for ${days(keepDays)} that the gateway ran (--keep-days)`;
    await this.#dropRuns(before, { because, onlyComplete: false });
    await this.#count("executors of which nothing was heard", () => upkeep.dropExecutors(before));
    await this.#count("instructions that nobody fetched", () => upkeep.dropCommands(before));
    await this.#count("flags that nobody set or read", () => upkeep.dropFlags(before));
    if (!this.#options.isQueue) return;
    await this.#count("hand-outs that nobody fetched", async () => {
      const version = await upkeep.unwanted(before);
      if (version === undefined) return 0;
      const waited = `Nobody fetched it in ${days(keepDays)} (--keep-days)`;
      await store.endHandout(version, { how: "withdrawn", at: clock.now(), because: waited });
      return 1;
    });
  }

  async #makeRoom(before: number): Promise<void> {
    const { store: { upkeep }, maxBytes } = this.#options;
    const because = "it made room for newer ones (--db-size)";
    const isOver = async () => await upkeep.bytes() > maxBytes * LOW;
    await this.#dropRuns(before, { because, onlyComplete: true, goesOn: isOver });
    const wasFull = this.#isFull;
    this.#isFull = await upkeep.bytes() > maxBytes;
    if (this.#isFull && !wasFull) {
      this.#options.onDropped(
        `The database has its ${maxBytes} bytes (--db-size), and nothing in it may be dropped: runs that go on, or were heard within the hour, stay. Nothing new is taken until there is room: executors keep their records. Give it more, or wait`,
      );
    } else if (wasFull && !this.#isFull) this.#options.onDropped("The database has room again");
  }

  /** Drops runs, the one heard longest ago first. */
  async #dropRuns(
    before: number,
    { because, onlyComplete, goesOn = () => Promise.resolve(true) }: {
      readonly because: string;
      readonly onlyComplete: boolean;
      readonly goesOn?: () => Promise<boolean>;
    },
  ): Promise<void> {
    const { store, clock, onDropped } = this.#options;
    let [runs, parts] = [0, 0];
    await this.#inSteps(async () => {
      if (!await goesOn()) return false;
      const dropped = await store.upkeep.dropRun(before, { at: clock.now(), because, onlyComplete });
      if (dropped === undefined) return false;
      runs++;
      if (!dropped.complete) parts++;
      await this.#clear();
      return true;
    });
    if (runs === 0) return;
    const incomplete = parts === 0 ? "" : `, of ${parts} of which not all had come`;
    onDropped(`Dropped runs: ${runs}${incomplete}: ${because}; outrider results RUN says so of each`);
  }

  /** Removes what dropped runs have left. */
  async #clear(): Promise<void> {
    const { store } = this.#options;
    await this.#inSteps(async () => {
      const cleared = await store.upkeep.clear();
      if (cleared === undefined) return false;
      await removeFiles({ store, files: this.#files }, cleared.executor, cleared.digests);
      return true;
    });
  }

  async #count(what: string, drop: () => Promise<number>): Promise<void> {
    let dropped = 0;
    await this.#inSteps(async () => {
      const some = await drop();
      dropped += some;
      return some > 0;
    });
    if (dropped === 0) return;
    this.#options.onDropped(`Dropped ${what} for ${days(this.#options.keepDays)}: ${dropped}`);
  }

  /** Does a step as long as there may be another, and lets others have their turn between two. */
  async #inSteps(step: () => Promise<boolean>): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted && await step()) await sleep(clock, 0, signal);
  }
}

/** @throws {Refuse} 507 if a gateway has no room for anything new. */
export function requireRoom(retention: Pick<Retention, "isFull"> | undefined): void {
  if (retention?.isFull !== true) return;
  throw new Refuse(507, "STORAGE_FULL", {
    message:
      "The gateway's database is full, and nothing in it may be dropped: give it more (--db-size), or wait",
    headers: { "retry-after": "60" },
  });
}

function days(count: number): string {
  return count === 1 ? "a day" : `${count} days`;
}
