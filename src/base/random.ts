/**
 * Owns what randomness is to those who are given it.
 * Must not know what it decides.
 */

/** A number from 0 up to, not including, 1. `Math.random` fits. */
export type Random = () => number;
