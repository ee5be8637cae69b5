/** What an executor told of a graph, and of what happened, is drawn only if it can be. */
import assert from "node:assert/strict";
import test from "node:test";
import type { FeedSink } from "../../src/page/data.ts";
import { graphTold, isReadable, tasksAlone } from "../../src/page/gateway/graph.ts";
import { Plain } from "../../src/page/gateway/plain.ts";
import { Model } from "../../src/page/model.ts";
import { planJson } from "../../src/http/run_routes.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { StateRecord } from "../../src/model/record.ts";
import { HandClock } from "../store/hand_clock.ts";

const RUN = { id: "r", runtime: "test 1" };

function graphOf(tasks: Readonly<Record<string, object>>): string {
  return planJson(compile({ outrider: 1, name: "p", tasks }, "file:///x/"));
}

test("a graph as an executor tells it is taken, whatever is in it", () => {
  const text = graphOf({
    a: {},
    b: { needs: ["a"], join: "any", retry: { attempts: 3 }, timeout: "5s" },
    c: { needs: ["a", { task: "b", on: "failure" }], when: { task: "a", gt: 1 }, join: "all" },
  });
  const graph = graphTold(text)!;
  assert.deepEqual(JSON.parse(JSON.stringify(graph)), JSON.parse(text));
  assert.equal(new Model(RUN, graph).tasks.length, 3);
});

test("what is no graph, or one that can't be drawn, is none", () => {
  const task = { name: "a", kind: "sync", needs: [], join: "all", attempts: 1, allowFailure: false };
  const graph = { name: "p", onFailure: "stop", tasks: [task], loops: [] };
  assert.notEqual(graphTold(JSON.stringify(graph)), undefined);
  const b = { ...task, name: "b", needs: [{ task: "a", on: "success" }] };
  const wrong: unknown[] = [
    null,
    1,
    [],
    {},
    "text",
    { ...graph, tasks: {} },
    { ...graph, tasks: [null] },
    { ...graph, name: { toString: "x" } },
    { ...graph, tasks: [task, task] },
    { ...graph, tasks: [b, task] },
    { ...graph, tasks: [{ ...task, needs: [{ task: "a", on: "success" }] }] },
    { ...graph, tasks: [task, { ...b, needs: [{ task: "a", on: "never" }] }] },
    { ...graph, tasks: [{ ...task, name: 7 }] },
    { ...graph, tasks: [{ ...task, attempts: "many" }] },
    { ...graph, onFailure: "goOn" },
    { ...graph, tasks: [{ ...task, kind: 1 }] },
    { ...graph, tasks: [{ ...task, join: "some" }] },
    { ...graph, tasks: [{ ...task, when: {} }] },
    { ...graph, tasks: [{ ...task, uses: [{ resource: "radio" }, { resource: 1 }] }] },
    { ...graph, tasks: [{ ...task, uses: "radio" }] },
    { ...graph, loops: [{ from: "a", to: "a", times: 1, on: "any", body: ["z"] }] },
    { ...graph, edges: [{ from: "a", to: "z" }] },
    { ...graph, loops: [{ from: "a", to: "z", times: 1, on: "any", body: [] }] },
    { ...graph, loops: undefined },
    { ...graph, edges: [{ from: "z", to: "a" }] },
  ];
  for (const each of wrong) assert.equal(graphTold(JSON.stringify(each)), undefined, JSON.stringify(each));
  assert.equal(graphTold("{"), undefined);
});

test("tasks that records name are shown without a graph", () => {
  const alone = { kind: "task", needs: [], join: "all", attempts: 1, allowFailure: false };
  assert.deepEqual(tasksAlone("p", ["a", "b"]), {
    name: "p",
    onFailure: "continue",
    tasks: [{ name: "a", ...alone }, { name: "b", ...alone }],
    loops: [],
  });
  const model = new Model(RUN, tasksAlone("p", ["a", "b"]));
  model.add({ seq: 1, at: 1, type: "attempt.dispatched", task: "b", iteration: 0, attempt: 1, worker: 1 });
  assert.deepEqual(model.tasks.map(({ standing }) => standing), ["waiting", "running"]);
});

test("a run without a graph that is told anew is not shown as it was before", () => {
  const begun: string[][] = [];
  const sink: FeedSink = {
    begin: (_, { tasks }) => void begun.push(tasks.map(({ name }) => name)),
    record: () => {},
    status: () => {},
    link: () => {},
  };
  const clock = new HandClock();
  const round = new AbortController();
  const dispatched = {
    seq: 2,
    at: 1,
    type: "attempt.dispatched",
    iteration: 0,
    attempt: 1,
    worker: 1,
  } as const;
  new Plain(sink, { head: RUN, name: "p", signal: round.signal, clock }).add({ ...dispatched, task: "old" });
  round.abort();
  const anew = new AbortController();
  new Plain(sink, { head: RUN, name: "p", signal: anew.signal, clock }).add({ ...dispatched, task: "new" });
  clock.advance(10_000);
  assert.deepEqual(begun, [[], [], ["new"]]);
});

test("a record is read only if it has what the page reads of it; one of an unknown type changes nothing", () => {
  const base = { seq: 1, at: 1 };
  const attempt = { task: "a", iteration: 0, attempt: 1 };
  const good: object[] = [
    { ...base, type: "attempt.dispatched", ...attempt, worker: 1 },
    { ...base, type: "attempt.planned", ...attempt, dueAt: 5 },
    { ...base, type: "run.stopping", because: "x", state: "cancelled" },
    { ...base, type: "a.newer.one" },
  ];
  for (const each of good) assert.equal(isReadable(each), true, JSON.stringify(each));
  const wrong: object[] = [
    { ...base, type: "attempt.dispatched", ...attempt },
    { ...base, type: "attempt.dispatched", ...attempt, task: {}, worker: 1 },
    { ...base, type: "attempt.planned", ...attempt, dueAt: "soon" },
    { ...base, type: "store.changed", key: 1, version: 1 },
    { ...base, type: "event.emitted", id: 1 },
    { ...base, type: "run.stopping", because: {}, state: "cancelled" },
    { ...base, type: 1 },
    { seq: 1, type: "run.ended" },
  ];
  for (const each of wrong) assert.equal(isReadable(each), false, JSON.stringify(each));
  const model = new Model(RUN, tasksAlone("p", ["a"]));
  model.add({ ...base, type: "a.newer.one" } as unknown as StateRecord);
  assert.equal(model.counts.waiting, 1);
});
