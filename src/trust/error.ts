/**
 * Owns the error for what is not trusted, and for keys and signatures that can't be used.
 * Must not know what is signed.
 */

/** Something is not trusted, or a key can't be used; in words, with what to do. */
export class TrustError extends Error {
  readonly code = "OUTRIDER_TRUST";
  override name = "TrustError";
}
