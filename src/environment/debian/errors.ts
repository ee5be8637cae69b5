/**
 * Owns what goes wrong with packages of Debian, in words: a list that can't be trusted, a package that is not there or not whole.
 * Must not know who wanted them.
 */

/** Packages can't be had, or are not what they should be. */
export class DebianError extends Error {
  readonly code = "OUTRIDER_DEBIAN";
  override name = "DebianError";
}
