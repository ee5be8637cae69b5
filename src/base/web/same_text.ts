/**
 * Owns comparing secrets.
 * Must not know whose they are.
 * Invariant: how long it takes tells nothing of how much is right.
 */

/** Whether a text, from `start` on, is another one, in time that depends on the length of `given` alone. Empty is nobody's. */
export function sameText(given: string, wanted: string, start: number = 0): boolean {
  let difference = given.length - start ^ wanted.length;
  const length = wanted.length || 1;
  for (let at = start, other = 0; at < given.length; at++) {
    difference |= given.charCodeAt(at) ^ wanted.charCodeAt(other);
    if (++other === length) other = 0;
  }
  return difference === 0 && wanted !== "";
}
