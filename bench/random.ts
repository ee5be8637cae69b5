/**
 * Owns random numbers that are the same in every run of a benchmark.
 */

/** Numbers from 0 to below 1, by Marsaglia's xorshift32 (doi 10.18637/jss.v008.i14). @param seed Any integer but 0. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}
