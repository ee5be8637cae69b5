/** Bytes that were handed out: a bundle, or one sentence that says what they are instead. */
import assert from "node:assert/strict";
import test from "node:test";
import { handedOut, handedText } from "../../src/agent/handed.ts";
import { PipelineError } from "../../src/model/problem.ts";

const latin1 = (text: string) => Uint8Array.from(text, (each) => each.charCodeAt(0));

function told(bytes: Uint8Array): string[] {
  const source = handedOut(handedText(bytes));
  assert.ok(source instanceof PipelineError);
  return source.problems.map(({ place, message }) => `${place}: ${message}`);
}

test("handed out: an object is what is to be run, byte order mark or none", () => {
  for (const text of ['{"name":"caf\u00e9"}', '\uFEFF{"name":"caf\u00e9"}', '{"\uFFFD":1}']) {
    const bytes = new TextEncoder().encode(text);
    assert.deepEqual(handedOut(handedText(bytes)), JSON.parse(text.replace("\uFEFF", "")));
  }
});

test("handed out: what is no bundle is told in one sentence that says what it is", () => {
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [
      latin1("\x80\x04\x95rest"),
      /^: What was handed out is no bundle: it is a Python pickle, .* OUTRIDER_PIPELINE names/,
    ],
    [latin1('{"name":"caf\xe9"}'), /is no bundle: it is not UTF-8: the byte 0xe9 at line 1, column 13 /],
    [latin1("\xff\xfe{\0"), /is no bundle: it is UTF-16, not UTF-8/],
    [latin1("<!doctype html>"), /is no bundle: it is a web page: check that OUTRIDER_GATEWAY/],
    [latin1("[1]"), /is no bundle: it is JSON, and no object: hand out what outrider bundle makes$/],
    [latin1('{"a":}'), /is no bundle: Not JSON: Expected a value, found .* at line 1, column 6$/],
    [latin1('{"a":{"b":1,"b":2}}'), /^a\.b: Duplicate: the key "b" is there twice/],
    [latin1('{"a":[12345678901234567890]}'), /^a\[0\]: The number 12345678901234567890 can't be held/],
  ];
  for (const [bytes, message] of cases) {
    const [first, ...more] = told(bytes);
    assert.match(first!, message);
    assert.deepEqual(more, []);
  }
});

test("handed out: what is no text stays none when it was kept as one", () => {
  const kept = new TextEncoder().encode(handedText(latin1('{"a":"\xe9"}')));
  assert.match(told(kept)[0]!, /it is not UTF-8: the byte 0xe9 at line 1, column 7/);
});
