/**
 * Owns keeping stdout for what this program itself prints: what anybody else in the process writes to it past every capture (a
 * child that inherits it, foreign code), reaches stderr meanwhile.
 * Must not know what is printed, nor how a runtime calls the C library; each adapter passes that in.
 * Invariant: after the returned function every descriptor is what it was, and none more is open; what was closed meanwhile, and
 * opened again as something else, is left alone.
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
  const stderr = target(2);
  return () => {
    if (places.length === 0) return;
    // Deno closes its other one with the thread that made it, and the number may be a thread's event loop by now.
    for (const place of places) if (place === 1 || target(place) === stderr) libc!.dup2(kept, place);
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
    const stdout = target(1);
    if (stdout === undefined || stdout.startsWith("/dev/") || stdout === target(2)) return [];
    return readdirSync("/proc/self/fd").map(Number).filter((place) => target(place) === stdout);
  } catch {
    return [];
  }
}

/** What a descriptor leads to; nothing for one that is not open, as the one that the folder was read with. */
function target(descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined;
  }
}
