/**
 * The public surface: what `mod.ts` and `testing.ts` export, with its types, is what tests/api.snapshot says, so that none of it changes
 * unnoticed; and every error has a code of the one list. docs/development.md says how to renew the snapshot.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { publicSurface, SNAPSHOT } from "../tools/api.ts";
import { root } from "../tools/program.ts";

test("what mod.ts and testing.ts export is what the snapshot says", () => {
  assert.equal(
    publicSurface(),
    readFileSync(SNAPSHOT, "utf8"),
    "The public surface has changed: if it was meant to, run npm run build:api and commit tests/api.snapshot",
  );
});

/** Errors without a code of their own: what an end point or gateway answers has the code of the answer. */
const OF_ANSWERS: readonly string[] = ["Refuse", "Refused"];

/** Classes of errors in the sources: the name, the class above, and what stands in it. */
function errorClasses(): { readonly name: string; readonly above: string; readonly body: string }[] {
  const files = ["src", "workers"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.ts$/.test(file)).map((file) => join(root, folder, file))
  );
  return files.flatMap((file) =>
    [
      ...readFileSync(file, "utf8").matchAll(
        /^(?:export )?class (\w+) extends (\w*Error) \{\n([\s\S]*?)^\}/gm,
      ),
    ]
      .map(([, name, above, body]) => ({ name: name!, above: above!, body: body! }))
  );
}

/** The words of a union in src/model/error_code.ts. */
function codesOf(union: string): readonly string[] {
  const text = readFileSync(join(root, "src/model/error_code.ts"), "utf8");
  const body = new RegExp(`export type ${union} =([^;]*);`).exec(text)?.[1] ?? "";
  return [...body.matchAll(/\| "(\w+)"/g)].map(([, code]) => code!);
}

test("every class of errors has a stable code of the one union, and every code of the union has its class", () => {
  const classes = errorClasses();
  assert.ok(classes.length > 25, "the classes were not found");
  const known = codesOf("OutriderErrorCode");
  const used: string[] = [];
  const wrong = classes.flatMap(({ name, above, body }) => {
    const code = /\bcode\b(?:: [^=;]+)? = "(\w+)"/.exec(body)?.[1];
    if (code !== undefined) {
      used.push(code);
      return known.includes(code) ? [] : [`${name} has a code that OutriderErrorCode lacks: ${code}`];
    }
    const ofUnion = /\bcode: (?:Store|Journal|File)ErrorCode;/.test(body);
    return ofUnion || OF_ANSWERS.includes(name) ? [] : [`${name} extends ${above} and has no code`];
  });
  assert.deepEqual(wrong, []);
  assert.deepEqual(used.toSorted(), known.toSorted(), "each code has one class");
  const all = [
    ...known,
    ...codesOf("StoreErrorCode"),
    ...codesOf("JournalErrorCode"),
    ...codesOf("FileErrorCode"),
  ];
  assert.equal(new Set(all).size, all.length);
});
