/**
 * Owns what it takes for an environment on trial to be well: its agent answers, and goes on answering; or it has no end point,
 * and is at work all the same.
 * Must not know how it was started, nor what becomes of it then.
 * Invariant: it settles within the limit, and at once when the trial is over.
 */
import type { Clock } from "../base/clock.ts";
import { sleep } from "../base/wait.ts";

/** How often it is asked, milliseconds. */
const ASK_MS = 500;
/** How long it has to go on answering, milliseconds. */
const STEADY_MS = 10_000;
/** An agent without an end point has to be at work after so long, milliseconds. */
const SILENT_MS = 30_000;
/** What is not well by then is not well, milliseconds. */
const LIMIT_MS = 120_000;

/** How an agent is asked whether it lives. */
export interface TrialOptions {
  readonly clock: Clock;
  /** Whether it answers; `undefined` where it has no end point, or none yet. Never rejects. */
  answers(): Promise<boolean | undefined>;
  /** Whether an agent has the state directory: what only lives, and hangs, is none. Never rejects. */
  isAtWork(): Promise<boolean>;
  /** Whether it has reached the gateway, where it has to; `true` where it need not. Never rejects. */
  reached(): Promise<boolean>;
  /** Aborted when the agent has ended. */
  readonly signal: AbortSignal;
}

/** Whether the agent is well. */
export async function isWell({ clock, answers, isAtWork, reached, signal }: TrialOptions): Promise<boolean> {
  const begun = clock.monotonic();
  let since: number | undefined;
  let silent = true;
  while (!signal.aborted && clock.monotonic() - begun < LIMIT_MS) {
    const answer = await answers();
    if (signal.aborted) return false;
    const now = clock.monotonic();
    if (answer !== undefined) silent = false;
    since = answer === true ? since ?? now : undefined;
    const steady = since !== undefined && now - since >= STEADY_MS;
    if (steady || silent && now - begun >= SILENT_MS && await isAtWork()) {
      if (await reached()) return !signal.aborted;
    }
    await sleep(clock, ASK_MS, signal);
  }
  return false;
}
