/**
 * Owns the `ctx` that a test calls a task's function with: the one that tasks have, over a store, events and flags of its own.
 * Must not know any test runner, nor start a worker.
 * Invariant: what a task does to it has the rules, limits and errors that it has in a run; nothing of it outlives `end()`.
 */
import { Context } from "../../workers/context.ts";
import { Attempt } from "../../workers/attempt.ts";
import { TextTold } from "../../workers/told.ts";
import { filesClient } from "../../workers/files.ts";
import { flagsClient } from "../../workers/flags.ts";
import { systemClock } from "../base/clock.ts";
import type { EventRecord, TaskContext } from "../model/context.ts";
import type { KeptFile } from "../model/file.ts";
import type { AttemptResult } from "../model/outcome.ts";
import { PipelineError } from "../model/problem.ts";
import type { Level } from "../model/record.ts";
import { decode, encode, type Value } from "../model/value.ts";
import { ITEM_KEY } from "../pipeline/document/manifest.ts";
import { paramsProblem } from "../pipeline/document/params.ts";
import type { FileCalls, FlagCalls } from "../pool/protocol.ts";
import { fileCalls } from "../run/files/calls.ts";
import { RunFiles } from "../run/files/run_files.ts";
import { realWorld } from "../run/world.ts";
import { formatted } from "../runtime/console.ts";
import { eventsClient, storeClient } from "../store/client.ts";
import { EventLog } from "../store/events.ts";
import { storeService } from "../store/rpc.ts";
import { SharedStore } from "../store/store.ts";

/** What a task is to find in its `ctx`. All of it may be left out. */
export interface TestContextOptions<Inputs, Params, Item = undefined> {
  /** Values of the tasks needed. JSON values and bytes; the task gets copies. Default: none. */
  readonly inputs?: Inputs;
  /** Parameters, JSON values. Default: none. */
  readonly params?: Params;
  /** What is in the store at first, by key. */
  readonly store?: Readonly<Record<string, Value>>;
  /** Flags that are set at first, by name. */
  readonly flags?: Readonly<Record<string, Value>>;
  /** Files that other tasks have kept, by task: paths of regular files, which are copied. */
  readonly files?: Readonly<Record<string, readonly string[]>>;
  /** What `previous()` gives. */
  readonly previous?: Readonly<Record<string, readonly AttemptResult[]>>;
  /** Name of the task. Default `"task"`. */
  readonly task?: string;
  /** Id of the run. Default `"test"`. */
  readonly run?: string;
  /** From 0. Default 0. */
  readonly iteration?: number;
  /** From 1. Default 1. */
  readonly attempt?: number;
  /** The item that it is run for, of a task that is mapped; it is given a copy. Default: the task is not mapped. */
  readonly item?: Item;
  /** Which item of the list that is. Default 0, with `item`. */
  readonly index?: number;
}

/** A `ctx` for one call of a task's function, and what the function did with it. */
export interface TestContext<
  Inputs = Readonly<Record<string, Value>>,
  Params = Readonly<Record<string, Value>>,
  Item = undefined,
> extends TaskContext<Inputs, Params, Item> {
  /** What was written to `ctx.log`, in order. (`console` is the test's own.) */
  readonly logged: readonly { readonly level: Level; readonly text: string }[];
  /** What was told by `ctx.progress`, in order. */
  readonly progressed: readonly { readonly fraction: number; readonly text?: string }[];
  /** The reason that `ctx.skip` was given, once it was called; what it throws is the test's to catch. */
  readonly skipped: string | undefined;
  /** The events that were emitted, the newest 10,000. */
  readonly emitted: readonly EventRecord[];
  /** The files that were kept, in order; their copies are there until `end()`. */
  readonly kept: readonly KeptFile[];
  /** Aborts `ctx.signal`, as at the task's timeout or at a cancel; what waits rejects. Default `"cancelled"`. */
  abort(outcome?: "timed_out" | "cancelled"): void;
  /** Ends what still waits in the attempt's name, and drops its progress, as the end of the task's function does in a run. */
  end(): void;
}

/**
 * Makes a `ctx` to call a task's function with. Store, events and flags are those of a run, in memory, and its alone.
 *
 * @example
 * ```ts
 * import { testContext } from "outrider/testing";
 *
 * const ctx = testContext({ inputs: { cpu: { score: 2 } }, store: { phase: "warm" } });
 * await ctx.store.set("phase", "done");
 * ```
 *
 * @param options What the task is to find in it.
 * @throws {PipelineError} If `params` are no JSON values. @throws {ValueError} If another value can't be a task's.
 */
export function testContext<
  Inputs = Readonly<Record<string, Value>>,
  Params = Readonly<Record<string, Value>>,
  Item = undefined,
>(options: TestContextOptions<Inputs, Params, Item> = {}): TestContext<Inputs, Params, Item> {
  return new FakeContext(options) as unknown as TestContext<Inputs, Params, Item>;
}

type Options = TestContextOptions<unknown, unknown, unknown>;

class FakeContext extends Context {
  readonly logged: { readonly level: Level; readonly text: string }[] = [];
  readonly progressed: { readonly fraction: number; readonly text?: string }[] = [];
  readonly #own: Attempt;
  readonly #events: EventLog;
  readonly #files: RunFiles;

  constructor(options: Options) {
    const attempt = attemptOf(options);
    const [store, events] = [storeOf(options.store, "store"), new EventLog()];
    const around = { signal: attempt.life };
    // What waits there ends with the attempt too, or its timer would keep the test's process.
    const service = storeService(store, events, around);
    const files = new RunFiles({
      ...{ runtime: realWorld.runtime, clock: systemClock, options: undefined },
      journal: { append: () => 0, log: () => 0 },
    });
    const flags = flagCalls(storeOf(options.flags, "flags"), around);
    super(attempt, {
      run: options.run ?? "test",
      store: () => storeClient(service, around),
      events: ({ task, iteration, attempt }) => eventsClient(service, { task, iteration, attempt }, around),
      flags: () => flagsClient(flags, around),
      files: ({ key }) => filesClient(filesOf(files, options.files), key, around),
      previous: () => Promise.resolve(structuredClone(options.previous ?? {})),
      log: (_, { level, args }) => void this.logged.push({ level: level as Level, text: formatted(args) }),
      progress: (_, fraction, text) =>
        void this.progressed.push({ fraction, ...(text === undefined ? {} : { text }) }),
      local: () => undefined,
    });
    this.#own = attempt;
    this.#files = files;
    this.#events = events;
  }

  get skipped(): string | undefined {
    return this.#own.skipped?.because;
  }

  get emitted(): readonly EventRecord[] {
    return this.#events.read("*", Math.max(0, this.#events.last - SHOWN), SHOWN)
      .events.map(({ id, type, detail, at, from }) => ({
        id,
        type,
        ...(detail === undefined ? {} : { detail: decode(detail) }),
        at,
        ...(from === undefined ? {} : { task: from.task }),
      }));
  }

  abort(outcome: "timed_out" | "cancelled" = "cancelled"): void {
    this.#own.abort(outcome);
  }

  get kept(): readonly KeptFile[] {
    const own = this.#files.list().filter(({ task }) => task === this.task);
    return own.map(({ name, sha256, bytes }) => ({ name, sha256, bytes }));
  }

  end(): void {
    this.#own.end();
    void this.#files.close();
  }
}

/** Events shown at most. */
const SHOWN = 10_000;

/** Files as a run has them. @param others What other tasks have kept before, copied when it is first asked for. */
function filesOf(files: RunFiles, others: TestContextOptions<unknown, unknown>["files"] = {}): FileCalls {
  let laid: Promise<unknown> | undefined;
  const lay = () =>
    laid ??= Promise.all(
      Object.entries(others).flatMap(([task, paths]) =>
        paths.map((path) => files.keep({ task, iteration: 0, attempt: 1 }, { path, linked: true }))
      ),
    );
  const calls = fileCalls(files, () => true);
  return {
    fileKeep: calls.fileKeep,
    filesOf: (task) => lay().then(() => calls.filesOf(task)),
    filePath: (file) => lay().then(() => calls.filePath(file)),
  };
}

/** What a worker is offered an attempt with, and what no `ctx` has. */
const UNREAD = { task: 0, flags: 0, timeoutMs: 0, seq: 0, locals: 0, payload: undefined };

/** The attempt as a worker would claim it. */
function attemptOf(
  { inputs = {}, params = {}, task = "task", iteration = 0, attempt = 1, item, index = 0 }: Options,
): Attempt {
  const problem = paramsProblem(params);
  if (problem !== undefined) throw new PipelineError([{ place: "params", message: problem }]);
  const mapped = item === undefined ? {} : { n: [index, ITEM_KEY] };
  const all = item === undefined ? inputs as object : { [ITEM_KEY]: item, ...inputs as object };
  const text = encode({ s: 0, t: task, p: params, i: present(all), ...mapped }, "inputs")!;
  return new Attempt({ ...UNREAD, iteration, attempt }, new TextTold(text), systemClock.monotonic());
}

/** Without those that have no value: a task does not find their names. */
function present(inputs: object): object {
  return Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined));
}

/** A store that holds this. */
function storeOf(values: Readonly<Record<string, Value>> = {}, what: string): SharedStore {
  const store = new SharedStore();
  for (const [key, value] of Object.entries(values)) {
    const text = encode(value, `${what}.${key}`);
    if (text !== undefined) store.set(key, text);
  }
  return store;
}

/** Flags as a gateway has them, kept here. */
function flagCalls(flags: SharedStore, { signal }: { readonly signal: AbortSignal }): FlagCalls {
  return {
    flagGet: async (name) => await flags.get(name)?.value,
    flagSet: async (name, value) => void await flags.set(name, value),
    flagCount: async (name, by) => await flags.increment(name, by).value,
    flagChange: async (name, known, timeoutMs) => {
      const now = flags.get(name)?.value;
      if (now !== known) return now;
      return (await flags.wait(name, flags.version(name), { timeoutMs, signal }))?.value;
    },
  };
}
