/** The result document as a fold of state records. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { StateEvent } from "../../src/model/record.ts";
import { ResultFold, ResultReader } from "../../src/model/result.ts";
import { OUTCOMES } from "../../src/model/outcome.ts";
import { encode } from "../../src/model/value.ts";
import { SEED } from "../seed.ts";

const START: StateEvent = {
  type: "run.started",
  run: "r1",
  pipeline: "p",
  runtime: "deno 2.9.6",
  plan: "abc",
};

function settled(task: string, more: Partial<StateEvent & { type: "attempt.settled" }> = {}): StateEvent {
  return { type: "attempt.settled", task, iteration: 0, attempt: 1, outcome: "succeeded", ...more };
}

function fold(...events: readonly StateEvent[]): ResultFold {
  const journal = memoryJournal();
  const result = new ResultFold();
  journal.watch({ state: (record) => result.add(record) });
  events.forEach((event, at) => journal.append(event, at * 1000));
  return result;
}

test("a result holds every attempt in the order of settling, with values and times", () => {
  const bytes = new Uint8Array([1, 2, 255]);
  const result = fold(
    START,
    { type: "attempt.dispatched", task: "cpu", iteration: 0, attempt: 1, worker: 1 },
    settled("cpu", {
      outcome: "failed",
      error: { name: "Error", message: "no" },
      startedAt: 1,
      endedAt: 2,
      worker: 1,
    }),
    settled("cpu", { attempt: 2, value: encode({ raw: bytes }, "v")! }),
    settled("cool", { attempt: 0, outcome: "skipped", because: "cpu did not fail" }),
    { type: "run.ended", state: "succeeded" },
  ).result();
  assert.deepEqual(result, {
    run: "r1",
    pipeline: "p",
    runtime: "deno 2.9.6",
    state: "succeeded",
    startedAt: "1970-01-01T00:00:00.000Z",
    endedAt: "1970-01-01T00:00:05.000Z",
    tasks: {
      cpu: [
        {
          iteration: 0,
          attempt: 1,
          outcome: "failed",
          error: { name: "Error", message: "no" },
          startedAt: "1970-01-01T00:00:00.001Z",
          endedAt: "1970-01-01T00:00:00.002Z",
          worker: 1,
        },
        { iteration: 0, attempt: 2, outcome: "succeeded", value: { raw: bytes } },
      ],
      cool: [{ iteration: 0, attempt: 0, outcome: "skipped", because: "cpu did not fail" }],
    },
  });
});

test("the JSON says what the result does, and bytes are base64", () => {
  const result = fold(
    START,
    settled("a", { value: encode({ raw: new Uint8Array([1]), "$": { $bytes: "mine" } }, "v")!, worker: 3 }),
    settled("b"),
    settled("__proto__", { value: "null" }),
    settled("c", { outcome: "crashed", reason: "exit", code: 3 }),
  );
  const text = [...result.json()].join("");
  const parsed = JSON.parse(text);
  assert.deepEqual(parsed.tasks.a[0].value, { raw: { $bytes: "AQ==" }, "$": { $$bytes: "mine" } });
  assert.equal("value" in parsed.tasks.b[0], false);
  assert.deepEqual(Object.keys(parsed.tasks), ["a", "b", "__proto__", "c"]);
  assert.equal(parsed.tasks.c[0].code, 3);
  assert.equal(parsed.state, "running");
});

test("files are told with the attempt that has kept them, those of items that are run anew no more", () => {
  const key = (item: number, attempt = 1) => ({ task: "a", iteration: 0, attempt, item });
  const of = (item: number, attempt: number, name: string): StateEvent[] => [
    { type: "file.kept", name, sha256: "0".repeat(64), bytes: 1, ...key(item, attempt) },
    { type: "file.refused", name: `no ${name}`, because: "it is a folder", ...key(item, attempt) },
  ];
  const events = [
    START,
    ...of(0, 1, "x"),
    ...of(1, 1, "y"),
    settled("a", { item: 0, outcome: "failed" }),
    ...of(0, 2, "z"),
    settled("a", { item: 1, outcome: "failed" }),
    settled("a", { item: 0, attempt: 2 }),
  ];
  const told = (result: ResultFold) =>
    result.attemptsOf("a").map(({ item, attempt, files, filesRefused }) =>
      [item, attempt, ...files ?? [], ...filesRefused ?? []].map((each) =>
        typeof each === "object" ? each.name : each
      )
    );
  const [first, second] = [[0, 1, "x", "no x"], [0, 2, "z", "no z"]];
  assert.deepEqual(told(fold(...events)), [first, [1, 1, "y", "no y"], second]);
  const anew = { type: "run.resumed", lost: 0, again: ["a"] } as const;
  const again = settled("a", { item: 1 });
  assert.deepEqual(told(fold(...events, { ...anew, missing: ["a"] }, again)), [first, second, [1, 1]]);
  assert.deepEqual(told(fold(...events, anew, again)), [[1, 1]]);
});

test("a resumed run is running again, and keeps what was settled before", () => {
  const result = fold(START, settled("a"), { type: "run.ended", state: "cancelled" }, {
    type: "run.resumed",
    lost: 1,
  });
  assert.equal(result.result().state, "running");
  assert.equal("endedAt" in result.result(), false);
  assert.equal(result.attemptsBefore()["a"]!.length, 1);
});

test("attempts of tasks of any name are fields of their own, one list for each task", () => {
  const result = fold(START, settled("__proto__"), settled("a"), settled("a", { attempt: 2 }))
    .attemptsBefore();
  assert.deepEqual(Object.entries(result).map(([name, attempts]) => [name, attempts.length]), [
    ["__proto__", 1],
    ["a", 2],
  ]);
});

test("what the fold gave out is the caller's, later records do not change it", () => {
  const result = fold(START, settled("a"));
  const before = result.attemptsBefore();
  result.add({ seq: 3, at: 0, ...settled("a", { attempt: 2 }) } as Parameters<ResultFold["add"]>[0]);
  assert.equal(before["a"]!.length, 1);
  assert.equal(result.attemptsBefore()["a"]!.length, 2);
});

test("the JSON is that of the attempts, whatever they hold, in pieces that are worth their way", () => {
  const text = fc.string({ unit: "binary", maxLength: 6 });
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const attempt = fc.record({
    task: fc.constantFrom("a", "b", 'c"\\\n', "d".repeat(150)),
    iteration: fc.nat(3),
    attempt: fc.nat(9),
    outcome: fc.constantFrom(...OUTCOMES),
    value: maybe(fc.jsonValue().map((value) => encode(value, "v")!)),
    error: maybe(fc.record({ name: text, message: text })),
    reason: maybe(fc.constantFrom("exit" as const, "memory" as const, "lost" as const)),
    code: maybe(fc.integer()),
    because: maybe(text),
    startedAt: maybe(fc.integer({ min: 0, max: 5_000 })),
    endedAt: maybe(fc.double({ min: 0, max: 4e12, noNaN: true })),
    worker: maybe(fc.nat(64)),
  }, { requiredKeys: ["task", "iteration", "attempt", "outcome"] });
  fc.assert(
    fc.property(fc.array(attempt, { maxLength: 200 }), (attempts) => {
      const known = attempts.map((each) =>
        Object.fromEntries(Object.entries(each).filter(([, value]) => value !== undefined))
      );
      const result = fold(START, ...known.map((each) => settled("", each)));
      const pieces = [...result.json()];
      for (const piece of pieces.slice(0, -1)) assert.ok(piece.length >= 16_384);
      const tasks: Record<string, unknown[]> = {};
      for (const { task, iteration, attempt, outcome, ...more } of attempts) {
        const { value, error, reason, code, because, startedAt, endedAt, worker } = more;
        (tasks[task] ??= []).push({
          iteration,
          attempt,
          outcome,
          value: value === undefined ? undefined : JSON.parse(value),
          error,
          reason,
          code,
          because,
          startedAt: startedAt === undefined ? undefined : new Date(startedAt).toISOString(),
          endedAt: endedAt === undefined ? undefined : new Date(endedAt).toISOString(),
          worker,
        });
      }
      const document = JSON.parse(pieces.join(""));
      assert.equal(JSON.stringify(document.tasks), JSON.stringify(tasks));
      const lastOf = new Map<string, string>();
      result.eachLast((task, outcome) => lastOf.set(task, outcome));
      for (const [task, all] of Object.entries(tasks)) {
        assert.equal(result.attemptsOf(task).length, all.length);
        const last = all.at(-1) as { readonly outcome: string };
        assert.equal(lastOf.get(task), last.outcome);
      }
      assert.deepEqual(result.attemptsOf("none"), []);
    }),
    { numRuns: 100, seed: SEED },
  );
});

test("a result that is taken as it is appended is the one that is read in the end", () => {
  const journal = memoryJournal();
  const append = (...events: readonly StateEvent[]) => events.forEach((event) => journal.append(event, 7));
  append(START, settled("a"), settled("b"));
  const [following, reading] = [new ResultReader(journal), new ResultReader(journal)];
  following.follow();
  append(
    { type: "run.resumed", lost: 0, again: ["b"] },
    { type: "attempt.dispatched", task: "b", iteration: 0, attempt: 2, worker: 1 },
    settled("b", { attempt: 2, value: "5" }),
    settled("c", { outcome: "failed", error: { name: "E", message: "m" } }),
    { type: "event.emitted", id: 1, event: "x" },
    { type: "run.ended", state: "failed", tookMs: 5 },
  );
  assert.deepEqual(following.read().result(), reading.read().result());
  assert.equal(following.read().attemptsOf("b").length, 1);
  following.end();
  append(settled("d"));
  assert.deepEqual(following.read().attemptsOf("d"), []);
});
