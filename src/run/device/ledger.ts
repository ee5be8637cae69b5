/**
 * Owns the book of what the device lends: who has how much of which resource, and who waits, in one database for all
 * executors that name the same folder.
 * Must not know when it is looked at (lender.ts), nor what a resource is.
 * Invariant: what one asks for it gets at once and whole, and never more of a resource is lent than who gets it says that
 * there is; who asked first is not passed by those who want the same; what a process had that is gone is had by nobody.
 *
 * Each run that borrows holds the lock of a file of its own, `ID.lock`, which goes with its process, however that ends.
 */
import { isLocked, lockFile } from "../../journal/disk/lock.ts";
import type { Database } from "../../journal/disk/port.ts";
import { systemDisk } from "../../journal/disk/system.ts";
import { stateFolder } from "../../runtime/disk.ts";
import type { Runtime } from "../../runtime/port.ts";

/** How much of a resource is taken, and how much of it there is in all by who takes it. */
export interface Share {
  readonly resource: string;
  readonly amount: number;
  readonly capacity: number;
}

/** What is asked for one task. */
export interface LoanWish {
  /** Number of the task in its run. */
  readonly task: number;
  readonly name: string;
  readonly shares: readonly Share[];
}

/** What stands in the book for one resource of one wish. */
export interface Loan {
  /** Grows with each wish: who asked first. */
  readonly ticket: number;
  /** Id of the run's lock. */
  readonly holder: string;
  readonly run: string;
  readonly process: number;
  readonly task: number;
  readonly name: string;
  readonly resource: string;
  readonly amount: number;
  readonly capacity: number;
  readonly lent: boolean;
}

/** Changes of one's own, to be written at once. */
export interface Changes {
  readonly asked: readonly LoanWish[];
  /** Tasks that have no use any more for what they have or have asked for. */
  readonly returned: readonly number[];
}

/** What a book is opened with. */
export interface LedgerOptions {
  readonly folder: string;
  readonly run: string;
  readonly runtime: Pick<Runtime, "makeFolder" | "list" | "remove" | "pid">;
  /** An id that nothing else has. */
  newId(): string;
}

const SCHEMA = `
PRAGMA busy_timeout = 1000;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS loans (
  ticket INTEGER NOT NULL, holder TEXT NOT NULL, run TEXT NOT NULL, process INTEGER NOT NULL, task INTEGER NOT NULL,
  name TEXT NOT NULL, resource TEXT NOT NULL, amount INTEGER NOT NULL, capacity INTEGER NOT NULL, lent INTEGER NOT NULL
);`;

const ENDING = ".lock";
/** What is in the folder is for its user alone. */
const OUR_FOLDER = 0o700;
/** Ids that are tried: another process may take the file of one for one of the dead. */
const MAX_TRIES = 10;

/** The folder of the book: one of its own, since it is made one that nobody else may use. */
export function ledgerFolder(env: (name: string) => string | undefined): string {
  return `${env("OUTRIDER_DEVICE_DIR") || stateFolder(env)}/device`;
}

/** The book, as one run has it open. */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #database: Database;
  readonly #id: string;
  readonly #unlock: () => void;
  /** Of the database when it was last read, as its other users have changed it. */
  #version: unknown;

  private constructor(options: LedgerOptions, { database, id, unlock }: Opened) {
    this.#options = options;
    this.#database = database;
    this.#id = id;
    this.#unlock = unlock;
  }

  /** Opens the book, made where there is none. @throws {JournalError} If it can't be used. */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const { folder, runtime } = options;
    await runtime.makeFolder(folder, OUR_FOLDER);
    const lock = await ownLock(options);
    try {
      const database = (await systemDisk()).openDatabase(`${folder}/loans.sqlite`);
      database.exec(SCHEMA);
      const ledger = new Ledger(options, { database, ...lock });
      const names = (await runtime.list(folder)).filter((name) => name.endsWith(ENDING));
      await ledger.bury(names.map((name) => name.slice(0, -ENDING.length)));
      return ledger;
    } catch (error) {
      lock.unlock();
      throw error;
    }
  }

  /** Whether others have written since it was last read. */
  get isNews(): boolean {
    return this.#versionNow() !== this.#version;
  }

  /**
   * Writes what has changed, and lends what is free to those of this run that come first.
   *
   * @returns All that stands there now. @throws {Error} If it can't be written now; nothing is then.
   */
  update({ asked, returned }: Changes): readonly Loan[] {
    const database = this.#database;
    database.exec("BEGIN IMMEDIATE");
    try {
      const back = database.prepare("DELETE FROM loans WHERE holder = ? AND task = ?");
      for (const task of returned) back.run(this.#id, task);
      for (const wish of asked) this.#write(wish);
      const loans = this.#read();
      const lend = database.prepare("UPDATE loans SET lent = 1 WHERE ticket = ?");
      const free = new Set(lentNow(loans));
      // Others take theirs when they look.
      const all = loans.map((loan) =>
        free.has(loan.ticket) && this.isOwn(loan) ? { ...loan, lent: true } : loan
      );
      for (const { ticket, lent } of all) if (lent && free.has(ticket)) lend.run(ticket);
      database.exec("COMMIT");
      this.#version = this.#versionNow();
      return all;
    } catch (error) {
      try {
        database.exec("ROLLBACK");
      } catch {
        // It has been undone with what failed.
      }
      throw error;
    }
  }

  /** Whether a loan is this run's. */
  isOwn({ holder }: Loan): boolean {
    return holder === this.#id;
  }

  /** Strikes out what those have whose process is gone. @param holders Who is looked at; those of this run never are gone. */
  async bury(holders: readonly string[]): Promise<void> {
    const { folder, runtime } = this.#options;
    for (const holder of new Set(holders)) {
      if (holder === this.#id) continue;
      const path = `${folder}/${holder}${ENDING}`;
      const unlock = await lockFile(path);
      if (unlock === undefined) continue;
      try {
        this.#database.prepare("DELETE FROM loans WHERE holder = ?").run(holder);
        this.#version = undefined;
        // While it is held: nobody else can take it for its own meanwhile.
        await runtime.remove(path);
      } finally {
        unlock();
      }
    }
  }

  /** Gives back all that this run has. */
  async close(): Promise<void> {
    const { folder, runtime } = this.#options;
    try {
      this.#database.prepare("DELETE FROM loans WHERE holder = ?").run(this.#id);
    } catch {
      // Others strike it out, as this run's lock is gone.
    }
    this.#database.close();
    await runtime.remove(`${folder}/${this.#id}${ENDING}`).catch(() => {});
    this.#unlock();
  }

  #write({ task, name, shares }: LoanWish): void {
    const { run, runtime } = this.#options;
    const [row] = this.#database.prepare("SELECT coalesce(max(ticket), 0) + 1 AS next FROM loans").all();
    const ticket = Number(row!["next"]);
    const insert = this.#database.prepare("INSERT INTO loans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)");
    for (const { resource, amount, capacity } of shares) {
      insert.run(ticket, this.#id, run, runtime.pid, task, name, resource, amount, capacity);
    }
  }

  #read(): Loan[] {
    return this.#database.prepare("SELECT * FROM loans ORDER BY ticket").all().map((row): Loan => ({
      ...{ ticket: Number(row["ticket"]), holder: String(row["holder"]), run: String(row["run"]) },
      ...{ process: Number(row["process"]), task: Number(row["task"]), name: String(row["name"]) },
      ...{ resource: String(row["resource"]), amount: Number(row["amount"]) },
      ...{ capacity: Number(row["capacity"]), lent: Number(row["lent"]) === 1 },
    }));
  }

  #versionNow(): unknown {
    return this.#database.prepare("PRAGMA data_version").all()[0]!["data_version"];
  }
}

interface Opened {
  readonly database: Database;
  readonly id: string;
  readonly unlock: () => void;
}

/** The lock of a run. */
async function ownLock({ folder, newId }: LedgerOptions): Promise<Pick<Opened, "id" | "unlock">> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const id = newId();
    const path = `${folder}/${id}${ENDING}`;
    const unlock = await lockFile(path);
    // Who takes it for one of the dead, just made and not yet held, removes it: then it is not what others find there.
    if (unlock !== undefined && await isLocked(path)) return { id, unlock };
    unlock?.();
  }
  throw new Error(`No lock could be held in ${folder}`);
}

/**
 * The tickets that are lent what they ask for, in the order in which they asked: what is left by those that have some and by
 * those before them that wait.
 */
export function lentNow(loans: readonly Loan[]): number[] {
  const taken = new Map<string, number>();
  const take = ({ resource, amount }: Loan) => taken.set(resource, (taken.get(resource) ?? 0) + amount);
  const waiting = new Map<number, Loan[]>();
  for (const loan of loans) {
    if (loan.lent) take(loan);
    else waiting.set(loan.ticket, [...waiting.get(loan.ticket) ?? [], loan]);
  }
  return [...waiting].filter(([, wish]) => {
    const fits = wish.every(({ resource, amount, capacity }) =>
      amount + (taken.get(resource) ?? 0) <= capacity
    );
    for (const loan of wish) take(loan);
    return fits;
  }).map(([ticket]) => ticket);
}
