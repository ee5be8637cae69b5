/**
 * Owns what every journal must do, as tests that take the journal as a parameter.
 * Must not know which journal it is.
 * Invariant: each test opens a journal of its own and closes it.
 */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Journal } from "../../src/journal/journal.ts";
import { logSize } from "../../src/journal/log_records.ts";
import type { JournalOptions } from "../../src/journal/memory/memory.ts";
import type { LogRecord, StateEvent, StateRecord } from "../../src/model/record.ts";
import { OUTCOMES } from "../../src/model/outcome.ts";
import { SharedStore, type StoreChanged } from "../../src/store/store.ts";
import { SEED } from "../seed.ts";
import { entryOf, stateOf } from "./entries.ts";

/** Opens a new, empty journal. */
export type Open = (options?: JournalOptions) => Promise<Journal>;

/** Checks that numbers follow each other from `after` on, or a gap record says what is missing. */
export function assertExplained(records: readonly LogRecord[], after: number): void {
  let last = after;
  records.forEach((record, at) => {
    if (record.dropped !== undefined) {
      assert.equal(at, 0, "a gap is only at the start");
      assert.equal(record.dropped.count, record.seq - 1, "it stands for all records from 1 on");
    } else assert.equal(record.seq, last + 1);
    last = record.seq;
  });
}

async function using(journal: Journal, work: (journal: Journal) => Promise<void> | void): Promise<void> {
  try {
    await work(journal);
  } finally {
    await journal.close();
  }
}

/** Registers the contract's tests. */
export function contract(name: string, open: Open): void {
  test(`${name}: state records are numbered from 1 and come back as they were given`, async () => {
    await using(await open(), async (journal) => {
      for (let at = 0; at < 10; at++) assert.equal(journal.append(stateOf(`t${at}`), at * 1.5), at + 1);
      const wanted = Array.from(
        { length: 10 },
        (_, at) => ({ seq: at + 1, at: at * 1.5, ...stateOf(`t${at}`) }),
      );
      assert.deepEqual(journal.states(0, 100), wanted);
      assert.deepEqual(journal.states(-5, 3), wanted.slice(0, 3));
      assert.deepEqual(journal.states(7, 2), wanted.slice(7, 9));
      assert.deepEqual([journal.states(10, 5), journal.states(99, 5), journal.states(0, 0)], [[], [], []]);
      await journal.flush();
      assert.deepEqual(journal.states(0, 100), wanted);
    });
  });

  test(`${name}: what is told of attempts comes back as it was given, whatever it holds`, async () => {
    const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
    const text = fc.string({ unit: "grapheme-composite", maxLength: 8 });
    const key = { task: text, iteration: fc.nat(5), attempt: fc.nat(5), item: maybe(fc.nat(5)) };
    const dispatched = fc.record({
      type: fc.constant("attempt.dispatched"),
      ...key,
      worker: fc.nat(9),
      count: maybe(fc.nat(9)),
      waitedMs: maybe(fc.nat(9_000)),
    });
    const settled = fc.record({
      type: fc.constant("attempt.settled"),
      ...key,
      outcome: fc.constantFrom(...OUTCOMES),
      worker: maybe(fc.nat(9)),
      value: maybe(fc.json()),
      error: maybe(fc.record({ name: text, message: text })),
      reason: maybe(fc.constant("exit")),
      code: maybe(fc.integer()),
      because: maybe(text),
      startedAt: maybe(fc.double({ min: 0, max: 4e12, noNaN: true })),
      endedAt: maybe(fc.double({ min: 0, max: 4e12, noNaN: true })),
      rerun: maybe(fc.constant(true)),
      items: maybe(fc.record({ succeeded: fc.nat(9) })),
    });
    const sample = fc.sample(fc.oneof(dispatched, settled), { numRuns: 300, seed: SEED });
    const given = JSON.parse(JSON.stringify(sample)) as StateEvent[];
    await using(await open(), async (journal) => {
      for (const event of given) journal.append(event, 1.5);
      const wanted = given.map((event, at) => ({ seq: at + 1, at: 1.5, ...event }));
      assert.deepEqual(journal.states(0, 300), wanted);
      await journal.flush();
      assert.deepEqual(journal.states(0, 300), wanted);
    });
  });

  test(`${name}: log records are numbered from 1, their times are ISO 8601`, async () => {
    await using(await open(), (journal) => {
      assert.equal(journal.log(entryOf("one", Date.UTC(2026, 10, 21))), 1);
      assert.equal(
        journal.log({ at: 0, level: "error", from: "executor", stream: "log", text: "two\n\u2028ü" }),
        2,
      );
      assert.deepEqual(journal.logs(0, 10), [
        { ...entryOf("one"), seq: 1, at: "2026-11-21T00:00:00.000Z" },
        {
          seq: 2,
          at: "1970-01-01T00:00:00.000Z",
          level: "error",
          from: "executor",
          stream: "log",
          text: "two\n\u2028ü",
        },
      ]);
      assert.deepEqual(journal.logs(1, 10).map(({ seq }) => seq), [2]);
      assert.deepEqual([journal.logs(2, 10), journal.logs(0, 0)], [[], []]);
    });
  });

  test(`${name}: the numbers of the newest records are had without reading, also of those that were dropped`, async () => {
    await using(await open({ logBytes: 100 }), async (journal) => {
      assert.deepEqual(journal.last(), { states: 0, logs: 0 });
      journal.append(stateOf("a"), 0);
      for (const text of ["one", "two"]) journal.log(entryOf(text));
      assert.deepEqual(journal.last(), { states: 1, logs: 2 });
      await journal.flush();
      assert.deepEqual(journal.last(), { states: 1, logs: 2 });
    });
  });

  test(`${name}: watchers are told in order until they leave, and one that throws harms nobody`, async () => {
    await using(await open(), (journal) => {
      const seen: string[] = [];
      const stop = journal.watch({
        state: ({ seq }) => seen.push(`s${seq}`),
        log: ({ seq, at }) => seen.push(`l${seq} ${at}`),
      });
      const both = journal.watch({ state: ({ seq }) => void (seq === 2 && stop()) });
      journal.append(stateOf("a"), 0);
      journal.log(entryOf("x"));
      journal.append(stateOf("b"), 0);
      journal.append(stateOf("c"), 0);
      both();
      journal.append(stateOf("d"), 0);
      assert.deepEqual(seen, ["s1", "l1 1970-01-01T00:00:00.000Z", "s2"]);
    });
  });

  test(`${name}: a watcher is told of what it wants, and the others of all`, async () => {
    await using(await open(), (journal) => {
      const seen: string[] = [];
      const task = (record: StateEvent) => "task" in record ? record.task : "";
      journal.watch({
        wants: (event) => task(event) !== "b",
        state: (record) => seen.push(`some ${record.seq} ${task(record)}`),
        log: ({ seq }) => seen.push(`log ${seq}`),
      });
      journal.watch({ wants: () => false, state: () => seen.push("nobody's") });
      journal.watch({ state: ({ seq }) => seen.push(`all ${seq}`) });
      for (const name of ["a", "b", "c"]) journal.append(stateOf(name), 0);
      journal.log(entryOf("x"));
      assert.deepEqual(seen, ["some 1 a", "all 1", "all 2", "some 3 c", "all 3", "log 1"]);
    });
  });

  test(`${name}: a change of the store that a later one replaces keeps its number and lets go of its value`, async () => {
    await using(await open(), async (journal) => {
      const change = (key: string, version: number, value?: string): StateEvent => ({
        type: "store.changed",
        key,
        version,
        ...(value !== undefined && { value }),
      });
      const seen: StateRecord[] = [];
      journal.watch({ state: (record) => seen.push(record) });
      const events = [
        change("a", 1, "1"),
        change("b", 1, "1"),
        change("a", 2, "2"),
        change("b", 2),
        change("b", 3, "3"),
        change("a", 3, "3"),
      ];
      events.forEach((event, at) => journal.append(event, at));
      await journal.flush();
      const light = (key: string, version: number): StateEvent => ({
        type: "store.changed",
        key,
        version,
        superseded: true,
      });
      const wanted = [light("a", 1), light("b", 1), light("a", 2), ...events.slice(3)];
      assert.deepEqual(journal.states(0, 9), wanted.map((event, at) => ({ seq: at + 1, at, ...event })));
      assert.deepEqual(seen, events.map((event, at) => ({ seq: at + 1, at, ...event })));
      const stores = [wanted, events].map((changes) => {
        const store = new SharedStore();
        store.restore(changes as Iterable<StoreChanged>);
        return [store.get("a"), store.get("b"), store.stats()];
      });
      assert.deepEqual(stores[0], stores[1]);
    });
  });

  test(`${name}: the oldest log goes when there is too much, and a gap record stands in its place`, async () => {
    const size = logSize(entryOf("0000"));
    await using(await open({ logBytes: size * 3 }), async (journal) => {
      for (let at = 1; at <= 5; at++) {
        journal.log(entryOf(String(at).padStart(4, "0"), at));
        journal.append(stateOf("kept"), at);
      }
      await journal.flush();
      const records = journal.logs(0, 10);
      assert.deepEqual(records.map(({ seq, dropped }) => [seq, dropped?.count]), [[2, 1], [3, undefined], [
        4,
        undefined,
      ], [5, undefined]]);
      assert.deepEqual(records[0]!.dropped, { count: 1, bytes: size * 2 });
      assert.equal(records[0]!.at, "1970-01-01T00:00:00.002Z");
      assert.match(records[0]!.text, /oldest 2 records/);
      assert.deepEqual(journal.logs(1, 10), records, "a reader in the middle of the gap is told of it");
      assert.deepEqual(journal.logs(2, 1), records.slice(1, 2));
      assert.deepEqual(journal.logs(0, 1), records.slice(0, 1));
      assert.equal(journal.states(0, 10).length, 5);
    });
  });

  test(`${name}: a record that is larger than the bound leaves only the gap`, async () => {
    await using(await open({ logBytes: 200 }), (journal) => {
      journal.log(entryOf("small"));
      assert.equal(journal.log(entryOf("x".repeat(1000))), 2);
      assert.deepEqual(journal.logs(0, 10).map(({ seq, dropped }) => [seq, dropped?.count]), [[2, 1]]);
      assert.equal(journal.log(entryOf("small")), 3);
      assert.deepEqual(journal.logs(2, 10).map(({ seq }) => seq), [3]);
    });
  });

  test(`${name}: from any cursor the log is gapless or explained, within its bound`, async () => {
    const step = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constant("flush" as const));
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 0, max: 3000 }),
      async (steps, logBytes) => {
        await using(await open({ logBytes }), async (journal) => {
          const texts: string[] = [];
          for (const step of steps) {
            if (step === "flush") await journal.flush();
            else assert.equal(journal.log(entryOf(texts[texts.push("x".repeat(step)) - 1]!)), texts.length);
          }
          const all = journal.logs(0, 1000);
          assert.equal(all.at(-1)?.seq ?? 0, texts.length);
          const kept = all.filter((record) => record.dropped === undefined);
          assert.ok(kept.reduce((sum, record) => sum + logSize(record), 0) <= logBytes);
          for (const record of kept) assert.equal(record.text, texts[record.seq - 1]);
          for (let after = 0; after <= texts.length; after++) {
            assertExplained(journal.logs(after, 1000), after);
            assert.deepEqual(journal.logs(after, 2), journal.logs(after, 1000).slice(0, 2));
          }
        });
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });

  test(`${name}: closing twice is fine, and appending after it harms nobody`, async () => {
    const journal = await open();
    journal.append(stateOf("a"), 0);
    await journal.close();
    await journal.close();
    assert.equal(journal.append(stateOf("b"), 0), 2);
    journal.log(entryOf("x"));
    await journal.flush();
  });
}
