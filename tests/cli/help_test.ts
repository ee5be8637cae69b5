/** Tests of how help is laid out: every option with what it takes, every line within the terminal. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { commands } from "../../src/cli/commands/list.ts";
import { commandLine } from "../../src/cli/line/command_line.ts";
import { fold, tabled } from "../../src/cli/view/fold.ts";
import { width } from "../../src/cli/view/measures.ts";
import { FakeRuntime } from "./fake.ts";

/** The help of a command on a terminal so wide; with 0 it is not one. */
async function help(columns: number, ...path: readonly string[]): Promise<string> {
  const runtime = new FakeRuntime({ isTTY: columns > 0 });
  runtime.stdout.columns = columns;
  assert.equal(await commandLine([...path, "--help"], runtime), 0, runtime.stderr.text);
  return runtime.stdout.text;
}

/** The ways to all commands. */
async function paths(): Promise<readonly (readonly string[])[]> {
  const found: string[][] = [[]];
  for (const [name, { load }] of Object.entries(commands)) {
    const { command } = await load();
    found.push([name]);
    if ("parameters" in command) continue;
    for (const entry of command.getAllEntries()) found.push([name, entry.name.original]);
  }
  return found;
}

test("options say what they take, and what they mean stands beside or below", async () => {
  const text = await help(0, "run");
  for (
    const form of [
      "  -p, --param key=value...",
      "      --log FILE ",
      "      --serve [HOST:PORT]",
      "      --log-level LEVEL ",
      "  -q, --quiet ",
      "  -h, --help ",
      "      -- ",
    ]
  ) assert.ok(text.includes(`\n${form}`), `${form} is not in\n${text}`);
  assert.match(text, /^ {6}--log-level LEVEL .*: debug, info, warn, error,\n {28}critical; default: info$/m);
  assert.match(await help(0, "graph"), /^ {2}-f, --format mermaid\|dot\|json\|svg/m);
  assert.match(await help(0), /^ {2}-v, --version +Print the version$/m);
  assert.match(
    await help(40, "run"),
    /^ {6}--log FILE\n {8}Write the combined log to FILE\n {8}as it happens/m,
  );
  assert.match(
    await help(80, "run"),
    /^ {6}--log FILE {12}Write the combined log .*one\n {28}JSON record a line$/m,
  );
});

test("help of every command fits a terminal of 40, 60, 80 and 120 columns, and loses no word", async () => {
  for (const path of await paths()) {
    const wide = (await help(0, ...path)).split(/\s+/);
    for (const columns of [40, 60, 80, 120, 200]) {
      const text = await help(columns, ...path);
      assert.deepEqual(text.split(/\s+/), wide, path.join(" "));
      for (const line of text.split("\n")) {
        // A word that is wider than the terminal can't be helped.
        const most = Math.max(
          Math.min(columns, 120),
          ...line.trim().split(" ").map((word) => word.length + 8),
        );
        assert.ok(width(line) <= most, `${path.join(" ")} at ${columns}: ${line}`);
      }
    }
  }
});

test("a folded text keeps its words, its breaks and how far in its lines are", () => {
  assert.equal(fold("one two three four", 9), "one two\nthree\nfour");
  assert.equal(fold("  one two three", 9), "  one two\n      three");
  assert.equal(fold("short\n\n  also short", 20), "short\n\n  also short");
  const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 30 });
  fc.assert(fc.property(words, fc.integer({ min: 20, max: 90 }), (given, columns) => {
    const folded = fold(given.join(" "), columns);
    assert.equal(folded.replaceAll("\n", " "), given.join(" "));
    for (const line of folded.split("\n")) assert.ok(line.length <= columns);
    const [name = "", ...meaning] = given;
    const table = tabled([[name, meaning.join(" ")]], columns);
    assert.deepEqual(table.split(/\s+/).filter((word) => word !== ""), given);
  }));
});
