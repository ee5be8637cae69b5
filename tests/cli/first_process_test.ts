/** The first process of a container: what is said at the start, and that all else goes its way there. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { sayIfFirst } from "../../src/cli/run/first_process.ts";
import { ROOT as CHECKOUT } from "../rig.ts";
import { withFolder } from "../run/rig.ts";
import { leaveOut, ROOT, testWith } from "../system.ts";

test("first process: who is not the first of its container says nothing", () => {
  const said: string[] = [];
  const stderr = { write: (text: string) => void said.push(text), isTTY: false };
  sayIfFirst({ pid: 2, stderr } as unknown as Parameters<typeof sayIfFirst>[0]);
  assert.deepEqual(said, []);
  sayIfFirst({ pid: 1, stderr } as unknown as Parameters<typeof sayIfFirst>[0]);
  assert.match(said.join(""), /^outrider · This is the first process .* --init .*\n$/);
});

/** The command line as the first process of a container, as it is without an init. */
function first(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const own = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
  const command = [process.execPath, ...own, join(CHECKOUT, "src/cli/main.ts"), ...args];
  const child = spawn("unshare", ["--pid", "--fork", "--mount-proc", ...command], {
    cwd: CHECKOUT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (piece: string) => text[name] += piece);
  }
  return new Promise((ended, failed) => {
    child.on("error", failed);
    child.on("close", (code) => ended({ code, ...text }));
  });
}

const NAME =
  "first process: says what to do about orphans, and comes to its end though tasks leave some behind";

testWith(["unshare", ROOT], NAME, () =>
  withFolder(async (folder) => {
    const file = join(folder, "p.json");
    // One that stays in the group, and one that leaves it: both lose their parent.
    const script = 'sleep 60 & (setsid sh -c "sleep 60" &) ; echo "$PPID"';
    writeFileSync(
      file,
      JSON.stringify({ outrider: 1, name: "p", tasks: { t: { run: { command: ["sh", "-c", script] } } } }),
    );
    const { code, stdout, stderr } = await first(["run", file, "--json", "--kill-grace", "200ms"]);
    if (/unshare failed|Operation not permitted/.test(stderr)) {
      leaveOut(NAME, ["the right to make a namespace"]);
      return;
    }
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^outrider · This is the first process of its container \(PID 1\)/);
    assert.match(stderr, /t │ 1\n/);
    assert.equal(JSON.parse(stdout).state, "succeeded");
  }));
