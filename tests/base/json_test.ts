/** JSON from outside: it is measured and checked as text, before anybody makes values of it. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { isJson, JsonMeter, MAX_JSON_DEPTH } from "../../src/base/json.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Values that a JSON text has, those in lists and objects included. */
function nodesOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return 1 + Object.values(value).reduce<number>((sum, each) => sum + nodesOf(each), 0);
}

test("json: what JSON.parse takes is JSON, and what it refuses is not, whole or with a letter changed", () => {
  const letters = fc.constantFrom(...'{}[]",:\\/bfnrtu0123456789-+.eE \n\ttruefalsn\u0001é\ud83d');
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), fc.nat(), letters, (text, at, letter) => {
      assert.equal(isJson(text), true, text);
      const place = at % (text.length + 1);
      for (
        const other of [
          text.slice(0, place) + letter + text.slice(place),
          text.slice(0, place),
          text.slice(place),
        ]
      ) {
        assert.equal(isJson(other), parses(other), JSON.stringify(other));
      }
    }),
    { numRuns: 2_000 },
  );
  const hard = [
    "",
    " ",
    "01",
    "-",
    "-0",
    "1.",
    ".5",
    "1e",
    "1e+",
    "1E-2",
    "[1,]",
    "[,1]",
    "{}",
    "[]",
    "[[],[]]",
    '{"a"}',
  ];
  const more = [
    '{"a":}',
    '{"a":1,}',
    '{"a":1}}',
    '"\\u12g4"',
    '"\\',
    '"',
    "tru",
    "nulll",
    "[1 2]",
    "\ufeff1",
    "{a:1}",
  ];
  for (const text of [...hard, ...more]) assert.equal(isJson(text), parses(text), text);
});

test("json: it is deep up to a bound, which neither check nor meter passes", () => {
  const nest = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  const measured = (text: string) => new JsonMeter(1e6).take(new TextEncoder().encode(text));
  for (const depth of [1, MAX_JSON_DEPTH, MAX_JSON_DEPTH + 1, 1_000_000]) {
    assert.equal(isJson(nest(depth)), depth <= MAX_JSON_DEPTH);
    assert.equal(measured(nest(depth)), depth <= MAX_JSON_DEPTH ? undefined : "depth");
    assert.equal(measured('{"a":'.repeat(depth)), depth <= MAX_JSON_DEPTH ? undefined : "depth");
  }
});

test("json: values are counted, however the text is cut, and brackets in strings are none", () => {
  const measured = (text: string, maxNodes: number, cut: number) => {
    const meter = new JsonMeter(maxNodes);
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += cut) {
      const much = meter.take(bytes.subarray(at, at + cut));
      if (much !== undefined) return much;
    }
    return undefined;
  };
  fc.assert(fc.property(fc.json({ maxDepth: 4 }), fc.integer({ min: 1, max: 7 }), (text, cut) => {
    const nodes = nodesOf(JSON.parse(text));
    assert.equal(measured(text, 2 * nodes, cut), undefined);
    assert.equal(measured(`[${text}${",0".repeat(20)}]`, 19, cut), "nodes");
  }));
  assert.equal(measured(JSON.stringify("[{,".repeat(1_000) + '\\"'), 1, 3), undefined);
});
