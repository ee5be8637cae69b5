/** Resources on real threads, processes, programs and Pythons: never more in use than there is, and free when who had it has ended. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { Manifest, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import { testWith } from "../system.ts";
import { type Going, outcomes, see, start, withFolder } from "./rig.ts";

/** What fails if somebody else does it at the same time. */
const MODULE = `
import { mkdirSync, rmdirSync } from "node:fs";
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
export async function alone({ params }) {
  mkdirSync(params.lock);
  await wait(5);
  rmdirSync(params.lock);
}
export async function waits({ log, signal }) {
  log.info("begun");
  await new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
}
export async function until({ store, log, task }) {
  log.info("begun");
  await store.waitFor(task, (value) => value === true);
}
export function exits() { process.exit(3); }
export function nothing() {}
`;
const PYTHON = `
import os, time
def alone(ctx):
    os.mkdir(ctx.params["lock"])
    time.sleep(0.005)
    os.rmdir(ctx.params["lock"])
`;
const SHELL = 'mkdir "$LOCK" && sleep 0.01 && rmdir "$LOCK"';

interface Made {
  readonly pipeline: (tasks: Readonly<Record<string, ManifestTask>>, more?: Partial<Manifest>) => Manifest;
  readonly module: string;
  readonly lock: string;
}

/** A pipeline with one radio, in a folder of its own. */
function withRadio(use: (made: Made) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const module = join(folder, "tasks.mjs");
    writeFileSync(module, MODULE);
    writeFileSync(join(folder, "tasks.py"), PYTHON);
    await use({
      module,
      lock: join(folder, "lock"),
      pipeline: (tasks, more = {}) => ({
        outrider: 1,
        name: "radio",
        onFailure: "continue",
        resources: { radio: 1 },
        tasks,
        ...more,
      }),
    });
  });
}

testWith(
  ["python3"],
  "threads, processes, programs and Pythons: of one radio one of them has it at a time",
  () =>
    withRadio(async ({ pipeline, module, lock }) => {
      const uses = ["radio"];
      const on = { uses, params: { lock } };
      const thread = { run: { module, export: "alone" }, ...on };
      const kinds: Readonly<Record<string, ManifestTask>> = {
        thread,
        alone: { ...thread, fresh: true },
        process: { ...thread, isolation: "process" },
        program: { run: { command: ["sh", "-c", SHELL], env: { LOCK: lock } }, uses },
        python: { run: { python: module.replace(/mjs$/, "py"), function: "alone" }, ...on },
      };
      const twice = [1, 2].flatMap((round) =>
        Object.entries(kinds).map(([name, task]) => [`${name} ${round}`, task] as const)
      );
      const { result } = await see(pipeline(Object.fromEntries(twice)), { workers: 4 });
      assert.deepEqual(
        Object.entries(outcomes(result)).filter(([, outcome]) => outcome !== "succeeded"),
        [],
        JSON.stringify(result.tasks),
      );
    }),
);

test("who has a resource and fails, ends its thread, times out or is killed lets the next one have it", () =>
  withRadio(async ({ pipeline, module }) => {
    const uses = ["radio"];
    const of = (name: string, more: ManifestTask = {}) => ({ run: { module, export: name }, uses, ...more });
    const { result } = await see(pipeline({
      exits: of("exits"),
      late: of("waits", { timeout: "30ms" }),
      apart: of("exits", { isolation: "process" }),
      program: { run: { command: ["sh", "-c", "kill -9 $$"] }, uses },
      again: of("exits", { retry: { attempts: 2, delay: 1 } }),
      last: of("nothing", { estimate: 0 }),
    }));
    assert.deepEqual(outcomes(result), {
      exits: "crashed",
      late: "timed_out",
      apart: "crashed",
      program: outcomes(result)["program"]!,
      again: "crashed",
      last: "succeeded",
    });
    assert.ok(["failed", "crashed"].includes(outcomes(result)["program"]!));
  }));

test("a run that is paused gives the resource to nobody, and one that is cancelled ends with those who wait for it", () =>
  withRadio(async ({ pipeline, module }) => {
    const task = (name: string, estimate: string): ManifestTask => ({
      run: { module, export: name },
      uses: ["radio"],
      estimate,
    });
    const going = start(pipeline({
      first: task("until", "9s"),
      second: task("waits", "5s"),
      third: task("waits", "1s"),
    }));
    const { execution } = going;
    await going.says("begun");
    assert.deepEqual(lacking(going), [
      "second for radio, which first has",
      "third for radio, which first has",
    ]);
    execution.pause();
    execution.store.set("first", "true");
    await going.until((event) => event.type === "attempt.settled");
    assert.deepEqual(lacking(going), ["second for radio", "third for radio, after second"]);
    execution.resume();
    await going.until((event) => event.type === "log" && event.task === "second");
    execution.cancel("enough");
    const { result } = await going.seen;
    assert.deepEqual(outcomes(result), { first: "succeeded", second: "cancelled", third: "skipped" });
  }));

/** What tasks are said to lack, in words. */
function lacking({ execution }: Going): string[] {
  return (execution.snapshot().lacking ?? []).map(({ task, lacks }) =>
    `${task} ${
      lacks.map(({ resource, heldBy, after }) =>
        `for ${resource}${
          heldBy.length > 0
            ? `, which ${heldBy.map(({ task }) => task).join()} has`
            : after
            ? `, after ${after}`
            : ""
        }`
      ).join()
    }`
  );
}

test("a run goes on from any point of its journal, with the radio in one hand at a time", () =>
  withRadio(async ({ pipeline, module, lock }) => {
    const task = { run: { module, export: "alone" }, uses: ["radio"], params: { lock } };
    const source = pipeline({ a: task, b: task, c: { ...task, needs: ["a"] } });
    const whole = memoryJournal();
    await see(source, { journal: whole });
    const states = whole.states(0, 100);
    for (const [cut, { type }] of states.entries()) {
      if (type !== "attempt.settled") continue;
      const journal = memoryJournal();
      for (const { seq: _, at, ...event } of states.slice(0, cut)) journal.append(event, at);
      const { result } = await see(source, { journal });
      assert.equal(result.state, "succeeded", JSON.stringify(result.tasks));
    }
  }));
