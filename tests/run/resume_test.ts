/** Tests of going on with a run that a journal holds: what has finished stays, what was in flight is lost or tried again. */
import assert from "node:assert/strict";
import test from "node:test";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { Journal } from "../../src/journal/journal.ts";
import type { StateEvent } from "../../src/model/record.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import {
  anew,
  OtherPipelineError,
  planHash,
  recordedPast,
  UnknownTaskError,
} from "../../src/run/resume/replay.ts";
import { goOn, MAX_DEATHS } from "../../src/run/resume/resume.ts";
import { Values } from "../../src/run/values.ts";
import { EventLog } from "../../src/store/events.ts";
import { SharedStore } from "../../src/store/store.ts";
import { planOf } from "../schedule/example.ts";

type Tasks = Parameters<typeof planOf>[0];

const STARTED = { type: "run.started", run: "r", pipeline: "p", runtime: "x", plan: "h" } as const;

function dispatched(task: string, attempt = 1): StateEvent {
  return { type: "attempt.dispatched", task, iteration: 0, attempt, worker: 1 };
}

function settled(task: string, outcome: Outcome = "succeeded", more: object = {}): StateEvent {
  return {
    type: "attempt.settled",
    task,
    iteration: 0,
    attempt: outcome === "skipped" ? 0 : 1,
    outcome,
    ...more,
  };
}

const NO_FILES = { forget: () => {} };

/** What follows from a journal with these records. */
function resumed(tasks: Tasks, events: readonly StateEvent[], from?: string) {
  const journal: Journal = memoryJournal();
  let at = 0;
  for (const event of [STARTED, ...events]) journal.append(event, ++at);
  const plan = planOf(tasks);
  const past = recordedPast(journal)!;
  const [store, events_] = [new SharedStore(), new EventLog()];
  const values = new Values(plan.tasks.length);
  const before = journal.last().states;
  const going = goOn(
    { plan, journal, store, events: events_, values, files: NO_FILES, lists: NO_LISTS },
    past,
    {
      hash: "h",
      from,
      at: 99,
    },
  );
  const index = (name: string) => plan.tasks.find((task) => task.name === name)!.index;
  const written = journal.states(before, 100);
  return {
    ...going,
    plan,
    past,
    store,
    events: events_,
    written,
    valueOf: (name: string) => values.of(index(name)),
    outcomeOf: (name: string) => going.schedule.outcome(index(name)),
    ready: () =>
      going.schedule.release(1, { max: 9, ready: 9 }).map(({ task, attempt }) =>
        `${plan.tasks[task]!.name} ${attempt}`
      ),
  };
}

/** No task is mapped here. */
const NO_LISTS = { began() {}, ended() {} };

test("resume: a journal without a run holds none", () => {
  assert.equal(recordedPast(memoryJournal()), undefined);
});

test("resume: what has finished keeps its value, what was in flight is tried again, and is in the journal first", () => {
  const seen = resumed({ a: {}, b: { needs: ["a"] }, c: { needs: ["b"] } }, [
    dispatched("a"),
    settled("a", "succeeded", { value: "1" }),
    dispatched("b"),
  ]);
  assert.deepEqual([seen.lost, seen.givenUp, seen.commands], [1, undefined, []]);
  assert.deepEqual([seen.valueOf("a"), seen.valueOf("b")], ["1", undefined]);
  assert.deepEqual(seen.written.map(({ seq: _, ...record }) => record), [
    { at: 99, type: "run.resumed", lost: 1 },
    {
      at: 99,
      type: "attempt.settled",
      task: "b",
      iteration: 0,
      attempt: 1,
      outcome: "crashed",
      reason: "lost",
      because: "the process that ran it ended",
      rerun: true,
    },
  ]);
  assert.deepEqual(seen.ready(), ["b 2", "c 1"]);
});

test("resume: a task that must not run twice has crashed when it was lost", () => {
  const seen = resumed({ a: { onLost: "fail" }, b: { needs: ["a"] } }, [dispatched("a")]);
  const lost = seen.written.at(-1)!;
  assert.ok(lost.type === "attempt.settled" && !("rerun" in lost));
  assert.equal(seen.outcomeOf("a"), "crashed");
  assert.deepEqual(seen.commands.map(({ type }) => type), ["record", "revoke", "end"]);
});

test("resume: a run whose process dies again and again without one more outcome is given up", () => {
  const deaths = (count: number, more: readonly StateEvent[] = []) =>
    resumed({ a: {}, b: {} }, [
      dispatched("a"),
      ...Array.from({ length: count - 1 }, () => ({ type: "run.resumed", lost: 1 }) as const),
      ...more,
    ]);
  assert.equal(MAX_DEATHS, 3);
  assert.equal(deaths(2).givenUp, undefined);
  const up = deaths(3);
  assert.equal(up.givenUp, "its process has ended 3 times in a row without one more outcome");
  assert.deepEqual(up.commands.at(-1), { type: "end", state: "failed" });
  const lost = up.written.at(-1)!;
  assert.ok(lost.type === "attempt.settled" && lost.task === "a" && lost.rerun === undefined);
  assert.equal(deaths(3, [dispatched("b"), settled("b")]).givenUp, undefined);
  assert.equal(deaths(3, [{ type: "run.ended", state: "failed" }]).givenUp, undefined);
});

test("resume: another pipeline, or another version of it, is not gone on with", () => {
  const journal = memoryJournal();
  journal.append({ ...STARTED, plan: "other" }, 1);
  const plan = planOf({ a: {} });
  const parts = {
    plan,
    journal,
    store: new SharedStore(),
    events: new EventLog(),
    values: new Values(1),
    files: NO_FILES,
    lists: NO_LISTS,
  };
  assert.throws(
    () => goOn(parts, recordedPast(journal)!, { hash: "h", from: undefined, at: 2 }),
    (error) => {
      assert.ok(error instanceof OtherPipelineError && error.code === "OUTRIDER_OTHER_PIPELINE");
      assert.match(
        error.message,
        /^The journal holds run r of another pipeline, or of another version of p: use/,
      );
      return true;
    },
  );
  assert.equal(journal.last().states, 1);
});

test("resume: from a task, it and what depends on it run anew, with what failed or was skipped; the rest stays", () => {
  const tasks: Tasks = {
    a: {},
    b: { needs: ["a"] },
    c: { needs: ["b"] },
    fails: {},
    allowed: { allowFailure: true },
    skipped: { needs: [{ task: "a", on: "failure" }] },
  };
  const history = [
    ...["a", "b", "c"].flatMap((
      task,
    ) => [dispatched(task), settled(task, "succeeded", { value: `"${task}"` })]),
    dispatched("allowed"),
    settled("allowed", "failed"),
    dispatched("fails"),
    settled("fails", "failed"),
    settled("skipped", "skipped"),
    { type: "run.ended", state: "failed" } as const,
  ];
  const seen = resumed(tasks, history, "b");
  assert.deepEqual([seen.valueOf("a"), seen.valueOf("b"), seen.valueOf("c")], ['"a"', undefined, undefined]);
  const [again] = seen.written;
  assert.ok(again!.type === "run.resumed");
  assert.deepEqual([...again!.again!].sort(), ["b", "c", "fails", "skipped"]);
  assert.equal(seen.outcomeOf("allowed"), "failed");
  assert.deepEqual(seen.ready().sort(), ["b 1", "c 1", "fails 1"]);
  assert.throws(() => resumed(tasks, history, "nothing"), (error) => {
    assert.ok(error instanceof UnknownTaskError && error.code === "OUTRIDER_UNKNOWN_TASK");
    assert.match(error.message, /^There is no task "nothing" to repeat in p: name one of its tasks$/);
    return true;
  });
});

test("resume: with a task of a loop all of the loop runs anew", () => {
  const plan = planOf({ a: {}, b: { needs: ["a"] }, c: { needs: ["b"] }, d: {} }, {
    loops: [{ from: "b", to: "a", times: 1 }],
  });
  const journal = memoryJournal();
  journal.append(STARTED, 1);
  assert.deepEqual([...anew(plan, recordedPast(journal)!, "b").again].sort(), ["a", "b", "c"]);
  assert.deepEqual([...anew(plan, recordedPast(journal)!, "d").again], ["d"]);
});

test("resume: what was repeated once counts as it was then", () => {
  const seen = resumed({ a: {}, b: { needs: ["a"] } }, [
    dispatched("a"),
    settled("a", "succeeded", { value: "1" }),
    dispatched("b"),
    settled("b", "failed"),
    { type: "run.resumed", lost: 0, again: ["b"] },
    dispatched("b"),
  ]);
  assert.deepEqual([seen.lost, seen.valueOf("a")], [1, "1"]);
  assert.deepEqual(seen.ready(), ["b 2"]);
});

test("resume: a stop that was asked for still holds, and is forgotten when a part is repeated", () => {
  const stop = { type: "run.stopping", because: "enough", state: "cancelled" } as const;
  const held = resumed({ a: {}, b: { needs: ["a"] } }, [dispatched("a"), stop]);
  assert.equal(held.schedule.stopped, "enough");
  assert.deepEqual(held.ready(), []);
  assert.equal(held.outcomeOf("a"), "crashed");
  const again = resumed({ a: {}, b: { needs: ["a"] } }, [dispatched("a"), settled("a"), stop], "b");
  assert.equal(again.schedule.stopped, undefined);
  assert.deepEqual(again.ready(), ["b 1"]);
});

test("resume: the store and the events are as they were", () => {
  const seen = resumed({ a: {} }, [
    { type: "store.changed", key: "k", value: "1", version: 1 },
    { type: "store.changed", key: "k", value: "2", version: 2 },
    { type: "event.emitted", id: 1, event: "e" },
  ]);
  assert.equal(seen.store.get("k")?.value, "2");
  assert.equal(seen.events.last, 1);
});

test("plan hash: it tells any change of what is run, and none of how modules are numbered", async () => {
  const hash = async (tasks: Tasks, more = {}) => await planHash(planOf(tasks, more));
  const run = (name: string) => ({ run: { module: `file:///${name}.ts`, export: "x" } });
  const base = await hash({ a: run("a"), b: run("a") });
  assert.equal(await hash({ a: run("a"), b: run("a") }), base);
  assert.match(base, /^[0-9a-f]{64}$/);
  const others = await Promise.all([
    hash({ a: run("a"), b: run("b") }),
    hash({ a: run("b"), b: run("b") }),
    hash({ a: run("b"), b: run("a") }),
    hash({ a: run("a"), b: { ...run("a"), needs: ["a"] } }),
    hash({ a: run("a"), b: { ...run("a"), timeout: "1s" } }),
    hash({ a: run("a"), b: run("a") }, { name: "q" }),
    hash({ a: run("a"), b: run("a") }, { onFailure: "continue" }),
    hash({ a: run("a"), b: run("a") }, { loops: [{ from: "a", to: "a", times: 1 }] }),
    hash({ a: run("a"), b: { run: { command: ["true"] } } }),
    hash({ a: run("a"), b: { run: { command: ["false"] } } }),
  ]);
  assert.equal(new Set([base, ...others]).size, others.length + 1);
});
