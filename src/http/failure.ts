/**
 * Owns what becomes of the errors of the store and the events.
 * Must not know which route had them, nor import the store, whose errors it knows by their codes.
 */

import { Refuse } from "../base/web/refuse.ts";

/** Statuses of what the store and the events refuse, by the code of their errors. */
export const STORE_STATUS: Readonly<Record<string, number>> = {
  BAD_KEY: 400,
  BAD_ARGUMENT: 400,
  KEY_TOO_LONG: 414,
  VALUE_TOO_LARGE: 413,
  BAD_VALUE: 422,
  BAD_EVENT: 422,
  NOT_A_NUMBER: 409,
  VERSION_CONFLICT: 412,
  EVENTS_DROPPED: 410,
  TOO_MANY_WAITS: 503,
  STORE_FULL: 507,
};

/** The refusal that an error means; `undefined` if it is a defect. */
export function refusalOf(error: unknown): Refuse | undefined {
  if (error instanceof Refuse) return error;
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code !== "string" || !Object.hasOwn(STORE_STATUS, code)) return undefined;
  return new Refuse(STORE_STATUS[code]!, code, { message: String(message) });
}
