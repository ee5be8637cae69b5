/**
 * Random pipelines of ten thousand tasks on real threads: every outcome and every value is what the contract says, nothing
 * starts before its needs have ended, and the result is what the journal has.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import test from "node:test";
import type { ManifestNeed, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import type { RunResult } from "../../src/model/result.ts";
import type { StateRecord } from "../../src/model/record.ts";
import { inspectedRun } from "../../src/run/run.ts";
import { type Weighed, weightOf } from "../fixtures/run/weigh.ts";
import { type Dice, dice } from "../schedule/dice.ts";
import { SEED } from "../seed.ts";

const SIZE = 10_000;
const MODULE = fileURLToPath(new URL("../fixtures/run/weigh.ts", import.meta.url));

interface Drawn {
  readonly name: string;
  readonly needs: readonly { readonly task: number; readonly on: "success" | "failure" | "any" }[];
  readonly join: "all" | "any";
  readonly attempts: number;
  readonly params: Weighed;
}

/** Tasks that need some of the hundred before them: chains, fans and joins. */
function drawn(roll: Dice): Drawn[] {
  return Array.from({ length: SIZE }, (_, at) => {
    const back = roll(8) === 0 ? 100 : 3;
    const needs = new Set(
      Array.from({ length: Math.min(at, roll(4)) }, () => Math.max(0, at - 1 - roll(back))),
    );
    return {
      name: `t${at}`,
      needs: [...needs].map((task) => {
        const on = roll(12);
        return { task, on: on === 0 ? "failure" : on < 3 ? "any" : "success" };
      }),
      join: roll(4) === 0 ? "any" : "all",
      attempts: 1 + roll(2),
      params: { number: roll(1_000_000), fails: roll(15) === 0 ? 1 + roll(2) : 0, waits: roll(10) === 0 },
    };
  });
}

function manifestOf(tasks: readonly Drawn[]) {
  const task = ({ needs, join, attempts, params }: Drawn): ManifestTask => ({
    run: { module: MODULE, export: "weigh" },
    needs: needs.map(({ task, on }): ManifestNeed => ({ task: `t${task}`, on })),
    join,
    allowFailure: true,
    retry: { attempts, delay: "1ms" },
    params: { ...params },
  });
  return {
    outrider: 1 as const,
    name: "many",
    onFailure: "continue" as const,
    tasks: Object.fromEntries(tasks.map((each) => [each.name, task(each)])),
  };
}

/** What the contract says of each task. */
function expectedOf(tasks: readonly Drawn[]): { readonly outcome: Outcome; readonly value?: number }[] {
  const ended: { readonly outcome: Outcome; readonly value?: number }[] = [];
  for (const { needs, join, attempts, params } of tasks) {
    const met = needs.filter(({ task, on }) => {
      const { outcome } = ended[task]!;
      return on === "any" || (on === "success") === (outcome === "succeeded") && outcome !== "skipped";
    });
    const runs = met.length === needs.length || join === "any" && met.length > 0;
    if (!runs) ended.push({ outcome: "skipped" });
    else if (params.fails >= attempts) ended.push({ outcome: "failed" });
    else {
      const inputs = Object.fromEntries(
        needs.filter(({ task, on }) => on !== "failure" && ended[task]!.outcome === "succeeded")
          .map(({ task }) => [`t${task}`, ended[task]!.value!]),
      );
      ended.push({ outcome: "succeeded", value: weightOf(params.number, inputs) });
    }
  }
  return ended;
}

/** Numbers of the records of each task's first and last outcome. */
function outcomesOf(
  states: readonly StateRecord[],
): Map<string, { readonly first: number; readonly last: number }> {
  const told = new Map<string, { readonly first: number; readonly last: number }>();
  for (const record of states) {
    if (record.type !== "attempt.settled") continue;
    told.set(record.task, { first: told.get(record.task)?.first ?? record.seq, last: record.seq });
  }
  return told;
}

function check(tasks: readonly Drawn[], result: RunResult, states: readonly StateRecord[]): void {
  assert.equal(result.state, "succeeded");
  const expected = expectedOf(tasks);
  const last = tasks.map(({ name }) => result.tasks[name]!.at(-1)!);
  const told = outcomesOf(states);
  tasks.forEach(({ name, attempts, needs, params }, at) => {
    const { outcome, value } = last[at]!;
    assert.deepEqual({ outcome, ...(value === undefined ? {} : { value }) }, expected[at], name);
    const tries = outcome === "skipped" ? 1 : Math.min(attempts, params.fails + 1);
    assert.equal(result.tasks[name]!.length, tries, name);
    for (const need of needs) {
      // Not by their stamps: two threads find out what their clocks are to one at a busy moment each.
      const [first, end] = [told.get(name)!.first, told.get(`t${need.task}`)!.last];
      assert.ok(
        end < first,
        `${name} has an outcome, number ${first}, before t${need.task} has its last, ${end}`,
      );
    }
  });
  const settled = states.filter((record) => record.type === "attempt.settled");
  const all = tasks.flatMap(({ name }) => result.tasks[name]!);
  assert.equal(settled.length, all.length, "an outcome is in the journal twice, or not in the result");
  const offered = new Set<string>();
  for (const record of states) {
    if (record.type !== "attempt.dispatched" && record.type !== "attempt.settled") continue;
    const key = `${record.task} ${record.attempt}`;
    if (record.type === "attempt.dispatched") offered.add(key);
    else {assert.ok(
        record.outcome === "skipped" || offered.has(key),
        `${key} ended and was not dispatched before`,
      );}
  }
}

test("ten thousand random tasks on real threads come to what the contract says, with the values of what they need", async () => {
  for (const workers of [2, 4]) {
    const tasks = drawn(dice(SEED + workers));
    const execution = inspectedRun(manifestOf(tasks), { workers, maxWorkers: workers });
    const result = await execution;
    check(tasks, result, execution.journal.states(0, Infinity));
  }
});
