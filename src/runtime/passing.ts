/**
 * Owns what is to go with this process, however early that ends: temporary folders, files half written, programs that work for it.
 * Must not know what they are for.
 * Invariant: what is here still when the process is left (`exit`, not a kill) is undone, and nothing that was taken out is.
 */
import { rmSync } from "node:fs";
import process from "node:process";

const undoings = new Map<string, () => void>();
let watching = false;
let count = 0;

/** Undoes something if the process is left before. @returns What forgets it, as it was undone otherwise. */
export function whenLeft(undo: () => void): () => void {
  return kept(`${++count}`, undo);
}

/** A file or folder that nobody needs after this process. @returns What forgets it. */
export function passing(path: string): () => void {
  return kept(path, () => rmSync(path, { recursive: true, force: true }));
}

/** A path was removed by who made it. */
export function passed(path: string): void {
  undoings.delete(path);
}

function kept(name: string, undo: () => void): () => void {
  if (!watching) process.on("exit", undoAll);
  watching = true;
  undoings.set(name, undo);
  return () => undoings.delete(name);
}

/** Programs first, as they came last: none is to write into a folder that has gone. */
function undoAll(): void {
  for (const undo of [...undoings.values()].reverse()) {
    try {
      undo();
    } catch {
      // The next one is undone all the same.
    }
  }
}
