/**
 * Owns telling which runtime this is: the only place that asks.
 * Must not know what is chosen.
 * Invariant: one is always chosen; a runtime that is in no table is taken for the last one, whose interface others imitate.
 */

/** What there is for a runtime. */
export interface RuntimeChoice<T> {
  /** A global that those before it in the table have not. */
  readonly global: string;
  readonly of: T;
}

/** What is for the runtime that this code runs on. */
export function chosen<T>(table: readonly RuntimeChoice<T>[]): T {
  return (table.find(({ global }) => global in globalThis) ?? table.at(-1)!).of;
}
