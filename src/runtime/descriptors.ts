/**
 * Owns the questions whether there are file descriptors left and how many are open. Programs and connections leave some to
 * the rest of the process: Deno as a whole ends if a thread finds none.
 * Must not know what they are needed for.
 * Invariant: a wrong answer costs a failed or a late start, nothing else; where the system does not tell its limit, there is
 * room.
 */
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";

let known: number | undefined;

/** Most descriptors of this process. Read once: nobody changes it while it runs. */
export function descriptorLimit(): number {
  if (known !== undefined) return known;
  try {
    known = Number(
      /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? Infinity,
    );
  } catch (error) {
    if ((error as { code?: string }).code === "EMFILE") return 0;
    known = Infinity;
  }
  return known;
}

/** @throws {Error} With the code EMFILE, if it seems that fewer than so many are left. */
export function needDescriptors(count: number): void {
  const limit = descriptorLimit();
  if (limit === Infinity) return;
  // The system gives the lowest that is free.
  const lowest = openSync("/dev/null", "r");
  closeSync(lowest);
  if (lowest + count <= limit) return;
  throw Object.assign(new Error(`Fewer than ${count} of ${limit} file descriptors are left`), {
    code: "EMFILE",
  });
}

/** Descriptors that are open; `Infinity` if there is none left to ask with, 0 where the system does not tell. */
export function openDescriptors(): number {
  try {
    return readdirSync(process.platform === "linux" ? "/proc/self/fd" : "/dev/fd").length;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    return code === "EMFILE" || code === "ENFILE" ? Infinity : 0;
  }
}

/** How many connections a server may have that wants so many: half of what the process may open is for other things. */
export function roomFor(connections: number): number {
  return Math.max(4, Math.min(connections, Math.floor(descriptorLimit() / 2) - openDescriptors()));
}
