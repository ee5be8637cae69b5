/**
 * Owns the scope of asynchronous work in a worker: whose the present code is, however late it runs.
 * Must not know what an owner is.
 * Invariant: a module of a task can neither find an owner nor take the scope away.
 */
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";

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
const enterWith = storage.enterWith.bind(storage);
const getStore = storage.getStore.bind(storage);

/** Async work that belongs together. */
interface Scope {
  /** Calls the function; what it sets going belongs to the owner. */
  run: <A, R>(owner: object | undefined, work: (argument: A) => R, argument: A) => R;
  /** Whose the present code is; undefined where the runtime can't tell. */
  readonly owner: () => object | undefined;
}

export const scope: Scope = {
  run: (owner, work, argument) => run(new Handle(owner), work, argument),
  owner: () => ownerOf(getStore()),
};

/**
 * Leaves scopes by way of a resource that is in none, which has to be called outside of any. On Node the storage's own way makes
 * a copy of all that is stored to enter a scope and another to leave it, which is a good part of the time between two tasks.
 */
export function leaveByResource(): void {
  const resource = new AsyncResource("outrider");
  type Within = <A, R>(
    enter: (handle: Handle, work: (argument: A) => R, argument: A) => R,
    self: undefined,
    handle: Handle,
    work: (argument: A) => R,
    argument: A,
  ) => R;
  const within = resource.runInAsyncScope.bind(resource) as Within;
  const enter = <A, R>(handle: Handle, work: (argument: A) => R, argument: A): R => {
    enterWith(handle);
    return work(argument);
  };
  const [one, other] = [new Handle(undefined), new Handle(undefined)];
  const goesBack = (): boolean => {
    within(enter, undefined, other, () => {}, undefined);
    return getStore() === one;
  };
  // On Node 22 a resource keeps what was entered in it last: a scope within a scope would not be left.
  if (!within(enter, undefined, one, goesBack, undefined)) return;
  scope.run = (owner, work, argument) => within(enter, undefined, new Handle(owner), work, argument);
}
