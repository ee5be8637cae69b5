/** Bytes read as text: UTF-8 as it is, and of anything else where it is none. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { looseText, Utf8Error, utf8Text } from "../../src/base/utf8.ts";

const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

test("what is UTF-8 is read as it is, byte order mark and all", () => {
  for (const text of ["", "caf\u00e9", "\uFEFF{}", "\u{1F600}\u0000\uFFFD\uFFFF\u{10FFFF}\uD7FF\uE000"]) {
    assert.equal(utf8Text(new TextEncoder().encode(text)), text);
    assert.equal(looseText(new TextEncoder().encode(text)), text);
  }
});

test("what is not UTF-8 is refused with the place of the first byte that is none", () => {
  const cases: readonly (readonly [Uint8Array, string])[] = [
    [latin1('{\n  "a": "caf\u00e9"\n}'), "0xe9 at line 2, column 12"],
    [latin1("a\r\nb\rc\nd\xff"), "0xff at line 4, column 2"],
    [Uint8Array.of(...new TextEncoder().encode("\u{1F600}\u00e9"), 0xc3), "0xc3 at line 1, column 3"],
    [Uint8Array.of(0x61, 0xc0, 0xaf), "0xc0 at line 1, column 2"],
    [Uint8Array.of(0xed, 0xa0, 0x80), "0xed at line 1, column 1"],
    [Uint8Array.of(0xe0, 0x80, 0x80), "0xe0 at line 1, column 1"],
    [Uint8Array.of(0xf4, 0x90, 0x80, 0x80), "0xf4 at line 1, column 1"],
    [Uint8Array.of(0xf0, 0x9f, 0x98), "0xf0 at line 1, column 1"],
    [Uint8Array.of(0xf0, 0x9f, 0x98, 0x20), "0xf0 at line 1, column 1"],
    [Uint8Array.of(0x20, 0x80), "0x80 at line 1, column 2"],
  ];
  for (const [bytes, place] of cases) {
    assert.throws(() => utf8Text(bytes), {
      code: "OUTRIDER_UTF8",
      message: `it is not UTF-8: the byte ${place} is no character; save it as UTF-8`,
    });
  }
});

test("UTF-16, as Windows writes it, is called by its name", () => {
  for (const start of [[0xff, 0xfe, 0x7b, 0], [0xfe, 0xff, 0, 0x7b]]) {
    assert.throws(() => utf8Text(Uint8Array.from(start)), { message: /^it is UTF-16, not UTF-8/ });
  }
});

test("it refuses what the runtime's own decoder refuses, and finds a place for all of it", () => {
  const byte = fc.oneof(
    fc.constantFrom(0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4),
    fc.nat(255),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 8 }), fc.array(byte, { maxLength: 8 }), (one, other) => {
    const bytes = Uint8Array.of(...one, ...other);
    let fits = true;
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      fits = false;
    }
    if (fits) return void utf8Text(bytes);
    assert.throws(() => utf8Text(bytes), (error) => {
      assert.ok(error instanceof Utf8Error);
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, error.offset));
      assert.deepEqual(error.bytes, [...bytes.subarray(error.offset, error.offset + 4)]);
      return true;
    });
  }));
});
