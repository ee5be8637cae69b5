/**
 * Owns how calls to one database connection, which return at once, become calls that are awaited.
 * Must not know what the calls do.
 * Invariant: while one does something as a whole, all other calls wait, so that none sees or changes the half of it.
 */

/** The same calls, each of which returns at once. */
export type AtOnce<T> = {
  readonly [Name in keyof T]: T[Name] extends (...args: infer Args) => Promise<infer R> ? (...args: Args) => R
    : T[Name];
};

/** Who has the connection: all, or one alone. */
export class SharedConnection {
  #alone: Promise<void> | undefined;

  /** Does something as soon as nobody has the connection alone. */
  async call<R>(work: () => R): Promise<R> {
    while (this.#alone !== undefined) await this.#alone;
    return work();
  }

  /** Does something while nobody else does. */
  async alone<R>(work: () => Promise<R>): Promise<R> {
    while (this.#alone !== undefined) await this.#alone;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#alone = promise;
    try {
      return await work();
    } finally {
      this.#alone = undefined;
      resolve();
    }
  }
}

/** The methods of an object's class and those above it, each of them called by `call`. */
export function awaited<T extends object>(
  target: T,
  call: <R>(work: () => R) => Promise<R>,
): Record<string, (...args: never[]) => Promise<unknown>> {
  const methods: Record<string, (...args: never[]) => Promise<unknown>> = {};
  const classes: object[] = [];
  for (
    let each = Object.getPrototypeOf(target);
    each !== Object.prototype;
    each = Object.getPrototypeOf(each)
  ) {
    classes.push(each);
  }
  for (
    const [name, { value }] of classes.flatMap((each) =>
      Object.entries(Object.getOwnPropertyDescriptors(each))
    )
  ) {
    if (typeof value !== "function" || name === "constructor") continue;
    methods[name] = (...args) => call(() => (target as Record<string, typeof value>)[name](...args));
  }
  return methods;
}
