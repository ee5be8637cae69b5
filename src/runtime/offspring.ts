/**
 * Owns finding and stopping the processes that came of a thread's code. They have its mark in their environment, which
 * what they start inherits, whatever session or process group it makes for itself.
 * Must not know what starts processes, nor why they are to end.
 * Invariant: nothing is stopped that has not the mark, or descends from what has. Where there is no /proc, none is found.
 *
 * Used on both sides of a thread; what it needs it takes before a task can change it.
 */
import { sleep } from "../base/wait.ts";
import fs from "node:fs";
import process from "node:process";
import { systemClock } from "../base/clock.ts";

/** The variable that holds the marks, one after the other: those of the executors around ours come first. */
export const MARK = "OUTRIDER_MARK";
/** The message by which a thread says that its code is about to start a process. */
export const STARTED = "outrider.started";

/** How long a process gets between SIGTERM and SIGKILL, milliseconds. */
const GRACE_MS = 500;
/** How long it is waited for one that was killed to be gone, milliseconds: only the kernel can make it longer. */
const GONE_MS = 5_000;
const MAX_LOOK_MS = 50;

const { readdirSync, readFileSync } = fs;
const { kill, pid: own } = process;
const { monotonic } = systemClock;

/** Stops what has the mark: signal, grace, kill. Resolves to whether there was any, when none is left. */
export async function stopOffspring(mark: string): Promise<boolean> {
  let left = offspring(mark);
  if (left.length === 0) return false;
  signal(left, "SIGTERM");
  const since = monotonic();
  for (let ms = 2; left.length > 0; ms = Math.min(MAX_LOOK_MS, ms * 2)) {
    await sleep(systemClock, ms);
    left = offspring(mark);
    const passedMs = monotonic() - since;
    if (passedMs > GRACE_MS) signal(left, "SIGKILL");
    if (passedMs > GRACE_MS + GONE_MS) break;
  }
  return true;
}

/** Kills what has the mark, at once. */
export function killOffspring(mark: string): void {
  signal(offspring(mark), "SIGKILL");
}

function signal(pids: readonly number[], name: "SIGTERM" | "SIGKILL"): void {
  for (const pid of pids) {
    try {
      kill.call(process, pid, name);
    } catch {
      // It has just gone, or is another user's.
    }
  }
}

/** Processes with the mark, and what descends from them. What has ended and waits to be reaped has no environment. */
function offspring(mark: string): number[] {
  const all = processes();
  const found = new Set(all.filter((pid) => textOf(pid, "environ").includes(mark)));
  if (found.size === 0) return [];
  const others = all.filter((pid) => !found.has(pid)).map((pid) => [pid, ...statOf(pid)] as const);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const [pid, state, parent] of others) {
      if (state !== "Z" && found.has(Number(parent))) found.add(pid);
    }
  }
  return [...found];
}

function processes(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter((pid) => pid > 1 && pid !== own);
  } catch {
    return [];
  }
}

/** State and parent of a process. */
function statOf(pid: number): readonly (string | undefined)[] {
  const text = textOf(pid, "stat");
  // The name before it is in parentheses and may hold anything.
  return text.slice(text.lastIndexOf(")") + 2).split(" ", 2);
}

function textOf(pid: number, name: "environ" | "stat"): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch {
    return "";
  }
}
