/** The parts of the journals by themselves: streams, lines, tails, what a start makes of them, the database, errors. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import test from "node:test";
import fc from "fast-check";
import { Archive, type Batch } from "../../src/journal/disk/archive.ts";
import { Contents } from "../../src/journal/disk/contents.ts";
import type { Database } from "../../src/journal/disk/port.ts";
import { recover, type Start } from "../../src/journal/disk/recovery.ts";
import { checksum } from "../../src/journal/disk/system.ts";
import { Tails } from "../../src/journal/disk/tails.ts";
import { TextLines } from "../../src/journal/disk/text_lines.ts";
import { JournalError, journalError } from "../../src/journal/errors.ts";
import { journalBefore } from "../../src/journal/journal.ts";
import { damagedLine, gapRecord, logSize } from "../../src/journal/log_records.ts";
import { LogStream } from "../../src/journal/memory/log_stream.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import { StateStream } from "../../src/journal/memory/state_stream.ts";
import { Watchers } from "../../src/journal/watchers.ts";
import { OUTCOMES } from "../../src/model/outcome.ts";
import { pagesOf, type StateEvent, type StateRecord, statesOf } from "../../src/model/record.ts";
import { entryOf, stateOf } from "./entries.ts";
import { HandFile, sealOf } from "./hand_disk.ts";

const LEAST_LOG = 1 << 20;

function database(): Database {
  return new DatabaseSync(":memory:") as unknown as Database;
}

function archive(db: Database = database(), logBytes: number = LEAST_LOG): Archive {
  return new Archive(db, { logBytes, checksum, existing: false });
}

/** Lines with numbers from `first`, of these texts. */
function linesOf(first: number, texts: readonly string[], size = 1): TextLines {
  const lines = new TextLines(first);
  texts.forEach((text, index) => lines.push({ text, size, at: first + index }));
  return lines;
}

function batchOf(more: Partial<Batch>): Batch {
  const none = { count: 0, bytes: 0, at: 0 };
  const lines = linesOf(1, []);
  return { states: lines, logs: lines, replaced: new Map(), cursors: new Map(), dropped: none, ...more };
}

/** JSON of a record, as lines have it. */
const json = (seq: number, more = ""): string => `{"seq":${seq},"at":0,"more":"${more}"}`;

const ALL = { limit: Infinity, size: Infinity };

/** Rows of a table. */
const rowsOf = (db: Database, table: string): Record<string, unknown>[] =>
  db.prepare(`SELECT * FROM ${table} ORDER BY last`).all();

test("states in memory come back as they were given, whatever they have, over blocks", () => {
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const plain = {
    outcome: fc.constantFrom(...OUTCOMES),
    worker: maybe(fc.nat(5)),
    value: maybe(fc.constantFrom("", "1", '"x"')),
    startedAt: maybe(fc.constantFrom(0, 1.5)),
    endedAt: maybe(fc.constantFrom(0, 2.5)),
  };
  const odd = {
    error: maybe(fc.constant({ name: "E", message: "m" })),
    reason: maybe(fc.constant("exit" as const)),
    code: maybe(fc.constant(0)),
    because: maybe(fc.constant("")),
    rerun: maybe(fc.constant(true as const)),
  };
  // Most have nothing out of the ordinary; each thing that is makes a record an odd one by itself.
  const oneOdd = fc.constantFrom(...Object.keys(odd) as (keyof typeof odd)[]).chain((name) =>
    fc.record({ ...plain, [name]: odd[name] })
  );
  const settled = fc.oneof(fc.record(plain), oneOdd, fc.record({ ...plain, ...odd })).map((more) => {
    const given = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
    return {
      type: "attempt.settled",
      task: "t",
      iteration: 2,
      attempt: 3,
      ...given,
    } as unknown as StateEvent;
  });
  const event = fc.oneof(
    settled,
    fc.nat(3).map((worker): StateEvent => ({
      type: "attempt.dispatched",
      task: "d",
      iteration: 4,
      attempt: 5,
      worker,
    })),
    fc.constant<StateEvent>({ type: "run.ended", state: "failed" }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), fc.constantFrom(0, 1020, 1024), (events, before) => {
      const stream = new StateStream();
      for (let at = 0; at < before; at++) stream.push(stateOf("before"), at);
      events.forEach((event, at) => assert.equal(stream.push(event, at + 0.5), before + at + 1));
      const wanted = events.map((event, at) => ({ seq: before + at + 1, at: at + 0.5, ...event }));
      assert.deepEqual(stream.read(before, 100), wanted);
      assert.deepEqual(stream.read(before, 2), wanted.slice(0, 2));
      assert.deepEqual([stream.read(before, -1), stream.read(stream.last, 1)], [[], []]);
    }),
    { numRuns: 100 },
  );
});

test("pages are read until nothing more is there, also what comes meanwhile, and each record once", () => {
  const stream = new StateStream();
  for (let at = 0; at < 5; at++) stream.push(stateOf(`t${at}`), at);
  const pages: number[][] = [];
  for (const page of pagesOf((after) => stream.read(after, 2), 1)) {
    if (pages.push(page.map(({ seq }) => seq)) === 1) stream.push(stateOf("later"), 9);
  }
  assert.deepEqual(pages, [[2, 3], [4, 5], [6]]);
  const read = { states: (after: number, limit: number) => stream.read(after, Math.min(limit, 4)) };
  assert.deepEqual([...statesOf(read)].map(({ seq }) => seq), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([...statesOf(read, 5)].map(({ seq }) => seq), [6]);
});

test("the log in memory holds its bound to the byte, and says of what is gone how much and when", () => {
  const size = logSize({ text: "1234" });
  assert.equal(size, 104);
  const stream = new LogStream(2 * size);
  for (const at of [1, 2]) stream.push(entryOf("1234", at));
  assert.deepEqual(stream.read(0, 9).map(({ seq, dropped }) => [seq, dropped]), [[1, undefined], [
    2,
    undefined,
  ]]);
  assert.equal(stream.push(entryOf("1234", 3)), 3);
  const gap = gapRecord(1, { count: 1, bytes: size });
  assert.deepEqual(stream.read(0, 9)[0], gap);
  assert.deepEqual(gap, {
    seq: 1,
    at: "1970-01-01T00:00:00.001Z",
    level: "warn",
    from: "executor",
    stream: "log",
    text: "The oldest 1 records of the log were dropped to keep it within its bound",
    dropped: { count: 0, bytes: size },
  });
  assert.deepEqual(stream.read(0, 1), [gap]);
  assert.deepEqual([stream.read(0, 0), stream.read(1, 0)], [[], []]);
  assert.deepEqual(stream.read(1, 9).map(({ seq }) => seq), [2, 3]);
  const none = new LogStream(0);
  none.push(entryOf("", 5));
  assert.deepEqual([none.last, none.read(0, 9).map(({ seq }) => seq), none.read(1, 9)], [1, [1], []]);
});

test("a line that stands for a damaged one is a record of its number and of a time that can be read", () => {
  const record = JSON.parse(damagedLine(7, NaN));
  assert.deepEqual([record.seq, record.at, record.level], [7, "1970-01-01T00:00:00.000Z", "error"]);
  assert.equal(JSON.parse(damagedLine(7, 1000)).at, "1970-01-01T00:00:01.000Z");
});

const EVENT = stateOf("a");

test("watchers of one kind are told of that kind alone, with one record for all, made only if somebody listens", () => {
  const watchers = new Watchers();
  let made = 0;
  const record = { seq: 1 } as unknown as StateRecord;
  const tell = () => {
    const make = () => (made++, record);
    watchers.state(EVENT, make);
    watchers.log(make as never);
  };
  tell();
  assert.deepEqual([made, watchers.some], [0, false]);
  const seen: string[] = [];
  const watcher = { seen, state: () => void seen.push("s") };
  const stops = [
    watchers.add(watcher),
    watchers.add({ state: (given) => seen.push(given === record ? "same" : "other") }),
    watchers.add({ log: () => seen.push("l") }),
  ];
  assert.equal(watchers.some, true);
  tell();
  assert.deepEqual([seen.splice(0), made], [["s", "same", "l"], 2]);
  // The same one twice leaves once for each time.
  const again = watchers.add(watcher);
  stops[0]!();
  tell();
  assert.deepEqual(seen.splice(0), ["same", "s", "l"]);
  again();
  stops[1]!();
  tell();
  assert.deepEqual([seen.splice(0), watchers.some], [["l"], true]);
  stops[2]!();
  assert.equal(watchers.some, false);
  watchers.add(watcher);
  watchers.clear();
  tell();
  assert.deepEqual([seen, watchers.some], [[], false]);
});

test("a watcher that leaves while it is told, or takes others with it, changes nothing for who is told then", () => {
  const watchers = new Watchers();
  const seen: string[] = [];
  const stops = ["a", "b"].map((name) =>
    watchers.add({
      state: () => {
        seen.push(name);
        for (const stop of stops) stop();
      },
    })
  );
  const make = () => ({ seq: 1 }) as unknown as StateRecord;
  watchers.state(EVENT, make);
  watchers.state(EVENT, make);
  assert.deepEqual(seen, ["a", "b"]);
});

test("what a disk or SQLite says becomes an error with a code, which file, and what to do", () => {
  const codes: readonly [string, string, RegExp][] = [
    ["database is locked", "LOCKED", /another process has it open/],
    ["SQLITE_BUSY", "LOCKED", /stop that one/],
    ["database or disk is full", "DISK_FULL", /free some space/],
    ["ENOSPC: no space left on device", "DISK_FULL", /free some space/],
    ["EDQUOT: quota", "DISK_FULL", /free some space/],
    ["EACCES: permission denied", "NOT_WRITABLE", /right to write/],
    ["attempt to write a readonly database", "NOT_WRITABLE", /right to write/],
    ["EROFS", "NOT_WRITABLE", /right to write/],
    ["unable to open database file", "NOT_WRITABLE", /right to write/],
    ["file is not a database", "CORRUPT", /move it away/],
    ["database disk image is malformed", "CORRUPT", /move it away/],
    ["no such table: states", "CORRUPT", /move it away/],
    ["Unexpected end of JSON input", "CORRUPT", /move it away/],
    ["EIO: i/o error", "DISK", /check the disk/],
  ];
  for (const [said, code, advice] of codes) {
    const cause = new Error(said);
    const error = journalError("/x/journal.db", cause);
    assert.deepEqual([error.code, error.name, error.cause], [code, "JournalError", cause]);
    assert.ok(error.message.startsWith(`The journal /x/journal.db can't be used (${said}), `), error.message);
    assert.match(error.message, advice);
  }
  const known = new JournalError("CORRUPT", "As it was");
  assert.equal(journalError("/x", known), known);
});

test("a journal before another goes to that for all that is not its own", async () => {
  const behind = memoryJournal();
  const calls: string[] = [];
  const before = journalBefore(behind, {
    log: (entry) => behind.log({ ...entry, text: `told ${entry.text}` }),
  });
  before.watch({ state: () => calls.push("state"), log: () => calls.push("log") });
  assert.deepEqual([before.append(stateOf("a"), 1), before.log(entryOf("x"))], [1, 1]);
  assert.deepEqual([before.last(), behind.last()], [{ states: 1, logs: 1 }, { states: 1, logs: 1 }]);
  assert.deepEqual(before.states(0, 9), behind.states(0, 9));
  assert.deepEqual(before.logs(0, 9)[0]!.text, "told x");
  assert.deepEqual([before.states(1, 9), before.states(0, 0), before.logs(1, 9), before.logs(0, 0)], [
    [],
    [],
    [],
    [],
  ]);
  before.commit!();
  await before.flush();
  await before.close();
  before.append(stateOf("b"), 1);
  assert.deepEqual(calls, ["state", "log"], "to close it closes the other");
});

interface Found {
  readonly lines: readonly string[];
  readonly good: number;
  readonly torn: number;
  readonly damaged: boolean;
}

function parsed(text: string): Found {
  const [one, other] = [new HandFile("a"), new HandFile("b")];
  one.put(text);
  const [content] = new Tails(one, other, checksum).recover();
  const { lines, goodBytes, tornBytes, damaged } = content!;
  return { lines: lines.map(({ kind, text }) => kind + text), good: goodBytes, torn: tornBytes, damaged };
}

const sealed = (text: string): string => text + sealOf(text);

test("a tail is read up to what is not whole: a seal that does not fit, a line that is none, an end that is torn", () => {
  const [one, two] = [sealed('S{"seq":1}\nL{"seq":5}\n'), sealed('C{"name":"uplink","seq":3}\n')];
  const whole = ['s{"seq":1}', 'l{"seq":5}', 'c{"name":"uplink","seq":3}'];
  assert.deepEqual(parsed(one + two), { lines: whole, good: (one + two).length, torn: 0, damaged: false });
  assert.deepEqual(parsed(""), { lines: [], good: 0, torn: 0, damaged: false });
  // A write that was torn, at each of its bytes: what was written at once counts whole or not at all.
  for (let cut = 1; cut < two.length; cut++) {
    const found = parsed(one + two.slice(0, cut));
    assert.deepEqual(
      found,
      { lines: whole.slice(0, 2), good: one.length, torn: cut, damaged: false },
      `${cut}`,
    );
  }
  // A letter that flipped in the midst is damage: what comes after it was whole once.
  const flipped = one.replace("5", "6") + two;
  assert.deepEqual(parsed(flipped), { lines: [], good: 0, torn: flipped.length, damaged: true });
  const last = one + two.replace("uplink", "uplinl");
  assert.deepEqual(parsed(last), {
    lines: whole.slice(0, 2),
    good: one.length,
    torn: two.length,
    damaged: true,
  });
});

test("lines that are no records end a tail, though their seal fits", () => {
  const good = sealed('S{"seq":1}\n');
  for (
    const line of [
      "X{}",
      "S{",
      "Snull",
      'S{"seq":1.5}',
      'S{"seq":"1"}',
      'C{"seq":1}',
      'C{"seq":1,"name":5}',
      'C{"name":"x"}',
    ]
  ) {
    const found = parsed(good + sealed(`${line}\n`));
    assert.deepEqual([found.lines, found.good], [['s{"seq":1}'], good.length], line);
  }
});

test("lines of older versions count without a seal, up to the first that is torn", () => {
  const lines = 's{"seq":1}\nl{"seq":5}\nc{"name":"uplink","seq":3}\n';
  assert.deepEqual(parsed(`${lines}s{"seq":2`), {
    lines: ['s{"seq":1}', 'l{"seq":5}', 'c{"name":"uplink","seq":3}'],
    good: lines.length,
    torn: 9,
    damaged: false,
  });
});

test("a tail goes on behind its last whole line, covers what is torn, and the other takes over", async () => {
  const calls: string[] = [];
  const files = ["a", "b"].map((name) => new HandFile(name, (call) => calls.push(call)));
  const [one, other] = files as [HandFile, HandFile];
  one.put(`${sealed('S{"seq":1}\n')}S{"seq":2,"torn`);
  const tails = new Tails(one, other, checksum);
  tails.recover();
  tails.write('S{"seq":2}\n');
  assert.ok(one.text.startsWith(sealed('S{"seq":1}\n') + sealed('S{"seq":2}\n')));
  assert.equal(tails.size, (sealed('S{"seq":1}\n') + sealed('S{"seq":2}\n')).length);
  await tails.sync();
  await tails.sync();
  assert.deepEqual(calls.splice(0), ["write a", "sync a"], "what is synced is not synced again");
  tails.switch();
  assert.equal(tails.size, 0);
  tails.write('S{"seq":3}\n');
  assert.ok(tails.size > 0);
  tails.dropOther();
  assert.equal(one.text, "");
  assert.ok(other.text.includes('"seq":3'));
  calls.length = 0;
  await tails.sync();
  assert.deepEqual(calls.splice(0), ["sync b"]);
  tails.switch();
  tails.write('S{"seq":4}\n');
  tails.switch();
  tails.write('S{"seq":5}\n');
  calls.length = 0;
  await tails.sync();
  assert.deepEqual(calls.splice(0), ["sync a", "sync b"], "the one that was written before goes first");
  tails.write('S{"seq":6}\n');
  tails.dropAll();
  calls.length = 0;
  await tails.sync();
  assert.deepEqual(calls, [], "what is gone is not synced");
  assert.deepEqual([one.text, other.text, tails.size], ["", "", 0]);
  calls.length = 0;
  tails.close();
  assert.deepEqual(calls, ["close b", "close a"]);
});

test("a sync that fails is asked for again", async () => {
  const calls: string[] = [];
  let fails = true;
  const ask = (call: string) => {
    calls.push(call);
    if (fails && call === "sync a") throw new Error("EIO");
  };
  const tails = new Tails(new HandFile("a", ask), new HandFile("b", ask), checksum);
  tails.write('S{"seq":1}\n');
  await assert.rejects(tails.sync(), /EIO/);
  fails = false;
  await tails.sync();
  assert.deepEqual(calls, ["write a", "sync a", "sync a"]);
});

/** What a start makes of an archive and two tails. */
function started(kept: Archive, texts: readonly [string, string], gone: readonly string[] = []): Start {
  const files = texts.map((text) => {
    const file = new HandFile("x");
    file.put(text);
    return file;
  });
  return recover(kept, new Tails(files[0]!, files[1]!, checksum), gone);
}

const textsOf = (lines: TextLines): string[] =>
  Array.from({ length: lines.last - lines.first + 1 }, (_, index) => lines.at(lines.first + index).text);

const stateLine = (seq: number) => `S${json(seq)}\n`;
const logLine = (seq: number, text = "x") =>
  `L{"seq":${seq},"at":"1970-01-01T00:00:0${seq}.000Z","text":"${text}"}\n`;

test("a start takes what the database lacks from both tails, in order, and each record once", () => {
  const kept = archive();
  kept.save(
    batchOf({ states: linesOf(1, [json(1), json(2)]), cursors: new Map([["uplink", 5], ["old", 9]]) }),
  );
  const start = started(kept, [
    sealed(`${stateLine(4)}${logLine(2)}C{"name":"uplink","seq":7}\n`),
    sealed(
      `${stateLine(2)}${stateLine(3)}${
        logLine(1, "first")
      }C{"name":"uplink","seq":6}\nC{"name":"old","seq":3}\n`,
    ),
  ]);
  assert.deepEqual([textsOf(start.states), start.states.first], [[json(3), json(4)], 3]);
  assert.deepEqual([start.logs.first, start.logs.last], [1, 2]);
  assert.equal(start.logSize, logSize({ text: "first" }) + logSize({ text: "x" }));
  assert.deepEqual([start.logs.at(1).size, start.logs.at(1).at, start.logs.at(2).at], [105, 1000, 2000]);
  assert.deepEqual([...start.cursors].sort(), [["old", 9], ["uplink", 7]]);
  assert.deepEqual(start.recovered, { states: 4, logs: 2, fromTail: 4 });
  assert.deepEqual(start.damaged, [false, false]);
  assert.deepEqual({ ...start.dropped }, { count: 0, bytes: 0, at: 0 });
});

test("a start leaves out states behind one that is missing, and says how many and what else it could not use", () => {
  const torn = `${sealed(stateLine(1) + stateLine(3) + stateLine(4))}Storn`;
  const other = `${sealed(logLine(1)).replace("x", "y")}${sealed(logLine(2))}`;
  const start = started(archive(), [torn, other], ["a file is missing"]);
  assert.deepEqual(textsOf(start.states), [json(1)]);
  assert.deepEqual(start.recovered.lost?.split("; "), [
    "a file is missing",
    `${other.length} bytes were damaged on the disk: a copy is kept beside the journal`,
    "the last 5 bytes were torn when the process or the machine ended",
    "2 state records after number 1 follow one that is missing",
  ]);
  assert.deepEqual(start.damaged, [false, true]);
  const both = started(archive(), ["Storn", "Lto"]);
  assert.match(both.recovered.lost!, /^the last 8 bytes were torn/);
});

test("the log that a start finds may lack its oldest: the newest that follow each other count, the rest was dropped", () => {
  const kept = archive();
  kept.save(batchOf({ logs: linesOf(1, [json(1), json(2)], 10) }));
  const start = started(kept, [sealed(logLine(3) + logLine(5) + logLine(6)), ""]);
  assert.deepEqual([start.logs.first, start.logs.last], [5, 6]);
  assert.deepEqual(start.dropped, { count: 4, bytes: 20, at: 2 });
  assert.equal(kept.logSize(), 0);
  assert.deepEqual(start.recovered, { states: 0, logs: 6, fromTail: 2 });
  const next = archive();
  next.save(batchOf({ logs: linesOf(1, [json(1), json(2)], 10) }));
  const follows = started(next, [sealed(logLine(2) + logLine(3)), ""]);
  assert.deepEqual([follows.logs.first, follows.logs.last, follows.dropped.count], [3, 3, 0]);
  assert.equal(next.logSize(), 20);
  const none = started(next, ["", ""]);
  assert.deepEqual([none.logs.first, none.recovered.logs, none.recovered.fromTail], [3, 2, 0]);
});

test("rows hold consecutive lines up to 64 Ki characters, those of the log up to a sixteenth of its bound", () => {
  const db = database();
  const kept = archive(db, 16_000);
  const half = "x".repeat((1 << 15) - json(1).length);
  kept.save(batchOf({ states: linesOf(1, [1, 2, 3].map((seq) => json(seq, half))) }));
  assert.deepEqual(rowsOf(db, "states").map(({ first, last }) => [first, last]), [[1, 2], [3, 3]]);
  // By their length or by what they count for, whichever is more.
  kept.save(batchOf({ states: linesOf(4, []), logs: linesOf(1, ["1", "2", "3"].map(String), 500) }));
  const long = json(4, "x".repeat(500 - json(4).length));
  kept.save(batchOf({ states: linesOf(4, []), logs: linesOf(4, [long, long, long], 7) }));
  assert.deepEqual(rowsOf(db, "logs").map(({ first, last, size, at }) => [first, last, size, at]), [
    [1, 2, 1000, 2],
    [3, 3, 500, 3],
    [4, 5, 14, 5],
    [6, 6, 7, 6],
  ]);
  assert.deepEqual([kept.lastState, kept.lastLog, kept.logSize()], [3, 6, 1521]);
});

test("a row is fetched once for readers that come back for the rest of it", () => {
  const db = database();
  let fetched = 0;
  const counting: Database = {
    exec: (sql) => db.exec(sql),
    prepare: (sql) => {
      if (sql.startsWith("SELECT first, last, lines")) fetched++;
      return db.prepare(sql);
    },
    close: () => {},
  };
  const kept = archive(counting);
  kept.save(batchOf({ states: linesOf(1, [json(1), json(2)]), logs: linesOf(1, [json(1), json(2)]) }));
  for (const table of ["states", "logs"] as const) {
    for (let after = 0; after < 2; after++) {
      for (let times = 0; times < 3; times++) kept.read(table, after, { limit: 1, size: 1 });
    }
  }
  assert.equal(fetched, 2);
});

test("SQLite neither syncs nor checkpoints by itself while a run goes on", () => {
  const db = database();
  const kept = archive(db);
  const setting = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).all()[0]!)[0];
  const settings = () => ["wal_autocheckpoint", "synchronous", "locking_mode"].map(setting);
  assert.deepEqual(settings(), [0, 0, "exclusive"]);
  kept.save(batchOf({ states: linesOf(1, [json(1)]) }));
  kept.checkpoint();
  kept.settle();
  assert.deepEqual(settings(), [0, 0, "exclusive"]);
});

test("the database is read from any number on, at most so many lines and no more once they have so many characters", () => {
  const kept = archive(database(), 1600);
  const texts = Array.from({ length: 9 }, (_, index) => json(index + 1, "x".repeat(10)));
  const [length] = texts.map((text) => text.length);
  kept.save(batchOf({ states: linesOf(1, texts), logs: linesOf(1, texts) }));
  for (const table of ["states", "logs"] as const) {
    assert.deepEqual(kept.read(table, 0, ALL), texts);
    for (let after = 0; after <= 9; after++) {
      for (const limit of [0, 1, 4]) {
        assert.deepEqual(
          kept.read(table, after, { limit, size: Infinity }),
          texts.slice(after, after + limit),
        );
      }
      assert.deepEqual(
        kept.read(table, after, { limit: 9, size: 2 * length! }),
        texts.slice(after, after + 2),
      );
      assert.deepEqual(
        kept.read(table, after, { limit: 9, size: 2 * length! + 1 }),
        texts.slice(after, after + 3),
      );
      assert.deepEqual(kept.read(table, after, { limit: 9, size: 1 }), texts.slice(after, after + 1));
      assert.deepEqual(kept.read(table, after, { limit: 9, size: 0 }), []);
    }
  }
});

test("the oldest rows of the log go, are not counted any more, and are deleted with what is saved next", () => {
  const db = database();
  const kept = archive(db, 160);
  kept.save(batchOf({ logs: linesOf(1, [json(1), json(2), json(3)], 100) }));
  assert.deepEqual(kept.dropOldestLogs(), { first: 1, last: 1, size: 100, at: 1 });
  assert.equal(kept.logSize(), 200);
  assert.equal(rowsOf(db, "logs").length, 3);
  const dropped = { count: 1, bytes: 100, at: 1 };
  kept.save(batchOf({ logs: linesOf(4, [json(4)], 100), dropped }));
  assert.deepEqual(rowsOf(db, "logs").map(({ first }) => first), [2, 3, 4]);
  assert.deepEqual({ ...kept.dropped() }, dropped);
  const again = archive(db, 160);
  assert.deepEqual([again.lastLog, again.logSize(), { ...again.dropped() }], [4, 300, dropped]);
  for (let times = 0; times < 3; times++) assert.notEqual(again.dropOldestLogs(), undefined);
  assert.equal(again.dropOldestLogs(), undefined);
});

test("what was dropped and not yet deleted when a process ended does not count for the next", () => {
  const db = database();
  archive(db, 160).save(batchOf({ logs: linesOf(1, [json(1), json(2)], 100) }));
  db.exec("UPDATE dropped SET count = 1, bytes = 100");
  assert.equal(archive(db, 160).logSize(), 100);
  db.exec("UPDATE dropped SET count = 2, bytes = 200");
  assert.deepEqual([archive(db, 160).logSize(), archive(db, 160).lastLog], [0, 2]);
  db.exec("UPDATE dropped SET count = 1, bytes = 100; DELETE FROM logs");
  assert.deepEqual(
    [archive(db).lastLog, archive(db).logSize()],
    [1, 0],
    "numbers go on behind what was dropped",
  );
});

test("a batch that can't be saved changes nothing", () => {
  const db = database();
  const kept = archive(db);
  kept.save(batchOf({ states: linesOf(1, [json(1)]) }));
  const refusing: Database = {
    ...db,
    exec: (sql) => db.exec(sql),
    prepare: (sql) => db.prepare(sql),
    close: () => {},
  };
  const other = archive(refusing);
  refusing.exec = (sql) => {
    if (sql === "COMMIT") throw new Error("database or disk is full");
    db.exec(sql);
  };
  const batch = batchOf({
    states: linesOf(2, [json(2)]),
    logs: linesOf(1, [json(1)]),
    cursors: new Map([["x", 1]]),
  });
  assert.throws(() => other.save(batch), /full/);
  assert.deepEqual([other.lastState, other.lastLog, other.logSize(), other.cursors().size], [1, 0, 0, 0]);
  refusing.exec = (sql) => db.exec(sql);
  other.save(batch);
  assert.deepEqual([other.lastState, other.lastLog, [...other.cursors()]], [2, 1, [["x", 1]]]);
});

test("texts that are replaced are those of their numbers, in rows that stay whole", () => {
  const db = database();
  const kept = archive(db);
  kept.save(batchOf({ states: linesOf(1, [json(1), json(2), json(3)]) }));
  kept.save(batchOf({ states: linesOf(4, [json(4), json(5)]) }));
  assert.equal(kept.read("states", 0, ALL).length, 5);
  kept.save(
    batchOf({
      states: linesOf(6, []),
      replaced: new Map([[2, json(2, "b")], [3, json(3, "c")], [5, json(5, "e")]]),
    }),
  );
  const wanted = [json(1), json(2, "b"), json(3, "c"), json(4), json(5, "e")];
  assert.deepEqual(kept.read("states", 0, ALL), wanted);
  assert.deepEqual(archive(db).read("states", 0, ALL), wanted, "with their checksums");
});

const DAMAGES: readonly (readonly [string, RegExp])[] = [
  ["UPDATE states SET lines = replace(lines, 'more', 'mole') WHERE last = 3", /from 3 on are damaged/],
  ["UPDATE states SET sum = sum + 1 WHERE last = 2", /from 1 on are damaged/],
  ["UPDATE states SET lines = lines || char(10) || '{}' WHERE last = 2", /from 1 on are damaged/],
  ["DELETE FROM states WHERE last = 2", /states 1 to 2 are missing/],
  ["UPDATE states SET first = 4, last = 4 WHERE last = 3", /states 3 to 3 are missing/],
];

test("states that are damaged or missing in the database are found when it is opened", () => {
  for (const [sql, message] of DAMAGES) {
    const db = database();
    const kept = archive(db);
    kept.save(batchOf({ states: linesOf(1, [json(1), json(2)]) }));
    kept.save(batchOf({ states: linesOf(3, [json(3)]) }));
    db.exec(sql);
    assert.throws(() => archive(db), { code: "CORRUPT", message }, sql);
  }
});

test("rows of version 1 have no checksum: they count if all their lines are JSON", () => {
  const db = database();
  archive(db).save(batchOf({ states: linesOf(1, [json(1), json(2)]), logs: linesOf(1, [json(1)]) }));
  db.exec("ALTER TABLE states DROP COLUMN sum; ALTER TABLE logs DROP COLUMN sum; PRAGMA user_version = 1");
  const kept = archive(db);
  assert.deepEqual([kept.read("states", 0, ALL), kept.read("logs", 0, ALL)], [[json(1), json(2)], [json(1)]]);
  kept.save(batchOf({ states: linesOf(3, [json(3)]), logs: linesOf(2, [json(2)]) }));
  assert.equal(archive(db).lastState, 3);
  db.exec(`UPDATE states SET lines = '{}' || char(10) || '{' WHERE last = 2`);
  assert.throws(() => archive(db), { code: "CORRUPT" });
});

test("lines of the log that are damaged or missing are told as such, and those around them are read", () => {
  for (
    const sql of [
      "UPDATE logs SET lines = replace(lines, 'more', 'mole') WHERE last = 2",
      "DELETE FROM logs WHERE last = 2",
      "UPDATE logs SET last = 9 WHERE last = 2",
      "DROP TABLE logs",
    ]
  ) {
    const db = database();
    const kept = archive(db, 160);
    kept.save(batchOf({ logs: linesOf(1, [json(1), json(2), json(3)], 100) }));
    db.exec(sql);
    const read = kept.read("logs", 0, ALL).map((text) => JSON.parse(text));
    assert.deepEqual(read.map(({ seq }) => seq), [1, 2, 3], sql);
    assert.match(read[1].text, /was damaged on the disk/);
    assert.equal(read[1].at, "1970-01-01T00:00:00.002Z");
    if (!sql.startsWith("DROP")) assert.deepEqual([read[0].more, read[2].more], ["", ""]);
  }
});

test("a database of another, of a newer Outrider, or that was emptied is refused", () => {
  const other = database();
  other.exec("CREATE TABLE mine (x)");
  assert.throws(() => archive(other), { code: "CORRUPT", message: /no journal of Outrider/ });
  const newer = database();
  newer.exec("PRAGMA user_version = 3");
  assert.throws(() => archive(newer), {
    code: "NEWER_VERSION",
    message: /version 3, this Outrider knows up to 2/,
  });
  const options = { logBytes: LEAST_LOG, checksum, existing: true };
  assert.throws(() => new Archive(database(), options), {
    code: "CORRUPT",
    message: /missing or was emptied/,
  });
  const db = database();
  archive(db);
  assert.equal(new Archive(db, options).lastState, 0);
});

function contents(kept: Archive = archive(), logBytes: number = LEAST_LOG): Contents {
  return new Contents(kept, started(kept, ["", ""]), { logBytes });
}

test("what is in the database and what is in memory is read as one, within one bound", () => {
  const all = contents();
  for (let at = 1; at <= 3; at++) all.append(stateOf(`t${at}`), at);
  all.save();
  for (let at = 4; at <= 6; at++) all.append(stateOf(`t${at}`), at);
  const wanted = all.states(0, ALL);
  assert.deepEqual(wanted.map(({ seq, at }) => [seq, at]), [1, 2, 3, 4, 5, 6].map((at) => [at, at]));
  const length = `{"seq":1,"at":1,${JSON.stringify(stateOf("t1")).slice(1)}`.length;
  for (let after = -1; after <= 7; after++) {
    const from = Math.max(0, after);
    for (let limit = 0; limit <= 6; limit++) {
      assert.deepEqual(all.states(after, { limit, size: Infinity }), wanted.slice(from, from + limit));
    }
    assert.deepEqual(all.states(after, { limit: 9, size: 4 * length }), wanted.slice(from, from + 4));
    assert.deepEqual(all.states(after, { limit: 9, size: 4 * length + 1 }), wanted.slice(from, from + 5));
  }
});

test("an `at` that is no number stands as 0", () => {
  const all = contents();
  for (const at of [NaN, Infinity, -Infinity, 1.5]) all.append(stateOf("t"), at);
  assert.deepEqual(all.states(0, ALL).map(({ at }) => at), [0, 0, 0, 1.5]);
});

test("the log drops what is in the database first, to the byte of its bound, and says when the last of it was", () => {
  const size = logSize({ text: "1234" });
  const kept = archive(database(), 16);
  const all = contents(kept, 3 * size);
  for (const at of [1, 2]) all.log(entryOf("1234", at));
  all.save();
  all.log(entryOf("1234", 3));
  assert.equal(all.logs(0, ALL)[0]!.dropped, undefined);
  all.log(entryOf("1234", 4));
  assert.deepEqual(all.logs(0, ALL)[0], gapRecord(1, { count: 1, bytes: size }));
  all.log(entryOf("12345", 5));
  assert.deepEqual(all.logs(0, ALL).map(({ seq }) => seq), [3, 4, 5]);
  assert.deepEqual(all.logs(0, ALL)[0], gapRecord(3, { count: 3, bytes: 3 * size }));
  assert.deepEqual([all.logs(0, { limit: 1, size: 9 }).length, all.logs(0, { limit: 0, size: 9 })], [1, []]);
  assert.deepEqual(all.logs(2, { limit: 2, size: Infinity }).map(({ seq }) => seq), [3, 4]);
  assert.deepEqual(all.logs(3, { limit: 2, size: Infinity }).map(({ seq }) => seq), [4, 5]);
  all.save();
  assert.deepEqual({ ...kept.dropped() }, { count: 3, bytes: 3 * size, at: 3 });
  const smaller = contents(kept, 2 * size);
  assert.deepEqual(
    smaller.logs(0, ALL).map(({ seq }) => seq),
    [4, 5],
    "a smaller bound holds from the start",
  );
});

test("a value of more than 256 characters leaves the database when it is replaced, a smaller one stays; in memory all go", () => {
  const change = (key: string, version: number, value: string): StateEvent => ({
    type: "store.changed",
    key,
    version,
    value,
  });
  const all = contents();
  all.append(change("memory", 1, "1"), 7);
  all.append(change("memory", 2, "2"), 8);
  const light = { type: "store.changed", key: "memory", version: 1, superseded: true } as const;
  assert.deepEqual(all.states(0, { limit: 1, size: Infinity }), [{ seq: 1, at: 7, ...light }]);
  all.append(change("small", 1, "x".repeat(256)), 9);
  all.append(change("large", 1, "x".repeat(257)), 9);
  all.save();
  for (const key of ["small", "large"]) all.append(change(key, 2, "2"), 10);
  all.save();
  const values = all.states(2, ALL).map((record) =>
    record.type === "store.changed" ? record.value?.length : -1
  );
  assert.deepEqual(values, [256, undefined, 1, 1]);
});

test("there is something to save if there is a record or a cursor that the database has not", () => {
  const kept = archive();
  const all = contents(kept);
  assert.deepEqual([all.unsaved, all.saved, all.last], [false, { states: 0, logs: 0 }, {
    states: 0,
    logs: 0,
  }]);
  for (const add of [() => all.append(stateOf("t"), 0), () => all.log(entryOf("x"))]) {
    add();
    assert.equal(all.unsaved, true);
    all.save();
    assert.equal(all.unsaved, false);
  }
  assert.deepEqual([all.saved, all.last], [{ states: 1, logs: 1 }, { states: 1, logs: 1 }]);
  all.setCursor("uplink", 3);
  assert.deepEqual([all.unsaved, all.cursor("uplink"), all.cursor("other"), [...all.cursorNames()]], [
    true,
    3,
    0,
    ["uplink"],
  ]);
  all.save();
  assert.deepEqual([...kept.cursors()], [["uplink", 3]]);
});
