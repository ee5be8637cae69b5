/**
 * Owns the form of a value that only Python has: its pickle, and what a person reads in its place.
 * Must not know how a pickle is made or opened.
 * Invariant: what has JSON's form in Python too (text keys, no tuple, no whole float) is never in this form.
 */

/** A value of Python's, as journals and results have it. */
export interface Pickled {
  /** What `pickle.loads` makes the value of. */
  readonly $pickle: Uint8Array;
  /** Its `repr`, cut where it is long. */
  readonly text: string;
}

/** Whether a value is one that only Python has. */
export function isPickled(value: unknown): value is Pickled {
  return typeof value === "object" && value !== null && "$pickle" in value &&
    value.$pickle instanceof Uint8Array;
}
