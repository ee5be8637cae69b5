/** What the gateway knows of executors and runs by what it hears of them, and how much of it lists tell. */
import assert from "node:assert/strict";
import test from "node:test";
import { newRun } from "../../src/gateway/ingest.ts";
import type {
  ExecutorQueue,
  ExecutorView,
  HandoutView,
  Heartbeat,
  ReportedRun,
} from "../../src/protocol/messages.ts";
import { pass } from "../uplink/rig.ts";
import { BEAT, STARTED, world as gateway } from "./rig.ts";

const ENDED = { seq: 2, at: 3000, type: "run.ended", state: "succeeded" };

function world() {
  const w = gateway();
  const beat = async (more: Partial<Heartbeat> = {}, executor = "e") =>
    await (await w.post(`/v1/executors/${executor}/heartbeat`, { ...BEAT, ...more })).json() as {
      readonly commands: readonly { readonly id: number; readonly type: string; readonly because?: string }[];
    };
  const run = (id = "r") => w.json<ReportedRun>(`/v1/runs/${id}`);
  const executors = async () => (await w.json<{ executors: ExecutorView[] }>("/v1/executors")).executors;
  return { ...w, beat, run, executors };
}

test("gateway: a run is known by a heartbeat that names it, as records have not told otherwise", async () => {
  const w = world();
  await w.beat();
  const { pipeline, runtime, state } = await w.run();
  assert.deepEqual([pipeline, runtime, state], ["p", "test 1", "running"]);
  await w.send({ records: [{ ...STARTED, pipeline: "q", runtime: "test 2" }] as never });
  await w.beat({ version: 2, runtime: "test 3", run: { ...BEAT.run!, pipeline: "z" } });
  const told = await w.run();
  assert.deepEqual([told.pipeline, told.runtime], ["q", "test 2"]);
  await w.beat({ version: 1 }, "other");
  assert.equal((await w.run()).executor, "e", "another can't take it");
  const { run: _, ...idle } = BEAT;
  await w.post("/v1/executors/third/heartbeat", idle);
  assert.equal((await w.json<{ runs: unknown[] }>("/v1/runs")).runs.length, 1);
});

test("gateway: whatever is heard of an executor or its run keeps that from being lost, and nothing else does", async () => {
  const w = world();
  const states = async () => [(await w.executors())[0]?.state, (await w.run()).state];
  await w.beat();
  await pass(40_000, w);
  await w.ask("/v1/executors/e/pipeline");
  await pass(6_000, w);
  assert.deepEqual(await states(), ["running", "lost"], "asking for work tells nothing of a run");
  await w.send({ records: [STARTED] as never });
  assert.deepEqual(await states(), ["running", "running"]);
  await pass(45_000, w);
  assert.deepEqual(await states(), ["running", "running"]);
  await pass(1, w);
  assert.deepEqual(await states(), ["lost", "lost"]);
  await w.beat({ version: 2, quiet: true });
  await pass(1_000_000, w);
  assert.deepEqual(await states(), ["running", "running"], "silence was announced");
  await w.beat({ version: 3 });
  await pass(45_001, w);
  assert.deepEqual(await states(), ["lost", "lost"]);
  const { firstSeenAt, lastSeenAt } = (await w.executors())[0]!;
  assert.equal(Date.parse(lastSeenAt) - Date.parse(firstSeenAt), 40_000 + 6_000 + 45_000 + 1 + 1_000_000);
});

test("gateway: of one session the newest heartbeat counts, and commands are for the session that is there", async () => {
  const w = world();
  const shown = async () => (await w.executors())[0]!.heartbeat!.state;
  await w.beat({ version: 3, state: "paused" });
  await w.beat({ version: 3 });
  assert.equal(await shown(), "paused", "it came twice");
  await w.beat({ version: 4 });
  assert.equal(await shown(), "running");
  const ask = async () =>
    (await (await w.post("/v1/executors/e/commands", { type: "pause" })).json() as { id: number }).id;
  const [one, two] = [await ask(), await ask()];
  assert.deepEqual((await w.beat({ version: 4 })).commands, [], "nobody reads what comes by an old one");
  assert.deepEqual((await w.beat({ version: 5 })).commands.map(({ id }) => id), [one, two]);
  assert.deepEqual((await w.beat({ version: 6, seen: one })).commands.map(({ id }) => id), [two]);
  assert.deepEqual(
    (await w.beat({ version: 7, seen: two, storage: "another" })).commands.map(({ id }) => id),
    [two],
  );
  assert.deepEqual((await w.beat({ version: 8, seen: two, storage: w.store.id })).commands, []);
});

test("gateway: lists tell so much of each: gaps, heartbeats, runs, hand-outs; who asks for one is told all", async () => {
  const w = world();
  const missing = Array.from({ length: 12 }, (_, at) => ({ from: at + 1, to: at + 1, reason: "x" }));
  w.store.rows.ingest(newRun("r", { executor: "e", now: 1 }), { lane: "log", records: [], missing });
  w.store.rows.atomically(() => {
    for (let at = 1; at <= 1_000; at++) w.store.rows.putRun(newRun(`r${at}`, { executor: "f", now: 1 + at }));
  });
  const runs = async (query: string) => (await w.json<{ runs: ReportedRun[] }>(`/v1/runs${query}`)).runs;
  assert.deepEqual([(await runs("")).length, (await runs("?executor=f")).length], [1_000, 1_000]);
  assert.deepEqual((await runs("?executor=e")).map(({ missing }) => missing.length), [10]);
  assert.equal((await w.run()).missing.length, 12);

  const padded = (length: number): Heartbeat => {
    const bare = JSON.stringify({ ...BEAT, more: "" }).length;
    return Object.assign({ ...BEAT }, { more: "x".repeat(length - bare) });
  };
  for (const [length, there] of [[4_096, true], [4_097, false]] as const) {
    const executor = `long-${length}`;
    w.store.rows.putExecutor({
      ...{ id: executor, firstSeenAt: 1, lastSeenAt: 2, over: [], rival: undefined },
      heartbeat: padded(length),
    });
    assert.equal(JSON.stringify(padded(length)).length, length);
    const listed = (await w.executors()).find(({ id }) => id === executor)!;
    assert.equal(listed.heartbeat !== undefined, there, String(length));
    assert.ok((await w.json<ExecutorQueue>(`/v1/executors/${executor}`)).executor?.heartbeat);
  }

  const handout = { bytes: new Uint8Array(1), hash: "h", pipeline: undefined, at: 1 };
  w.store.rows.atomically(() => {
    for (let at = 0; at < 1_001; at++) w.store.rows.addHandout({ ...handout, target: at < 201 ? "e" : "f" });
  });
  const { handouts } = await w.json<{ handouts: HandoutView[] }>("/v1/handouts");
  assert.deepEqual([handouts.length, handouts[0]!.version, handouts.at(-1)!.version], [1_000, 1_001, 2]);
  const queue = (await w.json<ExecutorQueue>("/v1/executors/e")).handouts;
  assert.deepEqual(
    [queue.length, queue[0]!.version, queue.at(-1)!.version],
    [200, 2, 201],
    "the oldest first",
  );
  w.store.close();
});

test("gateway: why a run is cancelled is told in a thousand characters, or in words of the gateway's", async () => {
  const w = world();
  await w.beat();
  const cancel = (query: string) => w.code(`/v1/runs/r/cancel${query}`, { method: "POST" });
  assert.deepEqual([await cancel(`?because=${"b".repeat(1_001)}`), await cancel("")], ["202", "202"]);
  const { commands } = await w.beat({ version: 2 });
  assert.deepEqual(commands.map(({ type, because }) => [type, because]), [
    ["cancel", "b".repeat(1_000)],
    ["cancel", "Cancelled by the user at the gateway"],
  ]);
});

test("gateway: who follows a log hears after 5 s that the line is alive, and at once what is new", async () => {
  const w = world();
  await w.send({ records: [STARTED] as never });
  for (const follow of ["1", "true", ""]) {
    const { body } = await w.ask(`/v1/runs/r/records?follow=${follow}`);
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    const read = async () => (await reader.read()).value;
    assert.equal(JSON.parse((await read())!).seq, 1);
    const next = read();
    await w.activity.still();
    const since = w.clock.monotonic();
    w.clock.step();
    assert.equal(w.clock.monotonic() - since, 5_000);
    assert.equal(await next, "\n");
    await reader.cancel();
    await w.activity.still();
    assert.equal(w.clock.timers, 0);
  }
  for (const follow of ["0", "no", "11"]) {
    assert.equal((await (await w.ask(`/v1/runs/r/records?follow=${follow}`)).text()).split("\n").length, 2);
  }
  const following = w.ask("/v1/runs/r/records?since=1&follow=1").then((answer) => answer.text());
  await w.activity.still();
  await w.send({ records: [ENDED] as never, final: { state: "succeeded", records: { state: 2, log: 0 } } });
  assert.match(await following, /^\n*\{"seq":2,.*\}\n+$/);
  assert.equal(w.clock.timers, 0);
});

test("gateway: a log of more records than a page has is told whole and in order", async () => {
  const w = world();
  const records = Array.from({ length: 1_201 }, (_, at) => ({ seq: at + 1, text: `{"seq":${at + 1}}` }));
  w.store.rows.ingest(newRun("r", { executor: "e", now: 1 }), { lane: "log", records, missing: [] });
  const seqs = async (query: string) =>
    (await (await w.ask(`/v1/runs/r/logs${query}`)).text()).trim().split("\n").map((line) =>
      JSON.parse(line).seq
    );
  assert.deepEqual(await seqs(""), records.map(({ seq }) => seq));
  assert.deepEqual(await seqs("?since=1199"), [1_200, 1_201]);
  w.store.close();
});
