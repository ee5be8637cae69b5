/**
 * Owns what benchmark tasks do; it is imported by our workers and by those of the peers.
 * Must not import anything: its loading is no part of what is measured.
 */

/** Does nothing. */
export function nothing(): void {}

/** A list of numbers. */
export function list({ params }: { readonly params: { readonly size: number } }): number[] {
  return Array.from({ length: params.size }, (_, at) => at);
}

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

/** What {@linkcode compute} came to: kept, so that no compiler takes the steps away. */
let kept = 1;

/**
 * Keeps a core busy for so many steps, however long they take: a task by the clock is over at the same time when another
 * thread has its core, and so hides what that costs. Each step needs the one before it, which leaves a core's other thread
 * alone.
 */
export function compute({ params }: { readonly params: { readonly steps: number } }): void {
  let value = kept;
  for (let left = params.steps; left > 0; left--) value = (Math.imul(value, 1_664_525) + 1_013_904_223) | 0;
  kept = value;
}

/** As {@linkcode compute}, with a value for those who need this task. */
export function computeAndTell(context: { readonly params: { readonly steps: number } }): number {
  compute(context);
  return context.params.steps;
}

/** Keeps a core busy for `us` microseconds, so that this worker has compiled what tasks compute by. */
export function warmUp({ params }: { readonly params: { readonly us: number } }): void {
  const end = performance.now() + params.us / 1_000;
  while (performance.now() < end) {
    spin({ params: { us: 10 } });
    compute({ params: { steps: 10_000 } });
  }
}

/** How many steps of {@linkcode compute} take a microsecond: the most of many times. */
export function stepsPerUs(): number {
  const steps = 200_000;
  warmUp({ params: { us: 100_000 } });
  let best = 0;
  const end = performance.now() + 200;
  for (let at = performance.now(); at < end;) {
    compute({ params: { steps } });
    const now = performance.now();
    best = Math.max(best, steps / ((now - at) * 1_000));
    at = now;
  }
  return best;
}

/** The part of a task's context that is used here. */
interface Context {
  readonly params: { readonly count: number; readonly lines: number };
  readonly store: {
    set(key: string, value: number): Promise<number>;
    waitFor(key: string): Promise<unknown>;
  };
  readonly log: { info(text: string): void };
  readonly signal: AbortSignal;
}

/** Waits until it is cancelled. */
export function waits({ signal }: Context): Promise<void> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/** Sets a key to the time, again and again. */
export async function changes({ params, store }: Context): Promise<void> {
  await new Promise((later) => setTimeout(later, 500));
  for (let count = 0; count < params.count; count++) {
    await store.set("at", performance.timeOrigin + performance.now());
    await new Promise((later) => setTimeout(later, 10));
  }
  // Long enough for the last one to be seen before the run is over.
  await new Promise((later) => setTimeout(later, 500));
}

/** Logs lines when it is told to; returns how long that took, in milliseconds. */
export async function logs({ params, store, log }: Context): Promise<number> {
  await store.waitFor("go");
  const from = performance.now();
  const text = "x".repeat(80);
  for (let line = 0; line < params.lines; line++) log.info(text);
  return performance.now() - from;
}
