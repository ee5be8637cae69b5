/**
 * Owns what a program costs as a task, beside the same program started and awaited by the runtime alone, and by make and
 * go-task where they are installed.
 * Run alone: `node bench/programs.ts [--quick]`, likewise on Deno (`-A`) and Bun.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Manifest, ManifestTask } from "../src/pipeline/document/manifest.ts";
import { type Figure, figure, print, quick } from "./figure.ts";
import { spanMs, timedRun } from "./timed_run.ts";

const SIZE = quick ? 20 : 100;
const RUNS = quick ? 1 : 5;

/** A chain of programs that do nothing. */
function chainOf(size: number): Manifest {
  const tasks = Array.from({ length: size }, (_, at): readonly [string, ManifestTask] => [
    `t${at}`,
    { run: { command: ["true"] }, ...(at === 0 ? {} : { needs: [`t${at - 1}`] }) },
  ]);
  return { outrider: 1, name: "programs", tasks: Object.fromEntries(tasks) };
}

/** Starts and awaits it so many times, one after the other. @returns Milliseconds. */
async function bare(detached: boolean): Promise<number> {
  const since = performance.now();
  for (let count = 0; count < SIZE; count++) {
    await new Promise((ended) =>
      spawn("true", { stdio: ["pipe", "pipe", "pipe"], detached }).on("close", ended)
    );
  }
  return performance.now() - since;
}

/** The same chain as a file of another tool; nothing if it is not installed. */
function peer(
  program: string,
  args: readonly string[],
  file: { readonly name: string; readonly text: string },
) {
  if (spawnSync(program, ["--version"]).error !== undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "outrider-bench-"));
  writeFileSync(join(folder, file.name), file.text);
  return {
    run(): number {
      const since = performance.now();
      const { status } = spawnSync(program, [...args], { cwd: folder, stdio: "ignore" });
      if (status !== 0) throw new Error(`${program} ended with ${status}`);
      return performance.now() - since;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const steps = Array.from({ length: SIZE }, (_, at) => at);
const peers = {
  make: peer("make", ["-s", `t${SIZE - 1}`], {
    name: "Makefile",
    text: steps.map((at) => `t${at}:${at === 0 ? "" : ` t${at - 1}`}\n\t@true\n`).join(""),
  }),
  "go-task": peer("task", ["-s", `t${SIZE - 1}`], {
    name: "Taskfile.yml",
    text: `version: "3"\ntasks:\n${
      steps.map((at) => `  t${at}:\n${at === 0 ? "" : `    deps: [t${at - 1}]\n`}    cmds: ["true"]\n`).join(
        "",
      )
    }`,
  }),
};

const ours: number[] = [], alone: number[] = [], grouped: number[] = [];
const others: Record<string, number[]> = {};
await timedRun(chainOf(5), {});
for (let round = 0; round < RUNS; round++) {
  alone.push(await bare(false));
  grouped.push(await bare(true));
  ours.push(spanMs((await timedRun(chainOf(SIZE), {})).attempts));
  for (const [name, made] of Object.entries(peers)) {
    if (made !== undefined) (others[name] ??= []).push(made.run());
  }
}
for (const made of Object.values(peers)) made?.remove();

const times = `${SIZE} times \`true\`, one after the other, ${RUNS} rounds in turn`;
const each = (ms: readonly number[]) => ms.map((whole) => whole * 1_000 / SIZE);
const figures: Figure[] = [
  figure("programs: as a task, over a bare start and end", ours.map((ms, at) => ms / alone[at]!), {
    unit: "×",
    how: `from the first one's begin to the last one's end, over what the runtime takes alone; ${times}`,
    target: { atMost: 2 },
  }),
  figure("programs: as a task", each(ours), { unit: "µs", how: `a chain of tasks; ${times}` }),
  figure("programs: bare", each(alone), { unit: "µs", how: `node:child_process with three pipes; ${times}` }),
  figure("programs: bare, in a process group of its own", each(grouped), {
    unit: "µs",
    how: `the same; ${times}`,
  }),
  ...Object.entries(others).map(([name, ms]) =>
    figure(`programs: ${name}`, each(ms), {
      unit: "µs",
      how: `the chain as its file, whole process; ${times}`,
    })
  ),
];
const missing = Object.entries(peers).filter(([, made]) => made === undefined).map(([name]) => name);
print("programs", figures, missing.map((name) => `${name} is not installed`));
