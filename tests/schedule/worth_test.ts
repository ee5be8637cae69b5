/** Which failures are tried again, and that a journal decides it as the run did. */
import assert from "node:assert/strict";
import test from "node:test";
import type { ErrorData } from "../../src/model/outcome.ts";
import type { ManifestFailure, ManifestRetry } from "../../src/pipeline/document/manifest.ts";
import { replay } from "../../src/schedule/replay.ts";
import { type EndedAttempt, isWorthTrying } from "../../src/schedule/worth.ts";
import { Example, planOf } from "./example.ts";

const NAMED: ErrorData = { name: "TypeError", message: "m" };
const REFUSED: ErrorData = { ...NAMED, cause: { name: "Error", message: "m", code: "ECONNREFUSED" } };
const SEVERAL: ErrorData = { name: "AggregateError", message: "m", errors: [{ ...NAMED, code: 5 }] };

function worth(retry: ManifestRetry, ended: EndedAttempt): boolean {
  return isWorthTrying(planOf({ a: { retry: { attempts: 2, ...retry } } }).tasks[0]!.retry, ended);
}

test("a failure fits by all that is named of it", () => {
  const failed = (error: ErrorData, code?: number): EndedAttempt => ({
    outcome: "failed",
    error,
    ...(code !== undefined && { code }),
  });
  const cases: readonly (readonly [ManifestFailure, EndedAttempt, boolean])[] = [
    [{ outcome: "failed" }, failed(NAMED), true],
    [{ outcome: "timed_out" }, failed(NAMED), false],
    [{ outcome: "crashed" }, { outcome: "crashed", code: 3 }, true],
    [{ error: "TypeError" }, failed(NAMED), true],
    [{ error: "Error" }, failed(NAMED), false],
    [{ error: "Error" }, failed(REFUSED), true],
    [{ error: "TypeError" }, failed(SEVERAL), true],
    [{ error: "TypeError" }, { outcome: "timed_out" }, false],
    [{ code: "ECONNREFUSED" }, failed(REFUSED), true],
    [{ code: "ECONNRESET" }, failed(REFUSED), false],
    [{ code: 5 }, failed(SEVERAL), true],
    [{ code: "5" }, failed(SEVERAL), false],
    // Of one error, not one of this and the other of that.
    [{ error: "TypeError", code: "ECONNREFUSED" }, failed(REFUSED), false],
    [{ error: "Error", code: "ECONNREFUSED" }, failed(REFUSED), true],
    [{ exit: 75 }, failed(NAMED, 75), true],
    [{ exit: 75 }, failed(NAMED, 1), false],
    [{ exit: 75 }, failed(NAMED), false],
    [{ exit: 3, outcome: "crashed" }, { outcome: "crashed", code: 3 }, true],
    [{ exit: 3, outcome: "crashed" }, failed(NAMED, 3), false],
  ];
  for (const [failure, ended, fits] of cases) {
    const said = `${JSON.stringify(failure)} of ${JSON.stringify(ended)}`;
    assert.equal(worth({ on: [failure] }, ended), fits, said);
    assert.equal(worth({ unless: [failure] }, ended), !fits, said);
    assert.equal(worth({ on: [{ outcome: "timed_out", exit: 9 }, failure] }, ended), fits, said);
    assert.equal(
      worth({ on: [{ outcome: ended.outcome as "failed" }], unless: [failure] }, ended),
      !fits,
      said,
    );
    assert.equal(worth({}, ended), true);
    assert.equal(worth({ on: [] }, ended), false);
  }
});

test("what is not worth it settles with attempts left, and is so again by the journal", () => {
  const plan = planOf({ a: { retry: { attempts: 3, on: [{ exit: 75 }] } }, b: { needs: ["a"] } });
  const run = new Example(plan);
  run.take();
  assert.deepEqual(run.schedule.settle(0, "failed", true).map(({ type }) => type), ["delay"]);
  run.tell(run.schedule.due(0));
  run.take();
  run.tell(run.schedule.settle(0, "failed", false));
  const attempt = { task: 0, iteration: 0 };
  const told = [
    { ...attempt, attempt: 1, outcome: "failed" },
    { ...attempt, attempt: 2, outcome: "failed", worth: false },
  ] as const;
  assert.deepEqual(replay(plan, told.slice(0, 1)).commands.map(({ type }) => type), ["delay"]);
  const again = new Example(plan, replay(plan, told).schedule);
  for (const { index } of plan.tasks) {
    assert.equal(again.schedule.outcome(index), run.schedule.outcome(index));
    assert.equal(again.schedule.standing(index), run.schedule.standing(index));
  }
  assert.deepEqual([run.schedule.ended, again.schedule.ended], [true, true]);
});
