/**
 * Owns how a server says no: status, code and words.
 * Must not know which route says it.
 * Invariant: every refusal is JSON `{error: {code, message}}` with a stable code, and its message says what to do.
 */

/** A request that is refused. Thrown by routes, turned into an answer by the app. */
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

/** The body of a refusal. */
export function errorBody(code: string, message: string): string {
  return JSON.stringify({ error: { code, message } });
}
