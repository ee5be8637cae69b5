/**
 * Owns how tests run pipelines on real workers and look at all that is told of them.
 * Must not know what is tested.
 * Invariant: a run that it starts has ended when its promise settles.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { ExecutionEvent } from "../../src/run/execution.ts";
import type { InnerOptions, InspectedExecution } from "../../src/run/inspection.ts";
import type { RunSnapshot } from "../../src/model/snapshot.ts";
import { inspectedRun } from "../../src/run/run.ts";
import { realWorld, type World } from "../../src/run/world.ts";
import type { WorkerData } from "../../src/pool/protocol.ts";
import type { Thread } from "../../src/runtime/port.ts";
import type { LogRecord, StateRecord } from "../../src/model/record.ts";
import type { RunResult } from "../../src/model/result.ts";
import type { Manifest, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import type { AttemptResult } from "../../src/model/outcome.ts";
import type { Source } from "../../src/pipeline/load/load.ts";

/** The runtime that the tests run on. */
export const RUNTIME: "deno" | "node" | "bun" = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** Threads that have been started and are not proven gone. */
export const threads: Set<Thread> = new Set();
let going = 0;
let sharedLast: WorkerData | undefined;

/** What the last thread that was started shares with its lane. */
export function lastShared(): WorkerData {
  return sharedLast!;
}

/** The real world, in which threads are counted. */
export const world: World = {
  ...realWorld,
  runtime: {
    ...realWorld.runtime,
    startThread(options) {
      const thread = realWorld.runtime.startThread(options);
      sharedLast = options.data as WorkerData;
      threads.add(thread);
      thread.onEnd(() => threads.delete(thread));
      return thread;
    },
  },
};

/** Looks, 5 ms apart, after which what was waited for does not come: a minute and more on a busy machine. */
const MOST_TRIES = 12_000;

/** Times too long for a test: those of an hour, two and so on pass when the test says so, however busy the machine is. */
export const HOUR_MS = 3_600_000;

/** A world in which timers of some lengths come when the test says so, and all others as they do. */
export class HeldTimers {
  readonly world: World;
  readonly #held = new Map<() => void, number>();

  /** @param lengths Milliseconds; none may be more than half of the next. */
  constructor(...lengths: readonly number[]) {
    const { clock } = world;
    // What is left of a deadline when somebody looks at it is a little less than the whole.
    const lengthOf = (left: number) => lengths.find((ms) => left <= ms && left > ms / 2);
    const after: World["clock"]["after"] = (left, act) => {
      const ms = lengthOf(left);
      if (ms === undefined) return clock.after(left, act);
      this.#held.set(act, ms);
      return () => void this.#held.delete(act);
    };
    this.world = { ...world, clock: { ...clock, after } };
  }

  /** Time for those that are held; where none is yet, for the first. */
  async comes(ms: number): Promise<void> {
    const due = () => [...this.#held].filter(([, length]) => length === ms).map(([act]) => act);
    for (let tries = 0; due().length === 0; tries++) {
      const held = [...this.#held.values()].join(", ") || "none";
      assert.ok(tries < MOST_TRIES, `Nothing waits for ${ms} ms; what is held waits for: ${held}`);
      await new Promise((done) => setTimeout(done, 5));
    }
    for (const act of due()) if (this.#held.delete(act)) act();
  }
}

/** URL of a module in fixtures/run. */
export function fixture(name: string): string {
  return new URL(`../fixtures/run/${name}.ts`, import.meta.url).href;
}

/** A task of a fixture: its export has the task's name unless `export` is given. */
export type FixtureTask = Omit<ManifestTask, "run"> & { readonly export?: string };

/** A pipeline of tasks that one fixture exports. */
export function manifest(
  name: string,
  tasks: Readonly<Record<string, FixtureTask>>,
  more: Partial<Manifest> = {},
): Manifest {
  const module = fixture(name);
  return {
    outrider: 1,
    name: "test",
    tasks: Object.fromEntries(
      Object.entries(tasks).map((
        [task, { export: exported = task, ...rest }],
      ) => [task, { run: { module, export: exported }, ...rest }]),
    ),
    ...more,
  };
}

/** All that a run told. */
export interface Seen {
  readonly result: RunResult;
  readonly events: readonly ExecutionEvent[];
  readonly states: readonly StateRecord[];
  readonly logs: readonly LogRecord[];
  readonly snapshot: RunSnapshot;
}

/** A run that is going on. */
export interface Going {
  readonly execution: InspectedExecution;
  readonly seen: Promise<Seen>;
  /** Resolves with the first event, of those so far or later, that fits; rejects if the run ends without. */
  until(fits: (event: ExecutionEvent) => boolean): Promise<ExecutionEvent>;
  /** Resolves when a task has logged this text. */
  says(text: string): Promise<ExecutionEvent>;
}

/** Starts a run. */
export function start(source: Source, options: InnerOptions = {}): Going {
  const execution = inspectedRun(source, { killGraceMs: 200, world, ...options });
  const events: ExecutionEvent[] = [];
  const waiting = new Set<(event?: ExecutionEvent) => void>();
  let over = false;
  going++;
  const seen = (async (): Promise<Seen> => {
    try {
      for await (const event of execution) {
        events.push(event);
        for (const look of waiting) look(event);
      }
      const result = await execution;
      const logs = events.filter((event) => event.type === "log").map(({ type: _, ...record }) => record);
      const states = events.filter((event): event is StateRecord => event.type !== "log" && "seq" in event);
      return { result, events, states, logs, snapshot: execution.snapshot() };
    } finally {
      over = true;
      for (const look of waiting) look();
      if (--going === 0) assert.equal(threads.size, 0, "a worker is alive after its run has ended");
    }
  })();
  seen.catch(() => {});
  const until = (fits: (event: ExecutionEvent) => boolean) =>
    new Promise<ExecutionEvent>((found, reject) => {
      const missing = () => {
        const last = JSON.stringify(events.slice(-10)).slice(-2_000);
        reject(new Error(`The run has ended without this event, but with ${last}`));
      };
      const early = events.find(fits);
      if (early !== undefined) return found(early);
      if (over) return missing();
      const look = (event?: ExecutionEvent) => {
        if (event !== undefined && !fits(event)) return;
        waiting.delete(look);
        if (event === undefined) missing();
        else found(event);
      };
      waiting.add(look);
    });
  const says = (text: string) => until((event) => event.type === "log" && event.text === text);
  return { execution, seen, until, says };
}

/** Runs a pipeline to its end. */
export function see(source: Source, options: InnerOptions = {}): Promise<Seen> {
  return start(source, options).seen;
}

/** The only attempt of a task. */
export function only(result: RunResult, task: string): AttemptResult {
  const attempts = result.tasks[task] ?? [];
  assert.equal(attempts.length, 1, `${task} has ${attempts.length} attempts: ${JSON.stringify(attempts)}`);
  return attempts[0]!;
}

/** Outcomes by task, the last attempt's. */
export function outcomes(result: RunResult): Record<string, string> {
  return Object.fromEntries(
    Object.entries(result.tasks).map(([task, attempts]) => [task, attempts.at(-1)!.outcome]),
  );
}

/** The texts that a task printed, in order. */
export function printed(seen: Seen, task: string): string[] {
  return seen.logs.filter((record) => record.task === task && record.from === "task").map(({ text }) => text);
}

/** Calls a function with the path of a new folder, and removes the folder. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-run-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Until a task has written a file on which it writes on and on, after what is given. */
export async function beats(file: string, after = ""): Promise<void> {
  const text = () => existsSync(file) ? readFileSync(file, "utf8") : "";
  for (let tries = 0; text() === "" || text() === after; tries++) {
    assert.ok(tries < MOST_TRIES, `Nothing more is written to ${file}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

/**
 * Whether a file that a task writes on and on stands still, which proves that its thread is gone. Deno halts a thread without
 * waiting until it is back from the system: what it is just writing may still come, once, and nothing after that.
 */
export async function standsStill(file: string): Promise<boolean> {
  const same = async () => {
    const before = readFileSync(file, "latin1");
    assert.notEqual(before, "", "the task has not written anything");
    await new Promise((done) => setTimeout(done, 60));
    return readFileSync(file, "latin1") === before;
  };
  return await same() || (RUNTIME === "deno" && await same());
}

/** Runs a script of fixtures/run in a process of its own, on the runtime that runs the test. */
export function runScript(
  name: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }> {
  const before = RUNTIME === "deno" ? ["run", "-A", "--no-check"] : [];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...before, fileURLToPath(fixture(name)), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    const text = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (piece: string) => text[stream] += piece);
    }
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...text }));
  });
}
