/**
 * Owns what workers are answered who ask for flags: by the gateway, or that there is none.
 * Must not know how a gateway is asked (uplink/) nor what tasks see (workers/flags.ts).
 * Invariant: every call settles; none outlives the signal.
 */
import type { FlagCalls } from "../pool/protocol.ts";

/** What is asked of those who keep the flags. */
export interface SharedFlags {
  entry(name: string, options: FlagLimits): Promise<{ readonly value?: unknown } | undefined>;
  set(name: string, value: unknown, options: FlagLimits): Promise<number>;
  increment(name: string, options: FlagLimits & { readonly by: number }): Promise<number>;
  decrement(name: string, options: FlagLimits & { readonly by: number }): Promise<number>;
  waitFor(
    name: string,
    predicate: (value: unknown) => boolean,
    options: FlagLimits & { readonly timeoutMs: number },
  ): Promise<unknown>;
}

/** How long a call may take. */
interface FlagLimits {
  readonly signal: AbortSignal;
}

/** Longest that one call waits, milliseconds; who wants to wait longer asks again. */
const MAX_POLL_MS = 10_000;

/** Flags behind a gateway. @param signal Aborted when the run is over. */
export function flagCalls(flags: SharedFlags, signal: AbortSignal): FlagCalls {
  return {
    flagGet: async (name) => {
      const flag = await flags.entry(name, { signal });
      return flag === undefined ? undefined : textOf(flag.value);
    },
    flagSet: async (name, value) => void await flags.set(name, JSON.parse(value), { signal }),
    flagCount: (name, by) =>
      by < 0 ? flags.decrement(name, { by: -by, signal }) : flags.increment(name, { by, signal }),
    flagChange: async (name, known, timeoutMs) => {
      try {
        const limits = { timeoutMs: Math.min(timeoutMs, MAX_POLL_MS), signal };
        return textOf(await flags.waitFor(name, (value) => textOf(value) !== known, limits));
      } catch (error) {
        if ((error as { code?: unknown }).code === "OUTRIDER_GATEWAY_TIMEOUT") return undefined;
        throw error;
      }
    },
  };
}

function textOf(value: unknown): string {
  return JSON.stringify(value ?? null);
}

/** No gateway, no flags. */
export function noFlagCalls(): FlagCalls {
  const refuse = (): Promise<never> =>
    Promise.reject(
      new Error(
        "There are no flags without a gateway: run the pipeline by outrider agent with OUTRIDER_GATEWAY set; what the tasks of one run share is in ctx.store",
      ),
    );
  return { flagGet: refuse, flagSet: refuse, flagCount: refuse, flagChange: refuse };
}
