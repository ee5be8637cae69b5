/** How many tasks can run side by side: never less than do. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { Plan, PlanTask } from "../../src/pipeline/plan/plan.ts";
import { widthOf } from "../../src/pipeline/plan/width.ts";
import type { Command } from "../../src/schedule/command.ts";
import { Schedule } from "../../src/schedule/schedule.ts";
import { type Dice, dice } from "../schedule/dice.ts";
import { plans } from "../schedule/pipelines.ts";

const runs = ({ run }: PlanTask) => run !== undefined;

/** A plan of tasks with their needs. */
function planOf(needs: Readonly<Record<string, readonly string[]>>, more: object = {}): Plan {
  const run = { module: "data:text/javascript,", export: "x" };
  const tasks = Object.fromEntries(Object.entries(needs).map(([name, needs]) => [name, { run, needs }]));
  return compile({ outrider: 1, name: "p", tasks, ...more }, "file:///x/");
}

/** Runs a plan with a lane for whatever is ready; returns how many attempts were under way at most. */
function mostAtOnce(plan: Plan, roll: Dice): number {
  const schedule = new Schedule(plan);
  const running: number[] = [];
  let most = 0;
  const obey = (commands: readonly Command[]): void => {
    for (const command of commands) if (command.type === "delay") obey(schedule.due(command.task));
  };
  obey(schedule.start());
  for (let lane = 1;;) {
    while (schedule.readyCount > 0 || schedule.headAlone !== undefined) {
      const alone = schedule.takeAlone(++lane);
      const taken = alone === undefined ? schedule.release(lane, { max: 1, ready: 1 }) : [alone];
      running.push(...taken.map(({ task }) => task));
    }
    if (running.length === 0) return most;
    most = Math.max(most, running.length);
    const [task] = running.splice(roll(running.length), 1);
    obey(schedule.settle(task!, roll(4) === 0 ? "failed" : "succeeded"));
  }
}

test("width: a chain is one wide, a diamond two, and what needs nothing as many as there are", () => {
  assert.equal(widthOf(planOf({ a: [], b: ["a"], c: ["b"] }), runs), 1);
  assert.equal(widthOf(planOf({ a: [], b: ["a"], c: ["a"], d: ["b", "c"] }), runs), 2);
  assert.equal(widthOf(planOf({ a: [], b: [], c: [] }), runs), 3);
  assert.equal(widthOf(planOf({ a: [], b: [] }), () => false), 0);
});

test("width: a loop around a chain is one wide", () => {
  const looped = planOf({ a: [], b: ["a"] }, { loops: [{ from: "b", to: "a", times: 2 }] });
  assert.equal(widthOf(looped, runs), 1);
});

test("width: never do more run at once, whatever the joins, loops, retries and failures", () => {
  fc.assert(
    fc.property(plans(), fc.integer(), (plan, seed) => {
      const most = mostAtOnce(plan, dice(seed));
      assert.ok(most <= widthOf(plan, runs), `${most} ran at once, of ${widthOf(plan, runs)}`);
    }),
    { numRuns: 1000 },
  );
});
