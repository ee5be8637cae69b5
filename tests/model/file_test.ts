/** What kept files may be called, on this system and on any other. */
import assert from "node:assert/strict";
import test from "node:test";
import { nameToSave } from "../../src/base/saved_name.ts";
import { fileNameProblem, isKeptFile } from "../../src/model/file.ts";

test("file: a name is one in any folder", () => {
  const good = [
    "capture.pcap",
    "2026-11-28T10:00:00.pcap",
    ".hidden",
    "...",
    "a b",
    "ö".repeat(100),
    "x".repeat(200),
  ];
  for (const name of good) assert.equal(fileNameProblem(name), undefined, name);
  const bad = [
    "",
    ".",
    "..",
    "a/b",
    "/",
    "a\\b",
    "a\0",
    "a\nb",
    "a\u007f",
    "\ud800",
    "\u202e",
    "\u2028",
    "\ufeff",
  ];
  for (const name of [...bad, "x".repeat(201), "ö".repeat(101), 7, undefined, null, {}]) {
    assert.notEqual(fileNameProblem(name), undefined, JSON.stringify(name));
  }
});

test("file: what is saved elsewhere has a name that every system takes for one", () => {
  const saved = ["a:b|c.pcap", "CON", "nul.txt", "console", "end. ", " begin"].map(nameToSave);
  assert.deepEqual(saved, ["a_b_c.pcap", "_CON", "_nul.txt", "console", "end_", "_begin"]);
});

test("file: what came from elsewhere is a kept file if all of it can be", () => {
  const file = { name: "a", sha256: "0".repeat(64), bytes: 0 };
  assert.ok(isKeptFile(file));
  const others = [{ name: "../a" }, { sha256: "0".repeat(63) }, { sha256: "G".repeat(64) }, { bytes: -1 }, {
    bytes: 0.5,
  }];
  for (const other of others) assert.ok(!isKeptFile({ ...file, ...other }), JSON.stringify(other));
  for (const other of [undefined, null, 7, "a", []]) assert.ok(!isKeptFile(other));
});
