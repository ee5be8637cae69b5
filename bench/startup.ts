/**
 * Owns the start: `outrider run` of a pipeline with one task, whole process, beside what the runtime itself takes.
 * Run alone: `node bench/startup.ts [--quick]`, likewise on Deno (`-A`) and Bun. The built command line is that of
 * `OUTRIDER_BENCH_CLI`, by default `dist/cli.js` (`npm run build`).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtime } from "../src/runtime/runtime.ts";
import { type Figure, figure, print, quick } from "./figure.ts";

const ROUNDS = quick ? 3 : 10;
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BUILT = process.env["OUTRIDER_BENCH_CLI"] ?? join(ROOT, "dist", "cli.js");
/** More than the runtime alone takes. */
const TARGET_MS = 60;
const SCRIPT = runtime.name === "deno" ? ["run", "-A"] : [];
const NOTHING = runtime.name === "deno" ? ["eval", "0"] : ["-e", "0"];

/** The least that a run can take: a thread of the kind that tasks run on says a word, and the process ends. */
const THREAD = `import process from "node:process";
import { Worker } from "node:worker_threads";
const code = 'import { parentPort } from "node:worker_threads"; parentPort.postMessage(1);';
new Worker(new URL("data:text/javascript;base64," + btoa(code))).on("message", () => process.exit(0));
`;

/** Time of a whole process, in milliseconds. @throws {Error} If it fails. */
function timeOf(args: readonly string[]): number {
  const began = performance.now();
  const { status, stderr, error } = spawnSync(process.execPath, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, CI: "1" },
  });
  const ms = performance.now() - began;
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}: ${error?.message ?? stderr}`);
  return ms;
}

const folder = mkdtempSync(join(tmpdir(), "outrider-bench-"));
try {
  writeFileSync(join(folder, "task.js"), "export function hello() {}\n");
  const pipeline = join(folder, "pipeline.json");
  const tasks = { hello: { run: { module: "./task.js", export: "hello" } } };
  writeFileSync(pipeline, JSON.stringify({ outrider: 1, name: "one-task", tasks }));
  writeFileSync(join(folder, "thread.mjs"), THREAD);
  const kinds: [string, string[]][] = [
    ["start: the runtime alone", NOTHING],
    ["start: the runtime and one thread", [...SCRIPT, join(folder, "thread.mjs")]],
    ["start: outrider run, from the sources", [...SCRIPT, join(ROOT, "src/cli/main.ts"), "run", pipeline]],
  ];
  const notes: string[] = [];
  if (existsSync(BUILT)) kinds.push(["start: outrider run, built", [...SCRIPT, BUILT, "run", pipeline]]);
  else notes.push(`${BUILT} is missing: npm run build`);
  const times = kinds.map((): number[] => []);
  for (const [, args] of kinds) timeOf(args);
  for (let round = 0; round < ROUNDS; round++) {
    kinds.forEach(([, args], at) => times[at]!.push(timeOf(args)));
  }
  const how = `spawn to exit, ${ROUNDS} rounds, one after the other in turn, after one that is not counted`;
  const figures: Figure[] = kinds.map(([name, args], at) =>
    figure(name, times[at]!, {
      unit: "ms",
      how: `${how}; ${args === NOTHING ? args.join(" ") : "one task, no terminal"}`,
    })
  );
  const built = times[3];
  if (built !== undefined) {
    const more = built.map((ms, round) => ms - times[0]![round]!);
    figures.push(figure("start: outrider run, built, over the runtime alone", more, {
      unit: "ms",
      how: `${how}; the difference in each round`,
      target: { atMost: TARGET_MS },
    }));
  }
  print("startup", figures, notes);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
