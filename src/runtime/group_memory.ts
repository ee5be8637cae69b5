/**
 * Owns how much memory a process has with all that it has started, as far as the system tells: Linux does.
 * Must not know what limit there is.
 * Invariant: what is only a file's page, as those of programs are, does not count; what is gone or can't be read has none.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Most processes that are looked at. */
const MAX_PROCESSES = 1_000;
const KIB = 1024;
const PARTS = /^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$/gm;

/** Bytes of its own that a process and its descendants have; `undefined` where that can't be told. */
export function memoryOf(pid: number): number | undefined {
  const found = [pid];
  let bytes: number | undefined;
  for (let at = 0; at < found.length && at < MAX_PROCESSES; at++) {
    const status = textOf(`/proc/${found[at]}/status`);
    if (status === "") continue;
    for (const [, amount] of status.matchAll(PARTS)) bytes = (bytes ?? 0) + Number(amount) * KIB;
    found.push(...childrenOf(found[at]!));
  }
  return bytes;
}

/** A child belongs to the thread that started it. */
function childrenOf(pid: number): number[] {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  return threads.flatMap((thread) =>
    textOf(`/proc/${pid}/task/${thread}/children`).split(" ").filter((child) => child !== "").map(Number)
  );
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
