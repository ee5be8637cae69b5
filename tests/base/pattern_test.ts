/** Tests of patterns: what they find is what a regular expression finds, in time that grows with the text alone. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { MAX_PATTERN, MAX_STATES, Pattern } from "../../src/base/pattern.ts";

const PARTS = [
  ..."ab19_ .^$|*+?(){}[]-,\\",
  ...["\\d", "\\w", "\\s", "\\D", "\\.", "\\n", "[a-b]", "[^a]", "{2}", "{0,2}", "{1,}", "(?:", "é", "😀"],
];
const TEXTS = [..."ab19_ .-\n", "é", "😀", "^", "\\"];

test("a pattern finds what the regular expression of the same text finds", () => {
  let taken = 0;
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...PARTS), { maxLength: 7 }),
      fc.array(fc.constantFrom(...TEXTS), { maxLength: 8 }),
      (parts, letters) => {
        const [source, text] = [parts.join(""), letters.join("")];
        let pattern: Pattern, expression: RegExp;
        try {
          pattern = new Pattern(source);
        } catch (error) {
          return assert.ok(error instanceof SyntaxError, String(error));
        }
        try {
          expression = new RegExp(source, "u");
        } catch {
          // It wants more signs escaped.
          return;
        }
        // With this flag no such sign may be escaped; Bun 1.4.5 takes a pair of surrogates all the same, and finds it nowhere.
        if (/\\[^\p{ASCII}]/u.test(source)) return;
        taken++;
        assert.equal(pattern.isIn(text), expression.test(text), `${source} in ${text}`);
      },
    ),
    { numRuns: 5_000 },
  );
  assert.ok(taken > 500);
});

test("the sets hold what they hold in a regular expression, and as many groups as may lie in each other do", () => {
  for (const set of ["\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "."]) {
    const [pattern, expression] = [new Pattern(set), new RegExp(set, "u")];
    for (let code = 0; code < 0x3000; code++) {
      const character = String.fromCharCode(code);
      assert.equal(pattern.isIn(character), expression.test(character), `${set} ${code}`);
    }
  }
  assert.ok(new Pattern(`${"(".repeat(50)}a${")".repeat(50)}`).isIn("a"));
});

test("what is not taken of regular expressions is told, with its place", () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["(a", /^A "\)" is missing \(character 3\)$/],
    ["a)", /^There is no "\(" before this "\)" \(character 2\)$/],
    ["*a", /^There is nothing to repeat: write \\\* for the character itself \(character 1\)$/],
    ["a**", /^Only one of \* \+ \? \{ \} may follow another part/],
    ["a{5,2}", /^Write \{2\}, \{2,\} or \{2,5\} here/],
    ["[b-a]", /^A range goes from a lower character to a higher/],
    ["[a", /^A "\]" is missing/],
    ["a\\", /^A character is missing after the last \\/],
    ["(?=a)", /^Only \(\?: … \) is taken/],
    ["(a)\\1", /^\\1 is not taken/],
    ["\\bword", /^\\b is not taken/],
    ["a".repeat(MAX_PATTERN + 1), /^It has 501 characters: 500 are allowed$/],
    [`a{${MAX_STATES}}`, /^It comes to more than 500 steps: repeat less$/],
    ["(".repeat(51) + ")".repeat(51), /^More than 50 groups lie in each other/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(() => new Pattern(text), { name: "SyntaxError", message }, text);
  }
});

test("what makes others go back and forth for ever costs so many steps for each character", () => {
  const text = "a".repeat(10_000);
  for (
    const evil of [
      "^(a+)+$b",
      "^(a|a)*$b",
      "^(a*)*b",
      "(x+x+)+y",
      "^((a?){100})*$b",
      "^(()*)*b",
      "(){9999}((){9999}){999}b",
    ]
  ) {
    assert.equal(new Pattern(evil).isIn(text), false, evil);
  }
  assert.equal(new Pattern("^(a+)+$").isIn(text), true);
});
