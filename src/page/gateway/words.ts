/**
 * Owns the page's words and marks for how executors, runs and hand-outs stand.
 * Must not know where they are shown.
 * Invariant: no state is told by its colour alone; each has a word and a mark.
 */
import type { StandingName } from "../words.ts";

/** How a state is shown: its mark, and the standing whose colours it has. */
export interface StateLook {
  readonly mark: string;
  readonly like: StandingName;
}

/** States of executors, in the order in which they are listed. */
export const EXECUTORS_SHOWN = {
  lost: { mark: "✗", like: "crashed" },
  running: { mark: "▶", like: "running" },
  idle: { mark: "✓", like: "succeeded" },
  paused: { mark: "‖", like: "retrying" },
  stopping: { mark: "−", like: "cancelled" },
} as const satisfies Readonly<Record<string, StateLook>>;

/** States of runs: what went wrong comes first. */
export const RUNS_SHOWN = {
  failed: { mark: "✗", like: "failed" },
  lost: { mark: "✗", like: "crashed" },
  running: { mark: "▶", like: "running" },
  cancelled: { mark: "−", like: "cancelled" },
  succeeded: { mark: "✓", like: "succeeded" },
} as const satisfies Readonly<Record<string, StateLook>>;

/** Those of hand-outs of which no run is known. */
const WAITING = {
  waiting: { mark: "·", like: "waiting" },
  taken: { mark: "›", like: "queued" },
  done: { mark: "✓", like: "succeeded" },
  withdrawn: { mark: "−", like: "cancelled" },
  replaced: { mark: "−", like: "skipped" },
} as const satisfies Readonly<Record<string, StateLook>>;

export type ExecutorShown = keyof typeof EXECUTORS_SHOWN;
export type RunShown = keyof typeof RUNS_SHOWN;

const ALL: Readonly<Record<string, StateLook>> = { ...WAITING, ...EXECUTORS_SHOWN, ...RUNS_SHOWN };

/** A state as it is shown; one of a newer gateway as a plain word. */
export function lookOf(state: string): StateLook {
  return Object.hasOwn(ALL, state) ? ALL[state]! : { mark: "·", like: "waiting" };
}

/** Mark and word. */
export function stateText(state: string): string {
  return `${lookOf(state).mark} ${state}`;
}
