/**
 * Owns asking for a pipeline until there is one.
 * Must not know what a bundle holds, nor what is done with it.
 * Invariant: it ends only with a bundle whose hash was checked, or when it is told to stop.
 */
import { Backoff } from "../base/backoff.ts";
import type { Gateway, Pulled } from "./gateway.ts";
import { UplinkError } from "./errors.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { Bell } from "../base/wait.ts";

/** Highest ceiling of the delay while the gateway answers and has nothing yet, milliseconds. */
export const NONE_YET_MAX_MS = 10_000;
const TIMEOUT_MS = 300_000;

/** What a pull needs. */
export interface PullOptions {
  readonly gateway: Gateway;
  readonly clock: Clock;
  readonly random: Random;
  /** Tag of the pipeline that is known; only a newer one counts. */
  readonly known?: string;
  /** Whether what was pulled was done before: then it is only told so, and the next is asked for. Default: no. */
  readonly isDone?: (pulled: Pulled) => Promise<boolean>;
  readonly signal: AbortSignal;
  /** Limit for one download, milliseconds. Default 300,000. */
  readonly timeoutMs?: number;
  /** The gateway answered that there is nothing yet. */
  readonly onNone?: () => void;
  readonly onError?: (error: UplinkError) => void;
}

/** Asks until there is a pipeline; `undefined` if the signal was aborted before. */
export async function pullPipeline(options: PullOptions): Promise<Pulled | undefined> {
  const { gateway, clock, random, signal } = options;
  let { known } = options;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const none = new Backoff({ random, maxMs: NONE_YET_MAX_MS });
  const failed = new Backoff({ random });
  const bell = new Bell({ keeps: true });
  const deaf = gateway.listen?.(() => bell.ring());
  try {
    while (!signal.aborted) {
      let delayMs: number;
      try {
        const pulled = await gateway.pull(known, { timeoutMs, signal });
        if (pulled && !await options.isDone?.(pulled)) return pulled;
        if (pulled) known = pulled.tag;
        else options.onNone?.();
        failed.reset();
        delayMs = none.next();
      } catch (error) {
        if (!(error instanceof UplinkError)) throw error;
        if (signal.aborted) return undefined;
        options.onError?.(error);
        delayMs = failed.next(error.retryAfterMs);
      }
      await bell.wait(signal, { clock, ms: delayMs });
    }
    return undefined;
  } finally {
    deaf?.();
  }
}
