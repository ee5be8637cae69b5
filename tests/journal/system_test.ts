/** The real disk below the journal: bytes where they were meant, seals that fit, and nothing opened that is no file. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { crc32 } from "node:zlib";
import type { JournalDisk } from "../../src/journal/disk/port.ts";
import { checksum, idleTimers, systemDisk } from "../../src/journal/disk/system.ts";
import { makeDirectory } from "./faulty_disk.ts";
import { sealOf } from "./hand_disk.ts";

async function inFolder(use: (folder: string, disk: JournalDisk) => Promise<void> | void): Promise<void> {
  const folder = makeDirectory();
  try {
    await use(folder, await systemDisk());
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

test("a text stands at its place in the file, with its seal or without, whatever its length and its letters", () =>
  inFolder((folder, disk) => {
    const path = join(folder, "tail");
    const file = disk.openFile(path);
    // Around what is written by way of the scratch buffer: three bytes for each character and ten more.
    const most = Math.floor(((1 << 16) - 10) / 3);
    for (const letter of ["x", "ü", "€", "😀"]) {
      for (
        const length of [
          0,
          1,
          most / letter.length - 1,
          most / letter.length,
          most / letter.length + 1,
          70_000,
        ]
      ) {
        for (const sealed of [false, true]) {
          const text = letter.repeat(length);
          const wanted = sealed ? text + sealOf(text) : text;
          file.truncate(0);
          file.write("before\n", 0);
          const written = file.write(text, 7, sealed);
          assert.equal(written, new TextEncoder().encode(wanted).length);
          assert.ok(fs.readFileSync(path, "utf8") === `before\n${wanted}`, `${letter} ${length} ${sealed}`);
        }
      }
    }
    // All digits of a seal, a to f among them.
    file.truncate(0);
    let whole = "";
    for (let round = 0; round < 40; round++) {
      file.write(`${round}\n`, new TextEncoder().encode(whole).length, true);
      whole += `${round}\n${sealOf(`${round}\n`)}`;
    }
    assert.equal(fs.readFileSync(path, "utf8"), whole);
    file.truncate(3);
    assert.equal(new TextDecoder().decode(file.read()), whole.slice(0, 3));
    file.close();
  }));

test("a checksum goes on from what comes before", () => {
  assert.equal(checksum("ab"), crc32("ab"));
  assert.equal(checksum("b", checksum("a")), crc32("ab"));
  assert.notEqual(checksum("ab"), checksum("ba"));
});

test("files are made for this user alone, and one that others may read is closed to them", () =>
  inFolder((folder, disk) => {
    const modeOf = (path: string): number => fs.statSync(path).mode & 0o777;
    const path = join(folder, "deep", "er", "journal.db");
    disk.makeDirectoryOf(path);
    disk.makeDirectoryOf(path);
    assert.deepEqual([disk.has(path), modeOf(join(folder, "deep")), modeOf(join(folder, "deep", "er"))], [
      false,
      0o700,
      0o700,
    ]);
    disk.openDatabase(path).close();
    disk.openFile(`${path}.tail-a`).close();
    assert.deepEqual([disk.has(path), modeOf(path), modeOf(`${path}.tail-a`)], [true, 0o600, 0o600]);
    for (const mode of [0o640, 0o604]) {
      fs.chmodSync(path, mode);
      disk.openDatabase(path).close();
      assert.equal(modeOf(path), 0o600);
    }
    fs.chmodSync(path, 0o400);
    if (process.getuid?.() === 0) disk.openDatabase(path).close();
    assert.equal(modeOf(path), 0o400, "what is for this user alone stays as it is");
  }));

test("what is no file is not opened, also where a name leads nowhere", () =>
  inFolder((folder, disk) => {
    const path = join(folder, "journal.db");
    const odd: readonly ((path: string) => void)[] = [
      (path) => fs.mkdirSync(path),
      (path) => fs.symlinkSync("/dev/zero", path),
      (path) => fs.symlinkSync(join(folder, "nowhere"), path),
    ];
    for (const make of odd) {
      for (
        const [name, open] of [
          ["", () => disk.openDatabase(path)],
          ["-wal", () => disk.openDatabase(path)],
          ["-journal", () => disk.openDatabase(path)],
          [".tail-a", () => disk.openFile(`${path}.tail-a`)],
        ] as const
      ) {
        make(path + name);
        assert.throws(open, {
          name: "JournalError",
          code: "CORRUPT",
          message: `${path}${name} is no file: move it away to start anew, it is left as it is`,
        });
        fs.rmSync(path + name, { recursive: true });
        fs.rmSync(path, { force: true });
      }
    }
    // A link to a file is a file.
    fs.writeFileSync(join(folder, "real"), "text");
    fs.symlinkSync(join(folder, "real"), path);
    const file = disk.openFile(path);
    assert.equal(new TextDecoder().decode(file.read()), "text");
    file.close();
  }));

test("a copy is kept beside a file, and what fails of that, or of a folder that can't be synced, is nobody's business", () =>
  inFolder(async (folder, disk) => {
    const path = join(folder, "tail");
    disk.keepCopy(path);
    assert.deepEqual(fs.readdirSync(folder), []);
    fs.writeFileSync(path, "text");
    disk.keepCopy(path);
    assert.equal(fs.readFileSync(`${path}.damaged`, "utf8"), "text");
    disk.syncDirectoryOf(path);
    disk.syncDirectoryOf(join(folder, "none", "tail"));
    const file = disk.openFile(path);
    await file.sync();
    file.close();
    await assert.rejects(file.sync());
  }));

test("a timer fires once, after its time, unless it is called off", async () => {
  const fired: string[] = [];
  const off = idleTimers.after(1, () => fired.push("off"));
  off();
  await new Promise<void>((done) => {
    idleTimers.after(1, () => fired.push("on"));
    // It holds no process alive; this one does.
    const holds = setInterval(() => {
      if (fired.length === 0) return;
      clearInterval(holds);
      done();
    }, 2);
  });
  assert.deepEqual(fired, ["on"]);
});
