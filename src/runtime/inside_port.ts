/**
 * Owns the port of a runtime within a worker: all that is its own of how code prints, starts processes, throws and leaves.
 * Must not know which runtime is behind it, nor what hears of it.
 * Invariant: each function is called once, before any module of a task is imported; what an adapter relies on, it takes then.
 */
import type { Children } from "./children.ts";
import type { LineListener, OpenLine } from "./line.ts";

/** Where a task's text was written to. */
export type StreamName = "stdout" | "stderr";

/** Takes what was written, a text or bytes; returns the number of bytes. */
export type Write = (stream: StreamName, chunk: unknown) => number;

/** Hears of an error that nothing caught, in the scope of the code that it came of, where the runtime can tell that. */
export type HearUncaught = (error: unknown, from: "exception" | "rejection") => void;

/** How code is let leave its thread. */
export interface Leaving {
  /** Hears of it, before anything ends. */
  readonly exiting: (code: number) => void;
  /** Kills, at once, what the thread's code has started and is left. */
  readonly killChildren: () => void;
}

/** A runtime within a worker. */
export interface Inside {
  /**
   * Called first.
   *
   * @param lock Name of a lock that nobody else holds.
   * @param compiled The folder in which the runtime keeps what it compiles, if it does.
   * @returns Settles when the thread can be stopped, and its end be proven: no task may run before.
   */
  begin(lock: string, compiled?: string): Promise<void>;
  /** Opens the line to the executor, where tasks run in a process. @returns What writes to it, and to the outputs. */
  openLine(listener: LineListener): OpenLine;
  /** Leads what is written to our outputs as to files to `write`. */
  captureFiles(write: Write): void;
  /** Steps into what starts processes. */
  captureChildren(children: Children): void;
  /** Leads errors that nothing caught to `hear`. */
  captureErrors(hear: HearUncaught): void;
  /** Leads what ends a thread to `leaving`. @returns What ends it in truth, which nothing hears of. */
  captureExit(leaving: Leaving): (code: number) => void;
  /** Calls `exhausted` when the heap was, where the runtime stops the code that did it without telling anybody. */
  watchHeap(exhausted: () => void): void;
  /**
   * Lets modules of tasks import a name for which no package is installed, where anything can step in.
   *
   * @param exports What the module has.
   * @param key The global that holds them.
   */
  provide(name: string, exports: Readonly<Record<string, unknown>>, key: string): void;
}
