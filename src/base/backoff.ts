/**
 * Owns how long to wait before trying again: full jitter, as in Amazon's "Exponential Backoff And Jitter", and `Retry-After`.
 * Must not know what is tried, nor wait itself.
 * Invariant: a delay is never longer than `maxMs`, or than what the gateway asked for (at most an hour) plus `maxMs`.
 */
import { leftOf } from "./clock.ts";
import type { Random } from "./random.ts";

/** First ceiling of the delay, milliseconds. */
export const FIRST_MS = 500;
/** Highest ceiling of the delay, milliseconds. */
export const MAX_MS = 60_000;
/** Longest `Retry-After` that is honoured, milliseconds. */
export const MAX_RETRY_AFTER_MS: number = 60 * 60_000;

/** Limits of a back-off. */
export interface BackoffOptions {
  readonly random: Random;
  /** Ceiling of the first delay, milliseconds. Default 500. */
  readonly firstMs?: number;
  /** Ceiling of every delay, milliseconds. Default 60,000. */
  readonly maxMs?: number;
}

/** Delays that grow with each failure: anything from 0 to a ceiling that doubles. A success resets it. */
export class Backoff {
  readonly #random: Random;
  readonly #firstMs: number;
  readonly #maxMs: number;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#random = options.random;
    this.#firstMs = options.firstMs ?? FIRST_MS;
    this.#maxMs = options.maxMs ?? MAX_MS;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Milliseconds to wait after one more failure; never less than the gateway asked for. */
  next(retryAfterMs?: number): number {
    const ceiling = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#failures, 40));
    this.#failures++;
    const asked = Math.min(Math.max(retryAfterMs ?? 0, 0), MAX_RETRY_AFTER_MS);
    return asked + Math.floor(this.#random() * ceiling);
  }

  /** After a success. */
  reset(): void {
    this.#failures = 0;
  }
}

/**
 * Milliseconds that a `Retry-After` header asks for: seconds, or a date. A date is taken against the answer's own `Date`
 * where it has one, since a device's clock may be wrong. At most an hour: from here on the number is a safe one.
 * `undefined` where there is none or it can't be read.
 */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (!text) return undefined;
  const most = MAX_RETRY_AFTER_MS;
  if (/^\d+(\.\d+)?$/.test(text)) return Math.min(Math.ceil(Number(text) * 1000), most);
  const until = Date.parse(text);
  if (Number.isNaN(until)) return undefined;
  const sent = Date.parse(headers.get("date") ?? "");
  return leftOf(until, { now: Number.isNaN(sent) ? now : sent, most });
}
