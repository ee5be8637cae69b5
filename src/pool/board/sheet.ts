/**
 * Owns the sheet: the names, sources and needs of all tasks in shared memory, so that most attempts are released as a few
 * numbers, and a worker reads of their tasks what is asked for.
 * Must not know attempts.
 * Invariant: it is written once, before any worker has it.
 */
import { Ints } from "../../base/primordials.ts";
import { ALONE, BESIDE_TASKS, TextMemory } from "../ring/text.ts";

/** What is shared. Not arrays: what a worker makes of one that was sent, a task may have had a say in. */
export interface SheetMemory {
  readonly cells: SharedArrayBuffer;
  readonly names: SharedArrayBuffer;
}

/** A task as the sheet has it. */
interface SheetTask {
  readonly name: string;
  readonly needs: readonly { readonly task: number }[];
}

/** Words of a task, and of the end behind the last one: its source, where its name begins, where its needs begin. */
const SOURCE = 0, NAME_AT = 1, NEEDS_AT = 2;
const WORDS = 3;

/** A sheet of tasks. @param sourceOf By task: the place of its source. */
export function sheetMemory(tasks: readonly SheetTask[], sourceOf: Int32Array): SheetMemory {
  let units = 0;
  let needs = 0;
  for (const task of tasks) {
    units += task.name.length;
    needs += task.needs.length;
  }
  const memory = {
    cells: new SharedArrayBuffer(4 * ((tasks.length + 1) * WORDS + needs)),
    // Each code unit takes three bytes at most.
    names: new SharedArrayBuffer(3 * units),
  };
  const cells = new Int32Array(memory.cells);
  const texts = new TextMemory(memory.names, ALONE);
  let row = 0;
  let named = 0;
  let needed = (tasks.length + 1) * WORDS;
  const begin = (source: number) => {
    cells[row + SOURCE] = source;
    cells[row + NAME_AT] = named;
    cells[row + NEEDS_AT] = needed;
    row += WORDS;
  };
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index]!;
    begin(sourceOf[index]!);
    named += texts.write(task.name, named);
    for (const need of task.needs) cells[needed++] = need.task;
  }
  begin(0);
  return memory;
}

/** What a worker reads. */
export class Sheet {
  readonly #cells: Int32Array;
  readonly #names: TextMemory;

  constructor({ cells, names }: SheetMemory) {
    this.#cells = new Ints(cells);
    this.#names = new TextMemory(names, BESIDE_TASKS);
  }

  name(task: number): string {
    const at = task * WORDS + NAME_AT;
    const from = this.#cells[at]!;
    return this.#names.read(from, this.#cells[at + WORDS]! - from);
  }

  /** The place of its source. */
  source(task: number): number {
    return this.#cells[task * WORDS + SOURCE]!;
  }

  /** The task that a need of it is on. @param at The need's place among its needs. */
  need(task: number, at: number): number {
    return this.#cells[this.#cells[task * WORDS + NEEDS_AT]! + at]!;
  }
}
