/**
 * Owns `npm run mutate`: changes a room's sources in one place at a time, and says which changes no test notices.
 *
 *   npm run mutate -- ROOM... [--file PATH] [--sample N] [--seed N] [--tests FILE,FILE] [--jobs N] [--patience N]
 *
 * Works in copies of the checkout; nothing is changed here. A mutant counts as caught when a test fails, or does not end
 * in the time that --patience sound runs take; the latter are told apart, as on a loaded machine a sound copy is late
 * too. Those that change nothing that could be noticed are in mutation/equivalent.json,
 * each with its reason. Invariant: a sound copy passes all tests before the first mutant is tried.
 */
import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { reached } from "./mutation/coverage.ts";
import { type Mutant, mutantsOf } from "./mutation/mutants.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A mutant of a file. */
interface Place extends Mutant {
  readonly file: string;
}

/** A mutant that can't be noticed: its file, the line of code it stands in, what it is, and why. */
interface Equivalent {
  readonly file: string;
  readonly line: string;
  readonly what: string;
  readonly reason: string;
}

/** How a run of a test file ends: `late` is one that was ended at its limit. */
type Ending = "passed" | "failed" | "late";

/** A test file, how long it takes, and what it reaches, by file. */
interface Tests {
  readonly file: string;
  readonly ms: number;
  readonly reaches: ReadonlyMap<string, Uint8Array>;
}

const { values: options, positionals: rooms } = parseArgs({
  allowPositionals: true,
  options: {
    file: { type: "string", multiple: true, default: [] },
    tests: { type: "string" },
    sample: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 100_000) },
    jobs: { type: "string", default: "2" },
    patience: { type: "string", default: "4" },
  },
});

function filesBelow(folder: string, ending: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending)).map((name) => `${folder}/${name}`).sort();
}

/** A copy of the checkout to change things in. */
function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), "outrider-mutants-"));
  const skipped = new Set([".git", "node_modules", "dist"].map((name) => join(ROOT, name)));
  cpSync(ROOT, folder, { recursive: true, filter: (path) => !skipped.has(path) });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

/** Runs one test file in a copy. */
function run(folder: string, file: string, limitMs: number, coverage?: string): Promise<Ending> {
  const env = {
    ...process.env,
    NO_COLOR: "1",
    ...(coverage === undefined ? {} : { NODE_V8_COVERAGE: coverage }),
  };
  // In one process, so that the coverage of the test itself is not lost with a child that is killed.
  const args = ["--test", "--test-isolation=none", "--test-reporter=dot", `./${file}`];
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: "ignore", detached: true });
  return new Promise((resolve) => {
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      process.kill(-child.pid!, "SIGKILL");
    }, limitMs);
    child.on("close", (code) => {
      clearTimeout(limit);
      resolve(late ? "late" : code === 0 ? "passed" : "failed");
    });
  });
}

/** Runs all test files on a sound copy, one at a time. */
async function sound(folder: string, files: readonly string[], sources: readonly string[]): Promise<Tests[]> {
  const texts = new Map(sources.map((file) => [join(folder, file), readFileSync(join(ROOT, file), "utf8")]));
  const found: Tests[] = [];
  for (const file of files) {
    const coverage = mkdtempSync(join(tmpdir(), "outrider-coverage-"));
    const since = performance.now();
    if (await run(folder, file, 300_000, coverage) !== "passed") {
      throw new Error(`${file} fails without any change`);
    }
    const ms = performance.now() - since;
    const byUrl = reached(coverage, texts);
    rmSync(coverage, { recursive: true });
    const reaches = new Map(
      sources.flatMap((source) => {
        const mask = byUrl.get(pathToFileURL(join(folder, source)).href);
        return mask === undefined ? [] : [[source, mask] as const];
      }),
    );
    found.push({ file, ms, reaches });
    process.stderr.write(`sound: ${file} in ${(ms / 1_000).toFixed(1)} s\n`);
  }
  return found.sort((a, b) => a.ms - b.ms);
}

/** How the first test file ends that notices the mutant; `passed` where none does. */
async function tried(folder: string, place: Place, tests: readonly Tests[]): Promise<Ending> {
  const path = join(folder, place.file);
  const source = readFileSync(path, "utf8");
  writeFileSync(path, source.slice(0, place.start) + place.text + source.slice(place.end));
  try {
    for (const { file, ms, reaches } of tests) {
      // What runs in a worker runs as part of the worker's program, which coverage does not see.
      if (reaches.get(place.file)?.[place.start] !== 1) continue;
      const ending = await run(folder, file, ms * Number(options.patience) + 5_000);
      if (ending !== "passed") return ending;
    }
    return "passed";
  } finally {
    writeFileSync(path, source);
  }
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  // The generator of Park and Miller: the same seed gives the same sample anywhere.
  let state = seed % 2_147_483_647 || 1;
  const dice = () => (state = state * 48_271 % 2_147_483_647) / 2_147_483_647;
  return items.map((item) => [dice(), item] as const).sort(([a], [b]) => a - b).map(([, item]) => item);
}

function lineOf({ file, start }: Place): { readonly number: number; readonly text: string } {
  const lines = readFileSync(join(ROOT, file), "utf8").slice(0, start).split("\n");
  const text = readFileSync(join(ROOT, file), "utf8").split("\n")[lines.length - 1]!.trim();
  return { number: lines.length, text };
}

function known(place: Place, equivalent: readonly Equivalent[]): boolean {
  const { text } = lineOf(place);
  return equivalent.some(({ file, line, what }) =>
    file === place.file && line === text && what === place.what
  );
}

const sources =
  (options.file.length > 0
    ? options.file
    : rooms.flatMap((room) => filesBelow(room === "workers" ? room : `src/${room}`, ".ts")))
    .filter((file) => !/code\.ts$/.test(file));
const files = options.tests?.split(",") ?? rooms.flatMap((room) => filesBelow(`tests/${room}`, "_test.ts"));
const equivalent: readonly Equivalent[] = JSON.parse(
  readFileSync(new URL("./mutation/equivalent.json", import.meta.url), "utf8"),
);
const all = sources.flatMap((file) =>
  mutantsOf(readFileSync(join(ROOT, file), "utf8")).map((mutant): Place => ({ ...mutant, file }))
).filter((place) => !known(place, equivalent));
const chosen = shuffled(all, Number(options.seed)).slice(0, Number(options.sample));
process.stderr.write(
  `${chosen.length} of ${all.length} mutants of ${sources.length} files, seed ${options.seed}\n`,
);

const folders = Array.from({ length: Number(options.jobs) }, copy);
const ended: Record<Ending, number> = { passed: 0, failed: 0, late: 0 };
try {
  const tests = await sound(folders[0]!, files, sources);
  const left = [...chosen];
  await Promise.all(folders.map(async (folder) => {
    for (let place = left.pop(); place !== undefined; place = left.pop()) {
      const ending = await tried(folder, place, tests);
      ended[ending]++;
      if (ending !== "failed") {
        const { number, text } = lineOf(place);
        const mark = ending === "late" ? "  (out of time)" : "";
        process.stdout.write(`${place.file}:${number}  ${place.what}${mark}\n    ${text}\n`);
      }
      const done = ended.passed + ended.failed + ended.late;
      if (done % 10 === 0) process.stderr.write(`${done} tried, ${ended.passed} unnoticed\n`);
    }
  }));
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
const caught = ended.failed + ended.late;
const share = 100 * caught / Math.max(1, chosen.length);
process.stdout.write(
  `${caught} of ${chosen.length} caught (${share.toFixed(1)} %), ${ended.late} of them out of time\n`,
);
