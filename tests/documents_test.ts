/** What the documents list is all that there is, and what they show runs as it stands there. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import process from "node:process";
import test from "node:test";
import { ROOT, withFiles } from "./rig.ts";
import { testWith } from "./system.ts";

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** The names of an interface's members, as its source has them. */
function membersOf(name: string, file: string): readonly string[] {
  const [, body] = new RegExp(`export interface ${name}\\b[\\s\\S]*?\\{\\n([\\s\\S]*?)\\n\\}`).exec(
    read(file),
  )!;
  return [...body!.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, member]) => member!);
}

/** The part of a document below a heading, up to the next of its level. */
function below(heading: string, document: string): string {
  const level = /^#+/.exec(heading)![0];
  const rest = read(document).split(`\n${heading}\n`)[1];
  assert.ok(rest !== undefined, `${document} has no ${heading}`);
  return rest.split(new RegExp(`^#{1,${level.length}} `, "m"))[0]!;
}

test("docs/pipelines.md has all of ctx, and all options of run()", () => {
  for (
    const [heading, name, file] of [
      ["## What a task gets", "TaskContext", "src/model/context.ts"],
      ["## The options of run()", "RunOptions", "src/run/execution.ts"],
    ] as const
  ) {
    const table = below(heading, "docs/pipelines.md").split("\n").filter((line) => line.startsWith("|")).join(
      "\n",
    );
    const members = membersOf(name, file);
    assert.ok(members.length > 5, `${name} was not found`);
    assert.deepEqual(members.filter((member) => !new RegExp(`\`${member}[\`(]`).test(table)), [], heading);
  }
});

/** What GitHub and its like make of a heading. */
function anchorOf(heading: string): string {
  return heading.replaceAll(/[`*]|\]\([^)]*\)/g, "").toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
}

test("the links in the documents lead to headings that are there", () => {
  const inDocs = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  const pages = ["README.md", ...inDocs.map((name) => `docs/${name}`)];
  const anchors = new Map(pages.map((page) => {
    const text = read(page).replaceAll(/^```[\s\S]*?^```/gm, "");
    return [page, new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!)))];
  }));
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)]
      .filter(([, file, anchor]) => {
        const to = file === "" ? page : posix.join(posix.dirname(page), file!);
        return anchors.has(to) && !anchors.get(to)!.has(anchor!);
      })
      .map(([link]) => `${page}: ${link}`)
  );
  assert.deepEqual(broken, []);
  assert.ok([...anchors.values()].every(({ size }) => size > 0));
});

testWith(
  ["python3"],
  "a run is started from Python as docs/python.md shows it",
  () =>
    withFiles({}, async (folder) => {
      const [, shown] = /```python\n(import json\n[\s\S]*?)\n```/.exec(
        below("## Starting a run from Python", "docs/python.md"),
      )!;
      const before = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
      const outrider = [process.execPath, ...before, join(ROOT, "src/cli/main.ts")];
      const text = shown!.replace(/^OUTRIDER = .*$/m, `OUTRIDER = ${JSON.stringify(outrider)}`);
      assert.notEqual(text, shown);
      const run = { python: "tasks.py", function: "probe" };
      writeFileSync(
        join(folder, "probe.json"),
        JSON.stringify({ outrider: 1, name: "probe", tasks: { probe: { run, params: { count: 1 } } } }),
      );
      writeFileSync(join(folder, "tasks.py"), 'def probe(ctx):\n    return 2 * ctx.params["count"]\n');
      writeFileSync(join(folder, "start.py"), text);
      const { status, stdout, stderr } = spawnSync("python3", ["start.py"], {
        cwd: folder,
        encoding: "utf8",
      });
      assert.deepEqual([status, stdout], [0, "succeeded 6\n"], stderr);
      writeFileSync(join(folder, "start.py"), text.replace('"probe.json"', '"nope.json"'));
      const nothing = spawnSync("python3", ["start.py"], { cwd: folder, encoding: "utf8" });
      assert.match(nothing.stderr, /Nothing has run: exit code 2/);
    }),
);
