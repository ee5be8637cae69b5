/**
 * Owns what becomes of commands that come in replies: each is taken once, in the order of their numbers.
 * Must not know which reply they came in, nor what they do.
 * Invariant: `seen` never falls as long as the gateway's storage is the same; another one numbers its commands anew. A command
 * counts as seen only once what it asks to be kept is kept, and is taken once all the same.
 */
import * as v from "valibot";
import type { AnyInstruction, Instruction } from "../protocol/messages.ts";
import * as protocol from "../protocol/messages.ts";

/** Obeys a command; a promise resolves when what has to outlive this process is kept. */
type Listener = (command: Instruction) => void | Promise<void>;

/** Takes commands from any reply and hands each on once. */
export class CommandInbox {
  #taken = 0;
  #seen = 0;
  /** Resolves when all that was taken is kept; `undefined` if it is. */
  #keeping: Promise<void> | undefined;
  #storage: string | undefined;
  readonly #listeners = new Set<Listener>();
  readonly #onSeen: () => void;

  /** @param onSeen Called when a command has become seen later than it was taken. */
  constructor(onSeen: () => void = () => {}) {
    this.#onSeen = onSeen;
  }

  /** Number of the last command taken; sent with each heartbeat, so that the gateway stops repeating it. */
  get seen(): number {
    return this.#seen;
  }

  /** The gateway's storage that `seen` is a number of, if it says. */
  get storage(): string | undefined {
    return this.#storage;
  }

  /** Calls the listener for every command from now on, until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Hands on those not seen yet. One of an unknown type counts as seen and is passed over.
   *
   * @param storage The gateway's storage that they are numbered by, if it says.
   */
  take(commands: readonly AnyInstruction[] = [], storage?: string): void {
    if (storage !== this.#storage) this.#taken = this.#seen = 0;
    this.#storage = storage;
    for (const command of [...commands].sort((a, b) => a.id - b.id)) {
      if (command.id <= this.#taken) continue;
      this.#taken = command.id;
      const known = v.safeParse(protocol.Instruction, command);
      const told = known.success ? [...this.#listeners].map((listener) => listener(known.output)) : [];
      this.#seeOnceKept(command.id, told.filter((each) => each instanceof Promise));
    }
  }

  #seeOnceKept(id: number, kept: readonly Promise<void>[]): void {
    if (this.#keeping === undefined && kept.length === 0) {
      this.#seen = id;
      return;
    }
    const storage = this.#storage;
    const all = Promise.allSettled([this.#keeping, ...kept]).then(() => {
      if (this.#storage === storage && this.#taken >= id) this.#seen = Math.max(this.#seen, id);
      if (this.#keeping === all) this.#keeping = undefined;
      this.#onSeen();
    });
    this.#keeping = all;
  }
}
