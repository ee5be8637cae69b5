/** A folder of small files for one program: whose it is, what is in it, and that nothing is left of it. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import test from "node:test";
import { makeTempFiles } from "../../src/runtime/temp_files.ts";

test("the files are there at once, in a folder for this user alone, each of its own", async () => {
  const [one, other] = [makeTempFiles({ a: "1\n", b: "" }), makeTempFiles({})];
  assert.equal(readFileSync(one.path("a"), "utf8"), "1\n");
  assert.deepEqual(["a", "b", "c"].map((name) => one.has(name)), [true, true, false]);
  assert.notEqual(one.path("a"), other.path("a"));
  if (process.platform !== "win32") assert.equal(statSync(dirname(one.path("a"))).mode & 0o777, 0o700);
  await Promise.all([one.remove(), other.remove()]);
});

test("nothing is left of it, whatever a program has put there or taken away", async () => {
  const changes: ((path: (name: string) => string) => void)[] = [
    () => {},
    (path) => rmSync(path("a")),
    (path) => rmSync(dirname(path("a")), { recursive: true }),
    (path) => writeFileSync(path("output.json"), "1"),
    (path) => symlinkSync(dirname(path("a")), path("link")),
    (path) => Array.from({ length: 20 }, (_, at) => writeFileSync(path(`f${at}`), "x")),
    (path) => {
      mkdirSync(path("deep/er"), { recursive: true });
      writeFileSync(path("deep/er/file"), "x");
    },
  ];
  for (const change of changes) {
    const files = makeTempFiles({ a: "1" });
    change(files.path);
    await files.remove();
    assert.equal(existsSync(dirname(files.path("a"))), false, String(change));
    await files.remove();
  }
});

test("where a file can't be written, nothing is left, and it is said why", () => {
  assert.throws(() => makeTempFiles({ "no/such/folder": "1" }), { code: "ENOENT" });
});
