/**
 * Owns keeping stdout for what this program itself prints: what anybody else in the process writes to it past every capture (a
 * child that inherits it, foreign code), reaches stderr meanwhile.
 * Must not know what is printed, nor how a runtime calls the C library; each adapter passes that in.
 * Invariant: after the returned function every descriptor is what it was, and none more is open.
 */
import { readdirSync, readlinkSync } from "node:fs";

/** What is called of the C library of Linux. */
export interface Libc {
  fcntl(descriptor: number, command: number, argument: number): number;
  dup2(from: number, to: number): number;
  close(descriptor: number): number;
}

/** `F_DUPFD_CLOEXEC` of Linux: what we keep is not handed to children. */
const DUPLICATE = 1030;

/** Puts stderr in stdout's place until the returned function is called. Without a C library it does nothing. */
export function shieldStdout(libc: Libc | undefined): () => void {
  let places = libc === undefined ? [] : descriptorsOfStdout();
  const kept = places.length === 0 ? -1 : libc!.fcntl(1, DUPLICATE, 3);
  if (kept < 0) return () => {};
  for (const place of places) libc!.dup2(2, place);
  return () => {
    if (places.length === 0) return;
    for (const place of places) libc!.dup2(kept, place);
    libc!.close(kept);
    places = [];
  };
}

/**
 * Descriptors that lead to stdout's pipe or file: 1, and on Deno another that its children inherit. None on a terminal, or
 * where stderr leads to the same, for then nothing can be kept apart.
 */
function descriptorsOfStdout(): number[] {
  try {
    const leadsTo = (descriptor: number | string) => readlinkSync(`/proc/self/fd/${descriptor}`);
    const stdout = leadsTo(1);
    if (stdout.startsWith("/dev/") || stdout === leadsTo(2)) return [];
    const isStdout = (name: string) => {
      try {
        return leadsTo(name) === stdout;
      } catch {
        // The one that the folder was read with.
        return false;
      }
    };
    return readdirSync("/proc/self/fd").filter(isStdout).map(Number);
  } catch {
    return [];
  }
}
