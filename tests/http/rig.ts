/**
 * Owns an end point over a run that a test holds in its hand: a real store, real events, a real journal, and tasks that
 * stand where the test says.
 * Must not know what is tested.
 */
import type { Hono } from "hono";
import type { RunSnapshot } from "../../src/model/snapshot.ts";
import { httpApp } from "../../src/http/app.ts";
import type { HttpOptions, HttpRun } from "../../src/http/port.ts";
import type { TaskStanding } from "../../src/model/snapshot.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { Journal } from "../../src/journal/journal.ts";
import { ResultFold } from "../../src/model/result.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { EventLog } from "../../src/store/events.ts";
import { SharedStore, type StoreOptions } from "../../src/store/store.ts";

export const TOKEN: string = "f00dfeed".repeat(8);

const COUNTS: RunSnapshot["counts"] = {
  waiting: 1,
  ready: 0,
  running: 1,
  retrying: 0,
  succeeded: 0,
  failed: 0,
  timed_out: 0,
  cancelled: 0,
  crashed: 0,
  skipped: 1,
};

/** A run that goes nowhere by itself. */
export class HandRun implements HttpRun {
  readonly run = "run-1";
  readonly journal: Journal = memoryJournal();
  readonly store: SharedStore;
  readonly events: EventLog;
  /** Files that were kept, by digest: their bytes. */
  readonly bytes: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  readonly kept: ReturnType<HttpRun["files"]["list"]>[number][] = [];
  /** Files that are open. */
  opened = 0;
  readonly files: HttpRun["files"] = {
    list: () => this.kept,
    open: (sha256) => {
      const bytes = this.bytes.get(sha256);
      if (bytes === undefined) {
        return Promise.reject(Object.assign(new Error("no such file"), { code: "ENOENT" }));
      }
      this.opened++;
      const none = () => Promise.resolve();
      return Promise.resolve({
        size: () => Promise.resolve(bytes.length),
        read: (at: number, most: number) => Promise.resolve(bytes.slice(at, at + most)),
        ...{ write: none, cut: none, sync: none },
        close: () => Promise.resolve(void this.opened--),
      });
    },
  };
  readonly plan: Plan = compile({
    outrider: 1,
    name: "hand",
    tasks: {
      first: { run: { module: "./a.ts" } },
      second: { needs: ["first"], timeout: "5s" },
      third: { needs: [{ task: "first", on: "failure" }] },
    },
  }, "file:///x/");
  over = false;
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly whenOver: Promise<void> = this.#ended.promise;
  readonly cancelled: string[] = [];
  progressText = "half way";
  standing: TaskStanding[] = [
    { task: "first", standing: "dispatched", iteration: 0, attempt: 1, waitsFor: [] },
    {
      task: "second",
      standing: "waiting",
      iteration: 0,
      attempt: 0,
      waitsFor: [{ task: "first", on: "success" }],
    },
    {
      task: "third",
      standing: "settled",
      iteration: 0,
      attempt: 0,
      outcome: "skipped",
      because: "first did not fail",
      waitsFor: [],
    },
  ];

  constructor(options: StoreOptions = {}) {
    this.store = new SharedStore(options);
    this.events = new EventLog();
  }

  snapshot(limit = 5): RunSnapshot {
    return {
      run: this.run,
      pipeline: "hand",
      state: this.over ? "succeeded" : "running",
      startedAt: 1_000,
      ranMs: 50,
      tasks: 3,
      counts: COUNTS,
      running: [{
        task: "first",
        iteration: 0,
        attempt: 1,
        worker: 1,
        startedAt: Date.now() - 50,
        ranMs: 50,
        progress: { fraction: 0.5, text: this.progressText },
      }],
      next: ["second"].slice(0, limit),
      workers: { busy: 1, idle: 0, starting: 0 },
    };
  }

  standings(offset = 0, limit: number = Infinity): TaskStanding[] {
    return this.standing.slice(offset, offset + limit);
  }

  resultJson(): Iterable<string> {
    const fold = new ResultFold();
    for (const record of this.journal.states(0, 1_000)) fold.add(record);
    return fold.json();
  }

  cancel(because: string): void {
    this.cancelled.push(because);
  }

  end(): void {
    this.over = true;
    this.#ended.resolve();
  }

  say(
    text: string,
    more: { readonly task?: string; readonly level?: "debug" | "info" | "error" } = {},
  ): void {
    const { task, level = "info" } = more;
    this.journal.log({
      at: Date.now(),
      level,
      from: task === undefined ? "executor" : "task",
      ...(task !== undefined && { task, iteration: 0, attempt: 1 }),
      stream: "log",
      text,
    });
  }
}

/** An end point with what it looks at. */
export interface World {
  readonly app: Hono;
  readonly run: HandRun;
  readonly defects: unknown[];
  /** Asks as a client on this machine does; with the token unless `token` is another one, or null. */
  ask(path: string, init?: RequestInit & { readonly token?: string | null }): Promise<Response>;
  /** The code of the refusal. */
  refused(path: string, init?: RequestInit & { readonly token?: string | null }): Promise<string>;
}

/** Makes an end point. */
export function world(options: Partial<HttpOptions> = {}, run: HandRun = new HandRun()): World {
  const defects: unknown[] = [];
  const app = httpApp({
    runtime: "test 1",
    version: "0.0.0",
    executor: "device",
    startedAt: Date.now() - 1_000,
    run: () => run,
    tokens: () => [TOKEN],
    onDefect: (error) => void defects.push(error),
    ...options,
  });
  const ask: World["ask"] = async (path, { token = TOKEN, ...init } = {}) => {
    const headers = new Headers(init.headers);
    // A string as body would otherwise be sent as text/plain.
    if (typeof init.body === "string" && !headers.has("content-type")) {
      headers.set("content-type", "application/json");
    }
    if (token !== null) headers.set("authorization", `Bearer ${token}`);
    return await app.request(`http://127.0.0.1:1234${path}`, { ...init, headers });
  };
  const refused: World["refused"] = async (path, init) => {
    const { status, text } = await ask(path, init).then(async (answer) => ({
      status: answer.status,
      text: await answer.text(),
    }));
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    return `${status} ${error.code}`;
  };
  return { app, run, defects, ask, refused };
}

/** A route as the description of the end point has it. */
export interface Operation {
  readonly path: string;
  readonly method: string;
  readonly open: boolean;
}

/** The description of an end point, as it tells it. */
export async function described({ app }: Pick<World, "app">): Promise<{
  readonly document: { readonly components: { readonly schemas: Readonly<Record<string, object>> } };
  readonly operations: readonly Operation[];
}> {
  const document = await (await app.request("http://127.0.0.1/openapi.json")).json() as {
    components: { schemas: Record<string, object> };
    paths: Record<string, Record<string, { security: unknown[] }>>;
  };
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security }]) => ({
      path,
      method: method.toUpperCase(),
      open: security.length === 0,
    }))
  );
  return { document, operations };
}

/** Reads a stream piece by piece, and leaves it. */
export class StreamReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  text = "";

  constructor(answer: Response) {
    this.#reader = answer.body!.getReader();
  }

  /** Reads until the text so far fits; rejects if the stream ends before. */
  async until(wanted: RegExp): Promise<string> {
    while (!wanted.test(this.text)) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`The stream ended without ${wanted}: ${this.text}`);
      this.text += this.#decoder.decode(value, { stream: true });
    }
    return this.text;
  }

  /** Reads to the end. */
  async rest(): Promise<string> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return this.text;
      this.text += this.#decoder.decode(value, { stream: true });
    }
  }

  async leave(): Promise<void> {
    await this.#reader.cancel();
  }
}
