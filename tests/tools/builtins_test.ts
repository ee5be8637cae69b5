import assert from "node:assert/strict";
import test from "node:test";
import { withoutFacades } from "../../tools/builtins.ts";

/** A module with this code, with what it exports. */
async function loaded(code: string): Promise<Readonly<Record<string, unknown>>> {
  return await import(`data:text/javascript;base64,${btoa(code)}`);
}

test("a program has the same of what is built in without importing it", async () => {
  const code = withoutFacades(`import process, { pid as ours } from "node:process";
import * as path from "node:path"; import { join, join as again } from "node:path";
import fs from "node:fs"; import "node:os";
export const found = [process.pid === ours, path.join === join, join === again, typeof fs.readFileSync];
export { join };`);
  assert.doesNotMatch(code, /import/);
  assert.deepEqual((await loaded(code))["found"], [true, true, true, "function"]);
});

test("what is taken is there before the first statement, wherever its import stands", async () => {
  const code = withoutFacades(`#!/usr/bin/env node
export const early = sep;
globalThis.process.getBuiltinModule("node:util").toUSVString = () => "another";
import { sep } from "node:path";
export const own = toUSVString("a");
import { toUSVString } from "node:util";
globalThis.process.getBuiltinModule("node:util").toUSVString = toUSVString;`);
  assert.ok(code.startsWith("#!/usr/bin/env node\n"));
  const { early, own } = await loaded(code);
  assert.ok(early === "/" || early === "\\");
  assert.equal(own, "a");
});

test("what is done to a module that is built in changes nothing of a program that has taken it", async () => {
  const code = withoutFacades(`import { toUSVString } from "node:util";
export const before = toUSVString;
globalThis.process.getBuiltinModule("node:util").toUSVString = () => "another";
export const after = toUSVString;
globalThis.process.getBuiltinModule("node:util").toUSVString = before;`);
  const { before, after } = await loaded(code);
  assert.equal(before, after);
});

test("what only looks like such an import, and imports of anything else, stay as they are", () => {
  const code = `import { a } from "./a.js";
const text = \`
import fs from "node:fs";
\`;
const later = () => import("node:dns");
export { b } from "./b.js";
`;
  assert.equal(withoutFacades(code), code);
});
