/**
 * Owns the attempts of a run that run in no worker: how many may at a time, and how all are stopped.
 * Must not know workers, nor what such an attempt is (kinds/); it is a lane of its own beside theirs.
 * Invariant: there are never more than `max` at a time; when `close` has resolved, none is left.
 */
import { RUNNERS } from "./kinds/list.ts";
import type { OwnAttempt, Runner, RunnerPort } from "./kinds/runner.ts";
import type { LaneItem, LaneLine, LaneOutcome } from "./attempt.ts";
import type { Given } from "./lane.ts";
import { KeptLanes, type KeptSupply } from "./process/kept.ts";

/** What hears of these attempts. */
export interface OwnListener {
  began?(lane: number, item: LaneItem, since: number): void;
  settled(lane: number, item: LaneItem, outcome: LaneOutcome): void;
  printed(line: LaneLine): void;
  progressed(lane: number, item: LaneItem, progress: { fraction: number; text?: string }): void;
  /** There may be room in a process. */
  free(): void;
}

/** An attempt that runs in no worker, and the key of its kind. */
export interface OwnItem {
  readonly kind: string;
  readonly item: LaneItem;
}

/** Where they come from. */
export interface OwnSupply extends KeptSupply {
  takeOwn(lane: number): OwnItem | undefined;
}

/** How they are run. */
export interface OwnOptions extends RunnerPort {
  /** So many processes that are kept are started at once. */
  readonly base: number;
  readonly max: number;
  readonly services: (given: Given) => object;
  readonly killGraceMs: number;
  readonly listener: OwnListener;
}

/** A lane as pictures of a run show it. */
export interface OwnView {
  readonly id: number;
  readonly running: { readonly item: LaneItem; readonly since: number };
}

/** The attempts of one run that run in no worker. */
export class OwnLanes {
  readonly #options: OwnOptions;
  readonly #running: Map<number, OwnAttempt> = new Map();
  /** Of those that have settled, what is not over. */
  readonly #leaving: Set<Promise<void>> = new Set();
  /** Processes that run one attempt after the other. */
  readonly kept: KeptLanes;
  /** By the key of the kind; there is none before its first attempt. */
  readonly #runners: Map<string, Runner> = new Map();
  #closing: Promise<void> | undefined;

  constructor(options: OwnOptions) {
    this.#options = options;
    const { listener } = options;
    this.kept = new KeptLanes({
      ...options,
      listener: {
        began: (lane, item, since) => listener.began?.(lane, item, since),
        settled: (lane, item, outcome) => listener.settled(lane, item, outcome),
        printed: (item, line) => this.#print(item, line),
        progressed: (lane, item, progress) => listener.progressed(lane, item, progress),
        free: () => listener.free(),
      },
    });
  }

  /** Those that run. */
  get views(): readonly OwnView[] {
    const alone = Array.from(
      this.#running.values(),
      ({ id, item, since }) => ({ id, running: { item, since } }),
    );
    return [...alone, ...this.kept.views];
  }

  /** Runs what there is, as far as there is room. @param lane The last lane's number; returns the one that is last then. */
  feed(supply: OwnSupply, lane: number): number {
    let last = lane;
    while (this.#running.size < this.#options.max) {
      const taken = supply.takeOwn(last + 1);
      if (taken === undefined) break;
      last++;
      supply.commit();
      this.#start(last, taken);
    }
    return this.kept.feed(supply, last);
  }

  #start(lane: number, { kind, item }: OwnItem): void {
    const { clock, killGraceMs, listener } = this.#options;
    const started = this.#runner(kind).start({
      lane,
      item,
      killGraceMs,
      printed: (line) => this.#print(item, line),
      settled: (outcome) => {
        this.#running.delete(lane);
        this.#leaving.add(started.over);
        void started.over.then(() => this.#leaving.delete(started.over));
        listener.settled(lane, item, outcome);
      },
    });
    this.#running.set(lane, started);
    listener.began?.(lane, item, clock.now());
  }

  #print({ task, iteration, attempt }: LaneItem, line: Pick<LaneLine, "stream" | "level" | "text">): void {
    this.#options.listener.printed({ task, iteration, attempt, at: this.#options.clock.now(), ...line });
  }

  #runner(kind: string): Runner {
    const known = this.#runners.get(kind);
    if (known !== undefined) return known;
    const runner = RUNNERS.find(({ key }) => key === kind)!.open(this.#options);
    this.#runners.set(kind, runner);
    return runner;
  }

  cancelAll(because: string): void {
    for (const attempt of this.#running.values()) attempt.abort("cancelled", because);
    this.kept.cancelAll(because);
  }

  /** Stops all; resolves when they are gone. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.cancelAll("the run has ended");
    await Promise.all([
      ...Array.from(this.#running.values(), (attempt) => attempt.over),
      this.kept.close(),
    ]);
    await Promise.all(this.#leaving);
    await Promise.all(Array.from(this.#runners.values(), (runner) => runner.close()));
  }
}

/** The lanes of a pool beside its workers, if it may have any. @param feed Called when there is room again. */
export function ownLanesOf(
  { own, listener, killGraceMs, workers: base, maxWorkers: max, services }: {
    readonly own?: RunnerPort;
    readonly listener: Omit<OwnListener, "free">;
    readonly killGraceMs: number;
    readonly workers: number;
    readonly maxWorkers: number;
    readonly services: (given: Given) => object;
  },
  feed: () => void,
): OwnLanes | undefined {
  return own && new OwnLanes({
    ...own,
    base,
    max,
    killGraceMs,
    services,
    listener: {
      free: feed,
      progressed: (lane, item, progress) => listener.progressed(lane, item, progress),
      began: (lane, item, since) => listener.began?.(lane, item, since),
      printed: (line) => listener.printed(line),
      settled: (lane, item, outcome) => {
        listener.settled(lane, item, outcome);
        feed();
      },
    },
  });
}
