/**
 * Owns how the gateway says no.
 * Must not know which route says it.
 * Invariant: every refusal is JSON with a stable code and a message that says what to do.
 */

/** A request that is refused. Thrown by routes, turned into an answer in app.ts. */
export class Refuse extends Error {
  override name = "Refuse";
  readonly status: 400 | 401 | 403 | 404 | 408 | 409 | 413 | 422 | 503;
  readonly code: string;

  constructor(status: Refuse["status"], code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** A gateway can't be opened to everyone. */
export class GatewayOpenError extends Error {
  readonly code = "OUTRIDER_GATEWAY_OPEN";
  override name = "GatewayOpenError";
}

/** The body of a refusal. */
export function errorBody(code: string, message: string): { error: { code: string; message: string } } {
  return { error: { code, message } };
}
