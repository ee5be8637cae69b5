/**
 * Owns what becomes of commands that come in replies: each is taken once, in the order of their numbers.
 * Must not know which reply they came in, nor what they do.
 * Invariant: `seen` never falls as long as the gateway's storage is the same; another one numbers its commands anew.
 */
import * as v from "valibot";
import type { AnyInstruction, Instruction } from "../protocol/messages.ts";
import * as protocol from "../protocol/messages.ts";

/** Takes commands from any reply and hands each on once. */
export class CommandInbox {
  #seen = 0;
  #storage: string | undefined;
  readonly #listeners = new Set<(command: Instruction) => void>();

  /** Number of the last command taken; sent with each heartbeat, so that the gateway stops repeating it. */
  get seen(): number {
    return this.#seen;
  }

  /** The gateway's storage that `seen` is a number of, if it says. */
  get storage(): string | undefined {
    return this.#storage;
  }

  /** Calls the listener for every command from now on, until the returned function is called. */
  listen(listener: (command: Instruction) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Hands on those not seen yet. One of an unknown type counts as seen and is passed over.
   *
   * @param storage The gateway's storage that they are numbered by, if it says.
   */
  take(commands: readonly AnyInstruction[] = [], storage?: string): void {
    if (storage !== this.#storage) this.#seen = 0;
    this.#storage = storage;
    for (const command of [...commands].sort((a, b) => a.id - b.id)) {
      if (command.id <= this.#seen) continue;
      this.#seen = command.id;
      const known = v.safeParse(protocol.Instruction, command);
      if (!known.success) continue;
      for (const listener of this.#listeners) listener(known.output);
    }
  }
}
