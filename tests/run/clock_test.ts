/**
 * Tests of runs during which the wall clock steps, by years forward and by an hour back: nothing that lasts notices, and
 * what is told afterwards bears the new time.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { clockBy } from "../../src/base/clock.ts";
import { clockOffset, WorkerClock } from "../../src/pool/worker_clock.ts";
import type { World } from "../../src/run/world.ts";
import { HandClock } from "../store/hand_clock.ts";
import { fixture, manifest, only, type Seen, start, world } from "./rig.ts";

const STEPS = { "56 years forward": 56 * 365 * 86_400_000, "an hour back": -3_600_000 } as const;
/** Far less than any step, far more than any of these runs takes. */
const LONG_MS = 600_000;

/** A world whose wall clock is set forward or back. */
class SteppedWorld {
  #ahead = 0;
  readonly world: World = { ...world, clock: clockBy(() => this.now()) };

  step(ms: number): void {
    this.#ahead += ms;
  }

  now(): number {
    return Date.now() + this.#ahead;
  }
}

function took({ startedAt, endedAt }: { readonly startedAt?: string; readonly endedAt?: string }): number {
  return Date.parse(endedAt!) - Date.parse(startedAt!);
}

/** Steps the clock when the first task says so, and runs to the end. */
async function stepped(ms: number): Promise<Seen & { readonly stepAt: number }> {
  const wall = new SteppedWorld();
  const going = start(
    manifest("clock", {
      keeps: {},
      lasts: { needs: ["keeps"], timeout: "20s" },
      failsOnce: { needs: ["lasts"], retry: { attempts: 2, delay: "200ms" } },
      waits: { needs: ["lasts"], timeout: "20s" },
      looks: { needs: ["waits"], fresh: true },
      hangs: { needs: ["looks"], timeout: "200ms", allowFailure: true },
      beside: { needs: ["keeps"], allowFailure: true, export: "lasts", timeout: "20s" },
    }),
    { workers: 2, world: wall.world },
  );
  await going.says("before");
  wall.step(ms);
  const stepAt = wall.now();
  const seen = await going.seen;
  return { ...seen, stepAt };
}

for (const [name, ms] of Object.entries(STEPS)) {
  test(`clock: a step by ${name} while a run goes on changes no outcome and no duration`, async () => {
    const { result, logs, states, stepAt, snapshot } = await stepped(ms);
    assert.equal(result.state, "succeeded", JSON.stringify(result.tasks));
    assert.equal(only(result, "waits").value, "TimeoutError");
    assert.equal(only(result, "looks").value, 1);
    assert.equal(only(result, "hangs").outcome, "timed_out");
    assert.deepEqual(result.tasks["failsOnce"]!.map(({ outcome }) => outcome), ["failed", "succeeded"]);
    for (const [task, least] of [["lasts", 290], ["waits", 290], ["hangs", 190]] as const) {
      const ran = took(only(result, task));
      assert.ok(ran >= least && ran < LONG_MS, `${task} ran ${ran} ms`);
    }
    assert.ok(snapshot.ranMs > 500 && snapshot.ranMs < LONG_MS, `the run took ${snapshot.ranMs} ms`);
    const after = logs.filter(({ text }) => text === "after");
    assert.equal(after.length, 2);
    for (const { at } of after) assert.ok(Math.abs(Date.parse(at) - stepAt) < LONG_MS, at);
    const ended = states.at(-1)!;
    assert.ok(ended.type === "run.ended" && Math.abs(ended.at - stepAt) < LONG_MS);
    // Each starts when what it needs has ended, on whichever worker.
    const [lasts, waits, looks] = ["lasts", "waits", "looks"].map((task) => only(result, task));
    assert.ok(Date.parse(waits!.startedAt!) >= Date.parse(lasts!.endedAt!));
    assert.ok(Date.parse(looks!.startedAt!) >= Date.parse(waits!.endedAt!));
    assert.ok(Math.abs(Date.parse(looks!.startedAt!) - stepAt) < LONG_MS);
  });
}

test("clock: a step while a pipeline is loaded does no harm", async () => {
  for (const ms of Object.values(STEPS)) {
    const wall = new SteppedWorld();
    const going = start(fixture("clock_pipeline"), { world: wall.world });
    wall.step(ms);
    const { result } = await going.seen;
    assert.equal(result.state, "succeeded");
    assert.ok(Math.abs(Date.parse(result.endedAt!) - wall.now()) < LONG_MS);
  }
});

test("clock: a worker's clock is found by its origin, and by what can't be otherwise where the wall clock stepped", () => {
  const year = 365 * 86_400_000;
  const wall = 1.7e12;
  const times = (wallNow: number) => ({
    startedAt: 1_000,
    heardAt: 1_060,
    wallOffset: [wallNow - 1_060, wall - 1_060],
  });
  // Its own count, begun 20 ms after its thread was started.
  const its = { origin: wall - 40, reads: 35 };
  assert.equal(clockOffset(its, times(wall)), 1_020);
  assert.equal(clockOffset(its, times(wall + 56 * year)), 1_020);
  // One count for all threads of the process.
  assert.equal(clockOffset({ origin: wall - 1_060, reads: 1_055 }, times(wall)), 0);
  assert.equal(clockOffset({ origin: wall - 1_060, reads: 1_055 }, times(wall - year)), 0);
  // The step came before its thread was started: our newest anchor knows.
  assert.equal(clockOffset({ origin: wall - 40 + year, reads: 35 }, times(wall + year)), 1_020);
  // The step came while it started, and nothing fits: the moment of hearing, so that no timeout is early.
  assert.equal(clockOffset({ origin: wall - 40 + 5 * year, reads: 35 }, times(wall + year)), 1_025);
  // Found too late, it is put right by what is told later; a lie makes no moment that can't have been.
  const ours = new HandClock();
  const clock = new WorkerClock(ours, ours.monotonic() - 60);
  const passes = (ms: number) => {
    ours.advance(ms);
    clock.reads();
  };
  assert.equal(clock.told({ origin: NaN, reads: 35 }), undefined);
  const now = ours.now();
  passes(90);
  const { startedAt, endedAt } = clock.span(36, 36 + 100);
  assert.ok(endedAt === now + 90 && Math.abs(endedAt - startedAt - 100) < 1e-6);
  passes(5);
  const { startedAt: next } = clock.span(36 + 100, 36 + 101);
  assert.ok(next >= endedAt);
  passes(5);
  for (const at of [1e300, -1e300, NaN, Infinity]) {
    const { startedAt: from, endedAt: to } = clock.span(at, -at);
    assert.ok(from <= to && from >= now - 70 && to <= now + 100, `${from} to ${to} of ${at}`);
  }
  assert.equal(clock.told({ origin: 1, reads: 1 }), "it has told its clock twice");
  // A lie, or nonsense, stays between the bounds.
  for (const origin of [NaN, Infinity, -Infinity, 0]) {
    assert.equal(clockOffset({ origin, reads: 35 }, times(wall)), 1_025);
  }
});
