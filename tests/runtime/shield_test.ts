/** What keeps stdout for the program's own words, in a process whose stdout is a file. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import process from "node:process";
import { join } from "node:path";
import test from "node:test";
import { ROOT, withFiles } from "../rig.ts";

test("shield: what is no way to stdout any more when it ends is left as it is", async () => {
  if (process.platform !== "linux") return;
  await withFiles({ said: "", other: "" }, (folder) => {
    const other = join(folder, "other"), said = openSync(join(folder, "said"), "w");
    const before = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    const program = join(ROOT, "tests/fixtures/run/shielded.ts");
    const stdio = ["ignore", said, "pipe"] as const;
    execFileSync(process.execPath, [...before, program, other], { stdio: [...stdio] });
    closeSync(said);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, "said"), "utf8")), {
      reopened: other,
      after: other,
      left: [],
    });
    return Promise.resolve();
  });
});
