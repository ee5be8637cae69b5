/** The way of records to the disk: what is asked of it and in which order, and what becomes of each refusal. */
import assert from "node:assert/strict";
import test from "node:test";
import {
  openSqliteJournal,
  type SqliteJournal,
  type SqliteJournalOptions,
} from "../../src/journal/disk/sqlite.ts";
import { HandClock } from "../store/hand_clock.ts";
import { entryOf, stateOf } from "./entries.ts";
import { HandDisk, PATH } from "./hand_disk.ts";

interface Rig {
  readonly disk: HandDisk;
  readonly clock: HandClock;
  readonly journal: SqliteJournal;
}

async function rig(options: SqliteJournalOptions = {}, disk: HandDisk = new HandDisk()): Promise<Rig> {
  const clock = new HandClock();
  const journal = await openSqliteJournal(PATH, { disk, clock, ...options });
  disk.since();
  return { disk, clock, journal };
}

/** Lets all work on the disk that is due end. */
async function settled(): Promise<void> {
  for (let steps = 0; steps < 60; steps++) await Promise.resolve();
}

const tasksOf = (journal: SqliteJournal): string[] =>
  journal.states(0, 10_000).map((record) => record.type === "attempt.settled" ? record.task : record.type);

/** What one long tail asks of the disk, the first time: each step only after the one before. */
const MOVE = ["write a", "sync a", "begin", "commit", "sync wal", "truncate a", "checkpoint", "sync main"];

/** The same with the other tail. */
const SECOND = MOVE.map((call) => call.replace(/ a$/, " b"));

test("a journal is opened in this order: the folder, the database, which locks, then the other files, and their names are synced", async () => {
  const disk = new HandDisk();
  await openSqliteJournal(PATH, { disk, clock: new HandClock() });
  assert.deepEqual(disk.since(), [
    "make directory",
    "open database",
    "begin",
    "commit",
    ...["tail-a", "tail-b", "main", "wal"].map((name) => `open ${name}`),
    "sync directory",
    "synchronous",
    "settle",
    "truncate a",
    "truncate b",
  ]);
});

test("what can't be opened leaves nothing open, whichever step refuses", async () => {
  for (
    const step of ["open database", "begin", "commit", "open tail-a", "open tail-b", "open main", "open wal"]
  ) {
    const disk = new HandDisk();
    disk.refuses = (call) => call === step;
    await assert.rejects(openSqliteJournal(PATH, { disk }), {
      name: "JournalError",
      message: /journal\.db.*EIO/,
    });
    const calls = disk.since();
    const opened = calls.filter((call) => call.startsWith("open ") && call !== step);
    const closed = calls.filter((call) => call.startsWith("close "));
    assert.equal(closed.length, opened.length, `${step}: ${calls}`);
  }
});

test("a long tail moves into the database in an order in which no power cut loses anything, tail after tail", async () => {
  const { disk, clock, journal } = await rig({ tailBytes: 100 });
  for (const wanted of [MOVE, SECOND, MOVE]) {
    journal.append(stateOf("t"), 0);
    await settled();
    assert.deepEqual(disk.calls, wanted.slice(0, 1));
    clock.advance(49);
    await settled();
    assert.deepEqual(disk.calls, wanted.slice(0, 1));
    clock.advance(1);
    await settled();
    assert.deepEqual(disk.since(), wanted);
    assert.equal(clock.timers, 0);
  }
  assert.equal(tasksOf(journal).length, 3);
});

test("a tail moves once it has its bytes and not before", async () => {
  const { disk, clock, journal } = await rig({ tailBytes: 1000 });
  const write = async (): Promise<string[]> => {
    journal.log(entryOf("x".repeat(100)));
    await settled();
    clock.advance(50);
    await settled();
    return disk.since();
  };
  const long = disk.a;
  const first = await write();
  assert.deepEqual(first, ["write a", "sync a"]);
  const each = long.bytes.length;
  const exactly = await rig({ tailBytes: each });
  exactly.journal.log(entryOf("x".repeat(100)));
  await settled();
  exactly.clock.advance(50);
  await settled();
  assert.deepEqual(exactly.disk.since(), MOVE, "with as many bytes as that");
  const less = await rig({ tailBytes: each + 1 });
  less.journal.log(entryOf("x".repeat(100)));
  await settled();
  less.clock.advance(50);
  await settled();
  assert.deepEqual(less.disk.since(), ["write a", "sync a"], "with one byte less");
});

test("what nobody has appended asks nothing of the disk", async () => {
  const { disk, clock, journal } = await rig();
  journal.setCursor("uplink", 0);
  journal.commit!();
  await settled();
  await journal.flush();
  assert.deepEqual([disk.since(), clock.timers], [[], 0]);
});

for (const step of MOVE) {
  test(`a disk that refuses "${step}" is said, is asked again after a second, and then all is there`, async () => {
    const { disk, clock, journal } = await rig({ tailBytes: 100 });
    let refused = 0;
    disk.refuses = (call) => call === step && ++refused > 0;
    journal.append(stateOf("one"), 0);
    journal.log(entryOf("line"));
    journal.setCursor("uplink", 7);
    await settled();
    clock.advance(50);
    await settled();
    assert.equal(refused, 1);
    assert.match(
      journal.degraded!,
      /^The journal .*journal\.db can't be used \(EIO.*kept in memory, the log as far as it fits$/,
    );
    const durable = MOVE.indexOf(step) > MOVE.indexOf("sync a");
    assert.deepEqual(journal.synced, { states: durable ? 1 : 0, logs: durable ? 1 : 0 });
    assert.equal(clock.timers, 1);
    // Until then it is not asked for what it refuses, whatever is appended.
    journal.append(stateOf("two"), 0);
    await settled();
    clock.advance(step === "write a" ? 949 : 999);
    await settled();
    assert.equal(refused, 1);
    disk.refuses = () => false;
    assert.notEqual(journal.degraded, undefined);
    clock.advance(step === "write a" ? 51 : 1);
    await settled();
    assert.equal(journal.degraded, undefined);
    assert.deepEqual([tasksOf(journal), journal.logs(0, 9).length, journal.cursor("uplink")], [
      ["one", "two"],
      1,
      7,
    ]);
    assert.deepEqual(journal.synced, { states: 2, logs: 1 });
    await journal.close();
    const again = await rig({}, disk);
    assert.deepEqual([
      tasksOf(again.journal),
      again.journal.logs(0, 9).length,
      again.journal.cursor("uplink"),
    ], [
      ["one", "two"],
      1,
      7,
    ]);
  });
}

test("after a refusal of the database the tails keep what it has not, until it has it", async () => {
  for (const step of ["commit", "sync wal"]) {
    const { disk, clock, journal } = await rig({ tailBytes: 100 });
    disk.refuses = (call) => call === step;
    journal.append(stateOf("one"), 0);
    await settled();
    clock.advance(50);
    await settled();
    assert.match(disk.a.text, /"one"/);
    await journal.close();
    assert.match(disk.a.text, /"one"/, `${step}: also when it is closed`);
    assert.ok(!disk.calls.includes("truncate a"));
  }
});

test("what could not be synced is written once more: states, log and cursors", async () => {
  const { disk, clock, journal } = await rig();
  journal.append(stateOf("one"), 0);
  journal.log(entryOf("line"));
  journal.setCursor("uplink", 7);
  await settled();
  const once = disk.a.text;
  disk.refuses = (call) => call === "sync a";
  clock.advance(50);
  await settled();
  disk.refuses = () => false;
  clock.advance(1000);
  await settled();
  assert.equal(disk.a.text, once + once);
  assert.deepEqual(journal.synced, { states: 1, logs: 1 });
  // Once is enough when it was synced.
  journal.append(stateOf("two"), 0);
  await settled();
  assert.equal(disk.a.text.split('"one"').length - 1, 2);
});

test("a tail that refuses to be written is not asked for every record, and then takes all at once", async () => {
  const { disk, clock, journal } = await rig();
  disk.refuses = (call) => call === "write a";
  for (const task of ["one", "two", "three"]) {
    journal.append(stateOf(task), 0);
    await settled();
  }
  journal.commit!();
  assert.deepEqual(disk.since(), ["write a"]);
  disk.refuses = () => false;
  clock.advance(1000);
  await settled();
  assert.deepEqual(disk.since(), ["write a", "sync a"]);
  assert.deepEqual([journal.degraded, journal.synced.states], [undefined, 3]);
});

test("a write that fails as it is tried anew is no success because a sync follows", async () => {
  const { disk, clock, journal } = await rig();
  disk.refuses = (call) => call === "write a";
  journal.append(stateOf("one"), 0);
  await settled();
  for (let times = 0; times < 3; times++) {
    clock.advance(1000);
    await settled();
    assert.match(journal.degraded!, /EIO/);
    assert.equal(journal.synced.states, 0);
  }
});

test("while the database refuses, tails get no more log than four times their usual size, and all states", async () => {
  const { disk, clock, journal } = await rig({ tailBytes: 1000 });
  disk.refuses = (call) => call === "commit";
  let written = 0;
  while (disk.a.bytes.length < 4000) {
    journal.log(entryOf(`line ${++written} ${"x".repeat(50)}`));
    await settled();
    clock.advance(1000);
    await settled();
    assert.ok(disk.a.text.includes(`line ${written} `), "below it all is written");
    assert.ok(written < 100);
  }
  journal.log(entryOf("beyond"));
  journal.append(stateOf("one"), 0);
  await settled();
  assert.ok(!disk.a.text.includes("beyond") && disk.a.text.includes('"one"'));
  assert.deepEqual(journal.logs(written, 9).map(({ text }) => text), ["beyond"]);
  clock.advance(1000);
  await settled();
  assert.deepEqual(journal.synced, { states: 1, logs: written });
  disk.refuses = () => false;
  clock.advance(1000);
  await settled();
  assert.equal(journal.degraded, undefined);
  await journal.flush();
  assert.deepEqual(journal.synced, { states: 1, logs: written + 1 });
  await journal.close();
  const again = await rig({}, disk);
  assert.deepEqual(again.journal.last(), { states: 1, logs: written + 1 });
});

test("a journal that is closed is whole in the database, has no timer, and asks the disk for nothing more", async () => {
  const { disk, clock, journal } = await rig();
  const seen: number[] = [];
  journal.watch({ state: ({ seq }) => void seen.push(seq) });
  journal.append(stateOf("one"), 0);
  journal.setCursor("uplink", 7);
  await Promise.all([journal.close(), journal.close()]);
  assert.deepEqual(disk.since(), [
    "write a",
    "sync a",
    "begin",
    "commit",
    "synchronous",
    "settle",
    "truncate a",
    "truncate b",
    "synchronous",
    ...["database", "a", "b", "wal", "main"].map((name) => `close ${name}`),
  ]);
  assert.deepEqual([journal.synced, journal.degraded], [{ states: 1, logs: 0 }, undefined]);
  journal.append(stateOf("two"), 0);
  journal.commit!();
  await settled();
  await journal.flush();
  await journal.close();
  clock.advance(10_000);
  await settled();
  assert.deepEqual([disk.since(), clock.timers, seen], [[], 0, [1]]);
});

test("files that can't be closed stop no other from being closed", async () => {
  const { disk, journal } = await rig();
  disk.refuses = (call) => call.startsWith("close ");
  await journal.close();
  assert.deepEqual(disk.since().filter((call) => call.startsWith("close ")), [
    "close database",
    "close a",
    "close b",
    "close wal",
    "close main",
  ]);
});

test("a start that the database refuses is said, goes on from the tails, and moves in later", async () => {
  const disk = new HandDisk();
  const first = await rig({}, disk);
  first.journal.append(stateOf("one"), 0);
  first.journal.log(entryOf("line"));
  await settled();
  let commits = 0;
  disk.refuses = (call) => call === "commit" && ++commits > 1;
  const { journal, clock } = await rig({ tailBytes: 10 }, disk);
  assert.match(journal.degraded!, /EIO.*commit/);
  assert.deepEqual([tasksOf(journal), journal.logs(0, 9).length, journal.synced], [["one"], 1, {
    states: 0,
    logs: 0,
  }]);
  assert.match(disk.a.text, /"one"/);
  disk.refuses = () => false;
  clock.advance(1000);
  await settled();
  assert.equal(journal.degraded, undefined);
  await journal.close();
  const last = await rig({}, disk);
  assert.deepEqual([tasksOf(last.journal), last.journal.recovered.fromTail], [["one"], 0]);
});

test("flushes one after the other are done one after the other, and each waits for what was appended before it", async () => {
  const { disk, journal } = await rig();
  journal.append(stateOf("one"), 0);
  const first = journal.flush();
  journal.append(stateOf("two"), 0);
  await first;
  await journal.flush();
  assert.deepEqual(journal.synced, { states: 2, logs: 0 });
  assert.ok(disk.since().filter((call) => call === "sync a").length >= 1);
});
