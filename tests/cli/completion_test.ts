/** Tests of what can be typed next: what is answered, and each shell's script in that shell. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { commands } from "../../src/cli/commands/list.ts";
import { commandLine } from "../../src/cli/line/command_line.ts";
import { ROOT } from "../rig.ts";
import { testWith } from "../system.ts";
import { FakeRuntime } from "./fake.ts";

/** What is proposed for the last word. */
async function proposed(...words: readonly string[]): Promise<readonly string[]> {
  const runtime = new FakeRuntime();
  assert.equal(await commandLine(["completion", "--propose", ...words], runtime), 0);
  assert.equal(runtime.stderr.text, "");
  assert.match(runtime.stdout.text, /^([^\t\n]+\t[^\t\n]+\n)*$/);
  return runtime.stdout.text.split("\n").slice(0, -1).map((line) => line.split("\t")[0]!);
}

test("commands, options and their values are proposed by what has been typed of them", async () => {
  assert.deepEqual(await proposed(""), Object.keys(commands));
  assert.deepEqual(await proposed(), Object.keys(commands));
  assert.deepEqual(await proposed("ex"), ["executors"]);
  assert.deepEqual(await proposed("help", "ex"), ["executors"]);
  assert.deepEqual(await proposed("run", "--lo"), ["--log", "--log-level"]);
  assert.deepEqual(await proposed("run", "p.ts", "--log", "x", "--lo"), ["--log-level"]);
  assert.deepEqual(await proposed("run", "--log-level", "w"), ["warn"]);
  assert.deepEqual(await proposed("environment", "re"), ["remove"]);
  assert.ok((await proposed("store", "keys", "-")).includes("--json"));
  assert.deepEqual(await proposed("completion", ""), ["bash", "zsh", "fish"]);
});

test("where files are meant, or nothing is known, nothing is proposed, and nothing fails", async () => {
  for (
    const words of [["run", ""], ["run", "--log", ""], ["run", "--nope", "-"], ["nope", ""], [
      "graph",
      "--",
      "-",
    ]]
  ) assert.deepEqual(await proposed(...words), [], words.join(" "));
});

test("outrider completion prints a shell's script, and names those that there are", async () => {
  for (
    const [shell, begins] of [["bash", "# Completion"], ["zsh", "#compdef outrider\n"], [
      "fish",
      "# Completion",
    ]]
  ) {
    const runtime = new FakeRuntime();
    assert.equal(await commandLine(["completion", shell!], runtime), 0);
    assert.ok(runtime.stdout.text.startsWith(begins!), runtime.stdout.text);
  }
  const runtime = new FakeRuntime();
  assert.equal(await commandLine(["completion", "tcsh"], runtime), 2);
  assert.match(runtime.stderr.text, /^SHELL: "tcsh" is none of bash, zsh, fish\n/);
});

/** Runs a program of a shell in a folder with a file `pipe.json`, where `outrider` is this checkout's. */
async function inShell(shell: string, args: readonly string[]): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-shell-"));
  try {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    const main = [
      ...("Deno" in globalThis ? ["run", "-A", "--no-check"] : []),
      join(ROOT, "src/cli/main.ts"),
    ];
    const quoted = [process.execPath, ...main].map((word) => `'${word}'`).join(" ");
    writeFileSync(join(bin, "outrider"), `#!/bin/sh\nexec ${quoted} "$@"\n`);
    chmodSync(join(bin, "outrider"), 0o755);
    const cwd = join(folder, "here");
    mkdirSync(cwd);
    writeFileSync(join(cwd, "pipe.json"), "{}");
    const env = { ...process.env, PATH: `${bin}:${process.env["PATH"]}`, HOME: folder };
    return await new Promise((resolve, reject) =>
      execFile(shell, [...args], { cwd, env }, (error, stdout, stderr) => {
        if (error !== null || stderr !== "") reject(new Error(`${stderr}${error ?? ""}`));
        else resolve(stdout.split("\n").filter((line) => line !== ""));
      })
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("bash completes by its script, also behind an equals sign", async () => {
  const program = `source <(outrider completion bash)
ask() { COMP_WORDS=(outrider "$@"); COMP_CWORD=$#; _outrider; printf '%s\\n' "\${COMPREPLY[@]}" .; }
ask run --lo; ask graph --format = d; ask graph --format =; ask run ""; complete -p outrider`;
  assert.deepEqual(await inShell("bash", ["--norc", "-c", program]), [
    ...["--log", "--log-level", ".", "dot", ".", "mermaid", "dot", "json", "svg", ".", "."],
    "complete -o default -F _outrider outrider",
  ]);
});

testWith(
  ["zsh"],
  "zsh completes by its script, with what each means, and files where nothing is known",
  async () => {
    const program = `compdef() { print "compdef $*" }
_describe() { print -rl -- "\${(@P)2}" . }
_files() { print files }
source <(outrider completion zsh)
ask() { words=(outrider "$@"); CURRENT=$#words; _outrider }
ask run --lo; ask run ""; ask store ke`;
    assert.deepEqual(await inShell("zsh", ["-f", "-c", program]), [
      "compdef _outrider outrider",
      "--log:Write the combined log to FILE as it happens, one JSON record a line",
      "--log-level:Least level of the log lines shown; --log always has them all",
      ".",
      "files",
      "keys:List keys, one a line",
      ".",
    ]);
  },
);

testWith(
  ["fish"],
  "fish completes by its script, with what each means, and files where nothing is known",
  async () => {
    const program = `outrider completion fish | source
for line in "outrider run --lo" "outrider store ke" "outrider run pip" "outrider help exec"
    complete -C $line
end`;
    assert.deepEqual(await inShell("fish", ["--no-config", "-c", program]), [
      "--log\tWrite the combined log to FILE as it happens, one JSON record a line",
      "--log-level\tLeast level of the log lines shown; --log always has them all",
      "keys\tList keys, one a line",
      "pipe.json",
      "executors\tList the executors that the gateway knows, and what each is doing",
    ]);
  },
);
