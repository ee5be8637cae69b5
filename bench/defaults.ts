/**
 * Owns what the default options cost beside as many workers as there are cores: the same work, in turn, each time in a
 * process of its own, since the most memory that a process has had is never less later.
 * Run alone: `node bench/defaults.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Manifest } from "../src/pipeline/document/manifest.ts";
import { coresAllowed } from "../src/runtime/allowance.ts";
import { runtime } from "../src/runtime/runtime.ts";
import { calibrate, type Calibration, stepsFor } from "./calibrate.ts";
import { type Figure, figure, print, quick, words } from "./figure.ts";
import { peakMiB } from "./proc.ts";
import { independent, manifest, PATTERNS, steps, task } from "./shapes.ts";
import { timedRun } from "./timed_run.ts";
import { bySteps, noTraces, traces } from "./traces.ts";

const ROUNDS = quick ? 1 : 3;
const CORES = coresAllowed();
const NOTHINGS = quick ? 10_000 : 100_000, STEPS = quick ? 100 : 1_000, COMPUTING = quick ? 34 : 336;

/** Some work; tasks that compute do so by steps, since one thread too many slows them down. */
interface Work {
  readonly name: string;
  readonly how: string;
  make(calibration: Pick<Calibration, "stepsPerUs">): readonly Manifest[];
}

/** What a process of this file tells. */
interface Ran {
  readonly ms: number;
  readonly peakMiB: number | undefined;
  /** The most that had attempts in one run. */
  readonly workers: number;
}

const WORKS: Readonly<Record<string, Work>> = {
  independent: {
    name: "independent tasks that do nothing",
    how: `${NOTHINGS} tasks`,
    make: () => [manifest("independent", independent(NOTHINGS, "nothing"))],
  },
  computing: {
    name: "independent tasks that compute",
    how: `${COMPUTING} tasks of 10 ms`,
    make: (calibration) => {
      const one = task("compute", { params: { steps: stepsFor(10_000, calibration) } });
      return [manifest("computing", independent(COMPUTING, "compute").map(([name]) => [name, one]))];
    },
  },
  stencil: {
    name: "stencil, 16 wide",
    how: `${STEPS} steps, tasks of 100 µs`,
    make: (calibration) => {
      const params = { steps: stepsFor(100, calibration) };
      const tasks = steps(PATTERNS.stencil(16), STEPS, (needs) => task("computeAndTell", { params, needs }));
      return [manifest("stencil", tasks)];
    },
  },
  wfformat: {
    name: "WfFormat, all traces",
    how: "one after the other, mean task 5 ms",
    make: (calibration) => traces(5).map(([, source]) => bySteps(source, calibration)),
  },
};

/** In a process of its own: does the work, and tells on standard output what it took. */
async function work(name: string, options: string, stepsPerUs: number): Promise<void> {
  const chosen = options === "default" ? {} : { workers: CORES, maxWorkers: CORES };
  let ms = 0, workers = 0;
  for (const source of WORKS[name]!.make({ stepsPerUs })) {
    const { awaitedMs, attempts } = await timedRun(source, chosen);
    ms += awaitedMs;
    workers = Math.max(workers, new Set(attempts.map(({ worker }) => worker)).size);
  }
  const ran: Ran = { ms, peakMiB: peakMiB(), workers };
  process.stdout.write(JSON.stringify(ran));
}

/** Starts such a process. @throws {Error} If it fails. */
function ran(name: string, options: string, { stepsPerUs }: Calibration): Ran {
  const file = fileURLToPath(import.meta.url);
  const args = [...(runtime.name === "deno" ? ["run", "-A"] : []), file, name, options, String(stepsPerUs)];
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const variable of ["OUTRIDER_WORKERS", "OUTRIDER_MAX_WORKERS"]) delete env[variable];
  const output = execFileSync(process.execPath, quick ? [...args, "--quick"] : args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env,
  });
  return JSON.parse(output) as Ran;
}

/** Time and memory with the default options, over those with a worker for each core. */
function compared(key: string, { name, how }: Work, calibration: Calibration): Figure[] {
  const time: number[] = [], memory: number[] = [], workers: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [fixed, free] = ["fixed", "default"].map((options) => ran(key, options, calibration));
    time.push(free!.ms / fixed!.ms);
    workers.push(free!.workers);
    if (free!.peakMiB !== undefined) memory.push(free!.peakMiB / fixed!.peakMiB!);
  }
  const over = `default options (${
    workers.join(", ")
  } workers had attempts) over ${CORES} workers, one for each core`;
  const rounds = `${how}; ${ROUNDS} rounds in turn, each a process of its own; ${calibration.how}`;
  const figures = [figure(`defaults, ${name}: time`, time, {
    unit: "×",
    how: `run.started to the awaited result, ${over}; ${rounds}`,
    target: { atMost: 1.05 },
  })];
  if (memory.length === 0) return figures;
  return [
    ...figures,
    figure(`defaults, ${name}: peak memory`, memory, {
      unit: "×",
      how: `most memory that the process had resident, ${over}; ${rounds}`,
      target: { atMost: 1.1 },
    }),
  ];
}

const [name, options, stepsPerUs] = words;
if (name !== undefined) await work(name, options!, Number(stepsPerUs));
else {
  const calibration = await calibrate();
  const works = Object.entries(WORKS).filter(([key]) => key !== "wfformat" || noTraces === undefined);
  const notes = [
    ...(noTraces === undefined ? [] : [noTraces]),
    ...(peakMiB() === undefined ? ["The system does not say how much memory a process has had"] : []),
  ];
  print("defaults", works.flatMap(([key, one]) => compared(key, one, calibration)), notes);
}
