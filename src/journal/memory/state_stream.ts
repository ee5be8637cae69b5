/**
 * Owns the stream of states in memory. Most records are a dispatch, or an outcome with nothing out of the ordinary: those are kept
 * in columns, since an object for each would be copied by the garbage collector again and again while a run goes on.
 * Must not know what records mean.
 * Invariant: a record comes back as it was given, with its number and its time.
 */
import { OUTCOMES } from "../../model/outcome.ts";
import {
  isPlainDispatch,
  isPlainEnd,
  type Mutable,
  type StateEvent,
  type StateRecord,
} from "../../model/record.ts";

/** Records in a block of the columns. */
const BLOCK = 1024;

/** What the column `kind` says: kept whole elsewhere, a dispatch, or an outcome, by its place in `OUTCOMES`. */
const WHOLE = 0;
const DISPATCHED = 1;
const SETTLED = 2;

/** The columns of `BLOCK` records. */
interface Block {
  readonly kind: Uint8Array;
  readonly at: Float64Array;
  readonly task: string[];
  readonly iteration: Int32Array;
  readonly attempt: Int32Array;
  /** -1: none. */
  readonly item: Int32Array;
  /** -1: none. */
  readonly worker: Int32Array;
  /** NaN: none. */
  readonly startedAt: Float64Array;
  /** NaN: none. */
  readonly endedAt: Float64Array;
  readonly value: (string | undefined)[];
}

type Event<Type extends StateEvent["type"]> = Extract<StateEvent, { readonly type: Type }>;

/** State events and their times, numbered from 1. */
export class StateStream {
  readonly #blocks: Block[] = [];
  readonly #whole: Map<number, StateEvent> = new Map();
  /** The newest number, 0 when there is none. */
  last = 0;

  /** Appends an event; returns its number. */
  push(event: StateEvent, at: number): number {
    const index = this.last % BLOCK;
    if (index === 0) this.#blocks.push(newBlock());
    const block = this.#blocks.at(-1)!;
    const seq = ++this.last;
    block.at[index] = at;
    if (event.type === "attempt.dispatched" && isPlainDispatch(event)) putDispatched(block, index, event);
    else if (event.type === "attempt.settled" && isPlainEnd(event)) putSettled(block, index, event);
    else this.#whole.set(seq, event);
    return seq;
  }

  /** Puts another event in the place of one that is neither a dispatch nor an outcome. */
  replace(seq: number, event: StateEvent): void {
    this.#whole.set(seq, event);
  }

  /** Records with a number above `after`, oldest first. @param dispatches Whether they are among them. */
  read(after: number, limit: number, dispatches: boolean = true): StateRecord[] {
    const records: StateRecord[] = [];
    for (let seq = Math.max(0, after) + 1; seq <= this.last && records.length < limit; seq++) {
      const block = this.#blocks[Math.floor((seq - 1) / BLOCK)]!;
      const index = (seq - 1) % BLOCK;
      if (dispatches || block.kind[index] !== DISPATCHED) records.push(this.#record(seq, block, index));
    }
    return records;
  }

  #record(seq: number, block: Block, index: number): StateRecord {
    const at = block.at[index]!;
    const kind = block.kind[index]!;
    if (kind === WHOLE) return stateRecord(seq, at, this.#whole.get(seq)!);
    const [task, worker] = [block.task[index]!, block.worker[index]!];
    const [iteration, attempt] = [block.iteration[index]!, block.attempt[index]!];
    const item = block.item[index]!;
    if (kind === DISPATCHED) {
      const key = item < 0 ? { task, iteration, attempt } : { task, iteration, attempt, item };
      return { seq, at, type: "attempt.dispatched", ...key, worker };
    }
    const outcome = OUTCOMES[kind - SETTLED]!;
    const settled: Mutable<Event<"attempt.settled"> & { readonly seq: number; readonly at: number }> = {
      seq,
      at,
      type: "attempt.settled",
      task,
      iteration,
      attempt,
      outcome,
    };
    if (item >= 0) settled.item = item;
    if (worker >= 0) settled.worker = worker;
    if (block.value[index] !== undefined) settled.value = block.value[index];
    if (!Number.isNaN(block.startedAt[index]!)) settled.startedAt = block.startedAt[index]!;
    if (!Number.isNaN(block.endedAt[index]!)) settled.endedAt = block.endedAt[index]!;
    return settled;
  }
}

/** The record of an event. */
export function stateRecord(seq: number, at: number, event: StateEvent): StateRecord {
  return { seq, at, ...event };
}

function newBlock(): Block {
  return {
    kind: new Uint8Array(BLOCK),
    at: new Float64Array(BLOCK),
    task: new Array<string>(BLOCK),
    iteration: new Int32Array(BLOCK),
    attempt: new Int32Array(BLOCK),
    item: new Int32Array(BLOCK),
    worker: new Int32Array(BLOCK),
    startedAt: new Float64Array(BLOCK),
    endedAt: new Float64Array(BLOCK),
    value: new Array<string | undefined>(BLOCK),
  };
}

function putDispatched(block: Block, index: number, event: Event<"attempt.dispatched">): void {
  block.kind[index] = DISPATCHED;
  block.task[index] = event.task;
  block.iteration[index] = event.iteration;
  block.attempt[index] = event.attempt;
  block.item[index] = event.item ?? -1;
  block.worker[index] = event.worker;
}

function putSettled(block: Block, index: number, event: Event<"attempt.settled">): void {
  block.kind[index] = SETTLED + OUTCOMES.indexOf(event.outcome);
  block.task[index] = event.task;
  block.iteration[index] = event.iteration;
  block.attempt[index] = event.attempt;
  block.item[index] = event.item ?? -1;
  block.worker[index] = event.worker ?? -1;
  block.startedAt[index] = event.startedAt ?? NaN;
  block.endedAt[index] = event.endedAt ?? NaN;
  block.value[index] = event.value;
}
