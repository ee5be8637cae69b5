/** Holds the environments that were fetched onto a device to their promise: whatever is cut off, it starts one that is whole. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { sha256 } from "../../src/base/bytes.ts";
import { Device, type WantedFile } from "../../src/environment/device/device.ts";
import { deviceFiles } from "../../src/environment/device/device_files.ts";
import { standingIn } from "../../src/environment/device/standing.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { SEED } from "../seed.ts";
import { Cut, LosingDisk } from "./losing_disk.ts";

const FOLDER = "/state/environment";

interface Fixture extends WantedFile {
  readonly contents: Uint8Array;
}

async function fixture(text: string): Promise<Fixture> {
  const contents = new TextEncoder().encode(text.repeat(10));
  return { contents, bytes: contents.length, sha256: await sha256(contents) };
}

const one = await fixture("the first environment");
const two = await fixture("the second one, which is larger");

/** Bytes in pieces, from a place on. */
async function* pieces({ contents }: Fixture, from = 0, to = contents.length): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; at += 64) {
    await Promise.resolve();
    yield contents.subarray(at, Math.min(at + 64, to));
  }
}

async function fetched(device: Device, file: Fixture): Promise<void> {
  await device.take(file, pieces(file, await device.held(file)));
  await device.place(file);
}

/** All that an agent and who starts it do to have an environment. */
async function upgraded(device: Device, file: Fixture): Promise<void> {
  await fetched(device, file);
  await device.putOnTrial(file.sha256);
  await device.begin();
  await device.foundWell();
}

async function deviceWith(...files: readonly Fixture[]): Promise<LosingDisk> {
  const disk = new LosingDisk();
  for (const file of files) await upgraded(new Device(FOLDER, disk), file);
  return disk;
}

test("what was fetched and found well is started, and the one before stays beside it", async () => {
  const disk = await deviceWith(one, two);
  const device = new Device(FOLDER, disk);
  const path = `${FOLDER}/${two.sha256}/outrider`;
  assert.deepEqual(await device.begin(), { id: two.sha256, path, trial: false });
  assert.deepEqual(disk.bytesOf(path), two.contents);
  assert.deepEqual(await device.standing(), { current: two.sha256, previous: one.sha256 });
});

test("an empty device starts what is installed", async () => {
  assert.equal(await new Device(FOLDER, new LosingDisk()).begin(), undefined);
});

test("a trial is begun once: a start that finds it begun goes back", async () => {
  const disk = await deviceWith(one);
  const device = new Device(FOLDER, disk);
  await fetched(device, two);
  await device.putOnTrial(two.sha256);
  assert.deepEqual(await device.begin().then((start) => [start?.id, start?.trial]), [two.sha256, true]);
  assert.deepEqual(await device.begin().then((start) => [start?.id, start?.trial]), [one.sha256, false]);
  assert.deepEqual(await device.standing(), { current: one.sha256 });
});

test("a trial that is given up leaves what was there, and its file goes", async () => {
  const disk = await deviceWith(one);
  const device = new Device(FOLDER, disk);
  await fetched(device, two);
  await device.putOnTrial(two.sha256);
  await device.begin();
  await device.giveUp();
  assert.deepEqual(disk.paths(), [`${FOLDER}/${one.sha256}/outrider`, `${FOLDER}/device.json`]);
  assert.equal((await device.begin())?.id, one.sha256);
});

test("what was cut off is gone on with, and all of it is sent once", async () => {
  const disk = new LosingDisk();
  const device = new Device(FOLDER, disk);
  await device.take(two, pieces(two, 0, 100));
  assert.equal(await device.held(two), 100);
  await device.take(two, pieces(two, 100));
  await device.place(two);
  assert.equal(await device.held(two), two.bytes);
  // What is here is not taken again.
  await device.take(two, pieces(one));
  assert.deepEqual(disk.bytesOf(`${FOLDER}/${two.sha256}/outrider`), two.contents);
});

test("other bytes are refused and removed, and so are more of them than were promised", async () => {
  const disk = await deviceWith(one);
  const device = new Device(FOLDER, disk);
  const before = disk.paths();
  const other = { ...two, contents: two.contents.map((byte) => byte ^ 1) };
  await device.take(two, pieces(other));
  await assert.rejects(device.place(two), /is not the environment that was asked for: its SHA-256 is /);
  const longer = { ...two, contents: new Uint8Array([...two.contents, 1]) };
  await assert.rejects(device.take(two, pieces(longer)), /More comes than the \d+ bytes of the environment/);
  assert.deepEqual(disk.paths(), before);
  await device.take(two, pieces(two, 0, 100));
  await assert.rejects(device.place(two), /only 100 are here: fetch the rest/);
  await assert.rejects(device.putOnTrial(two.sha256), /is not on this device: fetch it first/);
  assert.equal((await device.begin())?.id, one.sha256);
});

test("what names no file of a size that can be is refused before anything is written", async () => {
  const disk = new LosingDisk();
  const device = new Device(FOLDER, disk);
  for (const sha of ["../../etc", "", one.sha256.toUpperCase()]) {
    await assert.rejects(device.take({ ...one, sha256: sha }, pieces(one)), /is known by a SHA-256/);
  }
  for (const bytes of [0, -1, 0.5, NaN, 3 * 1024 ** 3]) {
    await assert.rejects(device.take({ ...one, bytes }, pieces(one)), /An environment has 1 to \d+ bytes/);
  }
  assert.equal(disk.steps, 0);
});

test("what an old memory card has changed is not started: the one before is, and then what is installed", async () => {
  const disk = await deviceWith(one, two);
  disk.spoil(`${FOLDER}/${two.sha256}/outrider`);
  assert.equal((await new Device(FOLDER, disk).begin())?.id, one.sha256);
  disk.spoil(`${FOLDER}/${one.sha256}/outrider`);
  assert.equal(await new Device(FOLDER, disk).begin(), undefined);
  const damaged = await deviceWith(one);
  damaged.spoil(`${FOLDER}/device.json`);
  assert.equal(await new Device(FOLDER, damaged).begin(), undefined);
});

test("the one before is started where the last one can't be, and then what is installed", async () => {
  const device = new Device(FOLDER, await deviceWith(one, two));
  await device.forgetCurrent();
  assert.equal((await device.begin())?.id, one.sha256);
  await device.forgetCurrent();
  assert.equal(await device.begin(), undefined);
});

test("cut off before, or in the midst of, any step, a device starts one that is whole, and the upgrade can be done again", async () => {
  for (const before of [[], [one]]) {
    const start = await deviceWith(...before);
    const counting = start.again();
    await upgraded(new Device(FOLDER, counting), two);
    assert.ok(counting.steps > 10, `${counting.steps} steps`);
    for (let step = 0; step < counting.steps; step++) {
      for (const half of [false, true]) {
        const disk = start.again({ cutBefore: step, half });
        const words = `${before.length} before, step ${step}, half ${half}`;
        // The clearing at the end swallows what it can't remove, and nothing else may.
        const device = new Device(FOLDER, disk);
        await upgraded(device, two).catch((error) =>
          assert.ok(error instanceof Cut || error.cause instanceof Cut, error)
        );
        await assertStarts(disk.again(), before, words);
      }
    }
  }
});

/** Three starts after a cut: each is of something whole, a trial is at most the first, and then all can be done again. */
async function assertStarts(disk: LosingDisk, before: readonly Fixture[], words: string): Promise<void> {
  const device = new Device(FOLDER, disk);
  const well = standingIn(await disk.readText(`${FOLDER}/device.json`).catch(() => "{}")).current;
  for (const first of [true, false, false]) {
    const started = await device.begin();
    if (started === undefined) {
      assert.deepEqual([before.length, well], [0, undefined], words);
      continue;
    }
    assert.equal(await disk.digestOf(started.path), started.id, words);
    assert.ok(started.trial ? first : started.id === well, words);
  }
  // Bytes that the power cut has made zeros of are refused once, and fetched anew.
  await upgraded(device, two).catch(() => upgraded(device, two));
  assert.equal((await device.begin())?.id, two.sha256, words);
  assert.deepEqual(disk.paths().filter((path) => path.endsWith(".part")), [], words);
}

test("a disk that is full in any step leaves what was there, and no half of a file", async () => {
  const full = () => Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  const start = await deviceWith(one);
  const counting = start.again();
  await upgraded(new Device(FOLDER, counting), two);
  for (let step = 0; step < counting.steps; step++) {
    const disk = start.again({ cutBefore: step, error: full });
    await upgraded(new Device(FOLDER, disk), two).catch(() => {});
    const device = new Device(FOLDER, disk);
    const started = await device.begin();
    assert.ok([one.sha256, two.sha256].includes(started?.id ?? ""), `step ${step}`);
    assert.equal(await disk.digestOf(started!.path), started!.id, `step ${step}`);
  }
});

test("a start whose disk takes nothing begins no trial, since that would be begun again and again", async () => {
  const disk = await deviceWith(one);
  const device = new Device(FOLDER, disk);
  await fetched(device, two);
  await device.putOnTrial(two.sha256);
  const full = () => Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  for (let step = 0; step < 2; step++) {
    assert.equal(
      (await new Device(FOLDER, disk.again({ cutBefore: step, error: full })).begin())?.id,
      one.sha256,
    );
  }
});

const WRITER = fileURLToPath(new URL("./killed_device.ts", import.meta.url));

/** Lets a process have one environment after the other, and kills it after so many steps. */
function upgradeAndKill(folder: string, steps: number): Promise<void> {
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", WRITER, folder] : [WRITER, folder];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let said = 0;
  child.stdout.on("data", (text: Uint8Array) => {
    said += text.length;
    if (said >= steps) child.kill("SIGKILL");
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on(
      "close",
      (_, signal) => signal === "SIGKILL" ? resolve() : reject(new Error(`Ended by ${signal}`)),
    );
  });
}

test("a process that is killed while it upgrades a real disk leaves one that can be started, time after time", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-device-"));
  try {
    const device = new Device(folder, deviceFiles(runtime));
    for (let round = 0; round < 5; round++) {
      await upgradeAndKill(folder, 8 + (SEED * 31 + round * 17) % 60);
      for (const first of [true, false]) {
        const started = await device.begin();
        assert.ok(started !== undefined && (first || !started.trial), `round ${round}`);
        assert.equal(await sha256(readFileSync(started.path)), started.id);
        if (process.platform !== "win32") assert.equal(statSync(started.path).mode & 0o777, 0o700);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
