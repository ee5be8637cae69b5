/** The seam of the runtimes: a made-up one is added by its two files and a line on each side. */
import assert from "node:assert/strict";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { chosen } from "../../src/runtime/choice.ts";
import { INSIDES } from "../../src/runtime/inside.ts";
import type { Runtime, ThreadEnd } from "../../src/runtime/port.ts";
import { runtime, RUNTIMES } from "../../src/runtime/runtime.ts";
import { bundleProgram } from "../../tools/build_worker.ts";
import { withEntry } from "../fixtures/kinds/with_kinds.ts";
import { becomeMoon } from "../fixtures/runtime/moon/here.ts";
import { moon } from "../fixtures/runtime/moon/outside.ts";

/** Chooses with one line more. */
function chosenWithMoon(): Promise<Runtime> {
  return withEntry(RUNTIMES, { global: "Moon", of: moon }, () => chosen(RUNTIMES)());
}

/** What the moon's program tells, and how its thread ends. */
function startedOn(on: Runtime) {
  const program = fileURLToPath(new URL("../fixtures/runtime/moon/program.ts", import.meta.url));
  const thread = on.startThread({ code: bundleProgram(program).program, data: "eagle" });
  const told: unknown[] = [];
  let heard = () => {};
  thread.onMessage((message) => {
    told.push(message);
    heard();
  });
  const end = new Promise<ThreadEnd>((ended) => thread.onEnd(ended));
  /** The next thing that it tells, once the deed is asked for. */
  const next = async (deed?: string): Promise<unknown> => {
    if (deed !== undefined) thread.postMessage(deed);
    while (told.length === 0) await new Promise<void>((done) => heard = done);
    return told.shift();
  };
  return { next, end, thread };
}

test("runtimes: both sides list the same ones, each told by the same global", () => {
  assert.deepEqual(INSIDES.map(({ global }) => global), RUNTIMES.map(({ global }) => global));
});

test("runtimes: what is in no list is taken for the last one", () => {
  const names = ["NowhereAtAll", "NorThisOne"];
  assert.equal(chosen(names.map((global) => ({ global, of: global }))), "NorThisOne");
});

test("runtimes: one more is chosen by its global alone, and made of what all share", async () => {
  assert.equal((await chosenWithMoon()).name, runtime.name);
  const leave = becomeMoon();
  try {
    const made = await chosenWithMoon();
    assert.deepEqual([made.name, made.version, made.cores], ["moon", "1.0", runtime.cores]);
    await assert.rejects(made.serve({ port: 0, fetch: () => new Response() }), /Nobody calls at the moon/);
  } finally {
    leave();
  }
});

test("runtimes: within a worker one more prints, starts, throws and leaves by its own ways", async () => {
  const { next, end, thread } = startedOn(moon());
  assert.deepEqual(await next(), ["landed", "Moon", "eagle"]);
  assert.deepEqual(await next("beam"), ["written", "stdout", "one small step"]);
  assert.deepEqual(await next("log"), ["logged", "log", "and 1"]);
  assert.deepEqual(await next("fill"), ["exhausted"]);
  assert.deepEqual(await next("modules"), ["modules", { outrider: { answer: 42 } }]);
  assert.deepEqual(await next("fall"), ["uncaught", "exception", "nobody caught this"]);
  // That it may have started a process is told to the thread's owner alone.
  thread.postMessage("launch");
  assert.deepEqual(await next("leave"), ["exiting", 3]);
  assert.equal((await end).code, 3);
});
