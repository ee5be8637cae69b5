/** How a run goes on from its journal. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Outcome } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import type { Replayed } from "../../src/schedule/command.ts";
import { replay } from "../../src/schedule/replay.ts";
import { Example, planOf } from "./example.ts";

/** The schedule after a journal in which attempts of iteration 0 were dispatched and settled. */
function after(
  plan: Plan,
  journal: readonly (readonly [name: string, attempt: number, outcome?: Outcome])[],
): {
  readonly run: Example;
  readonly inFlight: string[];
} {
  const records = journal.map(([name, attempt, outcome]): Replayed => {
    const { index } = plan.tasks.find((task) => task.name === name)!;
    return { task: index, iteration: 0, attempt, ...(outcome === undefined ? {} : { outcome }) };
  });
  const { schedule, commands, inFlight } = replay(plan, records);
  const run = new Example(plan, schedule);
  run.tell(commands);
  return { run, inFlight: inFlight.map((task) => plan.tasks[task]!.name) };
}

const CHAIN = planOf({ a: {}, b: { needs: ["a"] }, c: { needs: ["b"] } });

test("what had finished stays finished, and what follows is ready", () => {
  const { run, inFlight } = after(CHAIN, [["a", 1], ["a", 1, "succeeded"]]);
  assert.deepEqual([inFlight, run.goOn(), run.told], [[], ["b", "c"], ["end succeeded"]]);
});

test("an attempt in flight may be rerun, which counts as no try", () => {
  const { run, inFlight } = after(CHAIN, [["a", 1]]);
  assert.deepEqual(inFlight, ["a"]);
  run.tell(run.schedule.rerun(run.index("a")));
  assert.deepEqual([run.goOn(), run.told], [["a attempt 2", "b", "c"], ["end succeeded"]]);
});

test("an attempt in flight may count as crashed", () => {
  const { run } = after(CHAIN, [["a", 1]]);
  run.settle("a", "crashed");
  assert.deepEqual(run.told.slice(0, 2), [
    "b skipped: a crashed",
    "revoke",
  ]);
});

test("what stood in a line behind an attempt in flight had not begun", () => {
  const { run, inFlight } = after(CHAIN, [["a", 1], ["b", 1], ["c", 1]]);
  assert.deepEqual(inFlight, ["a"]);
  run.tell(run.schedule.giveBack(run.index("a")));
  assert.deepEqual(run.goOn(), ["a", "b", "c"]);
});

test("an attempt that was given back, and dispatched again, counts once", () => {
  const { run, inFlight } = after(CHAIN, [["a", 1], ["b", 1], ["a", 1], ["a", 1, "succeeded"], ["b", 1]]);
  assert.deepEqual(inFlight, ["b"]);
  run.settle("b");
  assert.deepEqual(run.goOn(), ["c"]);
});

test("a journal that ends before the outcomes that follow from others: they are asked for again", () => {
  const plan = planOf({ a: { allowFailure: true }, gate: { sync: true }, b: { needs: ["a"] } });
  assert.deepEqual(after(plan, [["a", 1]]).run.told, ["gate succeeded"]);
  const cut = after(plan, [["gate", 1, "succeeded"], ["a", 1], ["a", 1, "failed"]]);
  assert.deepEqual(cut.run.told, ["b skipped: a failed", "end succeeded"]);
  const whole = after(plan, [["gate", 1, "succeeded"], ["a", 1], ["a", 1, "failed"], ["b", 0, "skipped"]]);
  assert.deepEqual(whole.run.told, ["end succeeded"]);
});

test("a delay that was under way is asked for again", () => {
  const { run } = after(planOf({ a: { retry: { attempts: 2 } } }), [["a", 1], ["a", 1, "failed"]]);
  assert.deepEqual(run.told, ["retry a after 1"]);
  run.tell(run.schedule.due(0));
  assert.deepEqual(run.goOn(), ["a attempt 2"]);
});

test("a run that was asked to stop stays stopped", () => {
  const { schedule, commands } = replay(CHAIN, [{ stopped: "the device is needed" }]);
  const run = new Example(CHAIN, schedule);
  run.tell(commands);
  assert.deepEqual([run.takeAll(), run.told.at(-1)], [[], "end cancelled"]);
});

test("a journal of another pipeline is refused", () => {
  assert.throws(() => after(CHAIN, [["b", 1], ["b", 1, "succeeded"]]), {
    name: "ReplayError",
    code: "OUTRIDER_REPLAY",
    message: /attempt 1 of b in iteration 0 ended as succeeded when it can't have/,
  });
  assert.throws(() => replay(CHAIN, [{ task: 3, iteration: 0, attempt: 1 }]), { name: "ReplayError" });
});
