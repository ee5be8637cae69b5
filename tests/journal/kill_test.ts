/** Real processes, really killed, while they write to one journal. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { openSqliteJournal } from "../../src/journal/disk/sqlite.ts";
import { assertExplained } from "./contract.ts";
import { makeDirectory } from "./faulty_disk.ts";

const WRITER = fileURLToPath(new URL("./killed_writer.ts", import.meta.url));

/** Runs the writer until it has said `lines` lines, kills it, and returns the last thing it said. */
function writeAndKill(journal: string, lines: number): Promise<{ states: number; logs: number }> {
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", WRITER, journal] : [WRITER, journal];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (text: string) => {
    said += text;
    if (said.split("\n").length > lines) child.kill("SIGKILL");
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => {
      const [states, logs] = said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1)!.split(" ").map(Number);
      resolve({ states: states!, logs: logs! });
    });
  });
}

test("what a process has written is there after kill -9, time after time, in one journal", async () => {
  const directory = makeDirectory();
  const file = path.join(directory, "journal.db");
  for (const lines of [1, 37, 150, 400, 83, 260]) {
    const said = await writeAndKill(file, lines);
    const journal = await openSqliteJournal(file);
    const { recovered } = journal;
    assert.ok(
      recovered.states >= said.states && recovered.logs >= said.logs,
      `${JSON.stringify(recovered)} of ${JSON.stringify(said)}`,
    );
    assert.deepEqual(
      journal.states(0, 1e6).map(({ seq }) => seq),
      Array.from({ length: recovered.states }, (_, at) => at + 1),
    );
    assertExplained(journal.logs(0, 1e6), 0);
    assert.equal(journal.logs(0, 1e6).length, recovered.logs);
    await journal.close();
  }
  fs.rmSync(directory, { recursive: true, force: true });
});
