/**
 * Owns the world of the uplink's tests: a clock moved by hand, a journal in memory, and a network that does harm.
 * Must not know what is tested.
 * Invariant: nothing here waits for real time; a test that ends leaves nothing behind.
 */
import type { Clock } from "../../src/base/clock.ts";
import type { Fetch, Numbered, RecordSource } from "../../src/uplink/port.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import type { Stream } from "../../src/model/stream.ts";
import type { Random } from "../../src/base/random.ts";
import { gzip } from "../../src/base/bytes.ts";

/** A clock that stands still until it is moved. */
export class HandClock implements Clock {
  /** What the wall clock is ahead of the monotonic one. */
  #ahead: number;
  #now = 7_000;
  #next = 0;
  readonly #timers = new Map<number, { at: number; fn: () => void }>();

  constructor(now: number = Date.UTC(2026, 10, 21)) {
    this.#ahead = now - this.#now;
  }

  readonly now = (): number => this.#ahead + this.#now;

  readonly monotonic = (): number => this.#now;

  readonly stampOffset = (): number => this.#ahead;

  readonly after = (ms: number, fn: () => void): () => void => {
    const id = this.#next++;
    this.#timers.set(id, { at: this.#now + Math.max(0, ms), fn });
    return () => this.#timers.delete(id);
  };

  get timers(): number {
    return this.#timers.size;
  }

  /** The wall clock is set, without time passing. */
  jump(ms: number): void {
    this.#ahead += ms;
  }

  /** Moves to the next timer and fires it; false if there is none at or before the wall time `until`. */
  step(until: number = Infinity): boolean {
    let next: [number, { at: number; fn: () => void }] | undefined;
    for (const entry of this.#timers) if (!next || entry[1].at < next[1].at) next = entry;
    if (!next || next[1].at > until - this.#ahead) return false;
    this.#timers.delete(next[0]);
    this.#now = Math.max(this.#now, next[1].at);
    next[1].fn();
    return true;
  }

  /** Time passes up to the wall time, with no timer due before it. */
  reach(at: number): void {
    this.#now = Math.max(this.#now, at - this.#ahead);
  }
}

/** Random numbers that are the same in each run. */
export function seeded(seed: number): Random {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 0x1_0000_0000;
  };
}

/** Counts what is under way, so that the clock is moved only when all is still. */
export class Activity {
  #under = 0;

  async during<T>(work: Promise<T>): Promise<T> {
    this.#under++;
    try {
      return await work;
    } finally {
      this.#under--;
    }
  }

  /** Resolves when nothing is under way any more. Compression runs on a thread, so this takes real time, if little. */
  async still(): Promise<void> {
    for (let quiet = 0; quiet < 12;) {
      await new Promise((resolve) => this.#under === 0 ? setImmediate(resolve) : setTimeout(resolve, 1));
      quiet = this.#under === 0 ? quiet + 1 : 0;
    }
  }

  readonly gzip = (bytes: Bytes): Promise<Bytes> => this.during(gzip(bytes));
}

/** Moves the clock until the promise settles. */
export async function drive<T>(
  promise: Promise<T>,
  { clock, activity, steps = 20_000 }: { clock: HandClock; activity: Activity; steps?: number },
): Promise<T> {
  let settled = false;
  const mark = () => settled = true;
  promise.then(mark, mark);
  let idle = 0;
  for (let at = 0; at < steps; at++) {
    await activity.still();
    if (settled) return await promise;
    if (clock.step()) continue;
    if (++idle > 500) throw new Error("Nothing is left to happen, and what was waited for has not");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`Not settled after ${steps} steps of the clock`);
}

/** Moves the clock by so much, firing what falls due. */
export async function pass(
  ms: number,
  { clock, activity }: { clock: HandClock; activity: Activity },
): Promise<void> {
  const until = clock.now() + ms;
  await activity.still();
  while (clock.step(until)) await activity.still();
  clock.reach(until);
}

type Stored = Numbered & Record<string, unknown>;

/** A journal in memory that counts how much of it is read at once. */
export class FakeJournal implements RecordSource {
  readonly lanes: Record<Stream, Stored[]> = { state: [], log: [] };
  readonly #watchers = new Set<Parameters<RecordSource["watch"]>[0]>();
  mostRead = 0;
  #trimmed = 0;

  states(after: number, limit: number): Numbered[] {
    return this.#read("state", { after, limit });
  }

  logs(after: number, limit: number): Numbered[] {
    if (after >= this.#trimmed) return this.#read("log", { after, limit });
    const gap = logRecord(this.#trimmed, "dropped");
    const dropped = { count: this.#trimmed - 1, bytes: 1 };
    return [{ ...gap, dropped }, ...this.#read("log", { after: this.#trimmed, limit: limit - 1 })];
  }

  watch(watcher: Parameters<RecordSource["watch"]>[0]): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Forgets log records up to a number; a gap record takes their place. */
  trim(upTo: number): void {
    this.#trimmed = upTo;
  }

  state(event: Record<string, unknown>): void {
    const record = { seq: this.lanes.state.length + 1, at: 1000 + this.lanes.state.length, ...event };
    this.lanes.state.push(record);
    for (const watcher of this.#watchers) watcher.state?.(record);
  }

  log(text: string): void {
    const record = logRecord(this.lanes.log.length + 1, text);
    this.lanes.log.push(record);
    for (const watcher of this.#watchers) watcher.log?.(record);
  }

  /** A run from its start to its end. */
  fill(tasks: number, { logs = tasks, pipeline = "p" }: { logs?: number; pipeline?: string } = {}): void {
    this.state({ type: "run.started", run: "r", pipeline, runtime: "test 1", plan: "h" });
    for (let at = 0; at < Math.max(tasks, logs); at++) {
      if (at < logs) this.log(`line ${at}`);
      if (at < tasks) this.state(settled(`t${at}`, at));
    }
    this.state({ type: "run.ended", state: "succeeded" });
  }

  #read(lane: Stream, { after, limit }: { after: number; limit: number }): Stored[] {
    const records = this.lanes[lane].slice(after, after + Math.max(0, limit));
    this.mostRead = Math.max(this.mostRead, records.length);
    return records;
  }
}

/** A state record of a task that has succeeded. */
export function settled(task: string, value: unknown): Record<string, unknown> {
  const key = { task, iteration: 0, attempt: 1 };
  return { type: "attempt.settled", ...key, outcome: "succeeded", value: JSON.stringify(value), worker: 1 };
}

function logRecord(seq: number, text: string): Stored {
  const at = "2026-11-21T00:00:00.000Z";
  return {
    seq,
    at,
    level: "info",
    from: "task",
    task: "t",
    iteration: 0,
    attempt: 1,
    stream: "stdout",
    text,
  };
}

/** What may happen to a request; each a share from 0 to 1. */
export interface Harm {
  /** The request never arrives. */
  readonly lost?: number;
  /** It arrives, the answer does not. */
  readonly deaf?: number;
  /** It arrives twice, the second time at some later moment. */
  readonly twice?: number;
  /** It arrives late, up to a minute. */
  readonly slow?: number;
  readonly error500?: number;
  readonly error429?: number;
}

async function unpacked({ body, headers }: RequestInit): Promise<string> {
  const stream = new Response(body ?? null).body;
  if (!stream) return "";
  const packed = new Headers(headers).get("content-encoding") === "gzip";
  return await new Response(packed ? stream.pipeThrough(new DecompressionStream("gzip")) : stream).text();
}

/** A network between an app and its client that does harm. */
export class Chaos {
  readonly #app: (request: Request) => Response | Promise<Response>;
  readonly #world: { clock: HandClock; activity: Activity; random: Random };
  harm: Harm;
  /** Answers in the gateway's place where it gives anything, told the path and the unpacked body. */
  stands: ((path: string, text: string) => Response | undefined) | undefined;
  offline = false;
  requests = 0;
  most = 0;
  #under = 0;

  constructor(
    app: (request: Request) => Response | Promise<Response>,
    { harm = {}, ...world }: { harm?: Harm; clock: HandClock; activity: Activity; random: Random },
  ) {
    this.#app = app;
    this.#world = world;
    this.harm = harm;
  }

  readonly fetch: Fetch = async (url, init) => {
    this.requests++;
    this.most = Math.max(this.most, ++this.#under);
    try {
      return await this.#exchange(url, init);
    } finally {
      this.#under--;
    }
  };

  async #exchange(url: string, init: RequestInit): Promise<Response> {
    const { random, clock } = this.#world;
    const { lost = 0, deaf = 0, twice = 0, slow = 0, error500 = 0, error429 = 0 } = this.harm;
    if (this.offline || random() < lost) throw new TypeError("network is unreachable");
    if (this.stands) {
      const answer = this.stands(new URL(url).pathname, await this.#world.activity.during(unpacked(init)));
      if (answer) return answer;
    }
    if (random() < slow) await this.#late(random() * 60_000);
    if (random() < error429) {
      return new Response("slow down", { status: 429, headers: { "retry-after": "7" } });
    }
    if (random() < error500) return new Response("oops", { status: 503 });
    if (random() < twice) clock.after(random() * 90_000, () => void this.#deliver(url, init));
    const response = await this.#deliver(url, init);
    if (random() < deaf) throw new TypeError("connection reset");
    return response;
  }

  #late(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#world.clock.after(ms, resolve));
  }

  #deliver(url: string, { signal: _, ...init }: RequestInit): Promise<Response> {
    return delivered(this.#app, { url, init, activity: this.#world.activity });
  }
}

/** What an app answers, which the clock waits for: hashing takes real time, on another thread. */
export function delivered(
  app: (request: Request) => Response | Promise<Response>,
  { url, init, activity }: { url: string; init: RequestInit; activity: Activity },
): Promise<Response> {
  const answer = Promise.resolve(app(new Request(url, init)));
  // A request that the gateway holds waits for the clock.
  return url.includes("wait=") ? answer : activity.during(answer);
}
