/** What must hold of the journal of every run that has ended, whatever happened in it. */
import assert from "node:assert/strict";
import { isFailure, type Outcome } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import type { Replayed } from "../../src/schedule/command.ts";
import { expected, knownOf, mostIterations } from "./oracle.ts";
import type { AttemptRecord, Finished } from "./rig.ts";

/** The final outcome of each `task/iteration`. */
export function finalsOf(journal: readonly Replayed[]): Map<string, Outcome> {
  const finals = new Map<string, Outcome>();
  for (const record of settledIn(journal)) finals.set(`${record.task}/${record.iteration}`, record.outcome!);
  return finals;
}

/** Checks everything that can be told from the journal. */
export function checkLaws(finished: Finished): void {
  const { plan, journal, stoppedAt } = finished;
  for (const { index } of plan.tasks) checkTask(plan, index, journal);
  const finals = finalsOf(journal);
  if (stoppedAt === undefined) {
    assert.deepEqual(sorted(finals), sorted(expected(plan, knownOf(journal)).finals));
    const fatal = [...finals].find(([at, outcome]) => mustStop(plan, finals, { at, outcome }));
    assert.equal(fatal, undefined, "a failure should have stopped the run");
  } else checkStop(finished, stoppedAt, finals);
  checkState(finished, finals);
}

/** One final outcome for each iteration; iterations and attempts without gaps, no more than are allowed. */
function checkTask(plan: Plan, index: number, journal: readonly Replayed[]): void {
  const { retry, run } = plan.tasks[index]!;
  const records = settledIn(journal).filter(({ task }) => task === index);
  const iterations = [...new Set(records.map(({ iteration }) => iteration))];
  assert.deepEqual(iterations, iterations.map((_, at) => at));
  assert.ok(iterations.length >= 1 && iterations.length - 1 <= mostIterations(plan, index));
  assert.ok(records.every(({ iteration }, at) => at === 0 || iteration >= records[at - 1]!.iteration));
  for (const iteration of iterations) {
    const attempts = records.filter((record) => record.iteration === iteration);
    const last = attempts.at(-1)!;
    if (last.attempt === 0) assert.deepEqual(attempts.map(({ attempt }) => attempt), [0]);
    else assert.deepEqual(attempts.map(({ attempt }) => attempt), attempts.map((_, at) => at + 1));
    if (run === undefined) assert.equal(attempts.length, 1);
    assert.ok(
      attempts.slice(0, -1).every(({ outcome }) => isFailure(outcome!)),
      "tried again after no failure",
    );
    assert.ok(attempts.filter(({ rerun }) => !rerun).length <= retry.attempts);
  }
}

/** Nothing is dispatched after the stop; what had happened before stays; the rest ran already, or is skipped. */
function checkStop({ plan, journal }: Finished, stoppedAt: number, finals: Map<string, Outcome>): void {
  const cause = journal[stoppedAt]!;
  const before = journal.slice(0, stoppedAt);
  const dispatched = (records: readonly Replayed[]) =>
    records.filter((record) => !("stopped" in record) && record.outcome === undefined).length;
  assert.equal(dispatched(journal.slice(stoppedAt)), 0);
  if (!("stopped" in cause)) {
    const at = `${cause.task}/${cause.iteration}`;
    assert.ok(mustStop(plan, finals, { at, outcome: cause.outcome! }), "stopped without a reason");
  }
  for (const [at, outcome] of expected(plan, knownOf(before)).finals) assert.equal(finals.get(at), outcome);
}

/** By the contract: it failed for good, that counts, no need on a failure leads on, and no loop goes round for it. */
function mustStop(
  plan: Plan,
  finals: ReadonlyMap<string, Outcome>,
  { at, outcome }: { readonly at: string; readonly outcome: Outcome },
): boolean {
  const [task, iteration] = at.split("/").map(Number) as [number, number];
  if (plan.onFailure === "continue" || !isFailure(outcome) || plan.tasks[task]!.allowFailure) return false;
  const leadsOn = plan.tasks.some(({ needs }) =>
    needs.some((need) => need.task === task && need.on !== "success")
  );
  const goesRound = plan.loops.some(({ from }) => from === task) && finals.has(`${task}/${iteration + 1}`);
  return !leadsOn && !goesRound;
}

function checkState({ plan, journal, state }: Finished, finals: ReadonlyMap<string, Outcome>): void {
  const last = new Map<number, Outcome>();
  for (const [at, outcome] of finals) last.set(Number(at.split("/")[0]), outcome);
  const fine = plan.tasks.every(({ index, allowFailure }) =>
    allowFailure || last.get(index) === "succeeded" || last.get(index) === "skipped"
  );
  const asked = journal.some((record) => "stopped" in record);
  assert.equal(state, asked ? "cancelled" : fine ? "succeeded" : "failed");
}

function settledIn(journal: readonly Replayed[]): AttemptRecord[] {
  return journal.filter((record): record is AttemptRecord =>
    !("stopped" in record) && record.outcome !== undefined
  );
}

/** In an order of its own, for comparisons. */
export function sorted(finals: ReadonlyMap<string, Outcome>): [string, Outcome][] {
  return [...finals].sort(([a], [b]) => a < b ? -1 : 1);
}
