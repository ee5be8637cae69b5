/**
 * Owns METG(50%), the minimum effective task granularity: E. Slaughter et al., "Task Bench: A Parameterized Benchmark for
 * Evaluating Parallel Runtime Performance", SC20 (arXiv 1908.05790). The generator is our own, after the definitions there.
 * Efficiency is useful time / (wall time × workers), granularity is wall time × workers / tasks, as in the paper; so at 50 %
 * the granularity is twice the time that a task computes.
 * Run alone: `node bench/metg.ts [stencil|tree] [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { type Figure, figure, print, quick, words } from "./figure.ts";
import { manifest, PATTERNS, steps, task, WARM_UP, warmedUp } from "./shapes.ts";
import { timedRun } from "./timed_run.ts";

const WORKERS = 2;
const THRESHOLD = 0.5;
/** Where to search, in µs of computing. */
const FROM_US = 1, TO_US = 2_048;
const HALVINGS = quick ? 5 : 6;
const RUNS = quick ? 1 : 2;
/** The first attempts are not counted: the pool has to learn how long they take. */
const SKIPPED = 0.2;
/** Widths with the number of steps: one task for each worker and step, as in the paper, and eight. */
const SIZES: readonly (readonly [number, number])[] = quick ? [[2, 200], [16, 50]] : [[2, 500], [16, 100]];

/** One run with tasks that compute for `us`. */
interface Sample {
  readonly us: number;
  readonly efficiency: number;
  readonly granularityUs: number;
}

async function sample(shape: keyof typeof PATTERNS, [width, count]: readonly [number, number], us: number) {
  const tasks = steps(
    PATTERNS[shape](width),
    count,
    (needs) => task("spinAndTell", { params: { us }, needs }),
  );
  const source = manifest(shape, warmedUp(tasks));
  const samples: Sample[] = [];
  for (let round = 0; round < RUNS; round++) {
    const { attempts } = await timedRun(source, { workers: WORKERS, maxWorkers: WORKERS });
    const ends = attempts.filter(({ task }) => !WARM_UP.includes(task)).map(({ endedAt }) => endedAt);
    const counted = ends.sort((a, b) => a - b).slice(Math.floor(ends.length * SKIPPED));
    const wallUs = (counted.at(-1)! - counted[0]!) * 1_000, done = counted.length - 1;
    samples.push({ us, efficiency: done * us / (wallUs * WORKERS), granularityUs: wallUs * WORKERS / done });
  }
  return samples.sort((a, b) => b.efficiency - a.efficiency)[0]!;
}

/** Bisection on the logarithm; gives the shortest that was measured to be efficient, or else the longest, which was not. */
async function search(shape: keyof typeof PATTERNS, size: readonly [number, number]): Promise<Sample> {
  let low = FROM_US, high = TO_US;
  let found: Sample | undefined;
  for (let step = 0; step < HALVINGS; step++) {
    const tried = await sample(shape, size, Math.sqrt(low * high));
    if (tried.efficiency >= THRESHOLD) [found, high] = [tried, tried.us];
    else low = tried.us;
  }
  return found ?? await sample(shape, size, TO_US);
}

/** The granularity found, and the computing time that goes with it. */
function figuresOf(name: string, count: number, { us, efficiency, granularityUs }: Sample): Figure[] {
  const how =
    `${count} steps, 2 workers, both warm; each task gets the values of its needs and returns a number; ` +
    `bisection in ${HALVINGS} steps from ${FROM_US} to ${TO_US} µs, best of ${RUNS} runs each, ` +
    `without the first ${SKIPPED * 100} % of the attempts; efficiency there ${efficiency.toFixed(2)}`;
  const above = efficiency < THRESHOLD ? { above: true } as const : {};
  return [
    figure(name, [granularityUs], {
      unit: "µs",
      how: `granularity as in the paper, wall time × workers / tasks; ${how}`,
      target: { atMost: 100 },
      ...above,
    }),
    figure(`${name}: computing time of a task`, [us], { unit: "µs", how, ...above }),
  ];
}

const figures: Figure[] = [];
const shapes = (["stencil", "tree"] as const).filter((name) => words.length === 0 || words.includes(name));
for (const shape of shapes) {
  for (const size of SIZES) {
    figures.push(...figuresOf(`METG(50%) ${shape}, ${size[0]} wide`, size[1], await search(shape, size)));
  }
}
print("metg", figures);
