/** What docs/cli.md says of commands is what they say of themselves, all of it; and help names only what a user has. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { withCommands } from "../../docs/cli_reference.ts";
import { commandLine } from "../../src/cli/line/command_line.ts";
import { ROOT } from "../rig.ts";
import { FakeRuntime } from "./fake.ts";

const DOCUMENT: string = readFileSync(join(ROOT, "docs/cli.md"), "utf8");

async function help(...path: readonly string[]): Promise<string> {
  const runtime = new FakeRuntime();
  assert.equal(await commandLine([...path, "--help"], runtime), 0, runtime.stderr.text);
  return runtime.stdout.text;
}

/** The headings below "Every command and option": the way to each command, and what stands under it. */
const PARTS: readonly (readonly [path: readonly string[], text: string])[] = DOCUMENT
  .split("\n## Every command and option\n")[1]!.split(/^### outrider /m).slice(1)
  .map((part) => [part.slice(0, part.indexOf("\n")).split(" "), part]);

test("docs/cli.md has the commands as they are; npm run build:docs writes it", async () => {
  assert.equal(DOCUMENT, await withCommands(DOCUMENT));
  await assert.rejects(withCommands("# Another page\n"), /give it one, as its last/);
});

test("every command of the help, and every option of each, stands in docs/cli.md", async () => {
  const names = [...(await help()).split("COMMANDS\n")[1]!.matchAll(/^ {2}(\w[\w-]*) /gm)].map(([, name]) =>
    name!
  );
  assert.ok(names.length > 10, "the help lists no commands");
  assert.deepEqual(names.filter((name) => !PARTS.some(([[first]]) => first === name)), []);
  for (const [path, text] of PARTS) {
    const [, options = ""] = (await help(...path)).split("\nOPTIONS\n");
    const named = [...options.matchAll(/^ {2}.{0,4}\[?(--[a-z][\w-]*)/gm)].map(([, option]) => option!);
    const missing = named.filter((option) => option !== "--help" && !text.includes(option));
    assert.deepEqual(missing, [], path.join(" "));
  }
});

test("help names no file that the package has not", async () => {
  const { files } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    readonly files: string[];
  };
  const held = (file: string) =>
    existsSync(join(ROOT, file)) &&
    files.some((each) => each === file || each === file.replace(/[^/]+(?=\.md$)/, "*"));
  const texts = await Promise.all([help(), ...PARTS.map(([path]) => help(...path))]);
  const named = texts.flatMap((text) => text.match(/\bdocs\/[\w./-]*\w/g) ?? []);
  assert.ok(named.length > 0, "no help names a page: leave this test out");
  assert.deepEqual(named.filter((file) => !held(file)), []);
});
