/**
 * Owns how many cores and how much memory this process may use: what its container leaves of what the machine has.
 * Must not know what they are used for.
 * Invariant: a limit that can't be read is none; what is told is never more than the machine has.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism, freemem, totalmem } from "node:os";

/** Where the system tells. Replaced in tests. */
export interface AllowanceFiles {
  /** The text of a small file; `undefined` where there is none or it can't be read. */
  read(path: string): string | undefined;
  /** What is in a folder; nothing where there is none. */
  list(path: string): readonly string[];
  /** Logical cores that the scheduler of the system may put this process on. */
  readonly cores: number;
  /** Bytes of memory that the machine has. */
  readonly total: number;
  /** Bytes of it that nothing uses. */
  free(): number;
}

/** The system as it is. */
export const systemFiles: AllowanceFiles = {
  read: (path) => {
    // Most are not there, and an error costs Deno several times as much as a file.
    if (!existsSync(path)) return undefined;
    try {
      return readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  },
  list: (path) => {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  },
  cores: Math.max(1, availableParallelism()),
  total: totalmem(),
  free: freemem,
};

/** Where groups of processes are, in version 2 and, for a controller, in version 1. */
const GROUPS = "/sys/fs/cgroup";
/** Version 1 says so where there is no limit: a number near 2^63. */
const NO_LIMIT = 2 ** 60;

/** Logical cores that this process may use, at least 1: those of its quota, rounded up, where there are fewer. */
export function coresAllowed({ read, cores }: AllowanceFiles = systemFiles): number {
  let least = cores;
  for (const folder of foldersOf(read, "cpu")) {
    const quota = quotaOf(read, folder);
    if (quota !== undefined) least = Math.min(least, quota);
  }
  return Math.max(1, Math.ceil(least));
}

/** Bytes of memory that this process may have, with all others of its container: those that the machine has, or a group's least. */
export function memoryAllowed({ read, total }: AllowanceFiles = systemFiles): number {
  const limits = foldersOf(read, "memory").map((folder) => limitOf(read, folder)).filter((limit) =>
    limit !== undefined
  );
  return Math.min(total, ...limits);
}

/** Bytes of memory that this process may still take: those that the machine has, or the least that a group leaves. */
export function freeMemory({ read, free }: AllowanceFiles = systemFiles): number {
  const told = /^MemAvailable:\s+(\d+) kB$/m.exec(read("/proc/meminfo") ?? "")?.[1];
  let least = told === undefined ? free() : Number(told) * 1024;
  for (const folder of foldersOf(read, "memory")) {
    const left = leftIn(read, folder);
    if (left !== undefined) least = Math.min(least, left);
  }
  return Math.max(0, least);
}

/** Time that the machine's cores had nothing to do, all together, milliseconds; not known where the system does not tell. */
export function idleMs({ read }: AllowanceFiles = systemFiles): number | undefined {
  // user, nice, system, idle, waiting for a disk; in ticks of 10 ms.
  const [, idle, disk] = /^cpu +\d+ \d+ \d+ (\d+) (\d+)/.exec(read("/proc/stat") ?? "") ?? [];
  return idle === undefined ? undefined : (Number(idle) + Number(disk)) * 10;
}

/** Where the threads of this process are. */
const THREADS = "/proc/self/task";
/** So many threads are asked at most: each takes some 30 µs, on Deno 100. */
const MAX_ASKED = 24;

/**
 * What tells how long threads of this process were ready to run and had no core, all together, milliseconds; not where the
 * system does not tell, or there are more than 24 threads. Each is counted as it grows: one that has ended takes its time along.
 */
export function queuedTime({ read, list }: AllowanceFiles = systemFiles): () => number | undefined {
  let known: ReadonlyMap<string, number> = new Map();
  let total = 0;
  return () => {
    const threads = list(THREADS);
    if (threads.length === 0 || threads.length > MAX_ASKED) return undefined;
    const seen = new Map<string, number>();
    for (const thread of threads) {
      // Nanoseconds on a core, nanoseconds ready for one, times that it had one.
      const [, queued] = /^\d+ (\d+) \d+/.exec(read(`${THREADS}/${thread}/schedstat`) ?? "") ?? [];
      if (queued === undefined) continue;
      total += Math.max(0, Number(queued) - (known.get(thread) ?? 0));
      seen.set(thread, Number(queued));
    }
    known = seen;
    return seen.size > 0 ? total / 1e6 : undefined;
  };
}

type Read = AllowanceFiles["read"];

/** Folders of the groups that this process is in for a controller, and of those above: each may have a limit. */
function foldersOf(read: Read, controller: "cpu" | "memory"): string[] {
  const folders: string[] = [];
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    if (controllers !== "" && !controllers.split(",").includes(controller)) continue;
    const root = controllers === "" ? GROUPS : `${GROUPS}/${controller}`;
    // A path from outside of the container is not there; its root is the group then.
    const parts = path.split("/").filter((part) => part !== "");
    for (let depth = parts.length; depth >= 0; depth--) {
      folders.push([root, ...parts.slice(0, depth)].join("/"));
    }
  }
  return [...new Set(folders)];
}

function quotaOf(read: Read, folder: string): number | undefined {
  const old = () => {
    const quota = read(`${folder}/cpu.cfs_quota_us`);
    return quota === undefined ? [] : [quota, read(`${folder}/cpu.cfs_period_us`)];
  };
  const [quota, period] = read(`${folder}/cpu.max`)?.split(/\s+/) ?? old();
  const share = Number(quota) / Number(period);
  return share > 0 && Number.isFinite(share) ? share : undefined;
}

function limitOf(read: Read, folder: string): number | undefined {
  const text = read(`${folder}/memory.max`) ?? read(`${folder}/memory.limit_in_bytes`);
  const limit = /^\d+\s*$/.test(text ?? "") ? Number(text) : NO_LIMIT;
  return limit < NO_LIMIT ? limit : undefined;
}

function leftIn(read: Read, folder: string): number | undefined {
  const limit = limitOf(read, folder);
  const used = Number(read(`${folder}/memory.current`) ?? read(`${folder}/memory.usage_in_bytes`));
  if (limit === undefined || !(used >= 0)) return undefined;
  // Pages of files that nobody has used of late go when others want memory.
  const pages = /^(?:total_)?inactive_file (\d+)$/m.exec(read(`${folder}/memory.stat`) ?? "")?.[1] ?? 0;
  return Math.max(0, limit - used + Number(pages));
}
