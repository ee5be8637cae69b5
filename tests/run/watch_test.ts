import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { pipeline, run } from "../../mod.ts";
import type { ExecutionEvent } from "../../src/run/execution.ts";
import { PipelineError } from "../../src/model/problem.ts";
import { fixture, manifest, only, runScript, see, start, threads } from "./rig.ts";
import second, { first } from "../fixtures/run/several.ts";

const EXAMPLE = manifest("context", {
  value: { params: { value: 1 } },
  progresses: { needs: ["value"], params: { beyond: 2 } },
  ping: { needs: ["progresses"] },
  pong: { needs: ["progresses"] },
});

/** Numbers of a lane run from 1 without gaps. */
function gapless(records: readonly { readonly seq: number }[]): void {
  assert.deepEqual(records.map(({ seq }) => seq), records.map((_, at) => at + 1));
}

test("an iterator gets everything from the beginning, in order, and ends with the run", async () => {
  const { events, states, logs } = await see(EXAMPLE, { workers: 2 });
  gapless(states);
  gapless(logs);
  assert.equal(states[0]?.type, "run.started");
  assert.equal(states.at(-1)?.type, "run.ended");
  assert.equal(events.filter(({ type }) => type === "attempt.progressed").length, 3);
});

test("a slow reader, and one who comes after the end, get every record", async () => {
  const execution = run(EXAMPLE, { workers: 2 });
  const slow: ExecutionEvent[] = [];
  for await (const event of execution) {
    slow.push(event);
    if (slow.length < 5) await new Promise((done) => setTimeout(done, 40));
  }
  const late: ExecutionEvent[] = [];
  for await (const event of execution) late.push(event);
  const stateOf = (events: ExecutionEvent[]) =>
    events.filter((event) => event.type !== "log" && "seq" in event);
  gapless(stateOf(slow) as { seq: number }[]);
  assert.deepEqual(stateOf(late), stateOf(slow));
  assert.equal(stateOf(slow).at(-1)?.type, "run.ended");
});

test("who leaves the loop early leaves the run going", async () => {
  const { execution, seen } = start(EXAMPLE, { workers: 2 });
  for await (const event of execution) if (event.type === "run.started") break;
  const { result } = await seen;
  assert.equal(result.state, "succeeded");
  assert.equal(threads.size, 0);
});

test("a watcher hears what happens until it leaves", async () => {
  const execution = run(EXAMPLE, { workers: 2 });
  const heard: string[] = [];
  const left: string[] = [];
  execution.watch((event) => heard.push(event.type));
  const leave = execution.watch((event) => {
    left.push(event.type);
    leave();
  });
  await execution;
  assert.equal(left.length, 1);
  for (
    const type of [
      "run.started",
      "log",
      "attempt.started",
      "attempt.progressed",
      "store.changed",
      "run.ended",
    ]
  ) {
    assert.ok(heard.includes(type), type);
  }
});

test("a running task that says nothing is told as started while it runs", async () => {
  const going = start(manifest("wrong", { awaits: { params: { key: "never" } } }), { workers: 1 });
  const event = await going.until(({ type }) => type === "attempt.started");
  assert.ok(event.type === "attempt.started" && event.task === "awaits");
  going.execution.cancel("seen");
  await going.seen;
});

test("an iterator of an invalid pipeline throws what is wrong with it", async () => {
  await assert.rejects(async () => {
    for await (const event of run({ outrider: 1, name: "x", tasks: { a: { needs: ["b"] } } })) {
      assert.fail(`nothing can have happened: ${event.type}`);
    }
  }, PipelineError);
});

test("a pipeline made by the builder runs from its object, its path and its URL", async () => {
  const path = fileURLToPath(fixture("several"));
  for (const source of [second, path, fixture("several"), new URL(fixture("several"))]) {
    assert.equal(only((await see(source)).result, "a").value, "second");
  }
  assert.equal(only((await see(first)).result, "a").value, "first");
});

test("a module with several pipelines and no default is refused in words", async () => {
  await assert.rejects(
    see(fixture("ambiguous")),
    /makes 2 pipelines \(first, second\): export the one to run as default/,
  );
});

test("two runs at the same time do not meet", async () => {
  const [a, b] = await Promise.all([see(EXAMPLE, { workers: 1 }), see(EXAMPLE, { workers: 2 })]);
  assert.notEqual(a.result.run, b.result.run);
  for (const { result } of [a, b]) assert.equal(result.state, "succeeded");
  assert.equal(a.logs.length, b.logs.length);
});

for (const how of ["await", "then", "iterate"]) {
  test(`a program runs the pipeline that it makes itself: ${how}`, async () => {
    const { code, stdout, stderr } = await runScript("one_file", [how]);
    assert.deepEqual([code, stderr], [0, ""]);
    if (how !== "iterate") assert.equal(stdout, "2\n");
    else assert.match(stdout, /^\["attempt\.dispatched",.*"log","run\.ended","run\.started"\]\n$/);
  });
}

const own = pipeline("in-a-test");
own.task("one", () => 1);

test("a pipeline of the module that is running runs, though its module does other things too", async () => {
  // The worker imports this file: what is at its top level happens there too, which is what a person must know.
  assert.equal(own.name, "in-a-test");
  assert.equal(own.module, import.meta.url);
});
