/**
 * Owns who waits for which thing of the gateway to change.
 * Must not know what changed.
 * Invariant: a name that nobody waits for is not kept.
 */
import type { Clock } from "../base/clock.ts";
import { Bell } from "../base/wait.ts";

/** Bells by name. */
export class Bells {
  readonly #bells = new Map<string, Bell>();

  ring(name: string): void {
    this.#bells.get(name)?.ring();
  }

  /** Resolves at the next ring, after `ms`, or when the signal is aborted. */
  async wait(
    name: string,
    { clock, ms, signal }: { readonly clock: Clock; readonly ms: number; readonly signal: AbortSignal },
  ): Promise<void> {
    let bell = this.#bells.get(name);
    if (!bell) this.#bells.set(name, bell = new Bell());
    await bell.wait(signal, { clock, ms });
    if (bell.size === 0 && this.#bells.get(name) === bell) this.#bells.delete(name);
  }
}
