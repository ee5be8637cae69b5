/**
 * The protocol of the board's shared cells, tried by spin in every order of steps: board.pml is the model. It is held to
 * noticing what it is there for: each rule of the protocol, broken in the model, must come out.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { testWith } from "../system.ts";

const run = promisify(execFile);
const MODEL = fileURLToPath(new URL("./board.pml", import.meta.url));
/** A limit for a machine that is loaded, milliseconds. */
const TIMEOUT_MS = 240_000;

/** What spin is to look at: see the head of the model. Each takes seconds. */
const JOIN = ["LINKS"], TIGHT = ["LINKS", "SLOTS=2"], FAILED = ["LINKS", "FORK", "TASKS=2", "FAILURES=1"];
const DIED = ["LINKS", "FORK", "TASKS=2", "DEATHS=1"];
const CLAIMS = ["CLAIMS", "TASKS=2", "SLOTS=2", "REVOCATIONS=1"];
const SLEEP = ["SLEEP", "CLAIMS", "TASKS=1", "SLOTS=1"], WAKES = ["SLEEP", "FORK", "WAKES"];

/** What spin says of a model. */
async function verdict(defines: readonly string[], optimize: string): Promise<string> {
  const cwd = mkdtempSync(join(tmpdir(), "outrider-model-"));
  const options = { cwd, timeout: TIMEOUT_MS };
  try {
    await run("spin", ["-a", ...defines.map((define) => `-D${define}`), MODEL], options);
    await run(
      "gcc",
      [optimize, "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=1500", "-o", "pan", "pan.c"],
      options,
    );
    return (await run("./pan", ["-m100000"], options)).stdout;
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

for (const defines of [JOIN, TIGHT, FAILED, DIED, CLAIMS, SLEEP, WAKES]) {
  testWith(
    ["spin", "gcc"],
    `board model: no order of steps breaks the contract (${defines.join(", ")})`,
    async () => {
      const said = await verdict(defines, "-O1");
      assert.match(said, /errors: 0\b/, said);
      assert.doesNotMatch(said, /too small|out of memory|MEMLIM|Search not completed/, said);
    },
  );
}

/** What the model is to notice, and where. */
const FAULTS: readonly (readonly [number, string, readonly string[]])[] = [
  [1, "a list is closed before the outcome is told", JOIN],
  [2, "a slot is used anew before its worker has gone on", TIGHT],
  [3, "who finds no bit does not look once more", CLAIMS],
  [4, "a bit is cleared after the claim", CLAIMS],
  [5, "nothing is shown that a worker had in hand when it died", DIED],
  [6, "a list is not seen to be closed", JOIN],
  [8, "a worker sleeps without having looked again", SLEEP],
  [9, "a worker that leaves something does not wake the executor though another sleeps", WAKES],
  [10, "nothing is taken back that a worker has perhaps counted down when it died", DIED],
  [12, "who leaves what was in hand wakes nobody that sleeps", WAKES],
  [13, "a worker with something in hand is counted for what it has left to others", WAKES],
];

for (const [fault, what, defines] of FAULTS) {
  testWith(["spin", "gcc"], `board model: it is noticed if ${what}`, async () => {
    const said = await verdict([...defines, `FAULT=${fault}`], "-O0");
    assert.match(said, /errors: [1-9]/, said);
  });
}
