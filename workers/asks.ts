/**
 * Owns what a process that runs tasks asks its executor: each call a frame, each answer a promise that settles.
 * Must not know what the services do, nor what carries frames.
 * Invariant: nothing can be asked but in the name of an attempt; docs/process-protocol.md has the calls.
 */
import { hasOwn, PlainError, PlainPromise, put, SafeMap } from "../src/base/primordials.ts";
import type { AttemptResult } from "../src/model/outcome.ts";
import { decode } from "../src/model/value.ts";
import type { Services } from "./remote.ts";

/** What an attempt may ask. `previous` is fetched as text. */
export type AttemptCalls = Omit<Services, "value">;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The answer to a call. */
export interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly code?: string };
}

/** The calls of one process. */
export class Asks {
  readonly #send: (message: object) => void;
  readonly #waiting: Map<number, Waiting> = new SafeMap();
  #count = 0;

  constructor(send: (message: object) => void) {
    this.#send = send;
  }

  /** Takes an answer. */
  receive(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    // What is null is nothing: no call is answered with a null of its own.
    if (!hasOwn(reply, "error")) return waiting?.resolve(reply.result ?? undefined);
    const { name, message, code } = reply.error!;
    const error = new PlainError(message);
    put(error, "name", name);
    if (code !== undefined) put(error, "code", code);
    waiting?.reject(error);
  }

  /** The services as one attempt has them. @param seq Its number. */
  of(seq: number): AttemptCalls {
    const ask = <T>(call: string, given: object): Promise<T> =>
      new PlainPromise<T>((resolve, reject) => {
        const id = ++this.#count;
        this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
        this.#send({ t: "call", seq, id, call, with: given });
      });
    return {
      get: (key) => ask("store.get", { key }),
      set: (key, value, options) => ask("store.set", { key, value, ...options }),
      delete: (key, options) => ask("store.delete", { key, ...options }),
      keys: (prefix, cursor) => ask("store.keys", { prefix, cursor }),
      increment: (key, by) => ask("store.increment", { key, by }),
      compareAndSet: (key, expected, value) => ask("store.compareAndSet", { key, expected, value }),
      nextChange: (key, since, timeoutMs) => ask("store.nextChange", { key, since, timeoutMs }),
      // It is emitted in the attempt's name, whatever is said.
      emit: (type, detail) => ask("events.emit", { type, detail }),
      lastEvent: () => ask("events.last", {}),
      nextEvents: (type, since, timeoutMs) => ask("events.next", { type, since, timeoutMs }),
      flagGet: (name) => ask("flags.get", { name }),
      flagSet: (name, value) => ask("flags.set", { name, value }),
      flagCount: (name, by) => ask("flags.count", { name, by }),
      flagChange: (name, known, timeoutMs) => ask("flags.change", { name, known, timeoutMs }),
      // It is kept in the attempt's name, whatever is said.
      fileKeep: (path, name) => ask("files.keep", { path, name }),
      filesOf: (task) => ask("files.of", { task }),
      filePath: (file) => ask("files.path", { file }),
      previous: async () =>
        decode(await ask<string>("previous", {})) as unknown as Readonly<
          Record<string, readonly AttemptResult[]>
        >,
    };
  }
}
