/**
 * Owns the workers of a run as one: it puts together who they are, what each gets, and when there are more.
 * Must not know what comes next (its supply does) nor what an outcome leads to.
 * Invariant: there is never something ready and a warm lane without anything to do, once `feed` has returned.
 */
import { processKeyOf } from "../pipeline/kinds/list.ts";
import { between } from "../base/clock.ts";
import type { LaneItem, LaneLine, LaneOutcome } from "./attempt.ts";
import { Board } from "./board/board.ts";
import { Crew } from "./crew.ts";
import { Dealer } from "./dealer.ts";
import { Growth } from "./growth.ts";
import { Halt } from "./halt.ts";
import type { Lane, LaneListener } from "./lane.ts";
import { NamedTimers } from "./named_timers.ts";
import type { OwnLanes } from "./own.ts";
import { Pace } from "./pace.ts";
import { Poll } from "./poll.ts";
import type { Held, PoolOptions, PoolTimer, Supply } from "./port.ts";
import { needsNoLeave, type WorkerSetup } from "./protocol.ts";
import { newShared } from "./seat.ts";

/** What there is once a run has begun. */
interface Work {
  readonly supply: Supply;
  readonly pace: Pace;
  readonly dealer: Dealer;
  readonly growth: Growth;
}

/** The workers of one run. */
export class Pool implements LaneListener {
  readonly #options: PoolOptions;
  readonly #timers: NamedTimers<PoolTimer>;
  readonly #halt: Halt;
  readonly #crew: Crew;
  readonly #poll: Poll;
  #work: Work | undefined;
  #feeding = false;
  #paused = false;
  #cancelled: string | undefined;
  #own: OwnLanes | undefined;

  constructor(options: PoolOptions) {
    const { clock, early } = options;
    this.#options = options;
    const timers = this.#timers = new NamedTimers(clock);
    const { halt: cell, board: memory } = early?.data ?? newShared();
    const halt = this.#halt = new Halt(cell, clock);
    const board = new Board(memory);
    const shared = { halt: cell, board: memory };
    const crew = this.#crew = new Crew({ pool: options, shared, board, timers, listener: this });
    this.#poll = new Poll({ clock, crew, halt, timers, feed: () => this.feed() });
  }

  /** Attempts that run in no worker, which are lanes of their own; see `openOwn`. */
  get own(): OwnLanes | undefined {
    return this.#own;
  }

  /** Makes it able to run what runs in no worker, which is loaded only then: most pipelines have no such task. */
  async openOwn(): Promise<void> {
    const { ownLanesOf } = await import("./own.ts");
    this.#own ??= ownLanesOf(this.#options, () => this.feed());
    if (this.#timers.closed) await this.#own?.close();
  }

  /** Lanes that are there. */
  get lanes(): readonly Lane[] {
    return this.#crew.lanes;
  }

  /** Why there are not more of them though tasks wait. */
  get held(): Held | undefined {
    return this.#work?.growth.held;
  }

  /** A lane to ask something, before the run begins. */
  first(): Lane {
    return this.#crew.first();
  }

  /** Asks a process that runs tasks of a kind, before the run begins. @param run What a task of it would run. */
  async ask(kind: string, run: object): Promise<LaneOutcome> {
    await this.openOwn();
    return await this.#own!.kept.ask({ kind, key: processKeyOf(run), run }, ++this.#crew.lastId);
  }

  /** Begins to run what the supply has. */
  begin(supply: Supply, setup: WorkerSetup): void {
    const crew = this.#crew;
    const { workers, capacity } = this.#options;
    const pace = new Pace();
    const timers = this.#timers;
    const { board } = crew;
    const halt = this.#halt;
    this.#work = {
      supply,
      pace,
      dealer: new Dealer({ crew, board, halt, supply, pace }),
      growth: new Growth({ crew, board, supply, pace, timers, capacity, workers, feed: () => this.feed() }),
    };
    crew.begin(setup);
    this.feed();
    // Last, since starting a thread holds up this one for a while.
    while (crew.lanes.length < Math.min(workers, setup.width)) crew.grow();
  }

  /** Hands out what is ready to the lanes that have room. */
  feed(): void {
    const work = this.#work;
    if (work === undefined || this.#timers.closed || this.#feeding) return;
    // An attempt may have been on its way from an offer to a claim when everything was cancelled.
    if (this.#cancelled !== undefined) this.cancelAll(this.#cancelled);
    if (this.#paused) return;
    this.#feeding = true;
    const { supply, dealer, growth } = work;
    const crew = this.#crew;
    // What has just been told is made to outlive the process before time is spent on what comes next.
    supply.commit();
    crew.lastId = this.#own?.feed(supply, crew.lastId) ?? crew.lastId;
    dealer.deal();
    growth.check();
    crew.letGo();
    this.#feeding = false;
    if (crew.busy || this.#crew.board.size + supply.ready + supply.readyAlone > 0) this.#poll.start();
  }

  /** Takes back everything that has not begun, and lets nothing begin any more. */
  haltAll(): void {
    this.#halt.set();
    this.takeBack();
  }

  /** Takes back everything that has not begun; what of it may still begin is handed out again. */
  takeBack(): void {
    for (const lane of this.lanes) this.#work?.supply.giveBack(lane.revoke());
    this.#work?.supply.giveBack(this.#crew.board.takeAll());
  }

  /** Whether nothing new starts until it is told to. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Starts nothing new, or starts again. What runs goes on. */
  pause(on: boolean): void {
    this.#paused = on;
    if (on) this.takeBack();
    this.feed();
  }

  /** Cancels what is running. */
  cancelAll(because: string): void {
    this.#cancelled = because;
    for (const lane of this.lanes) lane.abort("cancelled", because);
    this.#own?.cancelAll(because);
  }

  /** Reads what the workers have told. */
  drain(): void {
    for (const lane of this.lanes) lane.drain();
    this.feed();
  }

  /** Ends all workers; resolves when they are proven gone. */
  async close(): Promise<void> {
    this.#timers.close();
    await Promise.all([this.#crew.close(), this.#own?.close()]);
  }

  settled(lane: Lane, item: LaneItem, outcome: LaneOutcome, behind: readonly LaneItem[]): void {
    this.#work?.pace.took(between(outcome.startedAt, outcome.endedAt));
    if (behind.length > 0) this.#work?.supply.giveBack(behind);
    this.#options.listener.settled(lane.id, item, outcome);
    if (!needsNoLeave(outcome.outcome, item.calm)) lane.release();
  }

  due(item: LaneItem): boolean {
    return this.#work === undefined || this.#work.supply.mayHaveBegun(item.task);
  }

  early(lane: Lane): void {
    this.#crew.catchUp(lane);
  }

  began(lane: Lane, item: LaneItem, since: number): void {
    this.#options.listener.began?.(lane.id, item, since);
  }

  printed(_lane: Lane, line: LaneLine): void {
    this.#options.listener.printed(line);
  }

  progressed(lane: Lane, item: LaneItem, progress: { fraction: number; text?: string }): void {
    this.#options.listener.progressed(lane.id, item, progress);
  }

  told(lane: Lane): void {
    if (!this.#crew.isReserve(lane)) this.feed();
  }

  ended(lane: Lane, left: readonly LaneItem[]): void {
    const expected = this.#crew.gone(lane);
    this.#work?.supply.giveBack(left);
    if (!expected && this.#work !== undefined) {
      this.#options.listener.replaced(lane.id, lane.wrong);
      this.#crew.promote();
    }
    this.feed();
  }
}
