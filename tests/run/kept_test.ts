/** The state directory: what is kept, remembered, set aside and let go of, and what becomes of each refusal of the disk. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { makeDirectory } from "../journal/faulty_disk.ts";
import { entryOf, stateOf } from "../journal/entries.ts";
import { openSqliteJournal } from "../../src/journal/disk/sqlite.ts";
import { Aside } from "../../src/run/kept/aside.ts";
import { type KeptRun, lossOf, originOf } from "../../src/run/kept/kept_run.ts";
import { Memory } from "../../src/run/kept/memory.ts";
import { reached } from "../../src/run/kept/contact.ts";
import { StateDir } from "../../src/run/kept/state_dir.ts";
import { StateDisk, StateError, type StateRuntime } from "../../src/run/kept/state_disk.ts";
import { StateLock } from "../../src/run/kept/state_lock.ts";
import { keptRun } from "../../src/run/kept/state_run.ts";
import { runtime } from "../../src/runtime/runtime.ts";

/** A folder, and a disk that writes down what is asked of it and refuses what a test says. */
interface Place {
  readonly path: string;
  readonly calls: string[];
  /** Code of the error by which a call is refused, such as `write origin.json`. */
  refuses: (call: string) => string | undefined;
  readonly runtime: StateRuntime;
  open(): StateDir;
  names(): string[];
}

async function inPlace(use: (place: Place) => Promise<void>): Promise<void> {
  const root = makeDirectory();
  const path = join(root, "state");
  const calls: string[] = [];
  const asked = async <T>(call: string, target: string, work: () => Promise<T>): Promise<T> => {
    const name = `${call} ${target.slice(target.lastIndexOf("/") + 1)}`;
    calls.push(name);
    const code = place.refuses(name);
    if (code !== undefined) throw Object.assign(new Error(`${code}: refused, ${call}`), { code });
    return await work();
  };
  const opened: StateDir[] = [];
  const place: Place = {
    path,
    calls,
    refuses: () => undefined,
    runtime: {
      about: (path) => runtime.about(path),
      list: (folder) => asked("list", folder, () => runtime.list(folder)),
      makeFolder: (folder, mode) => asked("make", folder, () => runtime.makeFolder(folder, mode)),
      remove: (path) => asked("remove", path, () => runtime.remove(path)),
      rename: (from, to) => asked("rename", to, () => runtime.rename(from, to)),
      readText: (file) => asked("read", file, () => runtime.readText(file)),
      writeText: (file, text, mode) => asked("write", file, () => runtime.writeText(file, text, mode)),
    },
    open: () => {
      const state = new StateDir(path, { runtime: place.runtime, logBytes: 1_000_000 });
      opened.push(state);
      return state;
    },
    names: () => fs.existsSync(join(path, "runs")) ? fs.readdirSync(join(path, "runs")).sort() : [],
  };
  try {
    await use(place);
  } finally {
    for (const state of opened) await state.end();
    fs.rmSync(root, { recursive: true, force: true });
  }
}

/** A process that ends: what it has open is closed, nothing else. */
async function life<T>(place: Place, use: (state: StateDir, runs: KeptRun[]) => Promise<T>): Promise<T> {
  const state = place.open();
  try {
    return await use(state, await state.runs());
  } finally {
    await state.end();
  }
}

/** Files of runs that this process has open, where the system tells. */
function openBelow(path: string): string[] {
  const folder = "/proc/self/fd";
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder).flatMap((fd) => {
    try {
      const file = fs.readlinkSync(`${folder}/${fd}`);
      return file.startsWith(`${path}/runs`) ? [file] : [];
    } catch {
      return [];
    }
  });
}

async function begun(state: StateDir, tag?: string): Promise<KeptRun> {
  const run = await state.begin(tag === undefined ? {} : { tag, executor: "pi" }, "{}");
  assert.ok(run !== undefined, `it was refused: ${state.trouble}`);
  run.journal.append(stateOf("t"), 0);
  return run;
}

test("a run is kept with its pipeline and its origin, for this user alone, the origin last, and found again", () =>
  inPlace(async (place) => {
    await life(place, async (state, runs) => {
      assert.deepEqual([runs, state.known, state.paused, state.unread], [[], undefined, false, []]);
      place.calls.length = 0;
      const run = await begun(state, "one");
      assert.deepEqual(place.calls, ["list runs", "make 000001", "write pipeline.json", "write origin.json"]);
      assert.deepEqual([run.folder, run.bundle], [
        `${place.path}/runs/000001`,
        `${place.path}/runs/000001/pipeline.json`,
      ]);
      assert.deepEqual(run.life.since, { state: 0, log: 0 });
      run.journal.log(entryOf("x"));
      const plain = await state.begin({});
      assert.equal(fs.existsSync(plain!.bundle), false, "who has no bundle has no pipeline.json");
      for (const name of ["origin.json", "pipeline.json"]) {
        assert.equal(fs.statSync(join(run.folder, name)).mode & 0o777, 0o600, name);
      }
      for (const folder of [place.path, join(place.path, "runs"), run.folder]) {
        assert.equal(fs.statSync(folder).mode & 0o777, 0o700, folder);
      }
    });
    await life(place, (state, runs) => {
      assert.deepEqual(runs.map(({ folder, origin }) => [folder.slice(-6), origin]), [
        ["000001", { tag: "one", executor: "pi" }],
        ["000002", {}],
      ]);
      assert.deepEqual(runs[0]!.life.since, { state: 1, log: 1 });
      assert.notEqual(runs[0]!.life.id, runs[1]!.life.id);
      assert.deepEqual([state.unread, state.isClosed(runs[0]!), state.known], [[], false, undefined]);
      return Promise.resolve();
    });
  }));

test("a run is begun whole or not at all, whichever step the disk refuses, and the next one is begun", () =>
  inPlace((place) =>
    life(place, async (state) => {
      for (const step of ["list runs", "make 000001", "write pipeline.json", "write origin.json"]) {
        place.refuses = (call) => call === step ? "ENOSPC" : undefined;
        assert.equal(await state.begin({ tag: "x" }, "{}"), undefined, step);
        assert.match(state.trouble!, /ENOSPC.*check the disk/);
        place.refuses = () => undefined;
        assert.deepEqual([place.names(), openBelow(place.path)], [[], []], step);
      }
      const run = await begun(state);
      assert.deepEqual([run.folder.slice(-6), state.trouble], ["000001", undefined]);
    })
  ));

test("the log of a run that is kept has the bound that it is given", () =>
  inPlace(async (place) => {
    const state = new StateDir(place.path, { runtime, logBytes: 1_000 });
    await state.runs();
    const run = await begun(state);
    for (let at = 0; at < 5; at++) run.journal.log(entryOf("x".repeat(100)));
    assert.equal(run.journal.logs(0, 1)[0]!.dropped, undefined);
    run.journal.log(entryOf("x"));
    assert.deepEqual(run.journal.logs(0, 1)[0]!.dropped, { count: 0, bytes: 200 });
    await state.end();
  }));

test("numbers go on behind the highest that is there, also of what was set aside", () =>
  inPlace(async (place) => {
    for (const name of ["000003.damaged", "000011.refused-2"]) {
      fs.mkdirSync(join(place.path, "runs", name), { recursive: true });
    }
    await life(place, async (state) => {
      assert.equal((await begun(state)).folder.slice(-6), "000012");
      assert.deepEqual(state.aside, [`${place.path}/runs/000003.damaged`]);
      assert.deepEqual(state.refused, [`${place.path}/runs/000011.refused-2`]);
    });
  }));

test("what a process left that ended before its run had begun is removed, what it left after is not", () =>
  inPlace(async (place) => {
    const folder = join(place.path, "runs", "000001");
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(join(folder, "pipeline.json"), "{}");
    await life(place, (state, runs) => {
      assert.deepEqual([runs, place.names(), state.unread], [[], [], []]);
      return Promise.resolve();
    });
    // With a journal, but an empty one: the origin was to be written yet.
    await life(place, (state) => state.begin({}));
    fs.rmSync(join(folder, "origin.json"));
    await life(place, (state, runs) => {
      assert.deepEqual([runs, place.names(), state.unread], [[], [], []]);
      return Promise.resolve();
    });
    await life(place, (state) => begun(state));
    fs.rmSync(join(folder, "origin.json"));
    await life(place, (state, runs) => {
      assert.deepEqual([runs, place.names()], [[], ["000001.damaged"]]);
      assert.deepEqual(state.unread, [{
        folder: `${folder}.damaged`,
        because: `${folder}/origin.json is missing or damaged`,
        setAside: true,
        origin: {},
      }]);
      return openSqliteJournal(`${folder}.damaged/journal.db`, { existing: true }).then((journal) =>
        journal.close()
      );
    });
    // An origin that is none is no reason to remove anything.
    fs.mkdirSync(join(place.path, "runs", "000001"));
    fs.writeFileSync(join(place.path, "runs", "000001", "origin.json"), "{");
    await life(place, (_, runs) => {
      assert.deepEqual([runs, place.names()], [[], ["000001.damaged", "000001.damaged-2"]]);
      return Promise.resolve();
    });
    fs.rmSync(join(place.path, "runs", "000001.damaged-2"), { recursive: true });
    await life(place, (state) => state.begin({}));
    fs.writeFileSync(join(place.path, "runs", "000002", "origin.json"), "null");
    await life(place, (_, runs) => {
      assert.deepEqual([runs, place.names()], [[], ["000001.damaged", "000002.damaged"]]);
      return Promise.resolve();
    });
  }));

test("what is damaged is set aside under a name that is free, what the disk refuses is left for the next start", () =>
  inPlace(async (place) => {
    for (let times = 1; times <= 3; times++) {
      const name = await life(place, async (state) => (await begun(state, `tag ${times}`)).folder);
      fs.writeFileSync(join(name, "journal.db"), "no database ".repeat(999));
      const number = name.slice(-6);
      fs.mkdirSync(`${name}.damaged`);
      if (times === 3) fs.mkdirSync(`${name}.damaged-2`);
      const wanted = `${number}.damaged-${times === 3 ? 3 : 2}`;
      await life(place, (state, runs) => {
        assert.deepEqual(runs, []);
        const [{ folder, setAside, origin, because }] = state.unread as [typeof state.unread[number]];
        assert.deepEqual([folder, setAside, origin.tag], [
          `${place.path}/runs/${wanted}`,
          true,
          `tag ${times}`,
        ]);
        assert.match(because, /journal\.db can't be used/);
        assert.ok(state.aside.includes(folder));
        // It is the newest: the gateway is not asked for it once more.
        assert.deepEqual([state.known, state.wasClosed(`tag ${times}`)], [`tag ${times}`, true]);
        return Promise.resolve();
      });
    }
    const kept = await life(place, async (state) => (await begun(state, "later")).folder);
    place.refuses = (call) => call === "read origin.json" ? "EIO" : undefined;
    await life(place, (state, runs) => {
      assert.deepEqual(runs, []);
      const left = state.unread.filter(({ setAside }) => !setAside);
      assert.deepEqual(left.map(({ folder, origin }) => [folder, origin]), [[kept, {}]]);
      return Promise.resolve();
    });
    place.refuses = () => undefined;
    await life(place, (_, runs) => Promise.resolve(assert.equal(runs.length, 1)));
  }));

test("what can't even be moved out of the way is told where it is", () =>
  inPlace(async (place) => {
    const folder = await life(place, async (state) => (await begun(state)).folder);
    fs.writeFileSync(join(folder, "journal.db"), "no database ".repeat(999));
    place.refuses = (call) => call.startsWith("rename") ? "EROFS" : undefined;
    await life(place, (state) => {
      assert.deepEqual([state.unread[0]!.folder, state.aside], [folder, []]);
      assert.match(state.trouble!, /EROFS.*it can't be written/);
      return Promise.resolve();
    });
  }));

test("what is none of ours among the runs is left alone and told", () =>
  inPlace(async (place) => {
    fs.mkdirSync(join(place.path, "runs"), { recursive: true });
    fs.writeFileSync(join(place.path, "runs", "notes.txt"), "mine");
    await life(place, (state) => {
      const folder = `${place.path}/runs/notes.txt`;
      assert.deepEqual(state.unread, [{
        folder,
        because: "it is none of Outrider's",
        setAside: false,
        origin: {},
      }]);
      return Promise.resolve();
    });
    assert.equal(fs.readFileSync(join(place.path, "runs", "notes.txt"), "utf8"), "mine");
  }));

test("a run that was set aside and is older than another is not the last that was handed out", () =>
  inPlace(async (place) => {
    const [old] = await life(place, async (state) => [await begun(state, "old"), await begun(state, "new")]);
    fs.writeFileSync(join(old!.folder, "journal.db"), "no database ".repeat(999));
    await life(place, (state, runs) => {
      assert.deepEqual([runs.length, state.known, state.wasClosed("old"), state.wasClosed("new")], [
        1,
        undefined,
        true,
        false,
      ]);
      return Promise.resolve();
    });
  }));

test("a run that is closed stays so, is remembered by its tag, and says whether the gateway has it", () =>
  inPlace(async (place) => {
    await life(place, async (state) => {
      const run = await begun(state, "one");
      assert.deepEqual([state.isClosed(run), state.isReported(run), state.isRefused(run)], [
        false,
        false,
        false,
      ]);
      assert.equal(run.journal.synced.states, 0);
      await state.close(run);
      assert.deepEqual(
        [run.journal.synced.states, run.journal.cursor("closed")],
        [1, 1],
        "it survives a power cut",
      );
      assert.deepEqual([state.known, state.wasClosed("one"), state.wasClosed("two")], ["one", true, false]);
      const file = await begun(state);
      await state.close(file);
      assert.equal(state.known, "one", "a file has no tag");
      state.reported(file);
      state.keepRefused(file);
    });
    await life(place, (state, runs) => {
      assert.deepEqual(
        runs.map((run) => [state.isClosed(run), state.isReported(run), state.isRefused(run)]),
        [
          [true, false, false],
          [true, true, true],
        ],
      );
      assert.deepEqual([state.known, state.wasClosed("one")], ["one", true]);
      return Promise.resolve();
    });
  }));

test("a run that was closed as the disk took no agent.json is remembered by the next start, from its own journal", () =>
  inPlace(async (place) => {
    place.refuses = (call) => call === "write agent.json" ? "ENOSPC" : undefined;
    await life(place, async (state) => {
      const run = await begun(state, "one");
      await state.close(run);
      assert.match(state.trouble!, /ENOSPC/);
      assert.deepEqual([state.isClosed(run), state.known], [true, "one"]);
      assert.equal(run.journal.cursor("closed"), 2, "what older ones and newer ones read");
      // As long as nothing else tells which pipeline was the last, its folder stays.
      await state.remove(run);
      assert.deepEqual(place.names(), ["000001"]);
    });
    assert.equal(fs.existsSync(join(place.path, "agent.json")), false);
    place.refuses = () => undefined;
    await life(place, async (state, runs) => {
      assert.deepEqual([state.known, state.wasClosed("one")], ["one", true]);
      await state.remove(runs[0]!);
      assert.deepEqual([place.names(), state.trouble], [[], undefined]);
    });
    await life(place, (state) => Promise.resolve(assert.equal(state.known, "one")));
  }));

test("the processes that ended as they read a pipeline are counted, until one has read it", () =>
  inPlace(async (place) => {
    await life(place, async (state) => {
      const run = await begun(state);
      assert.equal(await state.starting(run), 0);
      assert.equal(run.journal.synced.states, 1, "it survives a power cut");
    });
    await life(place, async (state, [run]) => assert.equal(await state.starting(run!), 1));
    await life(place, async (state, [run]) => {
      assert.equal(await state.starting(run!), 2);
      state.begun(run!);
      await run!.journal.flush();
    });
    await life(place, async (state, [run]) => assert.equal(await state.starting(run!), 0));
  }));

test("what is let go of is removed, or kept under a name that says why", () =>
  inPlace((place) =>
    life(place, async (state) => {
      const [plain, spoiled, refused] = [await begun(state), await begun(state), await begun(state)];
      state.spoil(spoiled);
      state.keepRefused(refused);
      for (const run of [plain, spoiled, refused]) await state.remove(run);
      assert.deepEqual(place.names(), ["000002.damaged", "000003.refused"]);
      assert.deepEqual([state.aside, state.refused], [
        [`${place.path}/runs/000002.damaged`],
        [`${place.path}/runs/000003.refused`],
      ]);
      assert.deepEqual(state.unread, [], "that is no start at which something can't be read");
      // Nothing of theirs is open any more, and none of them is let go of twice.
      for (const folder of [...state.aside, ...state.refused]) {
        await (await openSqliteJournal(`${folder}/journal.db`, { existing: true })).close();
      }
      for (let times = 0; times < 2; times++) {
        const run = await begun(state);
        await state.close(run);
        state.reported(run);
      }
      place.calls.length = 0;
      await begun(state);
      assert.deepEqual(place.calls.filter((call) => call.startsWith("re")), ["remove 000004"]);
    })
  ));

test("of the runs that are done all but the newest go as another one begins", () =>
  inPlace((place) =>
    life(place, async (state) => {
      const runs: KeptRun[] = [];
      for (let times = 0; times < 4; times++) runs.push(await begun(state));
      for (const run of runs.slice(0, 3)) await state.close(run);
      for (const run of [runs[0]!, runs[2]!, runs[3]!]) state.reported(run);
      await begun(state);
      // The first and the third are closed and reported; the newer of the two is still being shown.
      assert.deepEqual(place.names(), ["000002", "000003", "000004", "000005"]);
    })
  ));

test("the newest 20 of what a gateway refused stay, and the names of what is there follow", () =>
  inPlace(async (place) => {
    const runs = join(place.path, "runs");
    fs.mkdirSync(runs, { recursive: true });
    const disk = new StateDisk(place.path, place.runtime);
    const aside = new Aside(disk);
    for (let number = 1; number <= 20; number++) {
      const folder = join(runs, String(number).padStart(6, "0"));
      fs.mkdirSync(folder);
      await aside.keepRefused(folder);
    }
    assert.equal(place.names().length, 20);
    fs.mkdirSync(join(runs, "000021"));
    place.refuses = (call) => call.startsWith("remove") ? "EIO" : undefined;
    await aside.keepRefused(join(runs, "000021"));
    assert.match(disk.trouble!, /EIO/);
    assert.equal(place.names().length, 21, "one that can't be removed stops nothing");
    assert.deepEqual([aside.refused.length, aside.refused[0], aside.refused.at(-1)], [
      20,
      `${runs}/000002.refused`,
      `${runs}/000021.refused`,
    ]);
    place.refuses = () => undefined;
    fs.mkdirSync(join(runs, "000022"));
    await aside.keepRefused(join(runs, "000022"));
    assert.ok(!place.names().includes("000002.refused") && place.names().includes("000003.refused"));
    const before = aside.refused;
    fs.mkdirSync(join(runs, "000023"));
    place.refuses = (call) => call.startsWith("rename") ? "EIO" : undefined;
    await aside.keepRefused(join(runs, "000023"));
    assert.deepEqual(aside.refused, before, "one that can't be moved is left where it is");
    assert.ok(place.names().includes("000003.refused") && place.names().includes("000023"));
  }));

test("100 tags are remembered, the newest, and each once", () =>
  inPlace(async (place) => {
    fs.mkdirSync(place.path);
    const memory = new Memory(new StateDisk(place.path, place.runtime));
    await memory.load();
    place.calls.length = 0;
    assert.equal(await memory.save(), true);
    assert.deepEqual(place.calls, [], "what has not changed is not written");
    for (let number = 1; number <= 101; number++) memory.closed({ tag: `t${number}` });
    assert.deepEqual([memory.known, memory.wasClosed("t1"), memory.wasClosed("t2")], ["t101", false, true]);
    memory.closed({ tag: "t50" });
    memory.closed({});
    memory.closed({ tag: "older" }, false);
    assert.deepEqual([memory.known, memory.wasClosed("t50"), memory.wasClosed("older")], [
      "t101",
      true,
      true,
    ]);
    memory.pause(true);
    assert.equal(await memory.save(), true);
    const again = new Memory(new StateDisk(place.path, place.runtime));
    await again.load();
    assert.deepEqual([again.known, again.paused, again.wasClosed("t2"), again.wasClosed("t3")], [
      "t101",
      true,
      false,
      true,
    ]);
    const file = join(place.path, "agent.json");
    const many = Array.from({ length: 150 }, (_, number) => `m${number}`);
    fs.writeFileSync(file, JSON.stringify({ known: 5, done: [7, ...many], paused: "yes" }));
    await again.load();
    assert.deepEqual([again.known, again.paused, again.wasClosed("m49"), again.wasClosed("m50")], [
      undefined,
      false,
      false,
      true,
    ]);
    for (const text of ["", "null", "{", "[]"]) {
      fs.writeFileSync(file, text);
      await again.load();
      assert.deepEqual([again.known, again.paused, again.wasClosed("m50")], [undefined, false, false], text);
    }
  }));

test("whether the gateway is in reach is kept for who starts the next process: where it changes, once the place is ours", () =>
  inPlace(async (place) => {
    const file = join(place.path, "gateway.json");
    const writes: string[] = [];
    place.refuses = (call) => {
      if (call.startsWith("write gateway")) writes.push(call);
      return writes.length === 1 ? "ENOSPC" : undefined;
    };
    const state = place.open();
    await state.reached(true);
    assert.equal(fs.existsSync(file), false);
    await state.runs();
    assert.match(state.trouble!, /ENOSPC/);
    await state.makeGood();
    assert.equal(state.trouble, undefined);
    assert.equal(reached(fs.readFileSync(file, "utf8")), true);
    await state.reached(true);
    assert.equal(writes.length, 2);
    await state.reached(false);
    assert.equal(reached(fs.readFileSync(file, "utf8")), false);
    await state.end();
  }));

test("what is noted while the file is being written is written too", () =>
  inPlace(async (place) => {
    fs.mkdirSync(place.path);
    const memory = new Memory(new StateDisk(place.path, place.runtime));
    await memory.load();
    memory.pause(true);
    const saving = memory.save();
    await Promise.resolve();
    memory.pause(false);
    assert.equal(await saving, false);
    assert.equal(await memory.save(), true);
    assert.equal(fs.readFileSync(join(place.path, "agent.json"), "utf8"), '{"paused":false}\n');
  }));

test("what is noted before the file was read is laid over what it says, and written only then", () =>
  inPlace(async (place) => {
    fs.mkdirSync(place.path);
    const file = join(place.path, "agent.json");
    fs.writeFileSync(file, '{"known":"k","done":["k"],"paused":true}');
    const memory = new Memory(new StateDisk(place.path, place.runtime));
    memory.pause(false);
    assert.equal(await memory.save(), false, "it would forget what is done");
    await memory.load();
    assert.deepEqual([memory.paused, memory.known, memory.wasClosed("k")], [false, "k", true]);
    assert.equal(await memory.save(), true);
    assert.deepEqual(JSON.parse(fs.readFileSync(file, "utf8")), { known: "k", done: ["k"], paused: false });
  }));

test("a pause outlives the process, and a refusal of the disk is made good with what is written next", () =>
  inPlace(async (place) => {
    place.refuses = (call) => call === "write agent.json" ? "EIO" : undefined;
    await life(place, async (state) => {
      await state.pause(true);
      assert.deepEqual([state.paused, state.trouble !== undefined, await state.makeGood()], [
        true,
        true,
        false,
      ]);
      place.refuses = () => undefined;
      assert.deepEqual([await state.makeGood(), state.trouble], [true, undefined]);
    });
    await life(place, (state) => Promise.resolve(assert.equal(state.paused, true)));
  }));

test("one process has the directory: the second can't lock it, and is told so where it wants the runs", () =>
  inPlace(async (place) => {
    const [first, second] = [place.open(), place.open()];
    assert.deepEqual([await first.lock(), await first.lock(), await second.lock()], [true, true, false]);
    await assert.rejects(second.runs(), {
      name: "StateError",
      code: "OUTRIDER_STATE",
      message: /is in use by another process/,
    });
    await first.end();
    assert.equal(await second.lock(), true);
    assert.equal(fs.existsSync(join(place.path, ".written")), false);
    await second.end();
    // One that had no room for a lock takes it with what it makes good.
    place.refuses = (call) => call === "write .written" ? "ENOSPC" : undefined;
    fs.rmSync(join(place.path, "lock"));
    const [late, other] = [place.open(), place.open()];
    assert.equal(await late.lock(), true);
    place.refuses = () => undefined;
    assert.deepEqual([await late.makeGood(), await other.lock()], [true, false]);
  }));

test("a directory on a full disk is used without a lock until there is room for one", () =>
  inPlace(async (place) => {
    const disk = new StateDisk(place.path, place.runtime);
    const lock = new StateLock(disk);
    await lock.makeGood();
    assert.deepEqual(place.calls, [], "nobody has asked for it yet");
    place.refuses = (call) => call.startsWith("make") || call.startsWith("write") ? "ENOSPC" : undefined;
    assert.equal(await lock.take(), true);
    assert.equal(fs.existsSync(place.path), false);
    await lock.makeGood();
    assert.equal(await new StateLock(disk).take(), true, "nobody can hold one");
    place.refuses = () => undefined;
    await lock.makeGood();
    const calls = place.calls.length;
    await lock.makeGood();
    assert.equal(place.calls.length, calls, "once there is one nothing is tried");
    assert.equal(await new StateLock(disk).take(), false);
    lock.release();
    await lock.makeGood();
    assert.equal(place.calls.length, calls + 3, "what was let go of is not taken again");
    const next = new StateLock(disk);
    assert.equal(await next.take(), true);
    next.release();
  }));

test("a directory that can't be used is an error before there is anything to keep", () =>
  inPlace(async (place) => {
    place.refuses = (call) => call === "write .written" ? "EACCES" : undefined;
    await assert.rejects(place.open().lock(), {
      name: "StateError",
      message: /EACCES.*give the user who runs this the right/,
    });
    fs.rmSync(place.path, { recursive: true, force: true });
    place.refuses = () => undefined;
    fs.writeFileSync(place.path, "a file");
    await assert.rejects(place.open().runs(), { name: "StateError", message: /it is no folder/ });
    fs.rmSync(place.path);
    fs.mkdirSync(join(place.path, "lock"), { recursive: true });
    await assert.rejects(place.open().lock(), { name: "StateError", message: /lock is no file/ });
  }));

test("errors of a state directory say what to do, whether only room is missing, and whether something is damaged", async () => {
  const failing = (error: unknown) => {
    const disk = new StateDisk("/x/state//", runtime);
    return disk.told(() => Promise.reject(error)).then(() => assert.fail(), (error: StateError) => error);
  };
  const coded = (code: string) => failing(Object.assign(new Error(`${code}: said`), { code }));
  const kinds: readonly [string, RegExp, boolean, boolean][] = [
    ["ENOSPC", /check the disk/, true, false],
    ["EDQUOT", /check the disk/, true, false],
    ["EIO", /check the disk/, false, false],
    ["EACCES", /it can't be written/, false, false],
    ["EROFS", /it can't be written/, false, false],
    ["EPERM", /it can't be written/, false, false],
    ["ENOTDIR", /it is no folder/, false, true],
    ["EEXIST", /it is no folder/, false, false],
  ];
  for (const [code, advice, full, damaged] of kinds) {
    const error = await coded(code);
    assert.ok(error.message.startsWith(`The state directory /x/state can't be used (${code}: said): `));
    assert.match(error.message, advice);
    assert.deepEqual([error.full, error.damaged, error instanceof StateError], [full, damaged, true]);
  }
  const known = new StateError("As it was");
  assert.equal(await failing(known), known);
  const journal = Object.assign(new Error("The journal says"), { name: "JournalError", code: "DISK_FULL" });
  assert.deepEqual([(await failing(journal)).message, (await failing(journal)).full], [
    "The journal says",
    true,
  ]);
  assert.match((await failing("a text")).message, /\(a text\)/);
  assert.match((await failing(undefined)).message, /\(undefined\): check the disk/);
  assert.deepEqual(["/", "/x", "/x/", "x\\\\"].map((path) => new StateDisk(path, runtime).path), [
    "/",
    "/x",
    "/x",
    "x",
  ]);
});

test("an origin is an object whose tag and executor are texts, where it has them", () => {
  assert.deepEqual(originOf({ tag: "t", executor: "e", more: 1 }), { tag: "t", executor: "e" });
  assert.deepEqual(originOf({}), {});
  for (const bad of [{ tag: 5 }, { executor: null }, { tag: "t", executor: 5 }]) {
    assert.equal(originOf(bad), undefined);
  }
  assert.equal(originOf(undefined), undefined);
});

test("a person's run goes on with the one that is open, else begins one and lets go of those that are closed", () =>
  inPlace(async (place) => {
    const notes: string[] = [];
    const options = { folder: place.path, from: undefined, note: (text: string) => void notes.push(text) };
    await assert.rejects(
      keptRun({ ...options, from: "t" }, () => Promise.resolve()),
      /There is no run in .* to repeat a part of/,
    );
    assert.deepEqual(place.names(), []);
    await life(place, (state) => state.begin({}));
    await assert.rejects(
      keptRun({ ...options, from: "t" }, () => Promise.resolve()),
      /There is no run in .* to repeat a part of/,
    );
    assert.deepEqual(place.names(), ["000001"]);
    fs.rmSync(join(place.path, "runs", "000001"), { recursive: true });
    // A run of which nothing has begun is not kept when it fails.
    await assert.rejects(keptRun(options, () => Promise.reject(new Error("not begun"))), /not begun/);
    assert.deepEqual(place.names(), []);
    const fails = keptRun(options, ({ journal, ...more }) => {
      assert.deepEqual(Object.keys(more), ["files"]);
      journal!.append(stateOf("t"), 0);
      return Promise.reject(new Error("in the midst"));
    });
    await assert.rejects(fails, /in the midst/);
    assert.deepEqual(place.names(), ["000001"]);
    const ended = { type: "run.ended", state: "succeeded" } as const;
    const states = await keptRun(options, ({ journal }) => {
      const { states } = journal!.last();
      journal!.append(ended, 1);
      return Promise.resolve(states);
    });
    assert.deepEqual([states, place.names()], [1, ["000001"]], "it goes on with that one, and closes it");
    const again = await keptRun({ ...options, from: "t" }, ({ journal, from }) => {
      return Promise.resolve([journal!.last().states, from]);
    });
    assert.deepEqual([again, place.names()], [[2, "t"], ["000001"]]);
    // One that was closed, and is cut off while a part of it is repeated, is not let go of: it goes on.
    const cut = keptRun({ ...options, from: "t" }, ({ journal }) => {
      journal!.append(stateOf("t"), 2);
      return Promise.reject(new Error("cut off"));
    });
    await assert.rejects(cut, /cut off/);
    const further = await keptRun(options, ({ journal }) => {
      const { states } = journal!.last();
      journal!.append(ended, 3);
      return Promise.resolve(states);
    });
    assert.deepEqual([further, place.names()], [3, ["000001"]]);
    assert.equal(await keptRun(options, ({ journal }) => Promise.resolve(journal!.last().states)), 0);
    assert.deepEqual(place.names(), ["000002"], "another one has begun");
    assert.deepEqual(notes, []);
    // Of two that are open the older one goes on, and the other stays.
    await life(place, async (state) => [await begun(state), await begun(state)]);
    assert.equal(await keptRun(options, ({ journal }) => Promise.resolve(journal!.last().states)), 1);
    assert.deepEqual(place.names(), ["000003", "000004"]);
    fs.rmSync(join(place.path, "runs", "000004"), { recursive: true });
    fs.renameSync(join(place.path, "runs", "000003"), join(place.path, "runs", "000002"));
    fs.writeFileSync(join(place.path, "runs", "notes.txt"), "mine");
    fs.writeFileSync(join(place.path, "runs", "000002", "origin.json"), "{");
    await keptRun(options, () => Promise.resolve());
    assert.equal(notes.length, 2);
    assert.match(
      notes[0]!,
      /^A run could not be read \(.*origin\.json is missing or damaged\)\. It is kept as .*000002\.damaged, and nothing/,
    );
    assert.match(notes[1]!, /notes\.txt is left as it is: it is none of Outrider's$/);
  }));

test("what was lost of a run is told a person and stands in its log", () =>
  inPlace(async (place) => {
    const notes: string[] = [];
    const options = { folder: place.path, from: undefined, note: (text: string) => void notes.push(text) };
    const fails = keptRun(options, ({ journal }) => {
      journal!.append(stateOf("t"), 0);
      return Promise.reject(new Error("ended"));
    });
    await assert.rejects(fails, /ended/);
    const folder = join(place.path, "runs", "000001");
    fs.appendFileSync(join(folder, "journal.db.tail-a"), 'S{"seq":2,"torn');
    const texts = await keptRun(options, ({ journal }) => Promise.resolve(journal!.logs(0, 9)));
    assert.equal(notes.length, 1);
    assert.match(
      notes[0]!,
      /^Of the run in .*000001: the last 15 bytes were torn .* It goes on from what is left$/,
    );
    assert.deepEqual(texts.map(({ text, level, from }) => [text, level, from]), [[
      notes[0],
      "error",
      "executor",
    ]]);
    await life(place, (_, [run]) => Promise.resolve(assert.equal(lossOf(run!), undefined)));
  }));
