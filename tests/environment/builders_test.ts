/** The seam of the builders of environments: a made-up one is added by its file alone, and what is told of files is true. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { buildEnvironment, type BuildRequest } from "../../src/environment/build.ts";
import { BUILDERS } from "../../src/environment/builders/list.ts";
import { readEnvironment } from "../../src/environment/document/read.ts";
import { LOCKED_FILE } from "../../src/environment/folder_lock.ts";
import { MADE_FILE, readMade } from "../../src/environment/made.ts";
import { placedBytes } from "../../src/environment/placed.ts";
import { PROVENANCE_FILE } from "../../src/environment/vouch/provenance.ts";
import { SBOM_FILE } from "../../src/environment/vouch/sbom.ts";
import { madeTable, usedTable } from "../../src/cli/view/made_table.ts";
import { cardBuilder } from "../fixtures/builders/card.ts";
import { withEntry } from "../fixtures/kinds/with_kinds.ts";
import { runCli, withFiles } from "../rig.ts";

/** Builds in a folder, with what is said laid over a plain environment. */
async function built(folder: string, request: Partial<BuildRequest> = {}, document = {}) {
  const steps: string[] = [];
  const record = await buildEnvironment({
    environment: {
      outriderEnvironment: 1,
      name: "probe",
      targets: ["linux-x64", "linux-arm64"],
      ...document,
    },
    folder,
    output: join(folder, "out"),
    cache: join(folder, "cache"),
    epoch: 0,
    progress: (step, done, total) => steps.push(`${step} ${done}/${total}`),
    ...request,
  });
  return { record, steps, out: join(folder, "out") };
}

test("environments: each builder has a kind of its own", () => {
  assert.equal(new Set(BUILDERS.map(({ kind }) => kind)).size, BUILDERS.length);
});

test("environments: one more builder makes its files, each told with its size, its digest and its mode", () =>
  withEntry(BUILDERS, cardBuilder, () =>
    withFiles({}, async (folder) => {
      const { record, steps, out } = await built(folder, { kinds: ["vm"] }, { version: "7" });
      assert.deepEqual(record, readMade(readFileSync(join(out, MADE_FILE), "utf8"), "record"));
      assert.deepEqual([record.name, record.version, record.kinds], ["probe", "7", ["vm"]]);
      assert.deepEqual(record.files.map(({ name }) => name), [
        "cards/linux-arm64.txt",
        "cards/linux-x64.txt",
        "pin.txt",
      ]);
      for (const { name, bytes, sha256, mode = "0644" } of record.files) {
        const contents = readFileSync(join(out, name));
        assert.equal(bytes, contents.length);
        assert.equal(sha256, createHash("sha256").update(contents).digest("hex"));
        assert.equal(statSync(join(out, name)).mode & 0o777, parseInt(mode, 8));
      }
      assert.equal(record.used.length, 1);
      assert.deepEqual(steps, ["printing cards 0/2", "printing cards 1/2"]);
      assert.deepEqual(
        readdirSync(out).sort(),
        ["cards", SBOM_FILE, PROVENANCE_FILE, MADE_FILE, LOCKED_FILE, "pin.txt"].sort(),
      );
      assert.match(madeTable(record), /^vm +linux-arm64 linux-x64 +cards\/ \(2 files\) +8\d B$/m);
      assert.match(usedTable(record), /^paper +1 +sha256:0{16}$/m);
    })));

test("environments: what fails is told as the builder says it, and no record is left of what is no longer so", () =>
  withEntry(BUILDERS, cardBuilder, () =>
    withFiles({}, async (folder) => {
      const { out } = await built(folder, { kinds: ["vm"] });
      const before = readFileSync(join(out, MADE_FILE), "utf8");
      const failing = built(folder, { kinds: ["vm"] }, { name: "nameless" });
      await assert.rejects(failing, /^Error: A card needs the name of an environment$/);
      assert.equal(readFileSync(join(out, MADE_FILE), "utf8"), before);
      // A folder where a file is to be.
      rmSync(join(out, "pin.txt"));
      mkdirSync(join(out, "pin.txt"));
      await assert.rejects(built(folder, { kinds: ["vm"] }), /pin\.txt: It can't be written: /);
      assert.deepEqual(readdirSync(out).sort(), [LOCKED_FILE, "cards", "pin.txt"]);
    })));

test("environments: what the system refuses is told in words, and is no defect", () =>
  withEntry(BUILDERS, cardBuilder, () =>
    withFiles({ taken: "" }, async (folder) => {
      const taken = join(folder, "taken");
      const told = (message: RegExp) => ({ code: "OUTRIDER_ENVIRONMENT", message });
      await assert.rejects(built(folder, { kinds: ["vm"], output: taken }), told(/taken: .*ENOTDIR|EEXIST/));
      assert.equal(readFileSync(taken, "utf8"), "");
      const input = (from: string) => ({
        folder,
        environment: {
          outriderEnvironment: 1,
          name: "probe",
          targets: ["linux-x64"],
          files: { "/opt/x": { from } },
        } as const,
      });
      assert.equal((await placedBytes(input("taken"), "/opt/x", 1)).length, 0);
      for (const [from, why] of [["none", /ENOENT/], [".", /no regular file/]] as const) {
        const refused = placedBytes(input(from), "/opt/x", 1);
        await assert.rejects(refused, told(/^probe: files\["\/opt\/x"\]\.from: The file can't be read: /));
        await assert.rejects(refused, told(why));
      }
      writeFileSync(taken, "long");
      await assert.rejects(placedBytes(input("taken"), "/opt/x", 1), told(/has 4 bytes, more than 1$/));
    })));

test("environment init names the pipeline as environment.json has it, and the environment after its folder", () =>
  withFiles({}, async (cwd) => {
    const long = `${"x".repeat(99)}-y`;
    for (const name of ["Probe 1", long]) {
      mkdirSync(join(cwd, name));
      const { code } = await runCli(
        ["environment", "init", "--pipeline", "code/pipeline.ts", join(name, "environment.json")],
        { cwd },
      );
      assert.equal(code, 0);
      const document = readEnvironment(readFileSync(join(cwd, name, "environment.json"), "utf8"), "e");
      assert.deepEqual(document.pipeline, { from: "file", path: "../code/pipeline.ts" });
      assert.equal(document.name, name === long ? "x".repeat(99) : "probe-1");
    }
  }));

test("environments: a kind that nobody builds is refused with those that there are", () =>
  withFiles({}, async (folder) => {
    const castle = ["castle"] as unknown as BuildRequest["kinds"] & object;
    await assert.rejects(
      built(folder, { kinds: castle }),
      /There is no kind of environment called "castle": there are .*bundle/,
    );
    assert.deepEqual(readdirSync(folder), []);
  }));

test("environments: an executable with files is refused, since it has no place for them", () =>
  withFiles({}, async (folder) => {
    const files = { "/opt/x": { from: "x" } };
    await assert.rejects(
      built(folder, { kinds: ["executable"] }, { files }),
      /probe: files: Files can't travel in/,
    );
    assert.deepEqual(readdirSync(folder), []);
  }));

test("environments: what is built of a pipeline tells the packages whose code is in it", () =>
  withFiles({
    "t.mjs": 'export { a } from "doubler";',
    "p.json": { outrider: 1, name: "p", tasks: { a: { run: { module: "./t.mjs", export: "a" } } } },
  }, async (folder) => {
    const at = join(folder, "node_modules/doubler");
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, "index.mjs"), "export const a = () => 1;");
    const about = { name: "doubler", version: "2.1.0", license: "MIT", main: "index.mjs" };
    writeFileSync(join(at, "package.json"), JSON.stringify(about));
    const { record, out } = await built(folder, { kinds: ["bundle"] }, {
      pipeline: { from: "file", path: "p.json" },
    });
    assert.deepEqual(record.used, [{ name: "npm:doubler", version: "2.1.0", licence: "MIT" }]);
    assert.deepEqual(record, readMade(readFileSync(join(out, MADE_FILE), "utf8"), "record"));
    const { components } = JSON.parse(readFileSync(join(out, SBOM_FILE), "utf8"));
    assert.ok(components.some(({ purl }: { purl?: string }) => purl === "pkg:npm/doubler@2.1.0"));
    assert.match(usedTable(record), /^npm:doubler +2\.1\.0 +MIT$/m);
  }));

test("environments: a bundle is one file, named after its pipeline", () =>
  withFiles({
    "t.mjs": "export const a = () => 1;",
    "p.json": {
      outrider: 1,
      name: "..two words/here",
      tasks: { a: { run: { module: "./t.mjs", export: "a" } } },
    },
  }, async (folder) => {
    const { record, out } = await built(folder, { kinds: ["bundle"] }, {
      pipeline: { from: "file", path: "p.json" },
    });
    assert.deepEqual(record.files.map(({ name }) => name), ["two-words-here.outrider.json"]);
    const { outriderBundle, manifest } = JSON.parse(readFileSync(join(out, record.files[0]!.name), "utf8"));
    assert.deepEqual([outriderBundle, manifest.name], [1, "..two words/here"]);
  }));
