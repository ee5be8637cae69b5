/**
 * Owns threads that are none: the real lane and the real line of a worker with the real rings between them, on one thread,
 * step by step. Between any two steps of one side on shared memory, a seeded scheduler may let the other side go on, deliver
 * a message, let time pass, or end the thread.
 * Must not know what is tested.
 * Invariant: the same seed gives the same order of everything. What is not on the stack goes on; what is, waits for it.
 */
import type { Capacity } from "../../src/pool/port.ts";
import type { Control, WorkerData, WorkerSetup } from "../../src/pool/protocol.ts";
import { Hand } from "../../src/pool/board/hand.ts";
import { Sheet } from "../../src/pool/board/sheet.ts";
import { atoms } from "../../src/pool/ring/atoms.ts";
import { InboxReader } from "../../src/pool/ring/inbox.ts";
import { OutboxWriter, RecordKind } from "../../src/pool/ring/outbox.ts";
import { BELL } from "../../src/pool/protocol.ts";
import { Unfinished } from "../../src/pool/unfinished.ts";
import type { Thread, ThreadEnd } from "../../src/runtime/port.ts";
import { Line } from "../../workers/line.ts";
import { Locals } from "../../workers/locals.ts";
import type { TaskContext } from "../../src/model/context.ts";
import type { AnyTask } from "../../workers/modules.ts";
import { Printer } from "../../workers/output.ts";
import { SheetTold, TextTold } from "../../workers/told.ts";
import { SEED } from "../seed.ts";
import { HandClock } from "../store/hand_clock.ts";

/** Numbers that look random and are the same for the same seed. */
export type Dice = (sides: number) => number;

/** The generator of Park and Miller. */
export function dice(seed: number): Dice {
  let state = seed % 2_147_483_647 || 1;
  return (sides) => (state = state * 48_271 % 2_147_483_647) % sides;
}

/** The seeds of a property: always the same ones, and one of the day. */
export function seeds(count: number): number[] {
  return [...Array.from({ length: count }, (_, at) => 7_919 * (at + 1)), SEED];
}

/** Ends the code of a thread that is gone. */
class Gone extends Error {}

/** What a world may do of itself. */
export interface WorldOptions {
  readonly seed: number;
  /** Of a thousand steps on shared memory, how many let something else happen. Default 150. */
  readonly often?: number;
  /** Of a thousand things that happen, how many are the end of a thread. Default 0. */
  readonly deaths?: number;
  /** What a task does. */
  readonly task: (thread: Threadless, name: string, context: TaskContext) => unknown;
  /** The value of a task, asked of the executor's side. Default: none. */
  readonly value?: (task: number, iteration: number) => string | undefined;
}

/** All threads of a test, and the time they have. */
export class World {
  readonly clock: HandClock = new HandClock();
  readonly roll: Dice;
  readonly threads: Threadless[] = [];
  readonly options: WorldOptions;
  /** What the executor's side may do in between. */
  readonly moves: (() => void)[] = [];
  /** Whose code runs, the innermost last. */
  readonly #stack: (Threadless | "outside")[] = [];
  /** What went wrong where nobody can throw it. */
  #failure: string | undefined;
  readonly #real = { ...atoms };

  constructor(options: WorldOptions) {
    this.options = options;
    this.roll = dice(options.seed);
    const { wait: _wait, ...steps } = this.#real;
    for (const name of Object.keys(steps) as (keyof typeof steps)[]) {
      const real = this.#real[name] as (...args: unknown[]) => unknown;
      Object.assign(atoms, {
        [name]: (...args: unknown[]) => {
          this.#step();
          const result = real(...args);
          this.#step();
          return result;
        },
      });
    }
    Object.assign(atoms, { wait: () => this.#wait() });
  }

  /** Gives back what a test must not keep. */
  [Symbol.dispose](): void {
    Object.assign(atoms, this.#real);
  }

  /** Starts a thread, as a pool does. */
  readonly start = (data: WorkerData): Thread => {
    const thread = new Threadless(this, data);
    this.threads.push(thread);
    return thread.outside;
  };

  /** Whether the executor's side can go on while the code that runs does not: else nobody could end it. */
  get mayBlock(): boolean {
    return !this.#stack.includes("outside");
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  /** Runs code of a thread. What it does when the thread has gone meanwhile is nothing. */
  inside(thread: Threadless, act: () => void): void {
    this.#on(thread, () => {
      try {
        act();
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
      }
    });
  }

  /** Lets one thing happen; false if nothing can. */
  act(): boolean {
    const can = this.threads.filter((thread) => !this.#stack.includes(thread)).flatMap((thread) =>
      thread.can()
    );
    const ending = this.threads.filter((thread) => thread.ends);
    can.push(...ending.map((thread) => () => thread.dies({ memory: false, code: 0 })));
    const { deaths = 0 } = this.options;
    if (deaths > 0 && this.roll(1_000) < deaths) {
      const living = this.threads.filter((thread) => !thread.dead);
      if (living.length > 0) living[this.roll(living.length)]!.dies({ memory: false, code: this.roll(3) });
    }
    if (this.mayBlock) {
      const ends = this.threads.filter((thread) =>
        thread.dead && !thread.told && !this.#stack.includes(thread)
      );
      can.push(
        ...this.threads.flatMap((thread) => thread.canOutside()),
        ...ends.map((thread) => () => this.outside(() => thread.tellEnd())),
        ...this.moves.map((move) => () => this.outside(move)),
      );
      if (this.clock.timers > 0) can.push(() => this.outside(() => this.clock.advance(1 + this.roll(60))));
    } else this.clock.skip(this.roll(2));
    if (can.length === 0) return false;
    can[this.roll(can.length)]!();
    return true;
  }

  /** Lets all threads do what they have to do, and the executor's side hear of it, in order; no time passes. */
  rest(): void {
    for (let turn = 0; turn < 10_000; turn++) {
      const ends = this.threads.filter((thread) => thread.ends);
      for (const thread of ends) thread.dies({ memory: false, code: 0 });
      const gone = this.threads.filter((thread) => thread.dead && !thread.told);
      const [next] = [
        ...this.threads.flatMap((thread) => [...thread.can(), ...thread.canOutside()]),
        ...gone.map((thread) => () => this.outside(() => thread.tellEnd())),
      ];
      if (next === undefined) return;
      next();
    }
    throw new Error("It does not come to rest");
  }

  /** Time passes, and threads and the executor's side go on meanwhile. */
  passes(ms: number, step = 1): void {
    for (let left = ms; left > 0; left -= step) {
      this.outside(() => this.clock.advance(Math.min(left, step)));
      this.rest();
    }
  }

  /** Runs code of the executor's side. */
  outside(act: () => void): void {
    this.#on("outside", act);
  }

  #on(side: Threadless | "outside", act: () => void): void {
    this.#stack.push(side);
    try {
      act();
    } finally {
      this.#stack.pop();
    }
  }

  #step(): void {
    this.#alive();
    const { often = 150 } = this.options;
    if (this.#stack.length < 4 && this.roll(1_000) < often) this.act();
    this.#alive();
  }

  #alive(): void {
    const side = this.#stack.at(-1);
    if (side instanceof Threadless && side.dead) throw new Gone();
  }

  /** Whoever waits lets others go on; a wait may end without a reason. */
  #wait(): "timed-out" {
    for (let count = this.options.often === 0 ? 3 : 0; count < 3; count++) {
      this.#alive();
      this.act();
    }
    this.#alive();
    return "timed-out";
  }

  /** Code that does not let go of its thread. */
  hang(): void {
    for (let count = 0; count < 5_000; count++) {
      if (!this.act()) break;
      this.#alive();
    }
    this.#failure ??= "a thread hangs, and nobody ends it";
  }

  /** Lets what a settled promise of a thread leads to happen as that thread's. Then its code can't end in the midst. */
  async settle(thread: Threadless, settles: () => void): Promise<void> {
    this.#stack.push(thread);
    thread.firm = true;
    settles();
    for (let turn = 0; turn < 10; turn++) await null;
    thread.firm = false;
    this.#stack.pop();
  }
}

/** One thread that is none. */
export class Threadless {
  readonly outside: Thread;
  readonly data: WorkerData;
  readonly line: Line;
  readonly outbox: OutboxWriter;
  readonly output: Printer;
  dead = false;
  /** The tasks whose outcomes are known to have been written. */
  readonly written: string[] = [];
  /** Whether it can't die just now. */
  firm = false;
  /** Whether the executor's side knows that it is gone. */
  told = false;
  readonly #world: World;
  readonly #inbound: unknown[] = [];
  readonly #outbound: unknown[] = [];
  readonly #turns: (() => void)[] = [];
  /** Tasks that wait for something. */
  readonly #waiting: { readonly name: string; readonly end: (failed: boolean) => void }[] = [];
  #listeners: { message: (message: unknown) => void; end: (end: ThreadEnd) => void } = {
    message() {},
    end() {},
  };
  #end: ThreadEnd = { memory: false };
  #asked = false;
  #sheet: Sheet | undefined;

  constructor(world: World, data: WorkerData) {
    this.#world = world;
    this.data = data;
    const begun = world.clock.monotonic();
    // Each thread counts from a moment of its own.
    const now = () => world.clock.monotonic() - begun + 3;
    this.outbox = new OutboxWriter(data.cells, data.outbox, () => void this.#outbound.push(BELL));
    const write = this.outbox.write.bind(this.outbox);
    this.outbox.write = (kind, fields) => {
      write(kind, fields);
      if (kind === RecordKind.outcome) this.written.push(this.line.last!.task);
    };
    this.output = new Printer({ outbox: this.outbox, unfinished: new Unfinished(data.unfinished), now });
    const locals = new Locals();
    const task = (name: string): AnyTask => (context) =>
      world.options.task(this, name, context as TaskContext);
    const inbox = new InboxReader(data.inbox);
    this.line = new Line({
      inbox,
      hand: new Hand(data.board, { seat: data.seat, own: inbox }),
      outbox: this.outbox,
      output: this.output,
      modules: { ready: (_, of) => task(of.task), prepare: () => Promise.resolve() },
      locals,
      around: { local: (task: number) => locals.get(task) } as never,
      told: (claimed, payload) =>
        payload === "" ? new SheetTold(this.#sheet!, claimed) : new TextTold(payload),
      value: (task, iteration) => this.#asks(() => world.options.value?.(task, iteration)),
      halt: data.halt,
      looks: 2,
      now,
      isPromise: (value): value is Promise<unknown> => value instanceof Promise,
      nextTurn: (act) => void this.#turns.push(act),
      clearChildren: () => undefined,
    });
    this.outside = {
      postMessage: (message) => void this.#inbound.push(message),
      onMessage: (listener) => void (this.#listeners.message = listener),
      onEnd: (listener) => void (this.#listeners.end = listener),
      terminate: () => {
        this.#asked = true;
        return Promise.resolve();
      },
      ref() {},
    };
    this.#turns.push(() => {
      const origin = world.clock.now() - now();
      this.outbox.write(RecordKind.clock, { a: 0, b: 0, c: 0, x: origin, y: now(), text: undefined });
      this.outbox.ring();
    });
  }

  get mayBlock(): boolean {
    return !this.firm && this.#world.mayBlock;
  }

  /** A promise that settles when the world wants it to. */
  later<T>(name: string, value: T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ name, end: (failed) => failed ? reject(new Error(name)) : resolve(value) });
    });
  }

  /** What the executor's side answers when it comes to it. */
  #asks<T>(answer: () => T): Promise<T> {
    return new Promise((resolve) => {
      const end = () => this.#world.outside(() => resolve(answer()));
      this.#waiting.push({ name: "asks", end });
    });
  }

  /** What its code can do now. */
  can(): (() => void)[] {
    if (this.dead) return [];
    const can: (() => void)[] = [];
    const turn = (act: () => void) => () => this.#world.inside(this, act);
    if (this.#inbound.length > 0) can.push(turn(() => this.#hear(this.#inbound.shift())));
    if (this.#turns.length > 0) can.push(turn(() => this.#turns.shift()!()));
    return can;
  }

  /** Whether it was told to end, which it does wherever its code is. */
  get ends(): boolean {
    return this.#asked && !this.dead && !this.firm;
  }

  /** What the executor's side can hear of it now. */
  canOutside(): (() => void)[] {
    if (this.#outbound.length === 0 || this.told) return [];
    return [() => this.#world.outside(() => this.#listeners.message(this.#outbound.shift()))];
  }

  /** A task that waits goes on, with all that follows from it. */
  async goOn(failed: boolean): Promise<boolean> {
    const waiting = this.dead ? undefined : this.#waiting.shift();
    if (waiting === undefined) return false;
    await this.#world.settle(this, () => waiting.end(failed));
    return true;
  }

  /** Its code stops where it is. What it has posted may be lost. */
  dies(end: ThreadEnd): void {
    if (this.dead || this.firm) return;
    this.dead = true;
    this.#end = end;
    if (this.#world.roll(2) === 0) this.#outbound.length = 0;
  }

  tellEnd(): void {
    this.told = true;
    this.#listeners.end(this.#end);
  }

  #hear(message: unknown): void {
    if (typeof message === "number") this.line.wake();
    else if (typeof message === "object" && "do" in message!) this.line.obey(message as Control);
    // Not before it is set up: what hangs on the board is there for whoever comes.
    else if ((message as { path?: readonly string[] }).path?.[0] === "setup") {
      const { argumentList: [{ value: { sheet } }] } = message as {
        readonly argumentList: readonly [{ readonly value: WorkerSetup }];
      };
      this.#sheet = new Sheet(sheet);
      this.line.wake();
    }
  }
}

/** A device with room for any number of workers, whose cores have nothing to do. */
export const ROOMY: Capacity = {
  clock: { monotonic: () => performance.now() },
  cores: 4,
  workerBytes: 1,
  cpuMs: () => 0,
  idleMs: () => undefined,
  queuedMs: () => undefined,
  freeMemory: () => Infinity,
};
