/** Tests of pointers into values: they lead where they would in the parsed value. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import {
  itemsAt,
  keysOf,
  MAX_POINTER,
  placeAt,
  pointerOf,
  pointerProblem,
  textAt,
} from "../../src/model/pointer.ts";

/** What RFC 6901 says, of a parsed value. */
function within(value: unknown, pointer: string): unknown {
  return keysOf(pointer).reduce<unknown>((inner, key) => {
    if (typeof inner !== "object" || inner === null) return undefined;
    if (Array.isArray(inner) && !/^(?:0|[1-9]\d*)$/.test(key)) return undefined;
    return Object.hasOwn(inner, key) ? (inner as Record<string, unknown>)[key] : undefined;
  }, value);
}

test("a pointer leads in a text where it leads in its value, blanks or none", () => {
  const keys = fc.constantFrom("a", "b", "", "0", "1", "a/b", "~", 'q"', "\\", "length", "__proto__", "ü\n");
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom(null, true, -1.5e30, "", 'a"]}', "\\"),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(keys, tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  fc.assert(
    fc.property(
      json,
      fc.array(keys, { maxLength: 3 }),
      fc.constantFrom(undefined, 2, "\t"),
      (value, path, blanks) => {
        const pointer = pointerOf(path);
        assert.deepEqual(keysOf(pointer), path);
        const text = JSON.stringify(value, null, blanks);
        const found = textAt(text, pointer);
        const expected = within(JSON.parse(text), pointer);
        assert.deepEqual(found === undefined ? undefined : JSON.parse(found), expected);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("of a key that is there twice the last counts, however it is spelt", () => {
  assert.equal(textAt(String.raw`{"a":1,"\u0061":{"b":[2]} }`, "/a/b/0"), "2");
  assert.equal(textAt(' {"a" : [ 1 , {"b":"]"} ] }', "/a/1/b"), '"]"');
});

test("what is no pointer is told with what to write", () => {
  assert.equal(pointerProblem(""), undefined);
  assert.equal(pointerProblem("/a~0b~1c/0"), undefined);
  assert.match(
    pointerProblem("loss")!,
    /^A path begins with "\/", such as "\/loss" or "\/hosts\/0"; received "loss"$/,
  );
  assert.match(pointerProblem("/a~2")!, /^In a path "~" is written ~0/);
  assert.match(
    pointerProblem("/".repeat(MAX_POINTER + 1))!,
    /^A path may have at most 1000 characters; it has 1001$/,
  );
});

/** The texts of a list's items, or how many there are beyond `most`. */
function items(text: string, most = 100): string[] | number | undefined {
  const found = itemsAt(text, placeAt(text, "")!, most);
  if (found === undefined) return undefined;
  const { count, bounds } = found;
  if (count > most) return count;
  return Array.from({ length: count }, (_, at) => text.slice(bounds[2 * at]!, bounds[2 * at + 1]!));
}

test("pointer: the items of a list are found as they are written, or counted where they are too many", () => {
  assert.deepEqual(items("[]"), []);
  assert.deepEqual(items(' [ 1 , [2, 3] , {"a": [4]} , "]" , true ] '), [
    "1",
    "[2, 3]",
    '{"a": [4]}',
    '"]"',
    "true",
  ]);
  for (const none of ['{"a":[1]}', '"[1]"', "1", "null"]) assert.equal(items(none), undefined, none);
  const many = JSON.stringify(Array.from({ length: 1_000 }, (_, at) => at));
  assert.equal(items(many, 999), 1_000);
  assert.equal((items(many, 1_000) as string[]).at(-1), "999");
});

test("pointer: any list's items are those that JSON.parse finds", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 4 })), fc.boolean(), (list, wide) => {
      const text = wide ? JSON.stringify(list, undefined, 2) : JSON.stringify(list);
      assert.deepEqual((items(text) as string[]).map((item) => JSON.parse(item)), JSON.parse(text));
    }),
    { numRuns: 200 },
  );
});
