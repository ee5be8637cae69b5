/**
 * Owns the processes of a run that are kept to run tasks, one at a time each: how many there are, which gets what there is to do.
 * Must not know what comes next (its supply does), nor in which language a task is.
 * Invariant: there is never something ready and a process without anything to do that fits, once `feed` has returned, unless
 * so many run as may; an attempt is taken only when there is a process for it, or none can be started, by which it has
 * failed. What a process still needs before it can be started, such as an environment, holds up those that want the same.
 */
import { KEPT } from "../kinds/list.ts";
import type { Desk, KeptRunner, RunnerPort } from "../kinds/runner.ts";
import { type LaneItem, type LaneOutcome, stampsOf } from "../attempt.ts";
import type { Given } from "../lane.ts";
import { NamedTimers } from "../named_timers.ts";
import type { Launch } from "./life.ts";
import { TaskProcess } from "./process.ts";

/** A ready task that has waited this long makes the processes more than the base, milliseconds. */
const GROW_MS = 20;
/** A process beyond the base that has had nothing to do for this long ends, milliseconds. */
const IDLE_MS = 10_000;

/** What is asked of a process before there is a plan. It is no attempt. */
const QUESTION: LaneItem = {
  ...{
    task: -1,
    iteration: 0,
    attempt: 0,
    rank: 0,
    behind: [],
    few: false,
    awaited: 0,
    urgent: true,
    fatal: false,
  },
  ...{ timeoutMs: 60_000, payload: '{"t":"graph"}' },
};

/** Someone who waits for an answer. */
type Asking = PromiseWithResolvers<LaneOutcome> & {
  readonly work: string;
  /** The last that was printed meanwhile. */
  printed: string;
};

/** What a process is wanted for. */
export interface KeptWish {
  /** Key of the kind. */
  readonly kind: string;
  /** What the process has to be. */
  readonly key: string;
  /** What the plan has of it. */
  readonly run: object;
}

/** The next of the attempts that may run in the same processes. */
export interface KeptHead extends KeptWish {
  readonly head: number;
  /** How many there are. */
  readonly count: number;
  /** Whether the next wants a process that has run nothing before. */
  readonly fresh: boolean;
}

/** Where attempts come from. */
export interface KeptSupply {
  /** What could start now; whose next comes first stands first. */
  readonly kept: readonly KeptHead[];
  /** The next of those of a head. @returns With the task's name. */
  takeKept(lane: number, head: number): { readonly item: LaneItem; readonly task: string } | undefined;
  commit(): void;
}

/** What hears of them. */
export interface KeptListener {
  began(lane: number, item: LaneItem, since: number): void;
  settled(lane: number, item: LaneItem, outcome: LaneOutcome): void;
  printed(
    item: LaneItem,
    line: { readonly stream: number; readonly level: number; readonly text: string },
  ): void;
  progressed(
    lane: number,
    item: LaneItem,
    progress: { readonly fraction: number; readonly text?: string },
  ): void;
  /** There may be room. */
  free(): void;
}

/** How they are run. */
export interface KeptOptions extends RunnerPort {
  /** So many are started at once if there is something to do. */
  readonly base: number;
  readonly max: number;
  readonly killGraceMs: number;
  readonly services: (given: Given) => object;
  readonly listener: KeptListener;
}

/** The processes of one run. */
export class KeptLanes {
  readonly #options: KeptOptions;
  readonly #processes: Set<TaskProcess> = new Set();
  /** Those that take nothing more. */
  readonly #leaving: Set<TaskProcess> = new Set();
  readonly #runners: Map<string, KeptRunner> = new Map();
  /** By key: why no process of it could be started. */
  readonly #broken: Map<string, Error> = new Map();
  readonly #asking: Map<TaskProcess, Asking> = new Map();
  readonly #timers: NamedTimers<"grow" | "shrink">;
  /** Ends what is prepared for processes, such as an environment. */
  readonly #over: AbortController = new AbortController();
  #waited = false;
  #closing: Promise<void> | undefined;

  constructor(options: KeptOptions) {
    this.#options = options;
    this.#timers = new NamedTimers(options.clock);
  }

  get #all(): readonly TaskProcess[] {
    return [...this.#processes, ...this.#leaving];
  }

  /** Those that run something. */
  get views(): readonly { readonly id: number; readonly running: { item: LaneItem; since: number } }[] {
    return this.#all.flatMap(({ id, running }) =>
      running === undefined || running.item === QUESTION ? [] : [{ id, running }]
    );
  }

  get idle(): number {
    return [...this.#processes].filter(({ idle }) => idle).length;
  }

  get starting(): number {
    return [...this.#processes].filter(({ starting }) => starting).length;
  }

  /** Runs what there is, as far as there is room. @param lane The last lane's number; returns the one that is last then. */
  feed(supply: KeptSupply, lane: number): number {
    let last = lane;
    /** Keys of which nothing can be run now. */
    const stuck = new Set<string>();
    const next = () => supply.kept.find(({ key }) => !stuck.has(key));
    for (let head = next(); head !== undefined; head = next()) {
      const { key, fresh } = head;
      const broken = this.#broken.get(key);
      if (broken !== undefined) {
        this.#broken.delete(key);
        if (!this.#fail(supply, { head, lane: ++last, error: broken })) break;
        continue;
      }
      const process = this.#mayRun
        ? this.#find((each) => each.idle && each.key === key && !(fresh && each.used))
        : undefined;
      if (process === undefined) {
        stuck.add(key);
        last = this.#grow(head, last);
      } else if (!this.#run(supply, head, process)) break;
    }
    if (stuck.size === 0) this.#waited = false;
    return last;
  }

  /** Whether one more may run. */
  get #mayRun(): boolean {
    let running = 0;
    for (const process of this.#all) if (process.running !== undefined) running++;
    return running < this.#options.max;
  }

  #find(fits: (process: TaskProcess) => boolean): TaskProcess | undefined {
    for (const process of this.#processes) if (fits(process)) return process;
    return undefined;
  }

  /** Runs what is next in a process. @returns Whether it is there. */
  #run(supply: KeptSupply, { head, kind, run, fresh }: KeptHead, process: TaskProcess): boolean {
    const taken = supply.takeKept(process.id, head);
    if (taken === undefined) return false;
    supply.commit();
    process.run({ ...taken, work: this.#runner(kind).workOf(run) }, fresh);
    if (fresh) this.#leave(process);
    const { listener, clock } = this.#options;
    listener.began(process.id, taken.item, process.running!.since + clock.stampOffset());
    return true;
  }

  /**
   * Starts a process, and has it answer what its runner is asked; then it is kept for what comes.
   *
   * @param wish What a task would run, as far as the question needs it.
   * @param lane The number of its lane.
   * @throws {Error} If none can be started.
   */
  async ask({ kind, key, run }: KeptWish, lane: number): Promise<LaneOutcome> {
    if (this.#closing !== undefined) throw new Error("The run has ended: no process is started any more");
    const runner = this.#runner(kind);
    const process = this.#start(lane, { key, launch: runner.launch(run) });
    const asking = { ...Promise.withResolvers<LaneOutcome>(), work: runner.workOf(run), printed: "" };
    this.#asking.set(process, asking);
    return await asking.promise;
  }

  cancelAll(because: string): void {
    for (const process of this.#all) process.abort("cancelled", because);
  }

  /** Ends all; resolves when they are gone. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#timers.close();
    this.#over.abort();
    this.cancelAll("the run has ended");
    await Promise.all(this.#all.map((process) => process.end()));
    await Promise.all(Array.from(this.#runners.values(), (runner) => runner.close()));
  }

  #runner(kind: string): KeptRunner {
    const known = this.#runners.get(kind);
    if (known !== undefined) return known;
    const runner = KEPT.find(({ key }) => key === kind)!.open({
      ...this.#options,
      over: this.#over.signal,
    });
    this.#runners.set(kind, runner);
    return runner;
  }

  /**
   * No process fits what is next of its key: up to the base one is started at once, beyond it after a while. Those that can't
   * be started yet take no room.
   */
  #grow({ kind, key, run, count }: KeptHead, lane: number): number {
    let last = lane;
    const { base, max } = this.#options;
    const all = this.#all.filter(({ launching }) => !launching);
    const processes = all.filter((process) => this.#processes.has(process));
    const awaited = [...this.#processes].filter((process) => process.starting && process.key === key);
    if (awaited.some(({ launching }) => launching)) return last;
    const waiting = count - awaited.length;
    let room = base - processes.length;
    if (room <= 0 && this.#waited && processes.every(({ starting }) => !starting)) {
      this.#waited = false;
      room = Math.min(processes.length, max - all.length);
    }
    if (room <= 0 && waiting > 0 && this.#mayRun) {
      const idle = this.#find((process) => process.idle);
      if (idle !== undefined) {
        // It is another's: of another environment, or has run something.
        this.#leave(idle);
        void idle.end();
        room = 1;
      }
    }
    const runner = this.#runner(kind);
    for (let more = Math.min(room, waiting); more > 0; more--) {
      this.#start(++last, { key, launch: runner.launch(run) });
    }
    this.#timers.after("grow", {
      ms: GROW_MS,
      act: () => {
        this.#waited = true;
        this.#options.listener.free();
      },
    });
    return last;
  }

  #start(
    id: number,
    { key, launch }: Pick<ConstructorParameters<typeof TaskProcess>[0], "key" | "launch">,
  ): TaskProcess {
    const { run, runtime, clock, killGraceMs, services, listener } = this.#options;
    let desk: Desk | undefined;
    const launched = async (): Promise<Launch> => {
      const { env, ...rest } = await launch;
      desk = await this.#options.desk?.();
      return { ...rest, env: { ...env, ...desk?.environment } };
    };
    const process = new TaskProcess({
      id,
      key,
      run,
      runtime,
      clock,
      launch: launched(),
      desk: () => desk,
      killGraceMs,
      services,
      listener: {
        ready: () => {
          const asking = this.#asking.get(process);
          this.#shrinkLater();
          if (asking === undefined) listener.free();
          else process.run({ item: QUESTION, task: "", work: asking.work }, false);
        },
        printed: (item, line) =>
          item === QUESTION ? this.#noted(process, line.text) : listener.printed(item, line),
        progressed: (item, progress) => listener.progressed(id, item, progress),
        settled: (_, item, outcome) =>
          item === QUESTION ? this.#answered(process, outcome) : listener.settled(id, item, outcome),
        ended: (_, error) => {
          void desk?.remove();
          this.#processes.delete(process);
          this.#leaving.delete(process);
          this.#asking.get(process)?.reject(error ?? new Error("It was stopped"));
          if (error !== undefined && !this.#asking.delete(process) && this.#closing === undefined) {
            this.#broken.set(key, error);
          }
          listener.free();
        },
      },
    });
    this.#processes.add(process);
    return process;
  }

  #noted(process: TaskProcess, text: string): void {
    this.#options.note(text);
    const asking = this.#asking.get(process);
    if (asking !== undefined && text.trim() !== "") asking.printed = text.trim().slice(0, 500);
  }

  #answered(process: TaskProcess, outcome: LaneOutcome): void {
    const { because = this.#asking.get(process)?.printed } = outcome;
    this.#asking.get(process)?.resolve({ ...outcome, ...(because && { because }) });
    this.#asking.delete(process);
    this.#options.listener.free();
  }

  /** An attempt for which no process can be started has failed by that. @returns Whether it is there. */
  #fail(
    supply: KeptSupply,
    { head: { head }, lane, error: { name, message } }: {
      readonly head: KeptHead;
      readonly lane: number;
      readonly error: Error;
    },
  ): boolean {
    const taken = supply.takeKept(lane, head);
    if (taken === undefined) return false;
    supply.commit();
    const since = this.#options.clock.monotonic();
    this.#options.listener.began(lane, taken.item, since + this.#options.clock.stampOffset());
    // Not now: who feeds does not expect that anything settles meanwhile.
    this.#options.clock.after(0, () => {
      this.#options.listener.settled(lane, taken.item, {
        outcome: "failed",
        error: { name, message },
        ...stampsOf(this.#options.clock, since),
      });
    });
    return true;
  }

  #shrink(): void {
    const since = this.#options.clock.monotonic() - IDLE_MS;
    const idle = [...this.#processes].filter((process) => process.idle && process.idleSince <= since);
    for (const process of idle.slice(0, Math.max(0, this.#processes.size - this.#options.base))) {
      this.#leave(process);
      void process.end();
    }
    this.#shrinkLater();
  }

  #shrinkLater(): void {
    if (this.#processes.size <= this.#options.base) return;
    this.#timers.after("shrink", { ms: IDLE_MS, act: () => this.#shrink() });
  }

  #leave(process: TaskProcess): void {
    this.#processes.delete(process);
    this.#leaving.add(process);
  }
}
