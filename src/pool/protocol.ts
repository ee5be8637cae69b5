/**
 * Owns what a lane and its worker say to each other besides the two rings: the start data, the calls in both directions
 * (comlink) and the bare messages that wake the other side.
 * Must not know either side's inner life.
 * Invariant: everything here can be cloned.
 */
import type { Endpoint } from "comlink";
import type { AttemptResult, Outcome } from "../model/outcome.ts";
import type { FileError, GivenFile, KeptFile } from "../model/file.ts";
import type { AttemptKey } from "../model/record.ts";
import type { FunctionSource } from "../pipeline/kinds/kind.ts";
import type { BoardMemory } from "./board/memory.ts";
import type { SheetMemory } from "./board/sheet.ts";
import type { InboxMemory } from "./ring/inbox.ts";

/** What a worker is started with. */
export interface WorkerData {
  readonly worker: number;
  /** Under which it claims what hangs on the board: no two that live have the same. From 1. */
  readonly seat: number;
  readonly board: BoardMemory;
  readonly cells: Int32Array;
  readonly outbox: SharedArrayBuffer;
  readonly inbox: InboxMemory;
  /** See `Unfinished`. */
  readonly unfinished: SharedArrayBuffer;
  /** One cell for the whole run: 1 means that nothing new may start. */
  readonly halt: Int32Array;
}

/** What a worker needs to know before its first attempt. */
export interface WorkerSetup {
  readonly run: string;
  /** How many attempts there can be on workers at the same time. */
  readonly width: number;
  /** Where the functions of its tasks are. */
  readonly sources: readonly FunctionSource[];
  readonly sheet: SheetMemory;
}

/** What a lane calls in its worker. */
export interface WorkerCalls {
  setup(setup: WorkerSetup): void;
  /** The manifest of the pipeline that a module makes. Rejects when there is none. */
  describe(module: string): Promise<unknown>;
  /** Names of the functions that each module exports, or why it can't be imported. */
  exportsOf(modules: readonly string[]): Promise<Record<string, { exports: string[] } | { error: string }>>;
}

/**
 * What a lane tells its worker without being answered on the port. It is not a call, since what hears of it must work also
 * when a task has changed everything that it can reach.
 */
export type Control =
  /** Aborts the running attempt's signal, if it is still this one. */
  | { readonly do: "abort"; readonly seq: number; readonly outcome: AbortOutcome }
  /** The payload of an offer that is too large for the ring. */
  | { readonly do: "payload"; readonly seq: number; readonly text: string }
  /** Asks which attempt runs. The worker looks for something to do as well. */
  | { readonly do: "answer"; readonly question: number };

/** What a worker calls in its lane, beside the store and the events. */
export interface LaneCalls {
  /** All outcomes so far, by task. */
  previous(): Promise<Record<string, readonly AttemptResult[]>>;
  /** The value's JSON text of a task's last success in this iteration. */
  value(task: number, iteration: number): Promise<string | undefined>;
}

/** What a worker calls for `ctx.flags`. Values are JSON text. */
export interface FlagCalls {
  flagGet(name: string): Promise<string | undefined>;
  flagSet(name: string, value: string): Promise<void>;
  flagCount(name: string, by: number): Promise<number>;
  /** The value as soon as it is another than `known` (absent: none); `undefined` after `timeoutMs`. */
  flagChange(name: string, known: string | undefined, timeoutMs: number): Promise<string | undefined>;
}

/** What a worker calls for `ctx.files`, in the name of an attempt of its own. */
export interface FileCalls {
  /** The file that is kept, or why it is not. @param name Default: the last part of the path. */
  fileKeep(path: string, name: string | undefined, from: AttemptKey): Promise<KeptFile | FileRefusal>;
  filesOf(task: string): Promise<readonly GivenFile[] | FileRefusal>;
  /** Where a kept file can be read, or why it can't. */
  filePath(file: KeptFile): Promise<string | FileRefusal>;
}

/** Only the name and the message of an error cross a thread; this is all of a `FileError`. */
export interface FileRefusal {
  readonly refused: FileError["code"];
  readonly message: string;
}

/** How an attempt ends whose signal was aborted. */
export type AbortOutcome = "timed_out" | "cancelled";

/**
 * A payload: `{"s": source, "t": task, "p": params, "i": {input: value}, "l": [[input, task index, iteration]]}`, and of an item of
 * a mapped task `"n": [index, input]`.
 */
export interface Payload {
  readonly s: number;
  readonly t: string;
  readonly p?: Readonly<Record<string, unknown>>;
  readonly i?: Readonly<Record<string, unknown>>;
  /** Inputs that the worker has itself, from earlier on the same line. */
  readonly l?: readonly (readonly [as: string, task: number, iteration: number])[];
  /** Which item of a mapped task it is for, from 0, and which of the inputs is that item. */
  readonly n?: readonly [index: number, as: string];
}

/** Wakes a sleeping worker. */
export const WAKE = 0;
/** Tells a lane that there is something in the outbox. */
export const BELL = 1;

/** Outcomes as the outbox numbers them. */
export const TOLD_OUTCOMES: readonly Outcome[] = ["succeeded", "failed", "timed_out", "cancelled", "skipped"];

/** Whether a worker goes on by itself after an outcome, and waits for no leave. Both ends count by it. */
export function needsNoLeave(outcome: string, calm: boolean | undefined): boolean {
  return outcome === "succeeded" || calm === true && (outcome === "failed" || outcome === "skipped");
}

/** One end of a thread's messages as comlink wants it; bare numbers are not passed on. */
export function endpointOf(
  post: (message: unknown, transfer?: Transferable[]) => void,
): { readonly endpoint: Endpoint; readonly receive: (message: unknown) => void } {
  const listeners = new Set<(event: { data: unknown }) => void>();
  return {
    endpoint: {
      postMessage: post,
      addEventListener: (_type, listener) => void listeners.add(listener as never),
      removeEventListener: (_type, listener) => void listeners.delete(listener as never),
    },
    receive: (data) => {
      for (const listener of [...listeners]) listener({ data });
    },
  };
}
