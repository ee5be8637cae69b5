/**
 * Owns the marks by which the processes are found that came of something of ours (offspring.ts).
 * Must not know what they are for.
 * Invariant: no two are the same, on this machine or another.
 */
import process from "node:process";
import { MARK } from "./offspring.ts";

/** What all marks of this process begin with. Chance alone may begin the same in two processes that were given a seed for it. */
export const OURS: string = `p${process.pid.toString(36)}-${chance()}${chance()}.`;

/** Nobody gains by guessing a mark, so that Node need not load its cryptography for one in each thread. */
function chance(): string {
  return Math.random().toString(36).slice(2, 10).padEnd(8, "0");
}

let count = 0;

/** A mark that nothing has yet. */
export function newMark(): string {
  return `${OURS}${++count};`;
}

/** What the variable holds for processes with a mark: those of the executors around ours come first. */
export function marksWith(mark: string): string {
  const around = process.env[MARK];
  return around === undefined ? mark : `${around} ${mark}`;
}
