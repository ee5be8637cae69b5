/**
 * Owns how an amount of bytes is written by people.
 * Must not know what has the size.
 * Invariant: a size is a whole number of bytes.
 */

const UNIT_BYTES: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** How a size is written: a number, and KiB, MiB or GiB where they are no bytes. */
export const SIZE: RegExp = /^(\d{1,15})(KiB|MiB|GiB)?$/;

/** The bytes of `64MiB` and the like; `undefined` if it is no size. */
export function sizeOf(text: string): number | undefined {
  const [, amount, unit = ""] = SIZE.exec(text) ?? [];
  const bytes = Number(amount) * UNIT_BYTES[unit]!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
