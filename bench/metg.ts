/**
 * Owns METG(50%), the minimum effective task granularity: E. Slaughter et al., "Task Bench: A Parameterized Benchmark for
 * Evaluating Parallel Runtime Performance", SC20 (arXiv 1908.05790). The generator is our own, after the definitions there.
 * Efficiency is useful time / (wall time × workers), granularity is wall time × workers / tasks, as in the paper; so at 50 %
 * the granularity is twice the time that a task computes.
 * Run alone: `node bench/metg.ts [clock|steps] [stencil|tree] [--quick]`, likewise on Deno (`-A`) and Bun; with `long` over
 * 64,000 tasks; with `more` it is measured over more workers instead, where the machine has the cores.
 */
import { coresAllowed } from "../src/runtime/allowance.ts";
import { calibrate, stepsFor } from "./calibrate.ts";
import { type Figure, figure, print, quick, words } from "./figure.ts";
import { manifest, PATTERNS, steps, task, warmedUp, warmsUp } from "./shapes.ts";
import { timedRun } from "./timed_run.ts";

/** Whether runs are so long that it weighs little what is compiled at their beginning. */
const long = words.includes("long");
const THRESHOLD = 0.5;
/** Where to search, in µs of computing. */
const FROM_US = 1, TO_US = 2_048;
const HALVINGS = quick ? 5 : 6;
const RUNS = quick || long ? 1 : 2;
/** The first attempts are not counted: the pool has to learn how long they take. */
const SKIPPED = 0.2;
/** Tasks of a run, about. */
const TASKS = long ? 64_000 : quick ? 400 : 1_000;
/** More workers than 2, where there are cores for them. */
const MORE: readonly number[] = [4, 8];

/** What tasks compute by. */
type Kind = "clock" | "steps";

/** What is searched for a granularity. */
interface Subject {
  readonly shape: keyof typeof PATTERNS;
  readonly kind: Kind;
  readonly width: number;
  readonly workers: number;
}

/** One run with tasks that compute for `us`. */
interface Sample {
  readonly us: number;
  readonly efficiency: number;
  readonly granularityUs: number;
}

async function sample({ shape, kind, width, workers }: Subject, us: number): Promise<Sample> {
  const one = kind === "clock"
    ? task("spinAndTell", { params: { us } })
    : task("computeAndTell", { params: { steps: stepsFor(us, calibration) } });
  const tasks = steps(PATTERNS[shape](width), Math.ceil(TASKS / width), (needs) => ({ ...one, needs }));
  const source = manifest(shape, warmedUp(tasks, workers));
  const samples: Sample[] = [];
  for (let round = 0; round < RUNS; round++) {
    const { attempts } = await timedRun(source, { workers, maxWorkers: workers });
    const ends = attempts.filter(({ task }) => !warmsUp(task)).map(({ endedAt }) => endedAt);
    const counted = ends.sort((a, b) => a - b).slice(Math.floor(ends.length * SKIPPED));
    const wallUs = (counted.at(-1)! - counted[0]!) * 1_000, done = counted.length - 1;
    samples.push({ us, efficiency: done * us / (wallUs * workers), granularityUs: wallUs * workers / done });
  }
  return samples.sort((a, b) => b.efficiency - a.efficiency)[0]!;
}

/** Bisection on the logarithm; gives the shortest that was measured to be efficient, or else the longest, which was not. */
async function search(subject: Subject): Promise<Sample> {
  let low = FROM_US, high = TO_US;
  let found: Sample | undefined;
  for (let step = 0; step < HALVINGS; step++) {
    const tried = await sample(subject, Math.sqrt(low * high));
    if (tried.efficiency >= THRESHOLD) [found, high] = [tried, tried.us];
    else low = tried.us;
  }
  return found ?? await sample(subject, TO_US);
}

/** The granularity found, and the computing time that goes with it. */
async function figuresOf(subject: Subject): Promise<Figure[]> {
  const { shape, kind, width, workers } = subject;
  const { us, efficiency, granularityUs } = await search(subject);
  const how =
    `${
      kind === "clock" ? "by the clock" : calibration.how
    }; some ${TASKS} tasks, ${workers} workers, all warm; ` +
    `each task gets the values of its needs and returns a number; ` +
    `bisection in ${HALVINGS} steps from ${FROM_US} to ${TO_US} µs, best of ${RUNS} runs each, ` +
    `without the first ${SKIPPED * 100} % of the attempts; efficiency there ${efficiency.toFixed(2)}`;
  const name = `METG(50%) ${shape}, ${width} wide` + (workers === 2 ? "" : `, ${workers} workers`) +
    (kind === "clock" ? "" : ", by steps") + (long ? ", long" : "");
  const above = efficiency < THRESHOLD ? { above: true } as const : {};
  return [
    figure(name, [granularityUs], {
      unit: "µs",
      how: `granularity as in the paper, wall time × workers / tasks; ${how}`,
      target: { atMost: shape === "stencil" ? 40 : 30 },
      ...above,
    }),
    figure(`${name}: computing time of a task`, [us], { unit: "µs", how, ...above }),
  ];
}

/** Those of the choices that the command line names, or all. */
function chosen<Choice extends string>(choices: readonly Choice[]): readonly Choice[] {
  const named = choices.filter((choice) => words.includes(choice));
  return named.length === 0 ? choices : named;
}

/** Widths with workers: one task for each worker and step, as in the paper, and with 2 workers also eight. */
function sizes(): readonly (readonly [number, number])[] {
  if (!words.includes("more")) return [[2, 2], [16, 2]];
  return MORE.filter((workers) => workers <= cores).map((workers) => [workers, workers]);
}

const cores = coresAllowed();
const calibration = await calibrate();
const figures: Figure[] = [];
for (const shape of chosen(["stencil", "tree"])) {
  for (const kind of chosen<Kind>(["clock", "steps"])) {
    for (const [width, workers] of sizes()) {
      figures.push(...await figuresOf({ shape, kind, width, workers }));
    }
  }
}
const missing = words.includes("more") ? MORE.filter((workers) => workers > cores) : [];
print(
  "metg",
  figures,
  missing.length === 0
    ? []
    : [`METG over ${missing.join(" and ")} workers is left out: there are cores for ${cores}`],
);
