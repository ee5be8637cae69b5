/**
 * Owns what the system tells of a process: its memory, its processor time, and how many files it may open.
 * Must not know what the process does.
 * Invariant: it never fails; what the system does not tell is `undefined`.
 */
import { readFileSync } from "node:fs";
import process from "node:process";

/** Processor time since the process began, in milliseconds. */
export interface ProcessorTimes {
  readonly mainMs: number;
  /** Of all threads, also of those that have ended. */
  readonly allMs: number;
}

/** The most memory that a process had resident, all threads included; Linux only, since `maxRSS` has other units elsewhere. */
export function peakMiB(pid: number | "self" = "self"): number | undefined {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`) ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) / 1_024;
}

/** What a process has resident now, all threads included; Linux only. */
export function residentMiB(pid: number): number | undefined {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`) ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) / 1_024;
}

/** Processor time of a process and its threads since it began, milliseconds; Linux only, whose clock for it ticks each 10 ms. */
export function processorMs(pid: number): number | undefined {
  const fields = textOf(`/proc/${pid}/stat`)?.split(") ")[1]?.split(" ");
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) * 10;
}

/** How many files a process of ours may have open, where the system tells. */
export function mostFiles(): number | undefined {
  const limit = /^Max open files\s+(\d+)/m.exec(textOf("/proc/self/limits") ?? "")?.[1];
  return limit === undefined ? undefined : Number(limit);
}

/** Of this process, whichever of its threads asks; Linux only, where the main thread's number is that of the process. */
export function processorTimes(): ProcessorTimes | undefined {
  const mainNs = Number(textOf(`/proc/self/task/${process.pid}/schedstat`)?.split(" ")[0] || Number.NaN);
  if (Number.isNaN(mainNs)) return undefined;
  const { user, system } = process.cpuUsage();
  return { mainMs: mainNs / 1e6, allMs: (user + system) / 1e3 };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
