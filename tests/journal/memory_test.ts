/** The journal in memory. */
import assert from "node:assert/strict";
import test from "node:test";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import { contract } from "./contract.ts";
import { entryOf } from "./entries.ts";

contract("memory", (options) => Promise.resolve(memoryJournal(options)));

test("memory: 64 MiB of log are kept where nothing else is said", () => {
  const journal = memoryJournal();
  const text = "x".repeat((1 << 20) - 100);
  for (let at = 0; at < 64; at++) journal.log(entryOf(text));
  assert.equal(journal.logs(0, 1)[0]!.dropped, undefined);
  journal.log(entryOf(""));
  assert.deepEqual(journal.logs(0, 1)[0]!.dropped, { count: 0, bytes: 1 << 20 });
});

test("memory: the log's memory is let go as it is dropped, however much is written", () => {
  const journal = memoryJournal({ logBytes: 10_000 });
  for (let at = 0; at < 20_000; at++) journal.log(entryOf("x".repeat(100), at));
  const records = journal.logs(0, 100_000);
  assert.deepEqual([records.length, records[0]!.seq, records.at(-1)!.seq], [51, 19_950, 20_000]);
});

test("memory: without dispatches all else is read, and as many as were asked for", () => {
  const journal = memoryJournal();
  const key = { iteration: 0, attempt: 1, worker: 1 } as const;
  for (let at = 1; at <= 30; at++) {
    const event = { task: `t${at}`, ...key };
    if (at % 10 > 0) journal.append({ type: "attempt.dispatched", ...event }, at);
    else journal.append({ type: "attempt.settled", outcome: "succeeded", ...event }, at);
  }
  const read = (after: number, limit: number, dispatches?: boolean) =>
    journal.states(after, limit, dispatches === undefined ? undefined : { dispatches }).map(({ seq }) => seq);
  assert.deepEqual([read(0, 2, false), read(20, 9, false), read(30, 9, false)], [[10, 20], [30], []]);
  assert.deepEqual([read(8, 3), read(8, 3, true)], [[9, 10, 11], [9, 10, 11]]);
});
