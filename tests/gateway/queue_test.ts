/** The gateway's queue: who is given what, in which order, how often, and how each hand-out leaves it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import { gatewayApp } from "../../src/gateway/app.ts";
import { MAX_QUEUE } from "../../src/gateway/queue.ts";
import { STEPS } from "../../src/gateway/schema.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { SqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type {
  ExecutorQueue,
  ExecutorView,
  HandoutView,
  Heartbeat,
  HeartbeatReply,
  Submitted,
  Withdrawn,
} from "../../src/protocol/messages.ts";
import { HandClock } from "../uplink/rig.ts";

/** An executor of this version, by what it asks. */
class Device {
  readonly #w: World;
  readonly id: string;
  readonly session: string;
  groups: readonly string[] = [];
  known: string | undefined;
  seen = 0;
  storage: string | undefined;
  rival: string | undefined;
  #version = 0;
  #runs = 0;

  constructor(w: World, id: string, session = `s-of-${id}`) {
    this.#w = w;
    this.id = id;
    this.session = session;
  }

  async beat(more: Partial<Heartbeat> = {}): Promise<HeartbeatReply> {
    const { session, seen, groups } = this;
    const reply = await this.#w.json<HeartbeatReply>(`/v1/executors/${this.id}/heartbeat`, {
      session,
      version: ++this.#version,
      outrider: "0.1.0",
      runtime: "test 1",
      state: "idle",
      groups,
      spool: { state: 0, log: 0 },
      sentBytes: 0,
      seen,
      ...(this.storage === undefined ? {} : { storage: this.storage }),
      ...(this.rival === undefined ? {} : { rival: this.rival }),
      ...more,
    });
    this.storage = reply.storage;
    this.rival = reply.rival;
    this.seen = Math.max(seen, ...(reply.commands ?? []).map(({ id }) => id));
    return reply;
  }

  /** What it is given, with its tag. */
  async pull(): Promise<{ readonly text: string; readonly tag: string } | undefined> {
    const query = this.groups.map((group) => `group=${group}`).join("&");
    const headers = { ...(this.known === undefined ? {} : { "if-none-match": this.known }) };
    const answer = await this.#w.ask(`/v1/executors/${this.id}/pipeline?${query}`, { headers });
    if (answer.status !== 200) return undefined;
    return { text: await answer.text(), tag: answer.headers.get("etag")! };
  }

  /** Tells of a run of a hand-out. */
  async run(tag: string, state?: "succeeded" | "failed"): Promise<string> {
    const run = `${this.session}-${++this.#runs}`;
    const started = { seq: 1, at: 1, type: "run.started", run, pipeline: "p", runtime: "test 1", plan: "" };
    const ended = { seq: 2, at: 2, type: "run.ended", state };
    const records = state === undefined ? [started] : [started, ended];
    await this.#w.json(`/v1/executors/${this.id}/records`, { run, lane: "state", records, handout: tag });
    return run;
  }

  /** Does all that there is, one after the other. */
  async doAll(): Promise<string[]> {
    const texts: string[] = [];
    for (;;) {
      const pulled = await this.pull();
      if (pulled === undefined) return texts;
      texts.push(pulled.text);
      this.known = pulled.tag;
    }
  }
}

class World {
  readonly clock = new HandClock();
  store: SqliteGatewayStore;
  /** The gateway of each storage. */
  readonly #apps: Map<SqliteGatewayStore, ReturnType<typeof gatewayApp>> = new Map();

  constructor(store: SqliteGatewayStore = sqliteGatewayStore(":memory:")) {
    this.store = store;
  }

  async ask(path: string, init: RequestInit = {}): Promise<Response> {
    const app = this.#apps.get(this.store) ?? gatewayApp({ store: this.store, clock: this.clock });
    this.#apps.set(this.store, app);
    return await app.request(`http://127.0.0.1:9${path}`, init);
  }

  async json<T>(path: string, body?: unknown): Promise<T> {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    return await (await this.ask(path, init)).json() as T;
  }

  async submit(text: string, to = "pi", more = ""): Promise<Submitted> {
    const answer = await this.ask(`/v1/bundles?to=${to}&name=${text}${more}`, { method: "POST", body: text });
    assert.equal(answer.status, 201, await answer.clone().text());
    return await answer.json() as Submitted;
  }

  async cancel(id: string): Promise<{ readonly status: number; readonly body: Withdrawn }> {
    const answer = await this.ask(`/v1/handouts/${id}/cancel`, { method: "POST" });
    return { status: answer.status, body: await answer.json() as Withdrawn };
  }

  /** The queue of an executor: names and states. */
  async queue(executor = "pi"): Promise<string[]> {
    const { handouts } = await this.json<ExecutorQueue>(`/v1/executors/${executor}`);
    return handouts.map(({ pipeline, state }) => `${pipeline} ${state}`);
  }
}

test("queue: a hand-out whose bundle is gone leaves the queue, told, and does not hold up the next", async () => {
  const w = new World();
  const { hash } = await w.submit("lost");
  await w.submit("next");
  const { rows } = w.store;
  const bundle = rows.bundle.bind(rows);
  Object.defineProperty(rows, "bundle", { value: (of: string) => of === hash ? undefined : bundle(of) });
  assert.deepEqual(await new Device(w, "pi").doAll(), ["next"]);
  assert.deepEqual(await w.queue(), ["lost withdrawn", "next done"]);
});

test("queue: what is submitted to an executor that is away waits, and is given in order, each once", async () => {
  const w = new World();
  for (const [at, text] of ["a", "b", "c"].entries()) {
    const { before, executors } = await w.submit(text);
    assert.deepEqual([before, executors], [at, 0], "never seen: that is said");
  }
  assert.deepEqual(await w.queue(), ["a waiting", "b waiting", "c waiting"]);
  const pi = new Device(w, "pi");
  await pi.beat();
  assert.equal((await w.submit("d")).executors, 1);
  assert.deepEqual(await pi.doAll(), ["a", "b", "c", "d"]);
  assert.deepEqual(
    await new Device(w, "pi", "anew").doAll(),
    [],
    "an executor that has forgotten all is given nothing again",
  );
  assert.deepEqual(await w.queue(), ["a done", "b done", "c done", "d done"]);
});

test("queue: one that was given and of which nothing is heard is given again; its run closes it", async () => {
  const w = new World();
  await w.submit("a");
  await w.submit("b");
  const pi = new Device(w, "pi");
  await pi.beat();
  const first = await pi.pull();
  assert.deepEqual(await w.queue(), ["a taken", "b waiting"]);
  assert.deepEqual(await pi.pull(), first, "the answer was lost, or the process that had it was killed");
  const lost = await pi.run(first!.tag);
  assert.deepEqual(await w.queue(), ["a running", "b waiting"]);
  const again = new Device(w, "pi", "anew");
  assert.deepEqual(await again.pull(), first, "it was begun, and its executor has lost it");
  const run = await again.run(first!.tag, "failed");
  assert.deepEqual(await w.queue(), ["a failed", "b waiting"]);
  assert.equal((await again.pull())?.text, "b");
  const { handouts } = await w.json<ExecutorQueue>("/v1/executors/pi");
  assert.deepEqual([handouts[0]?.run, handouts[1]?.run], [run, undefined]);
  const { handout } = await w.json<{ readonly handout: string }>(`/v1/runs/${lost}`);
  assert.equal(handout, handouts[0]?.id, "each run says what it carried out");
});

test("queue: a heartbeat tells of the run too, and nobody can take what is for another", async () => {
  const w = new World();
  await w.submit("a");
  const pi = new Device(w, "pi");
  const { tag } = (await pi.pull())!;
  const run = {
    pipeline: "p",
    handout: tag,
    state: "running" as const,
    tasks: 1,
    counts: {},
    running: 0,
    names: [],
  };
  await new Device(w, "other").beat({ run: { ...run, id: "r0" } });
  await new Device(w, "other").run(tag, "succeeded");
  assert.deepEqual(await w.queue(), ["a taken"]);
  await pi.beat({ run: { ...run, id: "r1" } });
  assert.deepEqual(await w.queue(), ["a running"]);
  for (
    const bad of [
      "",
      "x",
      '"1-x"',
      '"99-x-q-0000000000"',
      `"1-x-${tag.slice(-13)}`,
      tag.replace('"1-', '"2-'),
    ]
  ) {
    await new Device(w, "pi", "bad").run(bad, "failed");
  }
  assert.deepEqual(await w.queue(), ["a running"]);
});

test("queue: what is for a group discards nothing, and every device in it is given all of it", async () => {
  const w = new World();
  await w.submit("mine");
  await w.submit("roof", "group:roof");
  await w.submit("all", "group:all");
  await w.submit("mine too");
  const pi = new Device(w, "pi");
  pi.groups = ["roof"];
  await pi.beat();
  assert.deepEqual(await w.queue(), ["mine waiting", "roof waiting", "all waiting", "mine too waiting"]);
  assert.deepEqual(await pi.doAll(), ["mine", "roof", "all", "mine too"]);
  const late = new Device(w, "late");
  assert.deepEqual(await late.doAll(), ["all"]);
  late.groups = ["roof"];
  await late.beat();
  assert.deepEqual(
    await late.doAll(),
    ["roof"],
    "what is older than what it has done, in a group that it joined later",
  );
  assert.deepEqual(await w.queue("late"), ["roof done", "all done"]);
  const { handouts } = await w.json<{ handouts: HandoutView[] }>("/v1/handouts");
  assert.deepEqual(
    handouts.map(({ pipeline, executor }) => `${pipeline} ${executor}`),
    ["mine too pi", "all late", "all pi", "roof late", "roof pi", "mine pi"],
  );
});

test("queue: it is bounded; a group lets go of what all its devices have done, and of nothing else", async () => {
  const w = new World();
  assert.equal(MAX_QUEUE, 100);
  const full = async (to: string) => {
    const answer = await w.ask(`/v1/bundles?to=${to}`, { method: "POST", body: "more" });
    assert.equal(answer.status, 409);
    assert.match(await answer.text(), /QUEUE_FULL.*wait for .*outrider cancel.*--replace/);
  };
  for (let at = 0; at < MAX_QUEUE; at++) {
    await w.submit(`m${at}`);
    await w.submit(`g${at}`, "group:roof");
  }
  await full("pi");
  await full("group:roof");
  const pi = new Device(w, "pi");
  await pi.doAll();
  await w.submit("room again");
  const slow = new Device(w, "slow");
  pi.groups = slow.groups = ["roof"];
  await pi.beat();
  await slow.beat();
  await full("group:roof");
  assert.equal((await pi.doAll()).length, MAX_QUEUE + 1);
  await full("group:roof");
  assert.equal((await slow.doAll()).length, MAX_QUEUE);
  await w.submit("newer", "group:roof");
  const late = new Device(w, "late");
  late.groups = ["roof"];
  const texts = await late.doAll();
  assert.deepEqual([texts.length, texts[0], texts.at(-1)], [MAX_QUEUE, "g1", "newer"]);
});

test("queue: replacing is asked for, is told, and lets go on what runs", async () => {
  const w = new World();
  const ids: string[] = [];
  for (const text of ["a", "b", "c"]) ids.push((await w.submit(text)).id!);
  await w.submit("all", "group:all");
  const pi = new Device(w, "pi");
  await pi.beat();
  await pi.run((await pi.pull())!.tag);
  const { replaced, before } = await w.submit("d", "pi", "&replace=1");
  assert.deepEqual([replaced, before], [ids.slice(1), 2]);
  assert.deepEqual(await w.queue(), ["a running", "b replaced", "c replaced", "all waiting", "d waiting"]);
  assert.deepEqual((await w.submit("every", "group:all", "&replace=1")).replaced?.length, 1);
  pi.known = (await pi.pull())!.tag;
  assert.deepEqual(await pi.doAll(), ["d", "every"]);
});

test("queue: one that was taken and not begun is taken back when it is replaced", async () => {
  const w = new World();
  await w.submit("a");
  const pi = new Device(w, "pi");
  await pi.beat();
  const { tag } = (await pi.pull())!;
  await w.submit("b", "pi", "&replace=1");
  assert.deepEqual((await pi.beat()).commands, [
    { id: w.clock.now(), type: "withdraw", handout: tag, because: "Replaced by another" },
  ]);
  assert.deepEqual(await w.queue(), ["a replaced", "b waiting"]);
  await pi.run(tag, "succeeded");
  assert.deepEqual(
    await w.queue(),
    ["a succeeded", "b waiting"],
    "it ran all the same: that is what is told",
  );
});

test("queue: what is withdrawn is handed out no more; who has it is told to cancel it", async () => {
  const w = new World();
  const ids: string[] = [];
  for (const text of ["waits", "runs", "taken"]) ids.push((await w.submit(text, "group:all")).id!);
  const [one, two] = [new Device(w, "one"), new Device(w, "two")];
  for (const device of [one, two]) await device.beat();
  one.known = (await one.pull())!.tag;
  one.known = (await one.pull())!.tag;
  two.known = (await two.pull())!.tag;
  const run = await two.run((await two.pull())!.tag);
  const { tag } = (await one.pull())!;
  assert.deepEqual((await w.cancel(ids[0]!)).body, { id: ids[0]!, runs: [], taken: [] });
  assert.deepEqual((await w.cancel(ids[1]!)).body, { id: ids[1]!, runs: [run], taken: [] });
  assert.deepEqual((await w.cancel(ids[2]!)).body, { id: ids[2]!, runs: [], taken: ["one"] });
  const because = "Withdrawn by the user at the gateway";
  assert.deepEqual((await two.beat()).commands, [{ id: w.clock.now(), type: "cancel", run, because }]);
  assert.deepEqual((await one.beat()).commands, [{
    id: w.clock.now() + 1,
    type: "withdraw",
    handout: tag,
    because,
  }]);
  assert.deepEqual(await w.queue("one"), ["waits done", "runs done", "taken withdrawn"]);
  assert.deepEqual(await w.queue("two"), ["waits done", "runs running", "taken withdrawn"]);
  assert.deepEqual([await one.pull(), await new Device(w, "new").pull()], [undefined, undefined]);
  assert.equal((await w.cancel(ids[0]!)).status, 409);
  assert.equal((await w.cancel("q-0000000000")).status, 404);
  assert.equal((await w.ask("/v1/executors/nobody")).status, 404);
});

test("queue: in a database of before there was one, what an executor was given is not given again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-gateway-"));
  try {
    const file = join(folder, "gateway.db");
    const db = new DatabaseSync(file);
    db.exec(`${STEPS[0]}; PRAGMA user_version = 1`);
    const insert = db.prepare("INSERT INTO assignments (version, target, hash, at) VALUES (?, ?, ?, 1)");
    for (const [version, target] of [[1, "old"], [4, "pi"], [7, "group:all"]] as const) {
      insert.run(version, target, `h${version}`);
    }
    const bundle = db.prepare("INSERT INTO bundles VALUES (?, CAST(? AS BLOB))");
    for (const [hash, text] of [["h1", "one"], ["h4", "four"], ["h7", "seven"]] as const) {
      bundle.run(hash, text);
    }
    db.close();
    const w = new World(sqliteGatewayStore(file));
    const pi = new Device(w, "pi");
    pi.known = '"7-h7"';
    assert.deepEqual(await pi.doAll(), []);
    const { version } = await w.submit("new");
    assert.ok(version > 7, `${version}`);
    assert.deepEqual(await pi.doAll(), ["new"]);
    assert.deepEqual(await new Device(w, "new").doAll(), ["seven"]);
    assert.deepEqual(await new Device(w, "old").doAll(), ["one", "seven"], "that has been given none yet");
    w.store.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("gateway: a storage in the place of another is noticed by who asks, and its commands are heard", async () => {
  const w = new World();
  const pi = new Device(w, "pi");
  const pause = () => w.json("/v1/executors/pi/commands", { type: "pause" });
  for (let at = 0; at < 5; at++) await pause();
  await pi.beat();
  await pi.beat();
  const before = w.store;
  w.store = sqliteGatewayStore(":memory:");
  // Its clock is wrong, too.
  w.clock.jump(-86_400_000);
  await pause();
  const { commands, storage } = await pi.beat();
  assert.deepEqual(
    commands,
    [{ id: w.clock.now(), type: "pause" }],
    "what is seen of another storage says nothing here",
  );
  assert.notEqual(storage, before.id);
  w.store = before;
  await pause();
  assert.equal((await pi.beat()).commands?.length, 1, "and back again");
});

test("gateway: a number of a command is higher than any before, of an older copy of the storage too", async () => {
  const w = new World();
  const numbers: number[] = [];
  for (const at of [0, 0, 5000, -9000]) {
    w.clock.jump(at);
    numbers.push((await w.json<{ id: number }>("/v1/executors/pi/commands", { type: "pause" })).id);
  }
  const [first] = numbers as [number];
  assert.deepEqual(numbers, [first, first + 1, first + 5000, first + 5001]);
  assert.equal(first, w.clock.now() + 4000);
});

test("gateway: a flag of another storage, with a lower version, does not let anyone wait", async () => {
  const w = new World();
  await w.json("/v1/experiments/e/flags/f", { op: "set", id: "1", value: true });
  const answer = await w.ask("/v1/experiments/e/flags/f?after=9&wait=1000");
  assert.deepEqual(await answer.json(), { name: "f", value: true, version: 1 });
});

test("gateway: two sessions that live beside each other are told of, to both and to the user", async () => {
  const w = new World();
  const view = async () => (await w.json<{ executors: ExecutorView[] }>("/v1/executors")).executors[0]!;
  const [a, b] = [new Device(w, "pi", "a"), new Device(w, "pi", "b")];
  await a.beat();
  assert.equal((await b.beat()).rival, undefined, "the one before has ended, as far as is known");
  await a.beat();
  assert.equal((await view()).rival, undefined, "it may have been sent before its process ended");
  assert.equal(a.rival, "b");
  await a.beat();
  assert.equal((await view()).rival?.session, "a");
  assert.equal((await b.beat()).rival, "a");
  assert.equal((await view()).heartbeat?.session, "b");
  w.clock.step();
  w.clock.reach(w.clock.now() + 46_000);
  assert.equal((await b.beat()).rival, undefined, "the other has gone");
  assert.equal((await view()).rival, undefined);
});
