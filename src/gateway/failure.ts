/**
 * Owns why a gateway is not opened at all.
 * Must not know how it says no to a request.
 */

/** A gateway can't be opened to everyone, or its database is another's. */
export class GatewayOpenError extends Error {
  readonly code = "OUTRIDER_GATEWAY_OPEN";
  override name = "GatewayOpenError";
}
