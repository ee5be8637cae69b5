/** Mapped tasks on real workers, in processes and as programs: what items are given, and what becomes of their ends. */
import assert from "node:assert/strict";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { MAX_ITEMS, MAX_VALUE_BYTES } from "../../src/base/limits.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { Journal } from "../../src/journal/journal.ts";
import { traceOf } from "../../src/model/trace.ts";
import type { AttemptResult, Outcome } from "../../src/model/outcome.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import { Lists } from "../../src/run/lists.ts";
import { inspectedRun } from "../../src/run/run.ts";
import type { Value } from "../../src/model/value.ts";
import { Values } from "../../src/run/values.ts";
import { manifest, only, outcomes, printed, see, start, withFolder, world } from "./rig.ts";

/** What a mapped task came to as a whole, and its items' attempts. */
function partsOf(
  attempts: readonly AttemptResult[],
): { readonly whole: AttemptResult; readonly items: AttemptResult[] } {
  const whole = attempts.filter(({ item }) => item === undefined);
  assert.equal(whole.length, 1);
  assert.equal(whole[0], attempts.at(-1), "it ends last");
  return { whole: whole[0]!, items: attempts.filter(({ item }) => item !== undefined) };
}

/** A journal with the first records of another. */
function beginning(of: Journal, count: number): Journal {
  const journal = memoryJournal();
  for (const { seq: _, at, ...event } of of.states(0, count)) journal.append(event, at);
  return journal;
}

test("map: each item is given to an attempt of its own, and their values are a list in order", async () => {
  const { tasks, ...rest } = manifest("mapped", {
    scan: {},
    item: { each: { task: "scan", path: "/hosts" } },
    apart: { export: "item", each: { task: "scan", path: "/hosts" }, isolation: "process" },
    named: {
      export: "item",
      needs: [{ task: "scan", as: "whole" }],
      each: { task: "scan", path: "/odd~1~0key/0", as: "row" },
    },
    empty: { export: "item", each: { task: "scan", path: "/empty" } },
    nothing: { each: { task: "scan", path: "/hosts" } },
    unmapped: { needs: ["scan"] },
  });
  const print =
    'test "$OUTRIDER_ITEM" = null || printf %s "$OUTRIDER_ITEM" > "$OUTRIDER_OUTPUT"; echo $OUTRIDER_INDEX';
  const program = { each: { task: "scan", path: "/hosts" }, run: { command: ["sh", "-c", print] } };
  const seen = await see({ ...rest, tasks: { ...tasks, program } });
  const hosts = ["a", 'b "c" [,]\\', { name: "d", ports: [1, 2] }, null, new Uint8Array([1, 2])];
  const value = (task: string) => partsOf(seen.result.tasks[task]!).whole.value;
  assert.deepEqual(value("item"), hosts.map((host, at) => [host, at, ["item"]]));
  assert.deepEqual(value("apart"), value("item"));
  assert.deepEqual(value("named"), [[[7, 8], 0, ["whole", "row"]], [[9], 1, ["whole", "row"]]]);
  assert.deepEqual(value("empty"), []);
  assert.deepEqual(value("nothing"), [null, "some", "some", "some", "some"]);
  assert.deepEqual(value("program"), hosts);
  assert.deepEqual(only(seen.result, "unmapped").value, ["undefined", "undefined"]);
  assert.deepEqual(printed(seen, "program").toSorted(), ["0", "1", "2", "3", "4"]);
  const { whole, items } = partsOf(seen.result.tasks["program"]!);
  assert.deepEqual(items.map(({ item }) => item).toSorted(), [0, 1, 2, 3, 4]);
  assert.deepEqual([whole.attempt, whole.worker, whole.items], [1, undefined, { succeeded: 5 }]);
  assert.ok(
    whole.startedAt! <= items[0]!.startedAt! && whole.endedAt! >= items.at(-1)!.endedAt!.slice(0, 20),
  );
});

test("map: a program has its item among its arguments, whatever is in it; what can be none fails the item", async () => {
  const { tasks, ...rest } = manifest("mapped", { scan: {} });
  const command = ["sh", "-c", 'printf "%s|" "$@"', "sh", "{index}", "of {item}", "{{item}}"];
  const arguments_ = { each: { task: "scan", path: "/hosts" }, run: { command }, onItemFailure: "continue" };
  const seen = await see({ ...rest, tasks: { ...tasks, arguments: arguments_ } });
  assert.deepEqual(printed(seen, "arguments").toSorted(), [
    "0|of a|{item}|",
    '1|of b "c" [,]\\|{item}|',
  ]);
  const { items } = partsOf(seen.result.tasks["arguments"]!);
  const failed = items.toSorted((a, b) => a.item! - b.item!).map(({ error }) => error?.message.slice(0, 60));
  assert.deepEqual(failed, [
    undefined,
    undefined,
    ...["an object", "null", "an object"].map((is, at) =>
      `Item ${at + 2} can't stand for {item}: it is ${is}, and an argument is a text`.slice(0, 60)
    ),
  ]);
});

test("map: log, events, trace and journal tell which item it was", async () => {
  const journal = memoryJournal();
  const going = start(
    manifest("mapped", { numbers: { params: { count: 3 } }, double: { each: { task: "numbers" } } }),
    { journal },
  );
  going.execution.watch(() => {});
  const { result, logs, events } = await going.seen;
  assert.deepEqual(partsOf(result.tasks["double"]!).whole.value, [0, 2, 4]);
  const lines = logs.filter(({ task }) => task === "double");
  assert.deepEqual(lines.map(({ item, text }) => [text, item]).toSorted(), [
    ["doubles 0", 0],
    ["doubles 1", 1],
    ["doubles 2", 2],
  ]);
  const items = (type: string) =>
    events.flatMap((event) =>
      event.type === type && "item" in event && event.task === "double" ? [event.item] : []
    );
  for (const type of ["attempt.started", "attempt.dispatched", "attempt.settled"]) {
    assert.deepEqual(items(type).toSorted(), [0, 1, 2], type);
  }
  const { traceEvents } = JSON.parse([...traceOf(journal)].join(""));
  const bars = traceEvents.filter(({ name, ph }: { name: string; ph: string }) =>
    ph === "X" && name === "double"
  );
  assert.deepEqual(bars.map(({ args }: { args: { item: number } }) => args.item).toSorted(), [0, 1, 2]);
  assert.deepEqual(
    JSON.parse([...going.execution.resultJson()].join("")),
    JSON.parse(JSON.stringify(result)),
  );
});

test("map: after an item has failed for good no other begins, and the task's error names it", async () => {
  const { result } = await see(manifest("mapped", {
    numbers: { params: { count: 6 } },
    odd: { each: { task: "numbers" }, maxParallel: 1 },
    tried: {
      export: "odd",
      each: { task: "numbers" },
      params: { once: true },
      retry: { attempts: 2, delay: 0 },
    },
    comfort: { export: "unmapped", needs: [{ task: "odd", on: "failure" }] },
  }));
  const { whole, items } = partsOf(result.tasks["odd"]!);
  assert.deepEqual(items.map(({ item, outcome }) => [item, outcome]), [[0, "succeeded"], [1, "failed"]]);
  assert.deepEqual([whole.outcome, whole.value], ["failed", undefined]);
  assert.deepEqual(whole.error, {
    name: "ItemsError",
    message: "1 of 6 items failed: item 1 failed with TypeError: item 1 is odd. Not begun after that: 4",
  });
  assert.deepEqual(whole.items, { succeeded: 1, failed: 1, skipped: 4 });
  assert.equal(only(result, "comfort").outcome, "succeeded");
  const tried = partsOf(result.tasks["tried"]!);
  assert.deepEqual(tried.whole.value, [0, 1, 2, 3, 4, 5].map((item) => `${item} in attempt ${1 + item % 2}`));
  assert.equal(tried.items.length, 9);
  assert.equal(result.state, "failed");
});

test("map: one that goes on after failures is a success that says how each ended", async () => {
  const { result } = await see(
    manifest("mapped", {
      numbers: { params: { count: 3 } },
      odd: { each: { task: "numbers" }, onItemFailure: "continue" },
      forEver: { each: { task: "numbers" }, onItemFailure: "continue", timeout: "300ms" },
    }),
    { killGraceMs: 50 },
  );
  assert.deepEqual(partsOf(result.tasks["odd"]!).whole.value, [
    { outcome: "succeeded", value: "0 in attempt 1" },
    { outcome: "failed", error: { name: "TypeError", message: "item 1 is odd", code: "EODD" } },
    { outcome: "succeeded", value: "2 in attempt 1" },
  ]);
  const because = "it ran longer than its timeout of 300 ms";
  assert.deepEqual(partsOf(result.tasks["forEver"]!).whole.value, [
    { outcome: "succeeded" },
    { outcome: "timed_out", because },
    { outcome: "succeeded" },
  ]);
  assert.equal(result.state, "succeeded");
});

test("map: what is no list fails the task, with the place where it should have been", async () => {
  const { result } = await see(manifest("mapped", {
    scan: {},
    numbers: { params: { count: MAX_ITEMS + 1 } },
    text: { export: "item", each: { task: "scan", path: "/text" } },
    object: { export: "item", each: { task: "scan" } },
    missing: { export: "item", each: { task: "scan", path: "/hosts/9" } },
    many: { export: "item", each: { task: "numbers" } },
    none: { export: "item", each: { task: "unmapped" } },
    after: { export: "item", needs: ["scan"], join: "any", each: { task: "text" } },
    unmapped: { export: "nothing", each: { task: "scan", path: "/empty" } },
  }, { onFailure: "continue" }));
  const todo = ': return a list there, or correct "each"';
  const errors: Readonly<Record<string, string>> = {
    text: `What "scan" returned at /text is no list but "hosts"${todo}`,
    object: `What "scan" returned is no list but an object${todo}`,
    missing: `"scan" has returned nothing at /hosts/9, where a list is to be${todo}`,
    after: '"text" failed, and so there is no list: see what it ended with',
    many:
      `What "numbers" returned has ${MAX_ITEMS + 1} items, and a task is mapped over ${MAX_ITEMS} at most: ` +
      "return fewer, or groups of them",
  };
  for (const [task, message] of Object.entries(errors)) {
    const { outcome, error, attempt, item } = only(result, task);
    assert.deepEqual([outcome, error, attempt, item], [
      "failed",
      { name: "ItemsError", message },
      1,
      undefined,
    ]);
  }
  assert.deepEqual(only(result, "none").value, [], "of an empty list");
});

test("map: a list of values that is larger than a value may be fails the task", () => {
  const plan = compile(
    manifest("mapped", { numbers: {}, double: { each: { task: "numbers" } } }),
    "file:///x/",
  );
  const values = new Values(2);
  const lists = new Lists({ plan, values, clock: systemClock });
  const most = { first: 2, count: 2, counts: {}, outcome: "succeeded" } as const;
  const half = MAX_VALUE_BYTES / 2;
  const gather = (first: number, second: number) => {
    values.settle(2, `"${"x".repeat(first - 2)}"`);
    values.settle(3, `"${"x".repeat(second - 2)}"`);
    return lists.gather(1, most);
  };
  assert.ok("value" in gather(half, half - 3), "with brackets and comma as many bytes as may be");
  const gathered = gather(half, half - 2);
  assert.match(
    "error" in gathered ? gathered.error.message : "",
    /^The list of the 2 items' values has more than 64 MiB, which is the most that a value may have: return less/,
  );
  assert.deepEqual([values.of(2), values.of(3)], [undefined, undefined], "they are let go");
});

test("map: what failed, or is no list, is told whole or not at all, so that a secret in it can be found", () => {
  const source = manifest("mapped", { numbers: {}, double: { each: { task: "numbers" } } });
  const values = new Values(2);
  const lists = new Lists({ plan: compile(source, "file:///x/"), values, clock: systemClock });
  const failure = (message: string) => {
    lists.ended(2, { outcome: "failed", error: { name: "Error", message } });
    const gathered = lists.gather(1, { first: 2, count: 1, counts: { failed: 1 }, outcome: "failed" });
    return "error" in gathered ? gathered.error.message : "";
  };
  const long = `${"x".repeat(195)}hunter2`;
  assert.equal(failure("x".repeat(200)), `1 of 1 items failed: item 0 failed with Error: ${"x".repeat(200)}`);
  assert.equal(failure(long), "1 of 1 items failed: item 0 failed with Error: a text of 202 characters");
  const noList = (text: string) => {
    values.settle(0, text);
    const count = lists.count(1, 0, "succeeded");
    return typeof count === "number" ? "" : count.message;
  };
  assert.match(noList(JSON.stringify(long)), /is no list but a text of 202 characters/);
  assert.match(noList('{"$bytes":""}'), /is no list but bytes/);
});

test("map: in a loop each iteration has its own list, and what comes after gets the last one's values", async () => {
  const { result } = await see(manifest("mapped", {
    numbers: { params: { count: 2 } },
    double: { each: { task: "numbers" } },
    sum: { needs: [{ task: "double", as: "all" }] },
  }, { loops: [{ from: "double", to: "numbers", times: 2 }] }));
  const wholes = result.tasks["double"]!.filter(({ item }) => item === undefined);
  assert.deepEqual(wholes.map(({ iteration, value }) => [iteration, value]), [[0, [0, 2]], [1, [0, 2, 4]], [
    2,
    [
      0,
      2,
      4,
      6,
    ],
  ]]);
  assert.equal(only(result, "sum").value, 12);
});

test("map: a stop cancels what runs, and the task with it", async () => {
  const going = start(manifest("mapped", {
    numbers: { params: { count: 5 } },
    counted: { each: { task: "numbers" }, params: { waits: 2 }, maxParallel: 1, onItemFailure: "continue" },
  }));
  await going.says("waits");
  going.execution.cancel("enough");
  const { result } = await going.seen;
  const { whole, items } = partsOf(result.tasks["counted"]!);
  assert.deepEqual(items.map(({ outcome }) => outcome), ["succeeded", "succeeded", "cancelled"]);
  assert.deepEqual([whole.outcome, whole.because], ["cancelled", "enough"]);
  assert.deepEqual(whole.items, { succeeded: 2, cancelled: 1, skipped: 2 });
  assert.equal(result.state, "cancelled");
});

test("map: a run that was killed goes on with the items that are missing, from any beginning of its journal", async () => {
  const source = manifest("mapped", {
    numbers: { params: { count: 4 } },
    counted: { each: { task: "numbers" } },
    sum: { needs: [{ task: "counted", as: "all" }] },
  });
  const whole = memoryJournal();
  await see(source, { journal: whole });
  const states = whole.states(0, 1_000);
  for (let cut = 1; cut < states.length; cut += 3) {
    const journal = beginning(whole, cut);
    const done = states.slice(0, cut).flatMap((record) =>
      record.type === "attempt.settled" && record.item !== undefined ? [record.item] : []
    );
    const { result, states: all } = await see(source, { journal });
    assert.deepEqual(partsOf(result.tasks["counted"]!).whole.value, [0, 1, 2, 3], `after ${cut} records`);
    assert.equal(only(result, "sum").value, 6);
    const again = all.slice(cut).flatMap((record) =>
      record.type === "attempt.dispatched" && record.item !== undefined ? [record.item] : []
    );
    assert.deepEqual(again.filter((item) => done.includes(item)), [], "what had succeeded is not run again");
  }
});

test("map: from a mapped task only the items are run anew that have not succeeded, unless its list is", async () => {
  const source = manifest("mapped", {
    numbers: { params: { count: 4 } },
    odd: { each: { task: "numbers" }, onItemFailure: "continue" },
    counted: { each: { task: "numbers" } },
  });
  const journal = memoryJournal();
  await see(source, { journal });
  const ran = async (from: string): Promise<(string | number)[]> => {
    const before = journal.last().states;
    const run = inspectedRun(source, { journal, from, world });
    const result = await run;
    for (const [task, attempts] of Object.entries(result.tasks)) {
      if (task !== "numbers") {
        assert.equal(new Set(attempts.map(({ item }) => item)).size, 5, `${task} is whole`);
      }
    }
    return journal.states(before, 1_000).flatMap((record) =>
      record.type !== "attempt.dispatched" || record.count !== undefined ? [] : [record.item ?? record.task]
    ).toSorted();
  };
  assert.deepEqual(await ran("odd"), [1, 3]);
  assert.deepEqual(await ran("odd"), [1, 3], "again");
  assert.deepEqual(await ran("counted"), [0, 1, 2, 3], "of which nothing is missing");
  assert.deepEqual(await ran("numbers"), [0, 0, 1, 1, 2, 2, 3, 3, "numbers"]);
  const last = inspectedRun(source, { journal: beginning(journal, journal.last().states), world });
  assert.deepEqual(
    outcomes(await last),
    outcomes({ tasks: (await last).tasks } as Parameters<typeof outcomes>[0]),
  );
});

test("map: what items keep that are not run anew is given to those after them, and stays in the result", () =>
  withFolder(async (folder) => {
    const source = manifest("mapped", {
      numbers: { params: { count: 4 } },
      keeps: { each: { task: "numbers" }, params: { folder } },
      kept: { needs: ["keeps"] },
    });
    const journal = memoryJournal();
    const files = { folder: () => Promise.resolve(`${folder}/files`) };
    await see(source, { journal, files });
    for (const from of ["keeps", "keeps", "numbers"]) {
      const before = journal.last().states;
      const result = await inspectedRun(source, { journal, files, from, world });
      const kept = journal.states(before, 1_000).filter(({ type }) => type === "file.kept");
      assert.equal(kept.length, from === "numbers" ? 3 : 0, "only what runs keeps anew");
      assert.deepEqual(
        (result.tasks["kept"]![0]!.value as Value[]).toSorted(),
        [0, 2, 3].map((item) => ["note", item]),
      );
      const told = result.tasks["keeps"]!.flatMap(({ item, files }) => files === undefined ? [] : [item]);
      assert.deepEqual(told.toSorted(), [0, 2, 3]);
    }
  }));

test("map: from what needs a failed mapped task, what is missing of that is run anew, where failures stop nothing too", async () => {
  const source = manifest("mapped", {
    numbers: { params: { count: 2 } },
    odd: { each: { task: "numbers" }, maxParallel: 1 },
    next: { export: "nothing", needs: [{ task: "odd", on: "success" }] },
    last: { export: "nothing", needs: [{ task: "next", on: "success" }] },
    other: { export: "nothing", needs: [{ task: "odd", on: "any" }] },
  }, { onFailure: "continue" });
  const journal = memoryJournal();
  await see(source, { journal });
  const before = journal.last().states;
  await inspectedRun(source, { journal, from: "last", world });
  const ran = journal.states(before, 1_000).flatMap((record) =>
    record.type !== "attempt.dispatched" || record.count !== undefined ? [] : [record.item ?? record.task]
  );
  assert.deepEqual(ran, [1, "other"]);
});

test("map: items take what they use one by one, may be skipped, and keep files of their own", () =>
  withFolder(async (folder) => {
    const { result } = await see(manifest("mapped", {
      numbers: { params: { count: 4 } },
      keeps: { each: { task: "numbers" }, params: { folder }, uses: ["radio"] },
      kept: { needs: ["keeps"] },
    }, { resources: { radio: 1 } }));
    const { whole, items } = partsOf(result.tasks["keeps"]!);
    assert.deepEqual(whole.value, [1, null, 1, 1], "never two at a time");
    assert.deepEqual(whole.items, { succeeded: 3, skipped: 1 });
    assert.equal(items.find(({ item }) => item === 1)!.because, "there is nothing to keep");
    assert.deepEqual(items.map(({ item, files }) => [item, files?.map(({ name }) => name)]).toSorted(), [
      [0, ["note"]],
      [1, undefined],
      [2, ["note"]],
      [3, ["note"]],
    ]);
    assert.deepEqual((only(result, "kept").value as Value[]).toSorted(), [["note", 0], ["note", 2], [
      "note",
      3,
    ]]);
  }));

test("map: as many items as there may be are run, and few objects are left of them", async () => {
  const { result } = await see(
    manifest("mapped", {
      numbers: { params: { count: 20_000 } },
      double: { export: "nothing", each: { task: "numbers" } },
    }),
    { workers: 2 },
  );
  const { whole, items } = partsOf(result.tasks["double"]!);
  assert.equal(items.length, 20_000);
  assert.deepEqual(whole.items, { succeeded: 20_000 } as Partial<Record<Outcome, number>>);
  assert.equal((whole.value as unknown[]).length, 20_000);
});
