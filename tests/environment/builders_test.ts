/** The seam of the builders of environments: a made-up one is added by its file alone, and what is told of files is true. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import test from "node:test";
import { buildEnvironment } from "../../src/environment/build.ts";
import { BUILDERS } from "../../src/environment/builders/list.ts";
import { cardBuilder } from "../fixtures/builders/card.ts";
import { withEntry } from "../fixtures/kinds/with_kinds.ts";
import { withFiles } from "../rig.ts";

/** Builds, and keeps what was written. */
async function built(kind: string, pipeline: string) {
  const written: [name: string, text: string][] = [];
  const { files, summary } = await buildEnvironment(kind, { pipeline }, async (name, text) => {
    await Promise.resolve();
    written.push([name, text]);
  });
  return { files, summary, written };
}

test("environments: each builder has a kind of its own", () => {
  assert.equal(new Set(BUILDERS.map(({ kind }) => kind)).size, BUILDERS.length);
});

test("environments: one more builder makes its files, each told with its size and its digest", () =>
  withEntry(BUILDERS, cardBuilder, async () => {
    const { files, summary, written } = await built("card", "check");
    assert.equal(summary, "a card for check");
    assert.deepEqual(written.map(([name]) => name), ["card.txt", "pin.txt"]);
    assert.match(written[0]![1], /^Runs check/);
    const bytes = written.map(([, text]) => new TextEncoder().encode(text));
    assert.deepEqual(
      files,
      written.map(([name], at) => ({
        name,
        bytes: bytes[at]!.length,
        sha256: createHash("sha256").update(bytes[at]!).digest("hex"),
      })),
    );
  }));

test("environments: what fails is told as the builder says it, and a file that can't be written is the end", () =>
  withEntry(BUILDERS, cardBuilder, async () => {
    await assert.rejects(built("card", ""), /^Error: A card needs the name of a pipeline$/);
    const full = () => Promise.reject(new Error("The disk is full"));
    await assert.rejects(buildEnvironment("card", { pipeline: "x" }, full), /The disk is full/);
  }));

test("environments: a kind that nobody builds is refused with those that there are", async () => {
  await assert.rejects(
    built("castle", "check"),
    /^Error: There is no kind of environment called "castle": there are bundle$/,
  );
});

test("environments: a bundle is one file, named after its pipeline", () =>
  withFiles({
    "t.mjs": "export const a = () => 1;",
    "p.json": {
      outrider: 1,
      name: "..two words/here",
      tasks: { a: { run: { module: "./t.mjs", export: "a" } } },
    },
  }, async (folder) => {
    const { files, summary, written } = await built("bundle", join(folder, "p.json"));
    assert.deepEqual(files.map(({ name }) => name), ["two-words-here.outrider.json"]);
    const { outriderBundle, hash, manifest } = JSON.parse(written[0]![1]);
    assert.deepEqual([outriderBundle, manifest.name], [1, "..two words/here"]);
    assert.equal(summary, `..two words/here, 1 task, ${written[0]![1].length} characters, hash ${hash}`);
  }));
