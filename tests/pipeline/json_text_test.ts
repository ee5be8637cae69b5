/** JSON that a person wrote: where it is broken, and what is there twice. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { readJson } from "../../src/pipeline/document/json_text.ts";

function message(text: string): string | undefined {
  const { problems } = readJson(text, "p.json");
  assert.ok(problems.length <= 1);
  if (problems.length === 1) assert.equal(problems[0]!.place, "p.json");
  return problems[0]?.message;
}

test("what is broken is told with line and column", () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{"a": 1,}', 'Not JSON: Found a comma before "}": remove it at line 1, column 9'],
    ["[1,\n]", 'Not JSON: Found a comma before "]": remove it at line 2, column 1'],
    ['{\r\n "a" 1}', 'Not JSON: Expected ":", found "1" at line 2, column 6'],
    ["[1 2]", 'Not JSON: Expected "," or the closing bracket, found "2" at line 1, column 4'],
    ['{"a": tru}', 'Not JSON: Expected a value, found "tru" at line 1, column 7'],
    ['{"a": 01}', 'Not JSON: Expected a value, found "01" at line 1, column 7'],
    ["{a: 1}", 'Not JSON: Expected a key in double quotes or "}", found "a:" at line 1, column 2'],
    ["{'a': 1}", `Not JSON: Expected a key in double quotes or "}", found "'a':" at line 1, column 2`],
    ['{"a": "x\n"}', "Not JSON: Found a line break or control character in a string at line 1, column 9"],
    ['{"a": "\\q"}', 'Not JSON: Expected an escape such as \\n or \\\\, found "\\\\q" at line 1, column 8'],
    ['{"a": "x', "Not JSON: The string that starts here has no closing quote, at line 1, column 7"],
    ['{"a": [1', 'Not JSON: The text ends where "," or the closing bracket should be at line 1, column 9'],
    ["// hello\n{}", "Not JSON: Comments are not allowed in JSON: found one at line 1, column 1"],
    ["{}\n}", 'Not JSON: Expected the end, found "}" at line 2, column 1'],
    ["", "The file is empty: a pipeline is written as a JSON object"],
    ["\uFEFF \n", "The file is empty: a pipeline is written as a JSON object"],
  ];
  for (const [text, expected] of cases) assert.equal(message(text), expected, text);
});

test("a byte order mark is skipped", () => {
  assert.deepEqual(readJson('\uFEFF{"a": 1}', "p.json"), { value: { a: 1 }, problems: [] });
});

test("keys that are there twice are told by their place", () => {
  const { value, problems } = readJson(
    '{"tasks": {"a": {}, "b c": {"x": [{"k": 1, "\\u006b": 2}]}, "a": {}}}',
    "p.json",
  );
  assert.deepEqual(value, { tasks: { a: {}, "b c": { x: [{ k: 2 }] } } });
  assert.deepEqual(problems.map(({ place }) => place), ['tasks["b c"].x[0].k', "tasks.a"]);
  assert.match(problems[1]!.message, /^Duplicate: the key "a" is there twice/);
});

test("it accepts exactly what JSON.parse accepts", () => {
  const piece = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"\\u0041"',
    "1",
    "-0.5e3",
    "01",
    "true",
    "nul",
    " ",
    "\n",
    '"',
    "\\",
  );
  const soup = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  const broken = fc.tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", '"', "}", "x")).map(
    ([text, at, insert]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + insert + text.slice(place + 1);
    },
  );
  fc.assert(
    fc.property(fc.oneof(fc.json(), soup, broken), (text) => {
      fc.pre(text.trim() !== "");
      let expected: unknown;
      try {
        expected = { value: JSON.parse(text) };
      } catch {
        expected = undefined;
      }
      const found = readJson(text, "p.json");
      if (expected === undefined) assert.ok(!("value" in found));
      else assert.deepEqual({ value: found.value }, expected);
    }),
    { numRuns: 1000 },
  );
});

test("length is no matter, and depth is none for the stack", () => {
  assert.match(
    message("[".repeat(1_000))!,
    /^Not JSON: The text ends where a value or "]" should be at line 1, column 1001$/,
  );
  assert.match(message("[".repeat(1_000_000))!, /^Is nested more than 1000 levels deep: .* column 1001$/);
  const long = "\\n".repeat(4_000_000);
  assert.equal((readJson(`"${long}"`, "p.json").value as string).length, 4_000_000);
});
