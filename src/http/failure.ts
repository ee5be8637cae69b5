/**
 * Owns how the end point says no: status, code and words.
 * Must not know which route says it, nor import the store, whose errors it knows by their codes.
 * Invariant: every refusal is JSON `{error: {code, message}}`, and its message says what to do.
 */

/** A request that is refused. Thrown by routes, turned into an answer in app.ts. */
export class Refuse extends Error {
  override name = "Refuse";
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    { message, headers = {} }: {
      readonly message: string;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

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

/** The body of a refusal. */
export function errorBody(code: string, message: string): string {
  return JSON.stringify({ error: { code, message } });
}
