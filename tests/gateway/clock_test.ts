/** The gateway while the wall clock steps, by years forward and by an hour back: who is silent is lost, nobody else. */
import assert from "node:assert/strict";
import test from "node:test";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { SqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { Heartbeat } from "../../src/protocol/messages.ts";
import { HandClock, pass } from "../uplink/rig.ts";
import { BEAT, world as gateway } from "./rig.ts";

const STEPS = [56 * 365 * 86_400_000, -3_600_000];

function world(
  store: SqliteGatewayStore = sqliteGatewayStore(":memory:"),
  clock: HandClock = new HandClock(),
) {
  const w = gateway({ store, clock });
  const states = async () => {
    const { executors } = await w.json<{ executors: { state: string }[] }>("/v1/executors");
    const { runs } = await w.json<{ runs: { state: string }[] }>("/v1/runs");
    return [...executors, ...runs].map(({ state }) => state);
  };
  const heard = (version: number, more?: Partial<Heartbeat>) =>
    w.post("/v1/executors/e/heartbeat", { ...BEAT, version, ...more });
  return { ...w, states, heard };
}

test("gateway: a step of the wall clock makes no executor and no run lost, and hides no silence", async () => {
  for (const step of STEPS) {
    const w = world();
    await w.heard(1);
    w.clock.jump(step);
    assert.deepEqual(await w.states(), ["running", "running"]);
    await pass(44_000, w);
    assert.deepEqual(await w.states(), ["running", "running"]);
    w.clock.jump(-step);
    await pass(2_000, w);
    assert.deepEqual(await w.states(), ["lost", "lost"]);
    await w.heard(2);
    assert.deepEqual(await w.states(), ["running", "running"]);
  }
});

test("gateway: after a restart everybody has a whole lease, however long ago it was heard", async () => {
  for (const step of [...STEPS, 0]) {
    const before = world();
    await before.heard(1);
    await pass(40_000, before);
    before.clock.jump(step);
    const w = world(before.store, before.clock);
    await pass(44_000, w);
    assert.deepEqual(await w.states(), ["running", "running"]);
    await pass(2_000, w);
    assert.deepEqual(await w.states(), ["lost", "lost"]);
  }
});

test("gateway: an operation on a flag is done once, also after a step and a restart; its answer is let go in time", async () => {
  const path = "/v1/experiments/x/flags/n";
  for (const step of STEPS) {
    const before = world();
    const count = (w: ReturnType<typeof world>, id: string) => w.post(path, { op: "increment", id, by: 1 });
    await count(before, "one");
    before.clock.jump(step);
    await count(before, "two");
    const w = world(before.store, before.clock);
    for (const id of ["one", "two", "one"]) await count(w, id);
    assert.equal((await (await w.ask(path)).json() as { value: number }).value, 2);
    await pass(3_700_000, w);
    await count(w, "three");
    await count(w, "one");
    assert.equal((await (await w.ask(path)).json() as { value: number }).value, 4);
  }
});

test("gateway: a wait for a flag lasts as long as was asked for, whatever the wall clock does", async () => {
  for (const step of STEPS) {
    const w = world();
    let over = false;
    const wait = w.ask("/v1/experiments/x/flags/n?after=0&wait=5000").then(() => over = true);
    await pass(100, w);
    w.clock.jump(step);
    await pass(4_800, w);
    assert.equal(over, false);
    await pass(200, w);
    assert.equal(await wait, true);
  }
});

test("gateway: the run heard last is listed first, also after the clock was set back", async () => {
  const w = world();
  await w.heard(1);
  w.clock.jump(-3_600_000);
  await w.heard(2, { run: { ...BEAT.run!, id: "later" } });
  const { runs } = await (await w.ask("/v1/runs")).json() as { runs: { run: string }[] };
  assert.deepEqual(runs.map(({ run }) => run), ["later", "r"]);
});
