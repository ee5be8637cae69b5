/**
 * Owns taking secrets out of what the system shows of this process: its environment and its arguments, which every program
 * of the same user reads in /proc, and `ps` shows.
 * Must not know which values are secret, nor what they are for.
 * Invariant: only those bytes are overwritten that hold the secret, in memory that is what the system shows; where it does
 * not let itself be written (no Linux, a hardened one), everything stays as it is.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

/** Fields of /proc/self/stat behind the name that say where something begins. */
const BEGINS = { environ: 47, cmdline: 45 } as const;
const COVER = 0x78;

/**
 * Overwrites a part of what the system shows. Nobody may rely on it any more: variables are to be removed first.
 *
 * @param secrets Finds the parts in the text, in which each character is a byte: where they begin, and how long they are.
 */
export function cover(
  what: keyof typeof BEGINS,
  secrets: (shown: string) => Iterable<readonly [at: number, length: number]>,
): void {
  try {
    const shown = readFileSync(`/proc/self/${what}`);
    const found = [...secrets(shown.toString("latin1"))];
    if (found.length === 0) return;
    const stat = readFileSync("/proc/self/stat", "latin1");
    // The name before the fields is in parentheses and may hold anything.
    const begin = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[BEGINS[what]]);
    const memory = openSync("/proc/self/mem", "r+");
    try {
      const there = new Uint8Array(shown.length);
      readSync(memory, there, 0, there.length, begin);
      if (!there.every((byte, at) => byte === shown[at])) return;
      for (const [at, length] of found) {
        writeSync(memory, new Uint8Array(length).fill(COVER), 0, length, begin + at);
      }
    } finally {
      closeSync(memory);
    }
  } catch {
    // It does not let itself be written.
  }
}

/** The values of variables in an environment. */
export function* valuesOf(environ: string, names: readonly string[]): Iterable<readonly [number, number]> {
  for (let at = 0; at < environ.length;) {
    const end = environ.indexOf("\0", at) < 0 ? environ.length : environ.indexOf("\0", at);
    const equals = environ.indexOf("=", at);
    if (equals < end && names.includes(environ.slice(at, equals))) yield [equals + 1, end - equals - 1];
    at = end + 1;
  }
}

/** What is given to an option in a list of arguments, as its next or behind `=`. */
export function* givenTo(cmdline: string, option: string): Iterable<readonly [number, number]> {
  let at = 0;
  let next = false;
  for (const argument of cmdline.split("\0")) {
    if (next) yield [at, argument.length];
    else if (argument.startsWith(`${option}=`)) {
      yield [at + option.length + 1, argument.length - option.length - 1];
    }
    next = !next && argument === option;
    at += argument.length + 1;
  }
}
