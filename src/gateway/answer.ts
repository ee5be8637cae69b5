/**
 * Owns the gateway's answers in JSON.
 * Must not know what is answered.
 */

/** A value as JSON. */
export function json(value: unknown, status: number = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json" } });
}
