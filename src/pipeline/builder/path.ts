/**
 * Owns how a part of a value is named in TypeScript: by a function that reads it from a value that is not there yet.
 * Must not know what the path is for.
 * Invariant: the function sees no value, so that a path is data: it only says which keys were read on the way.
 */
import { pointerOf } from "../../model/pointer.ts";

/** The keys that led to each of the stand-ins that a function was given. */
const KEYS: WeakMap<object, readonly string[]> = new WeakMap();

/** Keys that are read of a value when it is used, not named. */
function standIn(keys: readonly string[]): object {
  const made = new Proxy(() => {}, {
    get: (_, key) => {
      if (typeof key === "string") return standIn([...keys, key]);
      throw new TypeError("It is used, not only named");
    },
    has: () => false,
    ownKeys: () => [],
    apply: () => {
      throw new TypeError(`${keys.at(-1) ?? "It"} is called, and only keys can be named`);
    },
  });
  KEYS.set(made, keys);
  return made;
}

/**
 * The JSON pointer to what a function reads, such as `/loss` for `(v) => v.loss`.
 *
 * @returns What is wrong with the function, as an error to be told, if it does anything else.
 */
export function pathRead(select: (value: never) => unknown): string | Error {
  let read: unknown;
  try {
    read = select(standIn([]) as never);
  } catch (error) {
    return new Error(
      `The function only names a part of a value, as (v) => v.loss does: ${
        error instanceof Error ? error.message : String(error)
      }`,
    );
  }
  const keys = typeof read === "function" ? KEYS.get(read) : undefined;
  if (keys !== undefined) return pointerOf(keys);
  return new Error(
    "The function returns a part of the value, as (v) => v.loss does; this one returns something else",
  );
}
