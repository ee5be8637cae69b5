/**
 * Owns what the journal costs a task: the chain with its journal on disk and in memory, in turn.
 * Run alone: `node bench/uplink_journal.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { join } from "node:path";
import { inspectedRun } from "../src/run/run.ts";
import type { Journal } from "../src/journal/journal.ts";
import { memoryJournal } from "../src/journal/memory/memory.ts";
import { openSqliteJournal } from "../src/journal/disk/sqlite.ts";
import { figure, print, quick } from "./figure.ts";
import { chain, manifest } from "./shapes.ts";
import { withFolder } from "./uplink_place.ts";

const SIZE = quick ? 2_000 : 10_000;
const ROUNDS = quick ? 2 : 5;
const CHAIN = manifest("chain", chain(SIZE, "nothing"));

/** Time from the record `run.started` to the awaited result for each task, µs. */
async function perTask(journal: Journal): Promise<number> {
  try {
    const { state } = await inspectedRun(CHAIN, { workers: 2, journal });
    const awaited = performance.timeOrigin + performance.now();
    if (state !== "succeeded") throw new Error(`The run ended as ${state}, nothing can be measured`);
    return (awaited - journal.states(0, 1)[0]!.at) * 1_000 / SIZE;
  } finally {
    await journal.close();
  }
}

const memory: number[] = [];
const disk: number[] = [];
await withFolder(async (folder) => {
  for (let round = -1; round < ROUNDS; round++) {
    const inMemory = await perTask(memoryJournal());
    const onDisk = await perTask(await openSqliteJournal(join(folder, `${round + 1}.db`)));
    if (round < 0) continue;
    memory.push(inMemory);
    disk.push(onDisk);
  }
});
const how =
  `chain of ${SIZE} tasks that do nothing, 2 workers, run.started to the awaited result; ${ROUNDS} rounds, memory and disk in turn, after one of each`;
print("uplink journal", [
  figure("uplink: journal on disk, more per task than in memory", disk.map((us, at) => us - memory[at]!), {
    unit: "µs",
    how: `difference of neighbours; ${how}`,
    target: { atMost: 3 },
  }),
  figure("uplink: chain per task, journal on disk", disk, { unit: "µs", how }),
  figure("uplink: chain per task, journal in memory", memory, { unit: "µs", how }),
]);
