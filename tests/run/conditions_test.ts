/** Tests of conditions: what they say of any value, what becomes of their tasks on real workers, and after a kill. */
import assert from "node:assert/strict";
import test from "node:test";
import { MAX_LOOKED_AT, MAX_MATCHED } from "../../src/defaults.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { ManifestCondition, ManifestTest } from "../../src/pipeline/document/manifest.ts";
import { whyNot } from "../../src/run/conditions.ts";
import { Redactor } from "../../src/secrets/redactor.ts";
import { toldOf } from "../../src/secrets/journal.ts";
import { planOf } from "../schedule/example.ts";
import { see } from "./rig.ts";

/** Why a task with this condition does not run, if `probe` has returned this. */
function reason(when: ManifestCondition, value: unknown): string | undefined {
  const plan = planOf({ probe: {}, a: { when } });
  const not = whyNot(1, plan, { of: () => value === undefined ? undefined : JSON.stringify(value) });
  if (not !== undefined) assert.equal(not.outcome, /^[A-Z]/.test(not.because) ? "failed" : "skipped");
  return not?.because;
}

/** Of a test of `probe`. */
function why(test: Omit<ManifestTest, "task">, value: unknown): string | undefined {
  return reason({ task: "probe", ...test }, value);
}

test("a test says in words and numbers why it is not so", () => {
  const loss = { path: "/loss" };
  const rows: readonly (readonly [Omit<ManifestTest, "task">, unknown, string | undefined])[] = [
    [{ ...loss, gt: 0.1 }, { loss: 0.02 }, '/loss of "probe" is 0.02, not greater than 0.1'],
    [{ ...loss, gt: 0.1 }, { loss: 0.1 }, '/loss of "probe" is 0.1, not greater than 0.1'],
    [{ ...loss, gt: 0.1 }, { loss: 0.2 }, undefined],
    [{ ...loss, gte: 0.1, lt: 0.5 }, { loss: 0.1 }, undefined],
    [{ ...loss, gte: 0.1, lt: 0.5 }, { loss: 0.5 }, '/loss of "probe" is 0.5, not less than 0.5'],
    [{ ...loss, gte: 1 }, { loss: 0 }, '/loss of "probe" is 0, not at least 1'],
    [{ ...loss, lte: 1 }, { loss: 1 }, undefined],
    [{ ...loss, lte: 1 }, { loss: 2 }, '/loss of "probe" is 2, not at most 1'],
    [{ ...loss, gt: 1 }, { loss: "9" }, '/loss of "probe" is "9", not greater than 1'],
    [{ ...loss, gt: 1 }, {}, '/loss of "probe" is not there'],
    [{ ...loss, gt: 1 }, undefined, '"probe" has no value'],
    [{ eq: "up" }, "up", undefined],
    [{ eq: "up" }, "down", 'the value of "probe" is "down", not "up"'],
    [{ eq: 1 }, "1", 'the value of "probe" is "1", not 1'],
    [{ eq: null }, null, undefined],
    [{ eq: null }, undefined, '"probe" has no value'],
    [{ ne: 1 }, 2, undefined],
    [{ ne: 1 }, 1, 'the value of "probe" is 1'],
    [{ ...loss, ne: 1 }, {}, undefined],
    [{ ne: 1 }, [1], undefined],
    [{ eq: 1 }, [1], 'the value of "probe" is a list, not 1'],
    [{ eq: 1 }, { a: 1 }, 'the value of "probe" is an object, not 1'],
    [{ eq: "x" }, { $bytes: "eA==" }, 'the value of "probe" is bytes, not "x"'],
    [{ in: ["a", 1, null] }, null, undefined],
    [{ in: [1, 2, 3, 4, 5] }, 6, 'the value of "probe" is 6, not one of 1, 2, 3 and 2 more'],
    [{ in: [1, 2, 3] }, 6, 'the value of "probe" is 6, not one of 1, 2, 3'],
    [{ eq: "x" }, "a[{b", 'the value of "probe" is "a[{b", not "x"'],
    [{ eq: 1 }, { list: [1] }, 'the value of "probe" is an object, not 1'],
    [{ eq: "x" }, "y".repeat(60), `the value of "probe" is "${"y".repeat(60)}", not "x"`],
    [{ eq: "x" }, "y".repeat(61), 'the value of "probe" is a text of 61 characters, not "x"'],
    [{ path: `/${"p".repeat(59)}`, eq: 1 }, {}, `/${"p".repeat(59)} of "probe" is not there`],
    [{ path: `/${"p".repeat(60)}`, eq: 1 }, {}, `"/${"p".repeat(59)}…" of "probe" is not there`],
    [{ in: [1] }, [1], 'the value of "probe" is a list, not one of 1'],
    [{ matches: "^eth\\d$" }, "eth0", undefined],
    [{ matches: "^eth\\d$" }, "wlan0", 'the value of "probe" is "wlan0", not matching "^eth\\\\d$"'],
    [{ matches: "1" }, 1, 'the value of "probe" is 1, not matching "1"'],
    [{ ...loss, exists: true }, { loss: null }, undefined],
    [{ ...loss, exists: false }, {}, undefined],
    [{ ...loss, exists: false }, undefined, undefined],
    [{ ...loss, exists: false }, { loss: 3 }, '/loss of "probe" is 3'],
    [{ ...loss, exists: true, gt: 1 }, { loss: 0 }, '/loss of "probe" is 0, not greater than 1'],
    [{ path: "/a b", exists: true }, {}, '"/a b" of "probe" is not there'],
    [
      { path: "/list/length", gt: 0 },
      { list: [1] },
      '/list/length of "probe" is not there: a list has no key for its length, so return that beside it',
    ],
    [
      { path: "/length", gt: 0 },
      "abc",
      '/length of "probe" is not there: a text has no key for its length, so return that beside it',
    ],
    [{ path: "/length", gt: 0 }, { length: 0 }, '/length of "probe" is 0, not greater than 0'],
    [{ path: "/a/length", gt: 0 }, { a: {} }, '/a/length of "probe" is not there'],
    [{ path: "/length", exists: false }, [], undefined],
  ];
  for (const [test, value, expected] of rows) {
    assert.equal(why(test, value), expected, JSON.stringify([test, value]));
  }
});

test("conditions are put together by all, any and not, and a reason has those parts that decide", () => {
  const [low, high]: ManifestCondition[] = [{ task: "probe", lt: 3 }, { task: "probe", gt: 7 }];
  assert.equal(reason({ any: [low!, high!] }, 1), undefined);
  assert.equal(
    reason({ any: [low!, high!] }, 5),
    'the value of "probe" is 5, not less than 3, the value of "probe" is 5, not greater than 7',
  );
  assert.equal(reason({ all: [low!, high!] }, 9), 'the value of "probe" is 9, not less than 3');
  assert.equal(reason({ not: high! }, 9), 'the value of "probe" is 9, greater than 7');
  assert.equal(reason({ not: { any: [low!, { not: high! }] } }, 9), undefined);
  assert.equal(reason({ not: { task: "probe", exists: true } }, undefined), undefined);
});

test("a large value, or text, decides nothing and hangs nothing: the task has failed with that as its error", () => {
  const large = "x".repeat(MAX_LOOKED_AT);
  assert.match(
    why({ eq: "x" }, large)!,
    /^The value of "probe" has 1048578 characters as JSON, more than the 1048576/,
  );
  assert.match(reason({ not: { task: "probe", eq: "x" } }, large)!, /^The value of "probe" has/);
  const long = "x".repeat(MAX_MATCHED + 1);
  assert.match(
    why({ matches: "x" }, long)!,
    /^A text of 10001 characters is to match "x", more than the 10000/,
  );
  const most = "a".repeat(MAX_MATCHED);
  assert.equal(
    why({ matches: "^(a+)+$b" }, most),
    'the value of "probe" is a text of 10000 characters, not matching "^(a+)+$b"',
  );
});

const VALUE = "data:text/javascript,export default (ctx) => ctx.params.value";
const LOOP =
  "data:text/javascript,export default (ctx) => ({ left: 2 - ctx.iteration, token: 'hunter2-hunter2' })";
const COUNTED = {
  outrider: 1,
  name: "conditions",
  tasks: {
    probe: { run: { module: VALUE }, params: { value: { loss: 0.02, hosts: ["a"] } } },
    lossy: { run: { module: VALUE }, when: { task: "probe", path: "/loss", gt: 0.1 } },
    after: { run: { module: VALUE }, needs: ["lossy"] },
    report: {
      needs: [{ task: "lossy", on: "any" }],
      when: { task: "probe", path: "/hosts/0", exists: true },
    },
    count: { run: { module: LOOP } },
    again: { run: { module: VALUE }, when: { task: "count", path: "/left", gt: 0 } },
    told: { when: { task: "count", path: "/token", eq: "x" } },
  },
  loops: [{ from: "again", to: "count", times: 9 }],
} as const;

test("on workers: a condition is decided in each iteration, and its journal decides it again from any beginning", async () => {
  const first = memoryJournal();
  const { result } = await see(COUNTED, { journal: first });
  const states = first.states(0, 1_000);
  const ends = Object.fromEntries(
    Object.entries(result.tasks).map((
      [name, all],
    ) => [name, all.map(({ outcome, because }) => because ?? outcome)]),
  );
  assert.equal(result.state, "succeeded");
  assert.deepEqual(ends, {
    probe: ["succeeded"],
    lossy: ['/loss of "probe" is 0.02, not greater than 0.1'],
    after: ["lossy was skipped"],
    report: ["succeeded"],
    count: ["succeeded", "succeeded", "succeeded"],
    again: ["succeeded", "succeeded", '/left of "count" is 0, not greater than 0'],
    told: ['/token of "count" is "hunter2-hunter2", not "x"'],
  });
  const own = (all: typeof result.tasks) =>
    Object.fromEntries(
      Object.entries(all).map(([name, attempts]) => [
        name,
        attempts.filter(({ reason }) => reason !== "lost").map((
          { iteration, outcome, because },
        ) => [iteration, outcome, because]),
      ]),
    );
  for (let cut = 1; cut < states.length; cut += 3) {
    const journal = memoryJournal();
    for (const { seq: _, at, ...event } of states.slice(0, cut)) journal.append(event, at);
    const again = await see(COUNTED, { journal });
    assert.deepEqual(own(again.result.tasks), own(result.tasks), `cut after ${cut} records`);
  }
});

test("on workers: what can't be decided fails its task and the run, and so it does from any beginning of its journal", async () => {
  const when = { task: "probe", matches: "x" } as const;
  const pipeline = {
    outrider: 1,
    name: "undecidable",
    tasks: {
      probe: { run: { module: VALUE }, params: { value: "x".repeat(MAX_MATCHED + 1) } },
      alarm: { run: { module: VALUE }, when, retry: { attempts: 3 } },
      each: { run: { module: VALUE }, each: { task: "list" }, when },
      list: { run: { module: VALUE }, params: { value: [1] } },
      after: { run: { module: VALUE }, needs: [{ task: "alarm", on: "success" }] },
      anyway: { needs: [{ task: "alarm", on: "failure" }, { task: "each", on: "any" }] },
    },
    onFailure: "continue",
  } as const;
  const first = memoryJournal();
  const { result } = await see(pipeline, { journal: first });
  const ends = (all: typeof result.tasks) =>
    ["alarm", "each", "after", "anyway"].map((name) =>
      all[name]!.map(({ attempt, outcome, error, because }) =>
        `${attempt} ${outcome} ${error?.name ?? because}`
      )
    );
  assert.equal(result.state, "failed");
  assert.match(result.tasks["alarm"]![0]!.error!.message, /^A text of 10001 characters is to match "x"/);
  const expected = [
    ["0 failed ConditionError"],
    ["0 failed ConditionError"],
    ["0 skipped alarm failed"],
    ["1 succeeded undefined"],
  ];
  assert.deepEqual(ends(result.tasks), expected);
  const states = first.states(0, 1_000);
  const from = states.findIndex((record) => record.type === "attempt.settled" && record.task === "probe");
  for (let cut = from + 1; cut < states.length; cut++) {
    const journal = memoryJournal();
    for (const { seq: _, at, ...event } of states.slice(0, cut)) journal.append(event, at);
    const again = await see(pipeline, { journal });
    assert.equal(again.result.state, "failed");
    assert.deepEqual(ends(again.result.tasks), expected, `cut after ${cut} records`);
  }
});

test("a secret in a value that is told as a reason is told nowhere", async () => {
  const journal = memoryJournal();
  await see(COUNTED, { journal });
  const told = JSON.stringify(toldOf(journal, new Redactor(["hunter2-hunter2"])).states(0, 1_000));
  assert.ok(told.includes('/token of \\"count\\" is') && !told.includes("hunter2"));
});
