/** A module that can't be loaded is told with the file that is wrong, which may be one that it imports, and the place in it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test from "node:test";
import { exportsOf } from "../../workers/modules.ts";
import { withFiles } from "../rig.ts";

const WRONG: Readonly<Record<string, { readonly text: string; readonly says: RegExp }>> = {
  throws: {
    text: "export const a = 1;\n\nthrow new Error('no disk');\n",
    says: /no disk, at .*inner\.ts:3:\d+$/,
  },
  syntax: { text: "export const a = 1;\n\nexport const = 3;\n", says: /inner\.ts:3:14/ },
  missing: {
    text: "export const a = 1;\nimport './nothere.ts';\n",
    says: /nothere\.ts.*inner\.ts(?::2:\d+| \(the runtime does not say in which line\))/s,
  },
};

for (const [kind, { text, says }] of Object.entries(WRONG)) {
  test(`loading: an imported module that ${kind} is the one that is blamed`, async () => {
    const outer = "import { a } from './inner.ts';\nexport function t() { return a; }\n";
    await withFiles({ "outer.ts": outer, "inner.ts": text }, async (folder) => {
      const module = pathToFileURL(join(folder, "outer.ts")).href;
      const told = (await exportsOf([module]))[module] as { readonly error: string };
      assert.match(told.error, says);
    });
  });
}
