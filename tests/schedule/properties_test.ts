/** What holds for every run of any pipeline, driven by a pool that decides everything at random. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { isFailure, type Outcome } from "../../src/model/outcome.ts";
import { dice } from "./dice.ts";
import { checkLaws, finalsOf, sorted } from "./laws.ts";
import { expected } from "./oracle.ts";
import { plans } from "./pipelines.ts";
import { runAtRandom } from "./rig.ts";

const seed = fc.integer();
const numRuns = Number(process.env["OUTRIDER_TEST_RUNS"] ?? 300);

/** Outcomes that depend on nothing but the attempt. */
function decided(
  seed: number,
): (task: number, iteration: number, attempt: number) => Outcome {
  return (task, iteration, attempt) => {
    const at = dice(seed ^ (task * 7919 + iteration * 104729 + attempt * 1299709))(11);
    if (attempt === 0) return at < 4 ? "skipped" : "succeeded";
    return at < 6 ? "succeeded" : at < 8 ? "failed" : at < 9 ? "timed_out" : at < 10 ? "crashed" : "skipped";
  };
}

test("every run ends by the contract, whatever the order of events and whichever lanes die", () => {
  fc.assert(
    fc.property(plans(), seed, (plan, seed) => checkLaws(runAtRandom(plan, dice(seed), { deaths: true }))),
    { numRuns },
  );
});

test("nothing starts after a stop at any moment, and the run still ends", () => {
  fc.assert(
    fc.property(plans(), seed, (plan, seed) => {
      checkLaws(runAtRandom(plan, dice(seed), { deaths: true, stops: true }));
    }),
    { numRuns },
  );
});

test("a run goes on from any beginning of its journal as if it had not been killed", () => {
  fc.assert(
    fc.property(plans(), seed, fc.integer({ min: 1, max: 3 }), (plan, seed, kills) => {
      checkLaws(runAtRandom(plan, dice(seed), { deaths: true, stops: true, kills }));
    }),
    { numRuns },
  );
});

test("the same outcomes lead to the same end, whatever the order of events", () => {
  fc.assert(
    fc.property(plans("continue"), seed, seed, seed, (plan, outcomes, one, other) => {
      const outcomeOf = decided(outcomes);
      const first = runAtRandom(plan, dice(one), { outcomeOf });
      const second = runAtRandom(plan, dice(other), { outcomeOf });
      assert.deepEqual(sorted(finalsOf(first.journal)), sorted(finalsOf(second.journal)));
      assert.equal(first.state, second.state);
      assert.deepEqual(sorted(finalsOf(first.journal)), sorted(expected(plan, outcomeOf).finals));
    }),
    { numRuns },
  );
});

test("the random pipelines show every feature", () => {
  const seen = new Set<string>();
  for (const plan of fc.sample(plans(), { numRuns: 400, seed: 7 })) {
    seen.add(plan.onFailure);
    for (const task of plan.tasks) {
      for (const { on } of task.needs) seen.add(`on ${on}`);
      seen.add(`join ${task.join}`);
      if (task.retry.attempts > 1) seen.add("retry");
      if (task.run === undefined) seen.add("sync point");
      if (task.allowFailure) seen.add("allowFailure");
      if (task.when !== undefined) seen.add("when");
      if (task.fresh) seen.add("fresh");
      if (task.onLost === "fail") seen.add("onLost");
    }
    plan.loops.forEach((loop, at) => {
      seen.add(loop.body.length > 1 ? "loop" : "loop of one");
      for (const other of plan.loops.slice(0, at)) {
        const nested = other.body.every((task) => loop.body.includes(task));
        seen.add(nested ? "nested" : "disjoint");
        if (other.from === loop.from) seen.add("two close at one");
      }
    });
  }
  const features =
    "stop,continue,on success,on failure,on any,join all,join any,retry,sync point,allowFailure,fresh," +
    "onLost,when,loop,loop of one,nested,disjoint,two close at one";
  assert.deepEqual([...seen].toSorted(), features.split(",").toSorted());
});

test("the random outcomes show every kind", () => {
  const seen = new Set<Outcome>();
  for (const plan of fc.sample(plans(), { numRuns: 50, seed: 3 })) {
    for (const outcome of finalsOf(runAtRandom(plan, dice(5)).journal).values()) seen.add(outcome);
  }
  assert.ok(["succeeded", "skipped", "cancelled"].every((outcome) => seen.has(outcome as Outcome)));
  assert.ok([...seen].filter(isFailure).length === 3);
});
