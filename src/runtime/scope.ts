/**
 * Owns the scope of asynchronous work in a worker: whose the present code is, however late it runs.
 * Must not know what an owner is.
 * Invariant: a module of a task can neither find an owner nor take the scope away.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** What stands for an owner where a module could find it: it shows nothing. */
class Handle {
  readonly #owner: object | undefined;

  constructor(owner: object | undefined) {
    this.#owner = owner;
  }

  static ownerOf(this: void, handle: unknown): object | undefined {
    return typeof handle === "object" && handle !== null && #owner in handle ? handle.#owner : undefined;
  }
}
const { ownerOf } = Handle;
Reflect.deleteProperty(Handle, "ownerOf");
const storage = new AsyncLocalStorage<Handle>();
// Its methods call each other.
for (const name of Reflect.ownKeys(AsyncLocalStorage.prototype)) {
  const whole = Object.getOwnPropertyDescriptor(AsyncLocalStorage.prototype, name)!;
  if (name !== "constructor") Object.defineProperty(storage, name, whole);
}
const run = storage.run.bind(storage) as <A, R>(handle: Handle, work: (argument: A) => R, argument: A) => R;
const getStore = storage.getStore.bind(storage);

/** Async work that belongs together. */
export const scope = {
  /** Calls the function; what it sets going belongs to the owner. */
  run: <A, R>(owner: object | undefined, work: (argument: A) => R, argument: A): R =>
    run(new Handle(owner), work, argument),
  /** Whose the present code is; undefined where the runtime can't tell. */
  owner: (): object | undefined => ownerOf(getStore()),
};
