/** The journal on disk: the contract, what survives what, and a disk that fails. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import test from "node:test";
import fc from "fast-check";
import {
  openSqliteJournal,
  type SqliteJournal,
  type SqliteJournalOptions,
} from "../../src/journal/disk/sqlite.ts";
import { assertExplained, contract } from "./contract.ts";
import { entryOf, stateOf } from "./entries.ts";
import { FaultyDisk, makeDirectory } from "./faulty_disk.ts";
import { HandClock } from "../store/hand_clock.ts";
import { SEED } from "../seed.ts";
import { seeded } from "../uplink/rig.ts";

/** A tail so short that lines move into the database all the time. */
const SHORT: SqliteJournalOptions = { tailBytes: 500 };

async function inDirectory(work: (file: string) => Promise<void>): Promise<void> {
  const directory = makeDirectory();
  try {
    await work(path.join(directory, "state", "journal.db"));
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** Closes the journal and removes what it wrote. */
async function opened(options: SqliteJournalOptions): Promise<SqliteJournal> {
  const directory = makeDirectory();
  const journal = await openSqliteJournal(path.join(directory, "journal.db"), options);
  const close = journal.close.bind(journal);
  journal.close = async () => {
    await close();
    fs.rmSync(directory, { recursive: true, force: true });
  };
  return journal;
}

contract("sqlite", (options) => opened({ ...options }));
contract("sqlite with a short tail", (options) => opened({ ...options, ...SHORT }));

/** Lets all work on the disk that is due end: a `FaultyDisk` answers within the turn. */
async function settle(): Promise<void> {
  for (let steps = 0; steps < 50; steps++) await Promise.resolve();
}

interface Rig {
  readonly disk: FaultyDisk;
  readonly clock: HandClock;
  readonly journal: SqliteJournal;
}

async function rig(options: SqliteJournalOptions = {}, disk?: FaultyDisk): Promise<Rig> {
  const clock = new HandClock();
  disk ??= await FaultyDisk.make();
  return { disk, clock, journal: await openSqliteJournal(disk.journal, { disk, clock, ...options }) };
}

function tasksOf(journal: SqliteJournal): string[] {
  return journal.states(0, 10_000).map((record) =>
    record.type === "attempt.settled" ? record.task : record.type
  );
}

test("a journal goes on where it was closed: records, numbers, cursors, gap", async () => {
  await inDirectory(async (file) => {
    const first = await openSqliteJournal(file, { logBytes: 500 });
    assert.deepEqual(first.recovered, { states: 0, logs: 0, fromTail: 0 });
    first.append(stateOf("a"), 1);
    for (let at = 1; at <= 9; at++) first.log(entryOf(`line ${at}`, at));
    first.setCursor("uplink", 7);
    first.setCursor("uplink", 3);
    const logs = first.logs(0, 100);
    await first.close();
    const again = await openSqliteJournal(file, { logBytes: 500 });
    assert.deepEqual(again.recovered, { states: 1, logs: 9, fromTail: 0 });
    assert.deepEqual([again.cursor("uplink"), again.cursor("other")], [7, 0]);
    assert.deepEqual(again.logs(0, 100), logs);
    assert.deepEqual([again.append(stateOf("b"), 2), again.log(entryOf("x"))], [2, 10]);
    assert.deepEqual(tasksOf(again), ["a", "b"]);
    await again.close();
    assert.deepEqual(fs.readdirSync(path.dirname(file)).filter((name) => name.endsWith("-wal")), []);
  });
});

test("a record of the log that was dropped before the database had it keeps its number when the journal is closed", async () => {
  await inDirectory(async (file) => {
    const first = await openSqliteJournal(file, { logBytes: 200 });
    assert.equal(first.log(entryOf("x".repeat(1000), 7)), 1);
    const logs = first.logs(0, 9);
    await first.close();
    const again = await openSqliteJournal(file, { logBytes: 200 });
    assert.deepEqual(again.recovered, { states: 0, logs: 1, fromTail: 0 });
    assert.deepEqual(again.logs(0, 9), logs);
    assert.equal(again.log(entryOf("next")), 2);
    await again.close();
  });
});

test("records are out of the process when the turn ends, a dispatch at once", async () => {
  const { disk, journal } = await rig();
  const tail = (): string => fs.readFileSync(`${disk.journal}.tail-a`, "utf8");
  journal.append(stateOf("before"), 0);
  journal.append({ type: "attempt.dispatched", task: "now", iteration: 0, attempt: 1, worker: 1 }, 0);
  assert.match(tail(), /before[^]*now/);
  journal.append(stateOf("later"), 0);
  journal.log(entryOf("text"));
  journal.setCursor("uplink", 1);
  assert.doesNotMatch(tail(), /later/);
  await Promise.resolve();
  assert.match(tail(), /later[^]*text[^]*uplink/);
  journal.commit!();
  journal.append({ type: "attempt.dispatched", task: "vouched for", iteration: 0, attempt: 1, worker: 1 }, 0);
  assert.doesNotMatch(tail(), /vouched/);
  journal.commit!();
  assert.match(tail(), /vouched/);
  await journal.close();
  disk.remove();
});

test("what was written is synced within 100 ms, and `synced` says so", async () => {
  const { disk, clock, journal } = await rig();
  journal.append(stateOf("a"), 0);
  journal.log(entryOf("x"));
  await settle();
  assert.deepEqual(journal.synced, { states: 0, logs: 0 });
  clock.advance(50);
  await settle();
  assert.deepEqual(journal.synced, { states: 1, logs: 1 });
  assert.equal(clock.timers, 0);
  await journal.close();
  disk.remove();
});

test("a torn last line is dropped and reported, all before it is kept", async () => {
  const { disk, journal } = await rig();
  for (const task of ["a", "b"]) journal.append(stateOf(task), 0);
  await settle();
  fs.appendFileSync(`${disk.journal}.tail-a`, 's{"seq":3,"at":0,"type":"attempt.set');
  const again = await rig({}, await disk.afterKill());
  assert.deepEqual(again.journal.recovered, {
    states: 2,
    logs: 0,
    fromTail: 2,
    lost: "the last 36 bytes were torn when the process or the machine ended",
  });
  assert.equal(again.journal.append(stateOf("c"), 0), 3);
  assert.deepEqual(tasksOf(again.journal), ["a", "b", "c"]);
  await again.journal.close();
  again.disk.remove();
});

test("a second opening of the same file is refused, until the first is closed", async () => {
  await inDirectory(async (file) => {
    const first = await openSqliteJournal(file);
    await assert.rejects(openSqliteJournal(file), {
      name: "JournalError",
      code: "LOCKED",
      message: /another process has it open/,
    });
    first.append(stateOf("a"), 0);
    await first.close();
    await (await openSqliteJournal(file)).close();
  });
});

test("what is no journal is refused and left as it is", async () => {
  await inDirectory(async (file) => {
    fs.mkdirSync(path.dirname(file));
    fs.writeFileSync(file, "no database ".repeat(1000));
    await assert.rejects(openSqliteJournal(file), { code: "CORRUPT", message: /journal\.db.*move it away/ });
    assert.match(fs.readFileSync(file, "utf8"), /^no database/);
    fs.rmSync(file);
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(file);
    database.exec("CREATE TABLE mine (x)");
    database.close();
    await assert.rejects(openSqliteJournal(file), { code: "CORRUPT", message: /no journal of Outrider/ });
    fs.rmSync(file);
    await (await openSqliteJournal(file)).close();
    const journal = new DatabaseSync(file);
    journal.exec("PRAGMA user_version = 99");
    journal.close();
    await assert.rejects(openSqliteJournal(file), { code: "NEWER_VERSION" });
  });
});

test("a place that can't be written is refused with what to do", async () => {
  await inDirectory(async (file) => {
    fs.writeFileSync(path.dirname(file), "a file where the directory should be");
    await assert.rejects(openSqliteJournal(file), { name: "JournalError", message: /state directory/ });
  });
  const disk = await FaultyDisk.make();
  disk.openFile = () => {
    throw new Error("EROFS: read-only file system, open");
  };
  await assert.rejects(openSqliteJournal(disk.journal, { disk }), { code: "NOT_WRITABLE" });
  disk.remove();
});

test("a key that is written all the time does not fill the disk, and readers see which values are gone", async () => {
  const { disk, clock, journal } = await rig(SHORT);
  const value = JSON.stringify("x".repeat(10_000));
  for (let version = 1; version <= 60; version++) {
    journal.append({ type: "store.changed", key: "k", version, value }, 0);
    journal.append(stateOf(`t${version}`), 0);
    await Promise.resolve();
    clock.advance(50);
    await settle();
  }
  await journal.close();
  // All values would take 600,000; SQLite does not give back every page that has become nearly empty.
  assert.ok(fs.statSync(disk.journal).size < 300_000, `${fs.statSync(disk.journal).size} bytes`);
  const again = await rig({}, await disk.afterKill());
  const changes = again.journal.states(0, 999).filter((record) => record.type === "store.changed");
  assert.deepEqual(changes.map(({ version }) => version), Array.from({ length: 60 }, (_, at) => at + 1));
  assert.deepEqual(changes.filter(({ superseded }) => superseded !== true).map(({ value }) => value), [
    value,
  ]);
  assert.equal(tasksOf(again.journal).filter((task) => task.startsWith("t")).length, 60);
  await again.journal.close();
  again.disk.remove();
});

for (const how of ["at once", "half"] as const) {
  test(`a disk that is full (${how}) is said, nothing is lost, and it recovers`, async () => {
    const { disk, clock, journal } = await rig({ retryMs: 1000 });
    journal.append(stateOf("before"), 0);
    await settle();
    disk.tailFull = how;
    for (const task of ["during", "too"]) {
      journal.append(stateOf(task), 0);
      journal.log(entryOf(task));
      await settle();
    }
    assert.match(journal.degraded!, /journal\.db.*disk is full.*kept in memory/);
    assert.deepEqual(tasksOf(journal), ["before", "during", "too"]);
    clock.advance(1000);
    await settle();
    assert.match(journal.degraded!, /disk is full/);
    disk.tailFull = false;
    clock.advance(1000);
    await settle();
    assert.equal(journal.degraded, undefined);
    const again = await rig({}, await disk.afterKill());
    assert.deepEqual(tasksOf(again.journal), ["before", "during", "too"]);
    assert.deepEqual(again.journal.logs(0, 9).map(({ text }) => text), ["during", "too"]);
    await again.journal.close();
    again.disk.remove();
  });
}

test("a database that is full is said; records go on to the tail, and move when there is room", async () => {
  const { disk, clock, journal } = await rig({ ...SHORT, logBytes: 20_000 });
  disk.databaseFull = true;
  for (let at = 1; at <= 50; at++) {
    journal.append(stateOf(`t${at}`), 0);
    journal.log(entryOf("x".repeat(100)));
    clock.advance(50);
    await settle();
  }
  assert.match(journal.degraded!, /disk is full/);
  assert.ok(fs.statSync(`${disk.journal}.tail-a`).size < 15_000, "the tail holds no more log than it must");
  disk.databaseFull = false;
  clock.advance(1000);
  await settle();
  assert.equal(journal.degraded, undefined);
  const again = await rig({}, await disk.afterKill());
  assert.equal(again.journal.states(0, 100).length, 50);
  assert.equal(again.journal.logs(0, 100).length, 50);
  await again.journal.close();
  again.disk.remove();
});

test("what could not be synced is written once more, and is not called synced before", async () => {
  const { disk, clock, journal } = await rig();
  journal.append(stateOf("a"), 0);
  await settle();
  disk.syncFails = true;
  clock.advance(50);
  await settle();
  assert.match(journal.degraded!, /EIO/);
  assert.equal(journal.synced.states, 0);
  disk.syncFails = false;
  journal.append(stateOf("b"), 0);
  clock.advance(1000);
  await settle();
  assert.deepEqual([journal.degraded, journal.synced.states], [undefined, 2]);
  const again = await rig({}, await disk.afterPowerCut(() => 0));
  disk.remove();
  assert.deepEqual(tasksOf(again.journal), ["a", "b"]);
  await again.journal.close();
  again.disk.remove();
});

/** Every mixture of what may be left of each file. */
const MIXTURES: readonly (readonly [number, number, number])[] = [0, 0.5, 1].flatMap((main) =>
  [0, 0.5, 0.9, 1].flatMap((wal) => [0, 1].map((tails) => [main, wal, tails] as const))
);

for (const held of ["-wal", ""]) {
  test(`a power cut while the database's ${held === "" ? "file" : "log"} is being synced loses nothing that was synced`, async () => {
    const { disk, clock, journal } = await rig(SHORT);
    const go = async (): Promise<void> => {
      for (let times = 0; times < 20; times++) {
        journal.append(stateOf(`t${journal.states(0, 9999).length + 1}`), 0);
      }
      await Promise.resolve();
      clock.advance(50);
      await settle();
    };
    await go();
    disk.held = held;
    for (let times = 0; times < 3; times++) await go();
    const { states } = journal.synced;
    assert.ok(states >= 40);
    for (const [main, wal, tails] of MIXTURES) {
      const keeps = (name: string): number =>
        name.endsWith(".db") ? main : name.endsWith("-wal") ? wal : tails;
      const again = await rig({}, await disk.afterPowerCut(keeps));
      assert.ok(
        again.journal.recovered.states >= states,
        `${[main, wal, tails]}: ${again.journal.recovered.states} of ${states}`,
      );
      assertWhole(again.journal);
      await again.journal.close();
      again.disk.remove();
    }
    disk.release();
    await journal.close();
    disk.remove();
  });
}

type Step = { readonly do: "append" | "log"; readonly times: number } | {
  readonly do: "time" | "flush" | "cursor" | "turn";
};

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("append" as const, "log" as const),
      times: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("time" as const, "turn" as const, "flush" as const, "cursor" as const),
    }),
  },
);

/** Does the steps; every record says its number. */
async function take({ journal, clock }: Rig, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (step.do === "append" || step.do === "log") {
      for (let times = 0; times < step.times; times++) {
        if (step.do === "append") journal.append(stateOf(`t${journal.states(0, 9999).length + 1}`), 0);
        else journal.log(entryOf(`line ${(journal.logs(0, 9999).at(-1)?.seq ?? 0) + 1}`));
      }
    } else if (step.do === "time") clock.advance(50);
    else if (step.do === "turn") await settle();
    else if (step.do === "flush") await journal.flush();
    else journal.setCursor("uplink", journal.states(0, 9999).length);
    if (step.do !== "time") await Promise.resolve();
  }
}

function assertWhole(journal: SqliteJournal): void {
  const states = tasksOf(journal);
  assert.deepEqual(states, states.map((_, at) => `t${at + 1}`));
  const logs = journal.logs(0, 9999);
  assertExplained(logs, 0);
  for (const { seq, text, dropped } of logs) if (dropped === undefined) assert.equal(text, `line ${seq}`);
}

test("after kill -9 at any point nothing is lost, again and again", async () => {
  const property = fc.asyncProperty(
    fc.array(fc.array(step, { maxLength: 15 }), { maxLength: 4 }),
    async (lives) => {
      let disk = await FaultyDisk.make();
      let [states, logs, cursor] = [0, 0, 0];
      for (const steps of [...lives, []]) {
        const life = await rig({ ...SHORT, logBytes: 2000 }, disk);
        assert.equal(life.journal.recovered.lost, undefined);
        assert.deepEqual([life.journal.recovered.states, life.journal.recovered.logs], [states, logs]);
        assert.equal(life.journal.cursor("uplink"), cursor);
        assertWhole(life.journal);
        await take(life, steps);
        await Promise.resolve();
        states = life.journal.states(0, 9999).length;
        logs = life.journal.logs(0, 9999).at(-1)?.seq ?? 0;
        cursor = life.journal.cursor("uplink");
        disk = await life.disk.afterKill();
      }
      disk.remove();
    },
  );
  await fc.assert(property, { numRuns: 40 });
});

test("after a power cut at any point all that was called synced is there, and nothing is out of order", async () => {
  const share = fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true }));
  const lives = fc.array(
    fc.tuple(fc.array(step, { maxLength: 15 }), fc.array(share, { minLength: 4, maxLength: 4 })),
    { maxLength: 4 },
  );
  const property = fc.asyncProperty(lives, async (lives) => {
    let disk = await FaultyDisk.make();
    let synced = { states: 0, logs: 0 };
    for (const [steps, keeps] of [...lives, [[], [1, 1, 1, 1]] as [Step[], number[]]]) {
      const life = await rig({ ...SHORT, logBytes: 2000 }, disk);
      const { states, logs } = life.journal.recovered;
      assert.ok(
        states >= synced.states && logs >= synced.logs,
        `${states} of ${synced.states}, ${logs} of ${synced.logs}`,
      );
      assertWhole(life.journal);
      await take(life, steps);
      synced = life.journal.synced;
      const shares = new Map(
        ["journal.db", "journal.db-wal", "journal.db.tail-a", "journal.db.tail-b"].map((
          name,
          at,
        ) => [name, keeps[at]!]),
      );
      disk = await life.disk.afterPowerCut((name) => shares.get(name)!);
      life.disk.remove();
    }
    disk.remove();
  });
  await fc.assert(property, { numRuns: 60 });
});

/** The rows of a journal, changed behind its back. */
async function inDatabase(file: string, sql: string): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

test("a letter that flipped in the tail is found out, what is before it is kept, and a copy of the file", async () => {
  const { disk, journal } = await rig();
  for (const task of ["first", "second", "third"]) {
    journal.append(stateOf(task), 0);
    journal.log(entryOf(`line of ${task}`));
    await settle();
  }
  const tail = `${disk.journal}.tail-a`;
  const text = fs.readFileSync(tail, "utf8");
  for (const [from, to] of [["second", "recond"], ["line of second", "line of recond"]] as const) {
    fs.writeFileSync(tail, text.replace(from, to));
    const next = await rig({}, await disk.copy());
    assert.deepEqual(tasksOf(next.journal), ["first"]);
    assert.deepEqual(next.journal.logs(0, 9).map((record) => record.text), ["line of first"]);
    assert.match(next.journal.recovered.lost!, /^\d+ bytes were damaged on the disk: a copy is kept/);
    assert.equal(fs.readFileSync(`${next.disk.journal}.tail-a.damaged`, "utf8"), text.replace(from, to));
    await next.journal.close();
    next.disk.remove();
  }
  await journal.close();
  disk.remove();
});

test("a letter that flipped in the database is found out: of the state at the start, of the log where it is read", async () => {
  await inDirectory(async (file) => {
    const journal = await openSqliteJournal(file, { logBytes: 100_000 });
    for (let at = 1; at <= 200; at++) {
      journal.append(stateOf(`t${at}`), 0);
      journal.log(entryOf(`line ${at} ${"x".repeat(100)}`));
    }
    await journal.close();
    const before = fs.readFileSync(file);
    await inDatabase(file, "UPDATE logs SET lines = replace(lines, 'line 50 ', 'line 51 ')");
    const again = await openSqliteJournal(file, { existing: true });
    const logs = again.logs(0, 1000);
    assert.deepEqual(logs.map(({ seq }) => seq), Array.from({ length: 200 }, (_, at) => at + 1));
    const damaged = logs.filter(({ text }) => text === "This line of the log was damaged on the disk");
    assert.ok(damaged.length > 0 && damaged.length < 150 && damaged.some(({ seq }) => seq === 50));
    assert.ok(!logs.some(({ seq, text }) => seq === 50 && text.startsWith("line")));
    await again.close();
    fs.writeFileSync(file, before);
    await inDatabase(file, "UPDATE states SET lines = replace(lines, '\"t50\"', '\"t51\"')");
    await assert.rejects(openSqliteJournal(file), {
      code: "CORRUPT",
      message: /state records .* are damaged/,
    });
  });
});

test("a journal of version 1, without checksums, is read and goes on", async () => {
  await inDirectory(async (file) => {
    const journal = await openSqliteJournal(file);
    journal.append(stateOf("a"), 0);
    journal.log(entryOf("line"));
    await journal.close();
    await inDatabase(
      file,
      "ALTER TABLE states DROP COLUMN sum; ALTER TABLE logs DROP COLUMN sum; PRAGMA user_version = 1",
    );
    const line = (letter: string, record: object): string => `${letter}${JSON.stringify(record)}\n`;
    fs.writeFileSync(
      `${file}.tail-a`,
      line("s", { seq: 2, at: 0, ...stateOf("b") }) + line("c", { name: "uplink", seq: 1 }) +
        's{"seq":3,"at"',
    );
    const again = await openSqliteJournal(file, { existing: true });
    assert.deepEqual(tasksOf(again), ["a", "b"]);
    assert.equal(again.cursor("uplink"), 1);
    assert.match(again.recovered.lost!, /^the last 14 bytes were torn/);
    assert.equal(again.append(stateOf("c"), 0), 3);
    await again.close();
    const last = await openSqliteJournal(file, { existing: true });
    assert.deepEqual(tasksOf(last), ["a", "b", "c"]);
    assert.equal(last.logs(0, 9)[0]!.text, "line");
    await last.close();
  });
});

test("what should be there and is not is said", async () => {
  const { disk, journal } = await rig();
  journal.append(stateOf("a"), 0);
  await settle();
  fs.rmSync(`${disk.journal}.tail-a`);
  const without = await rig({ existing: true }, await disk.copy());
  assert.match(without.journal.recovered.lost!, /tail-a is missing/);
  await without.journal.close();
  without.disk.remove();
  await journal.close();
  fs.rmSync(disk.journal);
  await assert.rejects(openSqliteJournal(disk.journal, { existing: true }), { code: "CORRUPT" });
  disk.remove();
});

test("the files of a journal are for this user alone, also one that was readable for all", async () => {
  await inDirectory(async (file) => {
    const modeOf = (path: string): number => fs.statSync(path).mode & 0o777;
    const journal = await openSqliteJournal(file);
    journal.append(stateOf("a"), 0);
    await settle();
    for (const name of fs.readdirSync(path.dirname(file))) {
      assert.equal(modeOf(path.join(path.dirname(file), name)), 0o600, name);
    }
    assert.equal(modeOf(path.dirname(file)), 0o700);
    await journal.close();
    fs.chmodSync(file, 0o644);
    await (await openSqliteJournal(file)).close();
    assert.equal(modeOf(file), 0o600);
  });
});

/** Rounds of damage and refusal at random. More of them: `OUTRIDER_TEST_DAMAGE=500`. */
const DAMAGES = Number(process.env["OUTRIDER_TEST_DAMAGE"] ?? 25);

/** What a disk may do beside all else, and whether it is in a mood to. */
type Mood = { readonly do: "tail" | "database" | "sync"; readonly on: boolean };

test("whatever a disk refuses at random moments, what it took is whole after kill -9 and after a power cut", async () => {
  const mood: fc.Arbitrary<Mood> = fc.record({
    do: fc.constantFrom("tail" as const, "database" as const, "sync" as const),
    on: fc.boolean(),
  });
  const life = fc.record({
    steps: fc.array(fc.oneof({ weight: 3, arbitrary: step }, { weight: 1, arbitrary: mood }), {
      maxLength: 25,
    }),
    half: fc.boolean(),
    kill: fc.boolean(),
    keeps: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const property = fc.asyncProperty(fc.array(life, { maxLength: 4 }), async (lives) => {
    let disk = await FaultyDisk.make();
    let least = { states: 0, logs: 0 };
    for (const { steps, half, kill, keeps } of [...lives, { steps: [], half: false, kill: true, keeps: 1 }]) {
      const now = await rig({ ...SHORT, logBytes: 2000 }, disk);
      const { recovered } = now.journal;
      assert.ok(recovered.states >= least.states && recovered.logs >= least.logs, JSON.stringify(recovered));
      assertWhole(now.journal);
      for (const each of steps) {
        if (!("on" in each)) await take(now, [each]);
        else if (each.do === "tail") now.disk.tailFull = each.on && (half ? "half" : "at once");
        else if (each.do === "database") now.disk.databaseFull = each.on;
        else now.disk.syncFails = each.on;
      }
      await settle();
      least = now.journal.synced;
      assertWhole(now.journal);
      disk = kill ? await now.disk.afterKill() : await now.disk.afterPowerCut(() => keeps);
      now.disk.remove();
    }
    disk.remove();
  });
  await fc.assert(property, { numRuns: DAMAGES });
});

test("whatever is damaged at random, what is read is what was written, and what is missing is said", async () => {
  const random = seeded(SEED);
  for (let round = 0; round < DAMAGES; round++) {
    const words = `seed ${SEED}, round ${round}`;
    const { disk, clock, journal } = await rig({ tailBytes: 20_000 });
    const records = 50 + Math.floor(random() * 150);
    for (let at = 1; at <= records; at++) {
      journal.append(stateOf(`t${at}`), 0);
      journal.log(entryOf(`line ${at}`));
      if (random() < 0.1) {
        await Promise.resolve();
        clock.advance(50);
        await settle();
      }
    }
    if (random() < 0.5) await journal.close();
    else await settle();
    const next = await disk.copy();
    const files = ["", "-wal", ".tail-a", ".tail-b"].map((suffix) => next.journal + suffix)
      .filter((file) => fs.existsSync(file) && fs.statSync(file).size > 0);
    const file = files[Math.floor(random() * files.length)]!;
    const bytes = fs.readFileSync(file);
    const at = Math.floor(random() * bytes.length);
    const cut = random() < 0.2;
    if (cut) fs.truncateSync(file, at);
    else {
      bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 8));
      fs.writeFileSync(file, bytes);
    }
    await openSqliteJournal(next.journal, { disk: next, clock: new HandClock(), existing: true }).then(
      async (read) => {
        const tasks = tasksOf(read);
        assert.deepEqual(tasks, tasks.map((_, index) => `t${index + 1}`), words);
        // A tail that ends early between two writes is what a power cut leaves.
        assert.ok(tasks.length === records || cut || read.recovered.lost !== undefined, words);
        for (const { seq, text } of read.logs(0, 1e6)) {
          assert.ok(text === `line ${seq}` || text.endsWith("was damaged on the disk"), `${text}, ${words}`);
        }
        assert.equal(read.append(stateOf("more"), 0), tasks.length + 1, words);
        await read.close();
      },
      (error) =>
        assert.equal((error as { readonly name?: string }).name, "JournalError", `${error}, ${words}`),
    );
    next.remove();
    if (!journal.degraded) await journal.close();
    disk.remove();
  }
});
