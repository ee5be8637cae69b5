/** What to do about a module that a runtime can't load. */
import assert from "node:assert/strict";
import test from "node:test";
import { advised } from "../../src/pipeline/load/advice.ts";

test("advice: what the runtimes say is followed by what to do about it", () => {
  for (
    const [said, todo] of [
      ["Cannot use import statement outside a module", /: it is an ES module, .* npm pkg set type=module/],
      [
        "Unexpected token 'export'",
        /npm pkg set type=module there, or end the file's name with \.mts or \.mjs$/,
      ],
      [
        "TypeScript enum is not supported in strip-only mode",
        /write const Level = \{ low: 0, high: 1 \} as const/,
      ],
      ["TypeScript namespace declaration is not supported in strip-only mode", /a module with exports/],
      ["TypeScript parameter property is not supported in strip-only mode", /set it in the constructor/],
      ["TypeScript import equals declaration is not supported in strip-only mode", /what can be left out/],
      ["exports is not defined", /end the file's name with \.cjs, or write export$/],
    ] as const
  ) {
    assert.ok(advised(said).startsWith(`${said}: `), said);
    assert.match(advised(said), todo);
  }
});

test("advice: what leads astray is left out, what says where stays", () => {
  const told = advised(
    'Import "outrider" not a dependency and not in import map from "file:///w/p.ts"\n' +
      '  hint: "@outrider/outrider" is available in this workspace. Import it by its full name.\n' +
      "    at file:///w/p.ts:1:26",
  );
  assert.match(
    told,
    /^Import "outrider" not a dependency .*: Deno needs an import map for it: /,
  );
  assert.match(
    told,
    /"npm:outrider" \} in the deno\.json .*; Node and Bun need none\n {4}at file:\/\/\/w\/p\.ts:1:26$/,
  );
  assert.ok(!told.includes("@outrider/outrider"));
  assert.equal(advised("Cannot find module 'x'"), "Cannot find module 'x'");
});
