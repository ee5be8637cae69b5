/**
 * Owns what benchmark tasks do; it is imported by our workers and by those of the peers.
 * Must not import anything: its loading is no part of what is measured.
 */

/** Does nothing. */
export function nothing(): void {}

/** Room for the stamps of a run; filled before the run so that no growth is measured. */
const stamps = new Float64Array(100_000).fill(0);
let stamped = 0;

/** Notes when it began, on the worker's own clock. */
export function stamp(): void {
  stamps[stamped++] = performance.now();
}

/** When each {@linkcode stamp} on this worker began, in milliseconds; from now on they are counted anew. */
export function stampsSoFar(): number[] {
  const all = [...stamps.subarray(0, stamped)];
  stamped = 0;
  return all;
}

/** Keeps a core busy for `us` microseconds. */
export function spin({ params }: { readonly params: { readonly us: number } }): void {
  const end = performance.now() + params.us / 1_000;
  while (performance.now() < end);
}

/** As {@linkcode spin}, with a value for those who need this task. */
export function spinAndTell(context: { readonly params: { readonly us: number } }): number {
  spin(context);
  return context.params.us;
}
