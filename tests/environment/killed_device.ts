/**
 * Owns a process that has a device fetch, try, take and give up one environment after the other, until it is killed; it says a
 * byte on stdout for each step.
 * Must not know when that is.
 */
import fs from "node:fs";
import process from "node:process";
import { sha256 } from "../../src/base/bytes.ts";
import { Device } from "../../src/environment/device/device.ts";
import { deviceFiles } from "../../src/environment/device/device_files.ts";
import { runtime } from "../../src/runtime/runtime.ts";

const disk = deviceFiles(runtime);
const device = new Device(process.argv[2]!, {
  ...disk,
  writeText: (path, text) => step(() => disk.writeText(path, text)),
  rename: (from, to) => step(() => disk.rename(from, to)),
  remove: (path) => step(() => disk.remove(path)),
});

async function step(work: () => Promise<void>): Promise<void> {
  fs.writeSync(1, ".");
  await work();
}

async function* pieces(contents: Uint8Array, from: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < contents.length; at += 50_000) {
    await step(() => Promise.resolve());
    yield contents.subarray(at, at + 50_000);
  }
}

for (let times = 0;; times++) {
  const contents = new Uint8Array(200_000).fill(times);
  const file = { sha256: await sha256(contents), bytes: contents.length };
  await device.take(file, pieces(contents, await device.held(file)));
  await device.place(file);
  await device.putOnTrial(file.sha256);
  await device.begin();
  await (times % 3 === 1 ? device.giveUp() : device.foundWell());
}
