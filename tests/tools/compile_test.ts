/**
 * Tries the single executable: Bun's is built and run where nothing else is, Deno's is checked up to what it embeds,
 * since its base program has to be downloaded. Runs once, on Node (tools/test.ts).
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { compile } from "../../tools/compile.ts";

const folder: string = realpathSync(mkdtempSync(join(tmpdir(), "outrider-executable-")));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

let built: string | undefined;

/** Path of the executable; made when the first test asks for it. */
async function executable(): Promise<string> {
  if (built === undefined) await compile("bun", built = join(folder, "outrider"));
  return built;
}

/** Runs a pipeline from a folder that holds nothing but it and its modules, with no other program in reach. */
async function runAlone(
  name: string,
  files: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<{ code: number; tasks: Tasks; cwd: string }> {
  const cwd = join(folder, name);
  mkdirSync(cwd);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(cwd, file), text);
  const { status, stdout, stderr, error } = spawnSync(await executable(), [
    "run",
    "pipeline.json",
    "--json",
    ...args,
  ], {
    cwd,
    encoding: "utf8",
    env: { PATH: "", HOME: cwd },
    timeout: 60_000,
  });
  assert.equal(error, undefined, stderr);
  assert.ok(stdout.startsWith("{"), `stdout is no result: ${stdout}${stderr}`);
  return { code: status!, tasks: JSON.parse(stdout).tasks, cwd };
}

type Tasks = Readonly<Record<string, readonly { readonly outcome: string; readonly value?: unknown }[]>>;

function manifest(tasks: unknown): string {
  return JSON.stringify({ outrider: 1, name: "alone", tasks });
}

test("the executable runs functions in processes of its own, whose end is not the run's", async () => {
  const code = "export const pid = () => process.pid; export const exits = () => process.exit(5);";
  const { tasks } = await runAlone("isolated", {
    "pipeline.json": manifest({
      pid: { run: { module: "./tasks.js", export: "pid" }, isolation: "process" },
      same: { run: { module: "./tasks.js", export: "pid" }, isolation: "process", needs: ["pid"] },
      exits: { run: { module: "./tasks.js", export: "exits" }, isolation: "process", needs: ["same"] },
    }),
    "tasks.js": code,
  });
  assert.equal(tasks["pid"]![0]!.value, tasks["same"]![0]!.value);
  assert.equal(tasks["exits"]![0]!.outcome, "crashed");
});

test("the executable runs a JSON pipeline with TypeScript and JavaScript modules beside it", async () => {
  const { code, tasks } = await runAlone("modules", {
    "pipeline.json": manifest({
      one: { run: { module: "./one.ts", export: "one" }, params: { by: 20 } },
      two: { run: { module: "./two.js", export: "two" }, needs: ["one"] },
    }),
    "one.ts": "export function one({ params }: { params: { by: number } }): number { return params.by + 1; }",
    "two.js": 'import { factor } from "./factor.js"; export const two = ({ inputs }) => inputs.one * factor;',
    "factor.js": "export const factor = 2;",
  });
  assert.equal(tasks.one?.[0]?.value, 21);
  assert.equal(tasks.two?.[0]?.value, 42);
  assert.equal(code, 0);
});

test("the executable stops a task that loops for ever", async () => {
  const { code, tasks } = await runAlone("endless", {
    "pipeline.json": manifest({
      endless: { run: { module: "./endless.ts", export: "endless" }, timeout: "200ms" },
    }),
    "endless.ts": "export function endless(): never { for (;;); }",
  });
  assert.equal(tasks.endless?.[0]?.outcome, "timed_out");
  assert.equal(code, 1);
});

test("the executable has the page in it", async () => {
  const { code, cwd } = await runAlone(
    "page",
    { "pipeline.json": manifest({ wait: {} }) },
    "--report",
    "run.html",
  );
  assert.equal(code, 0);
  const page = readFileSync(join(cwd, "run.html"), "utf8");
  assert.ok(page.startsWith("<!DOCTYPE html>") && page.includes('id="outrider-layout"'), page.slice(0, 500));
});

test("Deno's executable embeds the command line and nothing else", async () => {
  // Any program will do as the base: it is not run.
  process.env.DENORT_BIN ??= realpathSync("/bin/sh");
  const listing = await compile("deno", join(folder, "outrider-deno"));
  const embedded = [...listing.matchAll(/^[├└][─┬]+ (\S+)/gm)].map(([, name]) => name!.replace("/*", ""))
    .sort();
  assert.deepEqual(embedded, ["chunks", "cli.js", "inside"], listing);
  // The page, the reader of pipelines and the client of NATS are about half of it; node_modules would be tens of megabytes.
  const size = /^Files: ([\d.]+)(B|KB|MB)$/m.exec(listing);
  assert.ok(
    size !== null && (size[2] !== "MB" || Number(size[1]) < 5.5),
    `too much is embedded:\n${listing}`,
  );
});
