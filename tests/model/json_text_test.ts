/** JSON that a person wrote: where it is broken, and what is there twice. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { jsonValue, readJson, soundJson } from "../../src/model/json_text.ts";

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
    ["", "The file is empty: write JSON"],
    ["\uFEFF \n", "The file is empty: write JSON"],
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

test("a number that a double can't hold is told by its place, its line and its column", () => {
  const { value, problems } = readJson('{"a": [1,\n {"id": 12345678901234567890}], "b": 1e400}', "p.json");
  assert.deepEqual(value, { a: [1, { id: 12345678901234567000 }], b: Infinity });
  assert.deepEqual(problems.map(({ place }) => place), ["a[1].id", "b"]);
  assert.equal(
    problems[0]!.message,
    "The number 12345678901234567890 can't be held exactly, it would become 12345678901234567000: write it in quotes, at line 2, column 9",
  );
  const lost = [
    "9007199254740993",
    "-9007199254740993",
    "18446744073709551615",
    "1e-400",
    "1E+400",
    "3.14159265358979323846",
    "2.4703282292062328e-324",
    `1${"0".repeat(400)}`,
    `1.${"1".repeat(100_000)}`,
    // The length alone is what is wrong with it.
    `1.${"0".repeat(1_500)}`,
    // Two to the power of 400 is a double, and has more digits than can be compared.
    `${2n ** 400n}`,
  ];
  for (const word of lost) {
    for (const text of [word, ` ${word}\n`, `[${word}]`, `{"a":${word}}`, `\uFEFF[0,${word}]`]) {
      assert.equal(readJson(text, "").problems.length, 1, text.slice(0, 60));
      assert.throws(() => jsonValue(text), { code: "OUTRIDER_JSON" });
      assert.equal(soundJson(text), undefined);
    }
  }
});

test("a number that a double holds is taken, however it is written, and in a string it is none", () => {
  const held = [
    "0",
    "-0",
    "0e9999",
    "1.10",
    "1e3",
    "100000000000000000000000",
    "9007199254740992",
    "18446744073709551616",
    "0.1",
    "0.10000000000000001",
    "0.30000000000000004",
    "5e-324",
    "4.9406564584124654e-324",
    "1.7976931348623157e308",
    "100.000000000000000000000",
    `1.${"0".repeat(998)}`,
    `${2n ** 300n}`,
    '"12345678901234567890"',
    '"a: 12345678901234567890, 1e999"',
    '{"12345678901234567890": "\\" 1e999"}',
  ];
  for (const text of held) {
    assert.deepEqual(readJson(text, ""), { value: JSON.parse(text), problems: [] }, text);
  }
  fc.assert(
    fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), (number) => {
      for (const word of [JSON.stringify(number), number.toPrecision(17), number.toExponential(16)]) {
        assert.deepEqual(readJson(`[${word}]`, "").problems, [], word);
      }
    }),
  );
});

test("numbers are left to who bounds each, where that is asked for, and keys of two are told all the same", () => {
  const text = '{"a": 1e999, "b": [12345678901234567890]}';
  assert.deepEqual(readJson(text, "", { numbers: "left" }), {
    value: { a: Infinity, b: [12345678901234567000] },
    problems: [],
  });
  assert.deepEqual(readJson('{"a": 1e999, "a": 2}', "", { numbers: "left" }).problems.length, 1);
  assert.throws(() => jsonValue('{"a": 1e999, "a": 2}', { numbers: "left" }), /^JsonTextError: a: Duplicate/);
});

test("what would be lost is told of a thousand problems a hundred times", () => {
  const { problems } = readJson(`[${Array(1000).fill("1e999").join()}]`, "");
  assert.equal(problems.length, 100);
  assert.equal(problems[99]!.place, "[99]");
});
