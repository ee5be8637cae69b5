/**
 * Owns putting something else in the place of what a runtime has.
 * Must not know what for.
 * Invariant: what can't be replaced is left as it is.
 */

/** Any function. */
export type Anything = (...args: unknown[]) => unknown;
/** Anything that has properties. */
export type Properties = Record<string, unknown>;

/** Replaces a property, whichever way its owner lets it be replaced. */
export function define(target: object, name: string, value: unknown): void {
  const own = Object.getOwnPropertyDescriptor(target, name);
  if (own === undefined || own.configurable === true) {
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  } else if (own.writable === true) (target as Properties)[name] = value;
}

/** Replaces a method, if there is one. @param replace Makes the new one of the old one, which is bound to its owner. */
export function wrap(target: object, name: string, replace: (original: Anything) => Anything): void {
  const original = (target as Properties)[name];
  if (typeof original === "function") define(target, name, replace(original.bind(target) as Anything));
}
