/** Flags: what each operation makes of each flag, who is woken by it, how long anyone waits, and how much there may be. */
import assert from "node:assert/strict";
import test from "node:test";
import type { SharedFlag } from "../../src/protocol/messages.ts";
import { world } from "./rig.ts";

const PATH = "/v1/experiments/x/flags";

interface Changed {
  readonly flag?: SharedFlag;
  readonly done: boolean;
}

function flags() {
  const w = world();
  let ids = 0;
  const put = async (name: string, value: unknown) =>
    await (await w.ask(`${PATH}/${name}`, { method: "PUT", body: JSON.stringify({ value }) }))
      .json() as Changed;
  const post = (name: string, operation: object) =>
    w.post(`${PATH}/${name}`, { id: `own-${++ids}`, ...operation });
  const change = async (name: string, operation: object) =>
    await (await post(name, operation)).json() as Changed;
  /** Waits for a version above one; tells whether it has come. */
  const waiting = async (name: string, query: string, signal?: AbortSignal) => {
    const state: { answer?: Response } = {};
    const asked = w.ask(`${PATH}/${name}?${query}`, signal === undefined ? {} : { signal });
    void asked.then((answer) => state.answer = answer);
    await w.activity.still();
    return { state, asked };
  };
  return { ...w, elsewhere: w.post, put, post, change, waiting };
}

test("flags: who waits for one is woken by whatever sets it, and by nothing else", async () => {
  const w = flags();
  await w.put("n", 1);
  const changes: readonly [() => Promise<unknown>, unknown][] = [
    [() => w.put("n", 2), 2],
    [() => w.change("n", { op: "set", value: 3 }), 3],
    [() => w.change("n", { op: "increment", by: 4 }), 7],
    [() => w.change("n", { op: "decrement", by: 2 }), 5],
    [() => w.change("n", { op: "compare", expected: 5, value: 6 }), 6],
  ];
  for (const [at, [change, value]] of changes.entries()) {
    const { state, asked } = await w.waiting("n", `after=${at + 1}&wait=1000`);
    await w.put("other", at);
    await w.change("n", { op: "compare", expected: "nothing", value: 0 });
    await w.activity.still();
    assert.equal(state.answer, undefined);
    await change();
    assert.deepEqual(await (await asked).json(), { name: "n", value, version: at + 2 });
    assert.equal(w.clock.timers, 0);
  }
});

test("flags: a wait lasts a minute at most, as long as was asked for else, and no longer than its asker", async () => {
  const w = flags();
  await w.put("n", 1);
  for (const [wait, ms] of [[999_999, 60_000], [60_001, 60_000], [59_999, 59_999], [1, 1]] as const) {
    const { asked } = await w.waiting("n", `after=1&wait=${wait}`);
    const since = w.clock.monotonic();
    w.clock.step();
    assert.equal(w.clock.monotonic() - since, ms);
    assert.equal((await (await asked).json() as SharedFlag).version, 1);
    assert.equal(w.clock.timers, 0);
  }
  const gone = new AbortController();
  const { state } = await w.waiting("n", "after=1&wait=1000", gone.signal);
  assert.deepEqual([state.answer, w.clock.timers], [undefined, 1]);
  gone.abort();
  await w.activity.still();
  assert.equal(w.clock.timers, 0);
  // A newer one is told at once, and so is any to who knows of none.
  for (const query of ["after=0&wait=1000", "wait=1000", "after=1"]) {
    const { asked } = await w.waiting("n", query);
    assert.equal((await (await asked).json() as SharedFlag).value, 1, query);
  }
  assert.equal(w.clock.timers, 0);
});

test("flags: who waits is woken also when another, who waited for the same, has given up", async () => {
  const w = flags();
  await w.put("n", 1);
  const short = await w.waiting("n", "after=1&wait=10");
  const long = await w.waiting("n", "after=1&wait=1000");
  w.clock.step();
  assert.equal((await (await short.asked).json() as SharedFlag).version, 1);
  assert.deepEqual([long.state.answer, w.clock.timers], [undefined, 1]);
  await w.put("n", 2);
  assert.equal((await (await long.asked).json() as SharedFlag).version, 2);
  assert.equal(w.clock.timers, 0);
});

test("flags: each operation does what it says, by what was there before", async () => {
  const w = flags();
  const of = (value: unknown, version: number): Changed => ({
    flag: { name: "n", value, version },
    done: true,
  });
  const not = ({ flag }: Changed): Changed => ({ flag: flag!, done: false });
  assert.deepEqual(await w.change("n", { op: "set", value: 1, ifVersion: 1 }), { done: false });
  assert.deepEqual(await w.change("n", { op: "compare", expected: null, value: 1 }), { done: false });
  assert.deepEqual(await w.change("n", { op: "set", value: "a", ifVersion: 0 }), of("a", 1));
  assert.deepEqual(await w.change("n", { op: "set", value: "b", ifVersion: 0 }), not(of("a", 1)));
  assert.deepEqual(await w.change("n", { op: "set", value: "b", ifVersion: 1 }), of("b", 2));
  assert.deepEqual(await w.change("n", { op: "set", value: null }), of(null, 3));
  assert.deepEqual(await w.change("n", { op: "compare", value: 1 }), not(of(null, 3)), "there is one");
  assert.deepEqual(await w.change("n", { op: "increment", by: 2 }), of(2, 4), "nothing counts as 0");
  assert.deepEqual(await w.change("n", { op: "decrement", by: 0.5 }), of(1.5, 5));
  assert.deepEqual(
    await w.change("n", { op: "compare", expected: 1.5, value: { a: [1] } }),
    of({ a: [1] }, 6),
  );
  assert.deepEqual(
    await w.change("n", { op: "compare", expected: { a: [2] }, value: 0 }),
    not(of({ a: [1] }, 6)),
  );
  assert.deepEqual(await w.change("n", { op: "compare", expected: { a: [1] }, value: 7 }), of(7, 7));
  assert.deepEqual(await w.put("n", 8), of(8, 8));
  assert.equal((await w.change("m", { op: "compare", value: 1 })).done, true, "there is none");
  assert.deepEqual((await w.change("k", { op: "decrement", by: 3 })).flag, {
    name: "k",
    value: -3,
    version: 1,
  });
  assert.deepEqual((await w.put("p", 1)).flag?.version, 1);
});

test("flags: counts end where no number holds them: whole ones at 2^53, others where numbers do", async () => {
  const w = flags();
  const count = async (value: number, by: number) => {
    await w.put("n", value);
    return (await w.post("n", { op: "increment", by })).status;
  };
  assert.equal(await count(2 ** 53 - 2, 1), 200);
  assert.equal(await count(2 ** 53 - 1, 1), 409);
  assert.equal(await count(-(2 ** 53) + 1, -1), 409);
  assert.equal(await count(1e300, 0.5), 200, "what is no whole number need not be exact");
  assert.equal(await count(0.5, 1e300), 200);
  assert.equal(await count(1.5e308, 1.5e308), 409);
  assert.equal(await count(1.5, 1e308), 200);
});

test("flags: an operation is done once for each flag and id, and its answer is the same", async () => {
  const w = flags();
  const id = "same";
  const first = await w.change("a", { op: "set", id, value: [1] });
  await w.change("a", { op: "set", value: 2 });
  assert.deepEqual(await w.change("a", { op: "set", id, value: [1] }), first);
  assert.equal((await w.change("b", { op: "set", id, value: 1 })).flag?.name, "b");
  const elsewhere = await w.elsewhere("/v1/experiments/y/flags/a", { op: "increment", id, by: 1 });
  assert.deepEqual(await elsewhere.json(), { flag: { name: "a", value: 1, version: 1 }, done: true });
  // What came to nothing is asked again, and may come to something then.
  assert.equal((await w.change("a", { op: "compare", id: "later", expected: 3, value: 4 })).done, false);
  await w.put("a", 3);
  assert.equal((await w.change("a", { op: "compare", id: "later", expected: 3, value: 4 })).done, true);
});

test("flags: 16 MiB of values in UTF-8 are room for an experiment, and what takes no more is always taken", async () => {
  const w = flags();
  const most = 16 * 1024 * 1024;
  const status = async (name: string, value: unknown) =>
    (await w.ask(`${PATH}/${name}`, { method: "PUT", body: JSON.stringify({ value }) })).status;
  w.store.rows.putFlag("x", { name: "large", value: "x".repeat(most - 2 - 4 - 4), version: 1 });
  w.store.rows.putFlag("x", { name: "n", value: "ab", version: 1 });
  assert.equal(await status("m", "abc"), 413, "one byte more than there is");
  assert.equal(await status("m", "ü"), 200);
  assert.equal(await status("m", "üa"), 413);
  assert.equal(await status("m", "uv"), 200);
  w.store.rows.putFlag("x", { name: "more", value: "x".repeat(100), version: 1 });
  assert.deepEqual([await status("n", "cd"), await status("n", "cde"), await status("n", "c")], [
    200,
    413,
    200,
  ]);
  assert.equal(await status("n", "cd"), 413);
  assert.equal(w.store.rows.flag("x", "n")?.value, "c");
});
