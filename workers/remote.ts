/**
 * Owns the worker's end of the services that its executor has: each call a message in comlink's form, each answer a promise
 * that settles. comlink itself is at the other end; here it would do its work with what a task may have changed.
 * Must not know what the services do.
 * Invariant: it uses nothing of the globals that a task can change, and hands out nothing but the services.
 */
import { hasOwn, PlainError, PlainPromise, put, SafeMap } from "../src/base/primordials.ts";
import type { FileCalls, FlagCalls, LaneCalls } from "../src/pool/protocol.ts";
import type { StoreService } from "../src/store/rpc.ts";

/** What an executor can be asked. */
export type Services = StoreService & LaneCalls & FlagCalls & FileCalls;

interface Asked {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Calls of one worker. */
export class Remote {
  readonly services: Services;
  readonly #post: (message: unknown) => void;
  readonly #asked: Map<string, Asked> = new SafeMap();
  #count = 0;

  constructor(post: (message: unknown) => void) {
    this.#post = post;
    this.services = {
      get: (key) => this.#call("get", [key]),
      set: (key, value, options) => this.#call("set", [key, value, options]),
      delete: (key, options) => this.#call("delete", [key, options]),
      keys: (prefix, cursor) => this.#call("keys", [prefix, cursor]),
      increment: (key, by) => this.#call("increment", [key, by]),
      compareAndSet: (key, expected, value) => this.#call("compareAndSet", [key, expected, value]),
      nextChange: (key, since, timeoutMs) => this.#call("nextChange", [key, since, timeoutMs]),
      emit: (type, detail, from) => this.#call("emit", [type, detail, from]),
      lastEvent: () => this.#call("lastEvent", []),
      nextEvents: (type, since, timeoutMs) => this.#call("nextEvents", [type, since, timeoutMs]),
      flagGet: (name) => this.#call("flagGet", [name]),
      flagSet: (name, value) => this.#call("flagSet", [name, value]),
      flagCount: (name, by) => this.#call("flagCount", [name, by]),
      flagChange: (name, known, timeoutMs) => this.#call("flagChange", [name, known, timeoutMs]),
      fileKeep: (path, name, from) => this.#call("fileKeep", [path, name, from]),
      filesOf: (task) => this.#call("filesOf", [task]),
      filePath: (file) => this.#call("filePath", [file]),
      previous: () => this.#call("previous", []),
      value: (task, iteration) => this.#call("value", [task, iteration]),
    };
  }

  /** Takes an answer; whether the message was one. */
  receive(message: object): boolean {
    if (hasOwn(message, "path")) return false;
    const { id, type, value } = message as { id: string; type: string; value: unknown };
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (type === "RAW") asked?.resolve(value);
    else asked?.reject(errorOf(value as Thrown));
    return true;
  }

  #call<T>(name: string, list: readonly unknown[]): Promise<T> {
    return new PlainPromise<T>((resolve, reject) => {
      const id = `${++this.#count}`;
      const argumentList: unknown[] = [];
      for (let at = 0; at < list.length; at++) put(argumentList, at, { type: "RAW", value: list[at] });
      this.#post({ id, type: "APPLY", path: [name], argumentList });
      this.#asked.set(id, { resolve: resolve as (value: unknown) => void, reject });
    });
  }
}

/** What comlink makes of something that was thrown. */
interface Thrown {
  readonly isError: boolean;
  readonly value: { readonly name: string; readonly message: string };
}

function errorOf({ isError, value }: Thrown): unknown {
  if (!isError) return value;
  const error = new PlainError(value.message);
  put(error, "name", value.name);
  // Its own frames are this program's, and those of where it was thrown the executor's.
  put(error, "stack", `${value.name}: ${value.message}`);
  return error;
}
