/** What is printed in pieces: no faster than it is read. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { runtime } from "../../src/runtime/runtime.ts";
import { withFiles } from "../rig.ts";

/** Pieces without an end; without somebody to wait for, the process would never be done. */
const ENDLESS = `
  import { runtime } from ${JSON.stringify(new URL("../../src/runtime/runtime.ts", import.meta.url).href)};
  function* endless() {
    for (;;) yield "[" + "1,".repeat(32_768) + "\\u009b31m";
  }
  await runtime.stdout.jsonPieces(endless());
  runtime.stderr.write("nobody reads\\n");
  await runtime.exit(0);
`;

/** Lines in turns of their own, more than a pipe holds, from a process whose stdout does not wait for room (`O_NONBLOCK`, beside `O_APPEND`) where it can be told so. */
const MANY = `
  import { runtime } from ${JSON.stringify(new URL("../../src/runtime/runtime.ts", import.meta.url).href)};
  if (globalThis.Deno) {
    Deno.dlopen("libc.so.6", { fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" } }).symbols.fcntl(1, 4, 0o6000);
  } else if (globalThis.Bun) {
    const { dlopen } = await import("bun:ffi");
    dlopen("libc.so.6", { fcntl: { args: ["i32", "i32", "i32"], returns: "i32" } }).symbols.fcntl(1, 4, 0o6000);
  }
  for (let line = 0; line < 3_000; line++) {
    runtime.stdout.write(\`\${line} \${"é".repeat(40)}\\n\`);
    await Promise.resolve();
  }
  runtime.stderr.write(String(runtime.stdout.isTTY) + runtime.stdout.columns);
  await runtime.exit(0);
`;
const LINES = Array.from({ length: 3_000 }, (_, line) => `${line} ${"é".repeat(40)}\n`).join("");

/** A process that prints without being read. */
const UNREAD = `
  import { runtime } from ${JSON.stringify(new URL("../../src/runtime/runtime.ts", import.meta.url).href)};
  runtime.stdout.write("x".repeat(1_000_000));
  setTimeout(() => process.exit(3), 100);
`;

function started(script: string, stdout: "pipe" | number) {
  const args = runtime.name === "deno" ? ["run", "-A", "--no-check", script] : [script];
  const child = spawn(process.execPath, args, { stdio: ["ignore", stdout, "pipe"] });
  const ended = new Promise<number | null>((done) => child.on("close", done));
  return { child, ended };
}

test("what is printed leaves whole and in order, to a file and to a pipe whose reader takes its time", () =>
  withFiles({ "many.mjs": MANY, "lines.txt": "before\n" }, async (folder) => {
    const file = join(folder, "lines.txt");
    const descriptor = openSync(file, "a");
    const written = started(join(folder, "many.mjs"), descriptor);
    assert.equal(await written.ended, 0);
    closeSync(descriptor);
    assert.equal(readFileSync(file, "utf8"), `before\n${LINES}`);
    const { child, ended } = started(join(folder, "many.mjs"), "pipe");
    let text = "", errors = "";
    child.stderr!.on("data", (chunk) => errors += chunk);
    const { stdout } = child;
    stdout!.setEncoding("utf8");
    stdout!.on("data", (chunk) => {
      text += chunk;
      stdout!.pause();
      setImmediate(() => stdout!.resume());
    });
    assert.equal(await ended, 0, errors);
    assert.equal(text, LINES);
    assert.equal(errors, "false80");
  }));

test("what nobody reads does not keep a process from leaving", () =>
  withFiles({ "unread.mjs": UNREAD }, async (folder) => {
    const { child, ended } = started(join(folder, "unread.mjs"), "pipe");
    const left = new Promise((done) => child.on("exit", done));
    assert.equal(await left, 3);
    child.stdout!.destroy();
    await ended;
  }));

test("pieces are asked for as they are read, harmless, and no more of them once nobody reads", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-test-"));
  try {
    const script = join(folder, "endless.mjs");
    writeFileSync(script, ENDLESS);
    const args = runtime.name === "deno" ? ["run", "-A", "--no-check", script] : [script];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let text = "", errors = "";
    child.stderr.on("data", (chunk) => errors += chunk);
    const ended = new Promise<number | null>((done) => child.on("close", done));
    const enough = new Promise<void>((done) =>
      child.stdout.on("data", (chunk) => {
        text += chunk;
        if (text.length > 2 * 1024 * 1024) done();
      })
    );
    await Promise.race([enough, ended]);
    child.stdout.destroy();
    assert.equal(await ended, 0, errors);
    assert.equal(errors, "nobody reads\n");
    assert.match(text, /^\[1,1,/);
    assert.ok(text.includes("\\u009b31m[1,") && !text.includes("\u009b"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
