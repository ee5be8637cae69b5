/**
 * Owns what the sender of a stream waits for: news, more records to go with the first, the network.
 * Must not know what is sent.
 * Invariant: every wait ends with the signal; once hurried, nothing is collected any more.
 */
import type { Clock } from "../../base/clock.ts";
import { Bell } from "../../base/wait.ts";

/** What is needed to wait. */
export interface PausesOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The waits of one stream. */
export class Pauses {
  readonly #options: PausesOptions;
  readonly #news = new Bell();
  readonly #hurry = new Bell();
  readonly #online = new Bell();
  #hurried = false;

  constructor(options: PausesOptions) {
    this.#options = options;
  }

  /** Something has changed. */
  wake(): void {
    this.#news.ring();
  }

  /** From now on records are not collected but sent as they come. */
  hurry(): void {
    this.#hurried = true;
    this.#hurry.ring();
    this.#news.ring();
  }

  /** The gateway was just heard. */
  online(): void {
    this.#online.ring();
  }

  async news(): Promise<void> {
    await this.#news.wait(this.#options.signal);
  }

  /** Until more records have come together. */
  async collect(ms: number): Promise<void> {
    const { clock, signal } = this.#options;
    if (!this.#hurried) await this.#hurry.wait(signal, { clock, ms });
  }

  /** Until the gateway is heard, but no longer than this. */
  async network(ms: number): Promise<void> {
    const { clock, signal } = this.#options;
    await this.#online.wait(signal, { clock, ms });
  }
}
