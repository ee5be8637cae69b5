/**
 * Tests of runs during which the wall clock steps, by years forward and by an hour back: nothing that lasts notices, and
 * what is told afterwards bears the new time.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { clockBy } from "../../src/base/clock.ts";
import type { World } from "../../src/run/world.ts";
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
