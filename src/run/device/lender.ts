/**
 * Owns what the device lends to one run, and when it is asked: at once, and then again and again while something is waited for.
 * Must not know how the book is kept (ledger.ts), nor who in the run comes first (schedule/).
 * Invariant: what was lent is told once, and only for what is still asked for; after `close` nothing is asked or held.
 *
 * Where the book can't be written, nothing more is lent and nothing is lost: it is tried again, and the log says so.
 */
import { messageOf } from "../../base/message.ts";
import { type Holder, lackWords, MAX_HOLDERS } from "../../model/lack.ts";
import type { Plan } from "../../pipeline/plan/plan.ts";
import type { World } from "../world.ts";
import type { Ledger, Loan, LoanWish, Share } from "./ledger.ts";

/** The first and the longest time until it is looked again, milliseconds. */
const FIRST_MS = 20, LONGEST_MS = 500;
/** How often it is looked who of those that have something is gone. */
const BURY_MS = 1_000;
/** How long is waited before it is said for what; no more often than that it is said at all. */
const SAID_MS = 10_000;

/** What it takes. */
export interface LenderOptions {
  readonly run: string;
  readonly world: Pick<World, "clock" | "runtime" | "newId">;
  /** Whether what is of the device is shared with other runs; else it is lent at once. */
  readonly shares: boolean;
}

/** Who hears of it. */
export interface Borrower {
  /** A task has all that it uses of the device. */
  lent(task: number): void;
  /** The task of a number, which may be that of an item of it. */
  taskOf(number: number): number;
  note(level: "info" | "warn", text: string): void;
}

/** What the device lends to a run. */
export class Lender {
  readonly #options: LenderOptions;
  #plan: Plan | undefined;
  #borrower: Borrower | undefined;
  /** The run may end while the book is being opened. */
  #opening: Promise<Ledger> | undefined;
  #ledger: Ledger | undefined;
  /** By task: what is asked for or lent; since when it is waited for, by the monotonic clock. */
  readonly #wishes: Map<number, { readonly since: number; lent: boolean }> = new Map();
  /** What the book does not have yet. */
  #pending: Pending = nothingPending();
  #loans: readonly Loan[] = [];
  #timer: { readonly cancel: () => void; readonly next: number } = { cancel: () => {}, next: FIRST_MS };
  readonly #times: { buried: number; said: number } = { buried: -Infinity, said: -Infinity };

  constructor(options: LenderOptions) {
    this.#options = options;
  }

  /** Makes ready to lend what the tasks of a plan use. @throws {Error} If the book can't be used. */
  async open(plan: Plan, borrower: Borrower): Promise<void> {
    this.#plan = plan;
    this.#borrower = borrower;
    if (!this.#options.shares || plan.resources === undefined) return;
    if (plan.tasks.every(({ index }) => this.#sharesOf(index).length === 0)) return;
    this.#opening = this.#openLedger();
    this.#ledger = await this.#opening;
  }

  /** Who has some of a resource of the device in other runs, as it was when it was last looked. */
  others(resource: string): Holder[] {
    const holders = new Map<string, Holder>();
    for (const loan of this.#loans) {
      if (holders.size === MAX_HOLDERS) break;
      if (!loan.lent || loan.resource !== resource || this.#isOwn(loan)) continue;
      const { name: task, run, process } = loan;
      // Several items of one task may have some.
      holders.set(`${run} ${task}`, { task, run, process });
    }
    return [...holders.values()];
  }

  /** Asks for what a task uses of the device. */
  borrow(task: number): void {
    this.#wishes.set(task, { since: this.#now(), lent: false });
    this.#pending.asked.add(task);
    this.#soon();
  }

  /** A task has no use any more for it, or does not wait for it now. */
  giveBack(task: number): void {
    if (!this.#wishes.delete(task)) return;
    // What was never written needs no taking back.
    if (!this.#pending.asked.delete(task)) this.#pending.returned.add(task);
    this.#soon();
  }

  async close(): Promise<void> {
    this.#timer.cancel();
    this.#borrower = undefined;
    this.#loans = [];
    const ledger = await this.#opening?.catch(() => undefined);
    this.#ledger = undefined;
    await ledger?.close();
  }

  async #openLedger(): Promise<Ledger> {
    const { run, world: { runtime, newId } } = this.#options;
    const { Ledger, ledgerFolder } = await import("./ledger.ts");
    return await Ledger.open({ folder: ledgerFolder((name) => runtime.env(name)), run, runtime, newId });
  }

  #soon(): void {
    this.#after(0, FIRST_MS);
  }

  /** @param next How long is waited when nothing has come of it. */
  #after(ms: number, next: number): void {
    this.#timer.cancel();
    if (this.#borrower === undefined) return;
    this.#timer = { cancel: this.#options.world.clock.after(ms, () => this.#look()), next };
  }

  #look(): void {
    const { next } = this.#timer;
    const ledger = this.#ledger;
    const changed = ledger === undefined ? this.#lendAll() : this.#update(ledger);
    const waiting = [...this.#wishes].filter(([, { lent }]) => !lent).map(([task]) => task);
    if (waiting.length > 0 && ledger !== undefined) this.#lookAround(ledger, waiting[0]!);
    // By what was lent something may have been given back, or asked for.
    if (changed && this.#hasPending) this.#soon();
    else if (waiting.length > 0 || this.#hasPending) {
      this.#after(changed ? FIRST_MS : next, Math.min(2 * next, LONGEST_MS));
    }
  }

  get #hasPending(): boolean {
    return this.#pending.asked.size + this.#pending.returned.size > 0;
  }

  /** Where nothing is shared with others, all is there: how much of it is at one time in use sees the schedule to. */
  #lendAll(): boolean {
    const { asked } = this.#pending;
    this.#pending = nothingPending();
    for (const task of asked) this.#tell(task);
    return true;
  }

  /** @returns Whether anything was written, or others have. */
  #update(ledger: Ledger): boolean {
    const { asked, returned } = this.#pending;
    try {
      if (!this.#hasPending && !ledger.isNews) return false;
      this.#loans = ledger.update({
        asked: [...asked].map((task) => this.#wish(task)),
        returned: [...returned],
      });
    } catch (error) {
      this.#say(
        "warn",
        `What the device lends can't be written down (${messageOf(error)}): it is tried again`,
      );
      return false;
    }
    this.#pending = nothingPending();
    for (const loan of this.#loans) if (loan.lent && ledger.isOwn(loan)) this.#tell(loan.task);
    return true;
  }

  /** Looks from time to time who of those is gone that have something or come before, and says for what is waited. */
  #lookAround(ledger: Ledger, task: number): void {
    const now = this.#now();
    if (now - this.#times.buried >= BURY_MS) {
      this.#times.buried = now;
      // When it comes too late, or the disk refuses it, it is tried again.
      ledger.bury(this.#loans.map(({ holder }) => holder)).catch(() => {});
    }
    if (now - this.#wishes.get(task)!.since < SAID_MS) return;
    const lacks = this.#sharesOf(task).map((share) => ({ ...share, heldBy: this.others(share.resource) }));
    this.#say("info", `${this.#nameOf(task)} waits ${lackWords(lacks)}`);
  }

  #tell(task: number): void {
    const wish = this.#wishes.get(task);
    if (wish === undefined || wish.lent) return;
    wish.lent = true;
    this.#borrower?.lent(task);
  }

  #say(level: "info" | "warn", text: string): void {
    const now = this.#now();
    if (now - this.#times.said < SAID_MS) return;
    this.#times.said = now;
    this.#borrower?.note(level, text);
  }

  #wish(task: number): LoanWish {
    return { task, name: this.#nameOf(task), shares: this.#sharesOf(task) };
  }

  #taskOf(number: number): number {
    return this.#borrower?.taskOf(number) ?? number;
  }

  #nameOf(number: number): string {
    return this.#plan!.tasks[this.#taskOf(number)]!.name;
  }

  /** What a task uses of the device. */
  #sharesOf(task: number): Share[] {
    const { tasks, resources = [] } = this.#plan!;
    return (tasks[this.#taskOf(task)]!.uses ?? []).flatMap(({ resource, amount }) => {
      const { name, capacity, scope } = resources[resource]!;
      return scope === "device" ? [{ resource: name, amount, capacity }] : [];
    });
  }

  #isOwn(loan: Loan): boolean {
    return this.#ledger?.isOwn(loan) === true;
  }

  #now(): number {
    return this.#options.world.clock.monotonic();
  }
}

/** What the book does not have yet. */
interface Pending {
  readonly asked: Set<number>;
  readonly returned: Set<number>;
}

function nothingPending(): Pending {
  return { asked: new Set(), returned: new Set() };
}
