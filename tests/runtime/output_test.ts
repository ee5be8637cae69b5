/** What is printed in pieces: no faster than it is read. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { runtime } from "../../src/runtime/runtime.ts";

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
