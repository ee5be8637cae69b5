/** Files that tasks keep: in threads, processes, Python and programs; what is refused, and what a run goes on with. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import test from "node:test";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import type { StateEvent, StateRecord } from "../../src/model/record.ts";
import type { Manifest } from "../../src/pipeline/document/manifest.ts";
import type { Doer } from "../../src/pool/board/slots.ts";
import { ownedBy } from "../../src/run/workers.ts";
import { type FilesRuntime, RunFiles } from "../../src/run/files/run_files.ts";
import { systemClock } from "../../src/base/clock.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { ROOT, testWith } from "../system.ts";
import { manifest, only, outcomes, see, type Seen, withFolder, world } from "./rig.ts";

const PYTHON = new URL("../fixtures/python/tasks.py", import.meta.url).href;

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function textsOf(seen: Seen, task: string): unknown {
  return only(seen.result, task).value;
}

/** Where files of a run lie, and that they stay there. */
function at(folder: string) {
  return { folder: () => Promise.resolve(`${folder}/files`) };
}

function program(script: string, more: object = {}): Manifest["tasks"][string] {
  return { run: { command: ["sh", "-c", script] }, ...more } as Manifest["tasks"][string];
}

test("files: what a thread and a process keep is read by those after them, and is in journal and result", async () => {
  for (const isolation of [{}, { isolation: "process" as const }]) {
    await withFolder(async (folder) => {
      const tasks = {
        capture: isolation,
        same: isolation,
        reads: { needs: ["capture", "same"], ...isolation },
      };
      const seen = await see(manifest("files", tasks as never), { params: { folder }, files: at(folder) });
      assert.deepEqual(outcomes(seen.result), {
        capture: "succeeded",
        same: "succeeded",
        reads: "succeeded",
      });
      const text = "packets of attempt 1";
      const file = { name: "capture.pcap", sha256: sha256(text), bytes: text.length };
      assert.deepEqual(only(seen.result, "capture").files, [file]);
      assert.deepEqual(textsOf(seen, "capture"), { $file: file });
      assert.deepEqual(textsOf(seen, "reads"), {
        ...{ capture: [`capture.pcap: ${text}`], program: [], python: [], failsOnce: [], nobody: [] },
        value: [text],
      });
      const told = seen.states.filter(({ type }) => type === "file.kept");
      const keys = told.map((each) =>
        each.type === "file.kept" && `${each.task} ${each.attempt} ${each.sha256}`
      );
      assert.deepEqual(keys.sort(), [`capture 1 ${file.sha256}`, `same 1 ${file.sha256}`]);
      // Once, whoever has kept it; and nothing of the run's time stays.
      assert.deepEqual(readdirSync(`${folder}/files`), [file.sha256]);
      assert.equal(readFileSync(`${folder}/files/${file.sha256}`, "utf8"), text);
    });
  }
});

test("files: without a folder they are gone with the run, and were there before", async () => {
  await withFolder(async (folder) => {
    const script = 'echo "$OUTRIDER_FILES" > "$OUTRIDER_FILES/where"; cat > /dev/null';
    const pipeline = manifest("files", { reads: { needs: ["program"] } } as never);
    const tasks = { program: program(script), ...pipeline.tasks };
    const seen = await see({ ...pipeline, tasks }, { params: { folder } });
    const { program: [where] } = textsOf(seen, "reads") as { program: [string] };
    assert.match(where, /^where: \/.*desk-\d+\n$/);
    assert.equal(existsSync(where.slice(7).trim()), false);
    assert.equal(existsSync(where.slice(7, where.indexOf("/.work"))), false);
  });
});

test("files: a program finds those of its needs, and leaves what is kept however it ends", async () => {
  await withFolder(async (folder) => {
    const leave = [
      'cd "$OUTRIDER_FILES"',
      "printf one > one.txt",
      "mkdir folder; ln -s /etc/passwd link; mkfifo pipe; printf x > 'bad\\name'",
      'cat "$OUTRIDER_INPUT_FILES/capture/capture.pcap" > copied',
      "exit 3",
    ].join("; ");
    const pipeline = manifest("files", { capture: {} });
    const tasks = {
      ...pipeline.tasks,
      program: program(leave, { needs: ["capture"] }),
      after: program('[ ! -e "$OUTRIDER_INPUT_FILES" ] && [ -z "$(ls "$OUTRIDER_FILES")" ]'),
    };
    const seen = await see({ ...pipeline, onFailure: "continue", tasks }, {
      params: { folder },
      files: at(folder),
    });
    const { outcome, code, files, filesRefused } = only(seen.result, "program");
    assert.deepEqual([outcome, code, only(seen.result, "after").outcome], ["failed", 3, "succeeded"]);
    assert.deepEqual(files?.map(({ name, bytes }) => [name, bytes]), [["copied", 20], ["one.txt", 3]]);
    assert.deepEqual(filesRefused?.map(({ name, because }) => `${name}: ${because}`), [
      'bad\\name: its name has a / or \\ or a character that is not shown: give it another by "name"',
      "folder: it is a folder: put files beside one another",
      "link: it is a symbolic link, which is not followed",
      "pipe: it is no regular file",
    ]);
    const said = seen.logs.filter(({ level }) => level === "error").map(({ task, text }) =>
      `${task} ${text}`
    );
    assert.equal(said.length, 4);
    assert.equal(said[2], 'program File "link" is not kept: it is a symbolic link, which is not followed');
    assert.deepEqual(readdirSync(`${folder}/files`).length, 2, "the same bytes twice are kept once");
  });
});

testWith(
  ["python3"],
  "files: Python keeps files by call and by its folder, which the next attempt finds empty",
  async () => {
    await withFolder(async (folder) => {
      const run = (name: string) => ({ python: PYTHON, function: name });
      const seen = await see({
        ...{ outrider: 1, name: "python" },
        tasks: { python: { run: run("keeps_files") }, reads: { run: run("reads_files"), needs: ["python"] } },
      } as Manifest, { params: { folder }, files: at(folder) });
      assert.deepEqual(textsOf(seen, "python"), ["kept.bin", [
        ["FileError", "FILE_KIND"],
        ["FileError", "FILE_MISSING"],
      ]]);
      assert.deepEqual(only(seen.result, "python").files?.map(({ name }) => name), ["kept.bin", "left.txt"]);
      assert.deepEqual(textsOf(seen, "reads"), ["python", [], []]);
      assert.equal(readdirSync(`${folder}/files`).length, 2);
    });
  },
);

test("files: a name is no path, only regular files are kept, and each refusal says by a code what it is", async () => {
  await withFolder(async (folder) => {
    const seen = await see(manifest("files", { wrong: {} }), { params: { folder }, files: at(folder) });
    const kept = { name: "linked", sha256: sha256("12345"), bytes: 5 };
    assert.deepEqual(textsOf(seen, "wrong"), [
      "FileError FILE_MISSING",
      "FileError FILE_KIND",
      "FileError FILE_KIND",
      "TypeError undefined",
      "FileError FILE_NAME",
      "FileError FILE_NAME",
      "FileError FILE_NAME",
      "FileError FILE_NAME",
      "TypeError undefined",
      "FileError FILE_NAME",
      "FileError FILE_MISSING",
      "FileError FILE_MISSING",
      `kept ${JSON.stringify({ $file: kept })}`,
      "FileError FILE_EXISTS",
    ]);
    assert.deepEqual(readdirSync(`${folder}/files`), [kept.sha256]);
  });
});

test("files: those of the last attempt count, and each attempt's are told with it", async () => {
  await withFolder(async (folder) => {
    const tasks = { failsOnce: { retry: { attempts: 2 } }, reads: { needs: ["failsOnce"] } };
    const seen = await see(manifest("files", tasks), { params: { folder }, files: at(folder) });
    const attempts = seen.result.tasks["failsOnce"]!;
    assert.deepEqual(attempts.map(({ files }) => files?.[0]?.sha256), [
      sha256("packets of attempt 1"),
      sha256("packets of attempt 2"),
    ]);
    assert.deepEqual((textsOf(seen, "reads") as Record<string, unknown>)["failsOnce"], [
      "capture.pcap: packets of attempt 2",
    ]);
  });
});

test("files: what is over a limit is refused, leaves nothing, and takes no room from what fits", async () => {
  await withFolder(async (folder) => {
    const params = { folder, sizes: [600, 601, 400, 1, 0, 400] };
    const files = { ...at(folder), maxFileBytes: 600, maxBytes: 1_000 };
    const seen = await see(manifest("files", { large: {} }), { params, files });
    assert.deepEqual(textsOf(seen, "large"), [
      "kept",
      "FileError FILE_TOO_LARGE",
      "kept",
      "FileError FILES_FULL",
      "kept",
      "FileError FILES_FULL",
    ]);
    assert.equal(readdirSync(`${folder}/files`).length, 3);
  });
});

/** The files of a run in a folder, over a disk that a test makes. */
function filesOver(folder: string, disk: Partial<FilesRuntime> = {}, records: readonly StateRecord[] = []) {
  const journal = memoryJournal();
  const files = new RunFiles({
    ...{ runtime: { ...runtime, ...disk }, clock: systemClock, journal },
    options: at(folder),
  });
  for (const record of records) files.restore(record);
  return { files, states: () => journal.states(0, 100) };
}

const A = { task: "a", iteration: 0, attempt: 1 };

test("files: a full disk says so, leaves nothing, and is asked again", async () => {
  await withFolder(async (folder) => {
    writeFileSync(`${folder}/a`, "text");
    const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    let refuses = true;
    const { files, states } = filesOver(folder, {
      keeping: async () => {
        const keeping = await runtime.keeping();
        return { ...keeping, keep: (...given) => refuses ? Promise.reject(full) : keeping.keep(...given) };
      },
    });
    const keep = () => files.keep(A, { path: `${folder}/a` });
    await assert.rejects(keep(), (error) => {
      assert.match((error as Error).message, /^File "a" is not kept: the disk is full; make room there/);
      assert.equal((error as { code?: string }).code, "FILE_DISK_FULL");
      return true;
    });
    assert.deepEqual(states(), []);
    refuses = false;
    await keep();
    assert.deepEqual(states().map(({ type }) => type), ["file.kept"]);
    await files.close();
  });
});

test("files: a run that goes on has those it had, and removes what no record tells of", async () => {
  await withFolder(async (folder) => {
    writeFileSync(`${folder}/a`, "text");
    const before = filesOver(folder);
    await before.files.keep(A, { path: `${folder}/a` });
    const records = before.states();
    // What a process leaves that is killed as it keeps one.
    writeFileSync(`${folder}/files/${"0".repeat(64)}`, "never told of");
    writeFileSync(`${folder}/files/.work/9`, "half");
    const { files } = filesOver(folder, {}, records);
    const [file] = await files.of("a");
    assert.equal(readFileSync(file!.path, "utf8"), "text");
    assert.deepEqual(readdirSync(`${folder}/files`).sort(), [".work", sha256("text")]);
    const again = filesOver(folder, {}, [
      ...records,
      { seq: 2, at: 2, type: "run.resumed", lost: 0, again: ["a"] },
    ]);
    assert.deepEqual(await again.files.of("a"), []);
    assert.deepEqual(readdirSync(`${folder}/files`).sort(), [".work", sha256("text")]);
    await files.close();
    await again.files.close();
  });
});

test("files: of a mapped task those of the items count that had succeeded since all of it was run anew", async () => {
  const key = (item: number) => ({ ...A, item });
  const kept = (item: number) => ({
    ...{ type: "file.kept" as const, name: "n", sha256: sha256(`${item}`), bytes: 1 },
    ...key(item),
  });
  const settled = (item: number, outcome: "succeeded" | "failed") => ({
    ...{ type: "attempt.settled" as const, outcome },
    ...key(item),
  });
  const resumed = (missing: object = {}) => ({
    ...{ type: "run.resumed" as const, lost: 0, again: ["a"] },
    ...missing,
  });
  const missing = { missing: ["a"] };
  const events: StateEvent[] = [kept(0), settled(0, "succeeded"), kept(1), settled(1, "failed")];
  const itemsAfter = (more: readonly StateEvent[]) => {
    const records = [...events, ...more].map((event, at) => ({ seq: at + 1, at, ...event }));
    return filesOver("", {}, records).files.list().map(({ item }) => item);
  };
  assert.deepEqual(itemsAfter([]), [0, 1]);
  assert.deepEqual(itemsAfter([resumed(missing)]), [0]);
  assert.deepEqual(itemsAfter([resumed(missing), resumed(missing)]), [0]);
  assert.deepEqual(itemsAfter([resumed(missing), kept(1), settled(1, "succeeded"), resumed(missing)]), [
    0,
    1,
  ]);
  assert.deepEqual(itemsAfter([resumed()]), []);
  assert.deepEqual(itemsAfter([resumed(), kept(0), settled(0, "failed"), resumed(missing)]), []);
});

test("files: where the disk has no room for the folders, a program finds none at the paths, and each attempt and the log say so", async () => {
  const refuses = () =>
    Promise.reject(Object.assign(new Error("no space left on device"), { code: "ENOSPC" }));
  const seen = await see({
    ...{ outrider: 1, name: "full" },
    tasks: {
      a: program('[ -n "$OUTRIDER_FILES" ] && ! mkdir -p "$OUTRIDER_FILES"'),
      b: program('[ ! -e "$OUTRIDER_INPUT_FILES" ] && ! echo x > "$OUTRIDER_FILES/x"', { needs: ["a"] }),
    },
  } as Manifest, { world: { ...world, runtime: { ...world.runtime, makeTempFolder: refuses } } });
  assert.deepEqual(outcomes(seen.result), { a: "succeeded", b: "succeeded" });
  const said = seen.logs.filter(({ level }) => level === "error").map(({ text }) => text);
  const refused = {
    name: "OUTRIDER_FILES",
    because: "there is no folder: no space left on device",
  };
  const each = `File "OUTRIDER_FILES" is not kept: ${refused.because}`;
  assert.deepEqual(said, [
    "There is no folder for files (OUTRIDER_FILES): no space left on device",
    each,
    each,
  ]);
  for (const task of ["a", "b"]) assert.deepEqual(only(seen.result, task).filesRefused, [refused]);
});

test("files: a run keeps 10,000 at the most, for this user alone, and says which bound is reached", async () => {
  await withFolder(async (folder) => {
    writeFileSync(`${folder}/a`, "text");
    const about = { type: "file.kept", sha256: sha256("other"), bytes: 5, ...A } as const;
    const records = Array.from(
      { length: 9_999 },
      (_, at) => ({ seq: at + 1, at: 1, name: `${at}`, ...about }),
    );
    const { files } = filesOver(folder, {}, records);
    await files.keep(A, { path: `${folder}/a` });
    const modes = [`${folder}/files`, `${folder}/files/.work`, `${folder}/files/${sha256("text")}`].map(
      (path) => (statSync(path).mode & 0o777).toString(8),
    );
    assert.deepEqual(modes, ["700", "700", "400"]);
    await assert.rejects(files.keep(A, { path: `${folder}/a`, name: "b" }), { code: "FILES_FULL" });
    await files.close();
    const large = new RunFiles({
      runtime,
      clock: systemClock,
      journal: memoryJournal(),
      options: at(folder),
    });
    truncateSync(`${folder}/a`, 4 * 1024 ** 3 + 1);
    await assert.rejects(
      large.keep(A, { path: `${folder}/a` }),
      /a file has at most 4 GiB: see OUTRIDER_FILE_SIZE/,
    );
    await large.close();
  });
});

test("files: keeping moves what is its alone, and refuses what was changed meanwhile", async () => {
  await withFolder(async (folder) => {
    const keeping = await runtime.keeping();
    const [from, to] = [`${folder}/from`, `${folder}/to`];
    const quiet = { begun: () => {}, more: () => {} };
    writeFileSync(from, "moved");
    assert.deepEqual(await keeping.keep(from, to, { ...quiet, moved: true }), {
      sha256: sha256("moved"),
      bytes: 5,
    });
    assert.deepEqual([existsSync(from), readFileSync(to, "utf8")], [false, "moved"]);
    writeFileSync(from, "before");
    const more = () => writeFileSync(from, "longer than before");
    const changed = keeping.keep(from, `${folder}/two`, { ...quiet, more, moved: true });
    await assert.rejects(changed, { code: "ECHANGED" });
    assert.deepEqual([existsSync(from), existsSync(`${folder}/two`)], [true, false]);
  });
});

testWith([ROOT], "files: keeping copies what another user has, who may go on writing to it", async () => {
  await withFolder(async (folder) => {
    const keeping = await runtime.keeping();
    const [from, to] = [`${folder}/from`, `${folder}/to`];
    writeFileSync(from, "another's");
    chownSync(from, 1, 1);
    await keeping.keep(from, to, { begun: () => {}, more: () => {}, moved: true });
    assert.deepEqual([existsSync(from), readFileSync(to, "utf8")], [true, "another's"]);
    const { uid, mode } = statSync(to);
    assert.deepEqual([uid, (mode & 0o777).toString(8)], [0, "400"]);
  });
});

test("files: what was put in the place of a program's folder is refused, and not touched", async () => {
  await withFolder(async (folder) => {
    mkdirSync(`${folder}/data/below`, { recursive: true });
    writeFileSync(`${folder}/data/mine`, "mine");
    const swap = `rmdir "$OUTRIDER_FILES" && ln -s "${folder}/data" "$OUTRIDER_FILES"`;
    const other = `mv "$OUTRIDER_FILES" "${folder}/away" && cp -R "${folder}/data" "$OUTRIDER_FILES"`;
    const seen = await see({
      ...{ outrider: 1, name: "swap" },
      tasks: { link: program(swap), other: program(other) },
    } as Manifest, { files: at(folder) });
    assert.deepEqual(outcomes(seen.result), { link: "succeeded", other: "succeeded" });
    for (const task of ["link", "other"]) {
      const { files, filesRefused } = only(seen.result, task);
      assert.deepEqual([files, filesRefused], [undefined, [{
        name: "OUTRIDER_FILES",
        because: "the folder was replaced by a link or another folder: put files into the one that is there",
      }]]);
    }
    assert.deepEqual(readdirSync(`${folder}/data`).sort(), ["below", "mine"]);
    assert.equal(readFileSync(`${folder}/data/mine`, "utf8"), "mine");
  });
});

test("files: what a task has kept is in nobody's way, whatever it and others are called", async () => {
  await withFolder(async (folder) => {
    const leave = (name: string, text: string) => program(`printf ${text} > "$OUTRIDER_FILES/${name}"`);
    const reads = 'cd "$OUTRIDER_INPUT_FILES"; cat a/b a%2Fb/c a%252Fb/d > "$OUTRIDER_FILES/all"; ls';
    const tasks = { a: leave("b", "1"), "a/b": leave("c", "2"), "a%2Fb": leave("d", "3") };
    const seen = await see({
      ...{ outrider: 1, name: "names" },
      tasks: { ...tasks, z: program(reads, { needs: Object.keys(tasks) }) },
    } as Manifest, { files: at(folder) });
    assert.equal(only(seen.result, "z").files?.[0]?.sha256, sha256("123"));
  });
});

test("files: one that has another name is copied, which stays as it was", async () => {
  await withFolder(async (folder) => {
    writeFileSync(`${folder}/mine`, "mine", { mode: 0o640 });
    const seen = await see({
      ...{ outrider: 1, name: "hard" },
      tasks: { a: program(`ln "${folder}/mine" "$OUTRIDER_FILES/mine"`) },
    } as Manifest, { files: at(folder) });
    assert.deepEqual(only(seen.result, "a").files, [{ name: "mine", sha256: sha256("mine"), bytes: 4 }]);
    assert.deepEqual(
      [statSync(`${folder}/mine`).mode & 0o777, statSync(`${folder}/mine`).nlink],
      [0o640, 1],
    );
    writeFileSync(`${folder}/mine`, "mine and more");
    assert.equal(readFileSync(`${folder}/files/${sha256("mine")}`, "utf8"), "mine");
    // One that gets another name as it is read is somebody's too.
    const keeping = await runtime.keeping();
    writeFileSync(`${folder}/late`, "late");
    const quiet = { begun: () => {}, more: () => linkSync(`${folder}/late`, `${folder}/later`), moved: true };
    await assert.rejects(keeping.keep(`${folder}/late`, `${folder}/to`, quiet), { code: "ECHANGED" });
  });
});

test("files: a URL that leads to no file here is refused by a code", async () => {
  await withFolder(async (folder) => {
    const { files } = filesOver(folder);
    for (const path of ["file://host/x", "file:///a%2Fb"]) {
      await assert.rejects(files.keep(A, { path }), (error) => {
        assert.equal((error as { code?: string }).code, "FILE_NAME");
        assert.match((error as Error).message, /^"file:.*" is no path of a file here: /);
        return true;
      });
    }
  });
});

test("files: a folder that can't be made is an answer by a code, whatever is asked", async () => {
  const { fileCalls } = await import("../../src/run/files/calls.ts");
  const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  const told = { type: "file.kept" as const, name: "n", sha256: sha256("text"), bytes: 4, ...A };
  const { files } = filesOver("", { makeFolder: () => Promise.reject(full) }, [{ seq: 1, at: 1, ...told }]);
  const calls = fileCalls(files, () => true);
  for (const answer of [calls.fileKeep("/a", undefined, A), calls.filesOf("a"), calls.filePath(told)]) {
    assert.equal((await answer as { refused?: string }).refused, "FILE_DISK_FULL");
  }
});

test("files: an attempt is a worker's own by its item too, but for events, which have none", () => {
  const lane = {
    given: (fits: (doer: Doer) => boolean) => [0, 7].some((task) => fits({ ...A, task, seat: 1 } as Doer)),
  };
  const numbers = { taskOf: () => 0, itemOf: (number: number) => number === 7 ? 3 : undefined };
  const isOwn = (name: string) => ownedBy(lane, (task) => task === 7 ? "mapped" : name, numbers);
  const own = isOwn("plain");
  assert.ok(own({ ...A, task: "mapped", item: 3 }) && own({ ...A, task: "plain" }));
  for (const from of [{ task: "mapped" }, { task: "mapped", item: 2 }, { task: "plain", item: 3 }]) {
    assert.equal(own({ ...A, ...from }), false, JSON.stringify(from));
  }
  assert.ok(own({ ...A, task: "mapped" }, true) && !own({ ...A, task: "mapped", item: 2 }, true));
});

test("files: nothing is kept in the name of an attempt that a worker does not run", async () => {
  await withFolder(async (folder) => {
    const { fileCalls } = await import("../../src/run/files/calls.ts");
    const { files, states } = filesOver(folder);
    writeFileSync(`${folder}/a`, "text");
    const calls = fileCalls(files, ({ task }) => task === "mine");
    const refused = async (from: unknown) =>
      (await calls.fileKeep(`${folder}/a`, undefined, from as never)) as object;
    for (const from of [A, null, "mine", undefined]) {
      assert.equal((await refused(from) as { refused?: string }).refused, "FILE_ENDED");
    }
    assert.deepEqual(states(), []);
    assert.ok("sha256" in await refused({ ...A, task: "mine" }));
    await files.close();
  });
});
