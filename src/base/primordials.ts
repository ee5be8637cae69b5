/**
 * Owns what code that shares a thread with tasks relies on: the language's own functions as they were before any task ran.
 * Must not know who uses them. In a worker this is evaluated before a module of a task can be.
 * Invariant: none of these can be changed, nor is what they are given shown to anybody, whatever a task does to globals
 * and prototypes. `uncurried(self, …)` is `self.method(…)`.
 *
 * Code in a worker that an outcome depends on takes nothing from globals or prototypes but by this file: no `array.map`, no
 * `for … of`, no spread or destructuring of arrays (they ask `Array.prototype[Symbol.iterator]`), no `promise.then`. What it
 * may do: indexes, `in` and `hasOwn` for what may be absent, private members, `await` of promises of its own.
 */

const { call, bind } = Function.prototype;

/** The method as a function whose first argument is what it is called on. */
function uncurry<This, Args extends unknown[], Result>(
  method: (this: This, ...args: Args) => Result,
): (self: This, ...args: Args) => Result {
  return bind.call(call, method) as (self: This, ...args: Args) => Result;
}

export const parse: typeof JSON.parse = JSON.parse;
export const stringify: typeof JSON.stringify = JSON.stringify;
export const apply: typeof Reflect.apply = Reflect.apply;
export const load: typeof Atomics.load = Atomics.load;
export const store: typeof Atomics.store = Atomics.store;
export const add: typeof Atomics.add = Atomics.add;
export const and: typeof Atomics.and = Atomics.and;
export const or: typeof Atomics.or = Atomics.or;
export const exchange: typeof Atomics.exchange = Atomics.exchange;
export const compareExchange: typeof Atomics.compareExchange = Atomics.compareExchange;
export const notify: typeof Atomics.notify = Atomics.notify;
export const wait: typeof Atomics.wait = Atomics.wait;
export const isArray: typeof Array.isArray = Array.isArray;
export const isFinite: typeof Number.isFinite = Number.isFinite;
export const isSafeInteger: typeof Number.isSafeInteger = Number.isSafeInteger;
export const min: typeof Math.min = Math.min;
export const max: typeof Math.max = Math.max;
export const clz32: typeof Math.clz32 = Math.clz32;
export const random: typeof Math.random = Math.random;
export const fromCharCode: typeof String.fromCharCode = String.fromCharCode;
export const hasOwn: typeof Object.hasOwn = Object.hasOwn;
export const keys: typeof Object.keys = Object.keys;
export const setPrototypeOf: typeof Object.setPrototypeOf = Object.setPrototypeOf;
export const getPrototypeOf: typeof Object.getPrototypeOf = Object.getPrototypeOf;
export const getOwnPropertySymbols: typeof Object.getOwnPropertySymbols = Object.getOwnPropertySymbols;
export const defineProperty: typeof Object.defineProperty = Object.defineProperty;
export const create: typeof Object.create = Object.create;
export const ownOf: typeof Object.getOwnPropertyDescriptor = Object.getOwnPropertyDescriptor;
export const deleteProperty: typeof Reflect.deleteProperty = Reflect.deleteProperty;
export const ObjectPrototype: object = Object.prototype;
export const ArrayPrototype: object = Array.prototype;
export const PromisePrototype: object = Promise.prototype;
const species: typeof Symbol.species = Symbol.species;

/** Constructors. */
export const PlainPromise: PromiseConstructor = Promise;
export const PlainError: ErrorConstructor = Error;
export const Bytes: Uint8ArrayConstructor = Uint8Array;
export const Ints: Int32ArrayConstructor = Int32Array;
export const Floats: Float64ArrayConstructor = Float64Array;

const settled = uncurry(Promise.prototype.then) as <T>(
  promise: PromiseLike<T>,
  fulfilled: (value: T) => void,
  rejected: (error: unknown) => void,
) => void;

/** It makes one more promise, for which it asks whose constructor the promise names; a task may have had a say in that. */
export function then<T>(
  promise: PromiseLike<T>,
  fulfilled: (value: T) => void,
  rejected: (error: unknown) => void,
): void {
  // Named by itself, none is asked for.
  if (!isPlain(promise)) {
    defineProperty(promise, "constructor", { __proto__: null, value: undefined } as object);
  }
  settled(promise, fulfilled, rejected);
}

function isPlain(promise: object): boolean {
  try {
    return promise.constructor === PlainPromise && PlainPromise[species] === PlainPromise;
  } catch {
    return false;
  }
}

export const charCodeAt: (text: string, at: number) => number = uncurry(String.prototype.charCodeAt);
export const slice: (text: string, from: number, to?: number) => string = uncurry(String.prototype.slice);
export const indexOf: (text: string, what: string, from?: number) => number = uncurry(
  String.prototype.indexOf,
);
export const lastIndexOf: (text: string, what: string) => number = uncurry(String.prototype.lastIndexOf);
export const sort: <T>(list: T[]) => T[] = uncurry(Array.prototype.sort) as <T>(list: T[]) => T[];
/** Whether a text matches, and where. (`test` and `match` ask for the `exec` of the moment.) */
export const exec: (form: RegExp, text: string) => RegExpExecArray | null = uncurry(RegExp.prototype.exec);

const typedArrays: object = Object.getPrototypeOf(Uint8Array.prototype);
function getterOf<T>(name: PropertyKey): (array: unknown) => T {
  return uncurry(Object.getOwnPropertyDescriptor(typedArrays, name)!.get!) as (array: unknown) => T;
}
const kindOf = getterOf<string | undefined>(Symbol.toStringTag);
export const byteLength: (array: Uint8Array) => number = getterOf("length");
export function isBytes(value: unknown): value is Uint8Array {
  return kindOf(value) === "Uint8Array";
}

/** Sets a property of one's own, also one that a prototype has a setter for, such as `__proto__`. */
export function put(object: object, key: PropertyKey, value: unknown): void {
  const whole = { __proto__: null, value, writable: true, enumerable: true, configurable: true };
  defineProperty(object, key, whole as PropertyDescriptor);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
export const encodeInto: TextEncoder["encodeInto"] = encoder.encodeInto.bind(encoder);
export const encodeText: TextEncoder["encode"] = encoder.encode.bind(encoder);
export const decodeUtf8: (bytes: Uint8Array) => string = decoder.decode.bind(decoder);
export const toBinary: typeof atob = atob.bind(globalThis);
export const fromBinary: typeof btoa = btoa.bind(globalThis);

/** Milliseconds since some moment in the past, of this thread alone. */
export const monotonic: () => number = performance.now.bind(performance);

/** A `Map` whose methods are its own. */
export const SafeMap: MapConstructor = withOwnMethods(
  class<K, V> extends Map<K, V> {} as MapConstructor,
  Map,
);
/** A `WeakMap` whose methods are its own. */
export const SafeWeakMap: WeakMapConstructor = withOwnMethods(
  class<K extends WeakKey, V> extends WeakMap<K, V> {} as WeakMapConstructor,
  WeakMap,
);

function withOwnMethods<Class extends { readonly prototype: object }>(
  safe: Class,
  base: { readonly prototype: object },
): Class {
  for (const name of Reflect.ownKeys(base.prototype)) {
    if (name === "constructor") continue;
    defineProperty(safe.prototype, name, Object.getOwnPropertyDescriptor(base.prototype, name)!);
  }
  return safe;
}
