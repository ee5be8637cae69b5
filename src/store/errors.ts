/**
 * Owns the errors of the store and the events.
 * Must not know who asks; it runs on the main thread and in workers alike, so it imports types alone.
 * Invariant: name and code say the same, so that the code is still known when only name and message cross a thread.
 */

import type { StoreErrorCode } from "../model/error_code.ts";

/** What can be wrong, with the name that the error has. */
const NAMES = {
  /** A key that is empty, no string, or not well-formed Unicode. */
  BAD_KEY: "BadKeyError",
  KEY_TOO_LONG: "KeyTooLongError",
  /** A value that is not JSON by the value rule. */
  BAD_VALUE: "BadValueError",
  VALUE_TOO_LARGE: "ValueTooLargeError",
  /** The value would take the whole store beyond its limit. */
  STORE_FULL: "StoreFullError",
  /** `ifVersion` is not the key's version. */
  VERSION_CONFLICT: "ConflictError",
  /** `increment` of something that is no number, or a sum that is out of range. */
  NOT_A_NUMBER: "NotANumberError",
  /** An event's type that is empty, too long, or `*`. */
  BAD_EVENT: "BadEventError",
  /** Events that were asked for are no longer kept. */
  EVENTS_DROPPED: "EventsDroppedError",
  /** An option or argument of the wrong kind or out of range. */
  BAD_ARGUMENT: "BadArgumentError",
  TOO_MANY_WAITS: "TooManyWaitsError",
} as const satisfies Readonly<Record<StoreErrorCode, string>>;

/** Something that the store or the events refuse; nothing has been changed. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = NAMES[code];
  }
}

/** The error again, after only its name and message have crossed a thread; anything else is returned as it is. */
export function revive(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof StoreError) return error;
  for (const [code, name] of Object.entries(NAMES)) {
    if (name === error.name) return new StoreError(code as StoreErrorCode, error.message);
  }
  return error;
}

/** A wait that has reached its limit. */
export class TimeoutError extends Error {
  override name = "TimeoutError";
  readonly code = "TIMEOUT";
}
