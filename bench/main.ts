/**
 * Owns `npm run bench`: which benchmarks run where and in what order.
 * Must not know what they measure.
 * Invariant: each measurement is a process of its own, one at a time; what is compared runs in turn, A B A B.
 *
 *   npm run bench -- [GROUP...] [--runtime NAME[,NAME]] [--repeat N] [--quick] [--out FILE]
 */
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Measured } from "./figure.ts";
import { Results } from "./results.ts";
import { lookAround, wordsFor } from "./surroundings.ts";
import { table } from "./table.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const RUNTIMES: Readonly<Record<string, readonly string[]>> = { node: [], deno: ["run", "-A"], bun: [] };
/** An emulated machine takes minutes. */
const PROCESS_MS = 900_000;

/** What a group runs. */
interface Group {
  readonly repeat: number;
  /** Command lines, which run in turn. */
  readonly commands: readonly string[];
  /** Those whose figures are the same whoever starts them: on the first runtime alone. */
  readonly once?: readonly string[];
  /** It takes long, and is run only where it is named. */
  readonly apart?: true;
}

const GROUPS: Readonly<Record<string, Group>> = {
  chain: { repeat: 3, commands: ["chain", "peers chain"] },
  independent: { repeat: 3, commands: ["independent", "peers independent"] },
  mapped: { repeat: 3, commands: ["mapped"] },
  layered: { repeat: 1, commands: ["layered", "layered memory"] },
  large: { repeat: 1, commands: ["large", "large memory"] },
  metg: { repeat: 1, commands: ["metg clock", "metg steps", "metg more"] },
  main_thread: { repeat: 1, commands: ["main_thread chain", "main_thread metg"] },
  wfformat: { repeat: 1, commands: ["wfformat"] },
  defaults: { repeat: 1, commands: ["defaults"] },
  python: { repeat: 1, commands: ["python"] },
  netunicorn: { repeat: 1, commands: ["netunicorn"] },
  isolation: { repeat: 1, commands: ["isolation"] },
  programs: { repeat: 1, commands: ["programs"] },
  environment: {
    repeat: 1,
    commands: ["executable", "script", "oci", "vm"].map((kind) => `environment ${kind}`),
    once: ["environment_start oci", "environment_start vm", "environment_upgrade"],
  },
  startup: { repeat: 1, commands: ["startup"] },
  http: { repeat: 1, commands: ["http"] },
  uplink: { repeat: 1, commands: ["uplink_records", "uplink_bytes", "uplink_journal", "uplink_executors"] },
  fleet: { repeat: 1, commands: ["fleet nats", "fleet http"], apart: true },
  page: { repeat: 1, commands: ["page"] },
};

/** Groups that measure the command line as it is published. */
const BUILT: ReadonlySet<string> = new Set(["startup", "netunicorn", "large"]);

/** One process to be. */
interface Step {
  readonly runtime: string;
  readonly command: string;
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runtime: { type: "string", default: Object.keys(RUNTIMES).join(",") },
    repeat: { type: "string" },
    quick: { type: "boolean", default: false },
    out: { type: "string" },
  },
});
const usual = Object.keys(GROUPS).filter((group) => GROUPS[group]!.apart === undefined);
const groups = known(positionals.length > 0 ? positionals : usual, GROUPS, "group");
const runtimes = known(options.runtime.split(","), RUNTIMES, "runtime");
const whole = usual.every((group) => groups.includes(group)) && runtimes.length === 3 && !options.quick;
const out = options.out ?? (whole ? join(ROOT, "bench", "results.json") : undefined);

function known(
  names: readonly string[],
  of: Readonly<Record<string, unknown>>,
  what: string,
): readonly string[] {
  const unknown = names.find((name) => !Object.hasOwn(of, name));
  if (unknown === undefined) return names;
  process.stderr.write(
    `There is no ${what} ${JSON.stringify(unknown)}: choose from ${Object.keys(of).join(", ")}\n`,
  );
  process.exit(2);
}

/** Repetitions are the outer loop, so that what slows the machine for a while falls on all alike. */
function plan(): Step[] {
  return groups.flatMap((group) => {
    const { repeat, commands, once = [] } = GROUPS[group]!;
    const times = options.repeat === undefined ? (options.quick ? 1 : repeat) : Number(options.repeat);
    const round = runtimes.flatMap((runtime, at) =>
      [...commands, ...(at === 0 ? once : [])].map((command) => ({ runtime, command }))
    );
    return Array.from({ length: times }, () => round).flat();
  });
}

/** Runs one process. @throws {Error} If it fails or prints no figures. */
async function measure({ runtime, command }: Step, env: NodeJS.ProcessEnv): Promise<Measured> {
  const [bench, ...more] = command.split(" ");
  const args = [
    ...RUNTIMES[runtime]!,
    join("bench", `${bench}.ts`),
    ...more,
    ...(options.quick ? ["--quick"] : []),
  ];
  const child = spawn(runtime, args, {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PROCESS_MS,
  });
  let output = "", errors = "";
  child.stdout.on("data", (chunk) => output += chunk);
  child.stderr.on("data", (chunk) => errors += chunk);
  const ended = Promise.withResolvers<number | string | null>();
  child.on("error", (error) => ended.reject(error));
  child.on("close", (code, signal) => ended.resolve(code ?? signal));
  const code = await ended.promise;
  if (code !== 0) throw new Error(`ended with ${code}: ${errors.trim().slice(0, 2_000) || "no message"}`);
  return JSON.parse(output.trim().split("\n").at(-1)!) as Measured;
}

/** The command line is measured as it is published; it is built where nobody else looks. */
async function buildCli(folder: string): Promise<string> {
  const { build } = await import("../tools/build.ts");
  // Where it is when it was installed: Deno takes what lies there for what it is, and looks no further.
  const installed = join(folder, "node_modules", "outrider");
  await build(join(installed, "dist"));
  copyFileSync(join(ROOT, "package.json"), join(installed, "package.json"));
  return join(installed, "dist", "cli.js");
}

const results = new Results();
const folder = mkdtempSync(join(tmpdir(), "outrider-bench-"));
let failed = 0;
try {
  const env = { ...process.env, DENO_NO_UPDATE_CHECK: "1" };
  if (groups.some((group) => BUILT.has(group))) {
    Object.assign(env, { OUTRIDER_BENCH_CLI: await buildCli(folder) });
  }
  const steps = plan();
  const began = performance.now();
  for (const [at, step] of steps.entries()) {
    const before = await lookAround();
    const since = performance.now();
    process.stderr.write(`[${at + 1}/${steps.length}] ${step.runtime} ${step.command} … `);
    try {
      results.add(step.runtime, await measure(step, env), before);
      process.stderr.write(
        `${((performance.now() - since) / 1_000).toFixed(1)} s, ${wordsFor(before)}\n`,
      );
    } catch (error) {
      failed++;
      const why = error instanceof Error ? error.message : String(error);
      results.notes.add(`${step.runtime} ${step.command}: ${why}`);
      process.stderr.write(`failed: ${why}\n`);
    }
  }
  process.stderr.write(`${((performance.now() - began) / 1_000).toFixed(0)} s in all\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`\n${table(results.rows())}\n`);
for (const note of results.notes) process.stdout.write(`${note}\n`);
if (out !== undefined) {
  writeFileSync(out, `${JSON.stringify(results.document(), undefined, 2)}\n`);
  process.stdout.write(`Wrote ${out}\n`);
} else process.stdout.write("No file is written of a part or a quick run; --out FILE writes one\n");
process.exitCode = failed > 0 ? 1 : 0;
