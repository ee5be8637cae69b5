/**
 * Owns the set-up of a checkout: brings the development dependencies, Deno, Bun and Node among them, where they are
 * missing or not those of package-lock.json, and then runs the command it was given with them first in PATH.
 * Plain JavaScript: before the set-up an older Node runs it.
 * Invariant: where nothing is missing it prints nothing and costs milliseconds.
 *
 *   node tools/setup.mjs [COMMAND ARGUMENT...]
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const binaries = join(root, "node_modules", ".bin");
const outerPath = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== binaries).join(
  delimiter,
);

/** What a lock file lists, by path; without the packages that are for other systems. */
function packagesOf(lockFile) {
  try {
    const { packages } = JSON.parse(readFileSync(join(root, lockFile), "utf8"));
    return Object.entries(packages).filter(([path]) => path !== "");
  } catch {
    return undefined;
  }
}

/** Whether what is installed is what package-lock.json says. npm notes in its own file what it has installed. */
function isCurrent() {
  const wanted = packagesOf("package-lock.json");
  if (wanted === undefined) throw new Error("package-lock.json is missing or no JSON: restore it from git");
  const present = packagesOf("node_modules/.package-lock.json");
  // Node comes by its package's install script.
  if (present === undefined || !existsSync(join(binaries, "node"))) return false;
  const versions = new Map(present.map(([path, { version }]) => [path, version]));
  return wanted.every(([path, { version, optional }]) =>
    versions.has(path) ? versions.get(path) === version : optional === true
  );
}

/** Runs `npm ci`, or where there is no npm, `deno install`; shows one line with how far it is. */
async function install() {
  const paths = (packagesOf("package-lock.json") ?? []).filter(([, { optional }]) => !optional).map((
    [path],
  ) => path);
  const text = `Setting up: installing ${paths.length} packages into node_modules (npm ci)`;
  const started = Date.now();
  const line = progressLine(text, () => {
    const there = paths.filter((path) => existsSync(join(root, path, "package.json"))).length;
    return `${there} of ${paths.length}, ${seconds(started)}`;
  });
  let { code, output } = await captured("npm", [
    "ci",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--engine-strict=false",
  ]);
  const withoutNpm = code === "ENOENT" && "Deno" in globalThis;
  if (withoutNpm) {
    ({ code, output } = await captured(process.execPath, ["install", "--quiet"]));
  }
  line.end(code === 0 ? `done in ${seconds(started)}` : "failed");
  if (code === 0) return withoutNpm || checkScripts();
  process.stderr.write(`${output}\n`);
  process.stderr.write(
    code === "ENOENT"
      ? "The set-up needs npm, which is not in PATH: install Node.js 20 or newer, which brings it\n"
      : `The set-up has failed: npm ci ended with code ${code}, see above. Check the network and run the command again\n`,
  );
  process.exit(1);
}

function checkScripts() {
  if (isCurrent()) return;
  process.stderr.write(
    "The set-up has failed: npm has run no install scripts, which is what ignore-scripts in its settings does. " +
      "Run those that package.json allows: npm rebuild --ignore-scripts=false\n",
  );
  process.exit(1);
}

function seconds(since) {
  return `${Math.round((Date.now() - since) / 1000)} s`;
}

/** On a terminal a line that is kept up to date; elsewhere its beginning, and its end when there is one. */
function progressLine(text, state) {
  const { stderr } = process;
  if (!stderr.isTTY) {
    stderr.write(`${text} … `);
    return { end: (last) => stderr.write(`${last}\n`) };
  }
  const show = (what) => stderr.write(`\r\x1b[K${`${text} … ${what}`.slice(0, (stderr.columns ?? 80) - 1)}`);
  const timer = setInterval(() => show(state()), 250);
  show(state());
  return {
    end(last) {
      clearInterval(timer);
      show(last);
      stderr.write("\n");
    },
  };
}

/** Runs a program of the system's, not of node_modules, which is about to be replaced. */
function captured(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, PATH: outerPath },
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32",
    });
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    child.on("error", (error) => resolve({ code: error.code ?? 1, output: error.message }));
    child.on(
      "close",
      (code, signal) => resolve({ code: code ?? signal, output: Buffer.concat(chunks).toString() }),
    );
  });
}

/** Runs the command in our place: its streams are ours, signals go to it, and its end is our end. */
function become([program, ...args]) {
  const isDeno = program === "deno" && "Deno" in globalThis;
  const child = spawn(isDeno ? process.execPath : program, args, {
    cwd: root,
    env: { ...process.env, PATH: `${binaries}${delimiter}${outerPath}` },
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  // A terminal sends SIGINT to both; it is the command's to answer.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("error", (error) => {
    process.stderr.write(`${program} can't be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("close", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

if (!isCurrent()) await install();
const command = process.argv.slice(2);
if (command.length > 0) become(command);
