/**
 * Owns the measurement of the disk behind the folder for temporary files.
 * Invariant: whatever it writes lies in a folder of its own, and is gone when it returns or throws.
 */
import { type FileHandle, mkdtemp, open, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskContext } from "../../mod.ts";
import { quantile, rounded } from "./figures.ts";

/** How fast the disk is. */
export interface Disk {
  /** MiB written a second, until they are safe on the disk. */
  readonly writeMiBPerSecond: number;
  /** Milliseconds until 4 KiB are safe on the disk, in the middle. */
  readonly syncMs: number;
  readonly freeGiB: number;
}

const BLOCK: Uint8Array = new Uint8Array(2 ** 20).fill(0x5a);
const BLOCKS = 24;
const MAX_SYNCS = 30;
const MAX_SYNC_MS = 400;

/** Writes 24 MiB and syncs them once, then up to 30 small pieces and syncs each. */
export async function measureDisk(ctx: Pick<TaskContext, "progress" | "signal">): Promise<Disk> {
  const folder = await mkdtemp(join(tmpdir(), "outrider-device-check-"));
  try {
    const file = await open(join(folder, "data"), "w");
    try {
      const writeMiBPerSecond = await writeMuch(file, ctx);
      const syncMs = await syncOften(file, ctx);
      const { bavail, bsize } = await statfs(folder);
      return { writeMiBPerSecond, syncMs, freeGiB: rounded(Number(bavail) * Number(bsize) / 2 ** 30) };
    } finally {
      await file.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeMuch(
  file: FileHandle,
  { progress, signal }: Pick<TaskContext, "progress" | "signal">,
): Promise<number> {
  const start = performance.now();
  for (let block = 0; block < BLOCKS; block++) {
    signal.throwIfAborted();
    await file.write(BLOCK);
    progress(0.5 * block / BLOCKS, "writing");
  }
  await file.sync();
  return rounded(BLOCKS / ((performance.now() - start) / 1_000));
}

async function syncOften(
  file: FileHandle,
  { progress, signal }: Pick<TaskContext, "progress" | "signal">,
): Promise<number> {
  const times: number[] = [];
  const begin = performance.now();
  while (times.length < MAX_SYNCS && performance.now() - begin < MAX_SYNC_MS) {
    signal.throwIfAborted();
    const start = performance.now();
    await file.write(BLOCK, 0, 4_096, 0);
    await file.sync();
    times.push(performance.now() - start);
    progress(0.5 + 0.5 * times.length / MAX_SYNCS, "syncing");
  }
  return rounded(quantile(times, 0.5));
}
