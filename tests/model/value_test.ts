/** The value rule: whatever passes comes back equal, and whatever does not is named by its path. */
import assert from "node:assert/strict";
import test from "node:test";
import { bytesBeyond, MAX_BATCH_BYTES, MAX_VALUE_BYTES } from "../../src/base/limits.ts";
import fc from "fast-check";
import { fromBase64, toBase64 } from "../../src/base/base64.ts";
import { decode, encode, jsonOf, MAX_DEPTH, type Value, ValueError } from "../../src/model/value.ts";

const key = fc.oneof(
  fc.string(),
  fc.constantFrom("$bytes", "$$bytes", "$$$bytes", "bytes", "a", "toJSON", "constructor"),
);

const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Value>(null, true, false, "", '{"$bytes":"AA=="}'),
    fc.string({ unit: "binary" }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

test("what is encoded comes back equal, and as JSON", () => {
  fc.assert(
    fc.property(value, (value) => {
      const text = encode(value, "v")!;
      JSON.parse(text);
      assert.deepStrictEqual(decode(text), value);
    }),
    { numRuns: 500 },
  );
});

test("bytes are told from objects that look like them, at any depth of escaping", () => {
  for (const name of ["$bytes", "$$bytes", "$$$bytes"]) {
    const text = encode({ [name]: "AAEC" }, "v")!;
    assert.equal(text, JSON.stringify({ [`$${name}`]: "AAEC" }));
    assert.deepEqual(decode(text), { [name]: "AAEC" });
  }
  assert.equal(encode(new Uint8Array([0, 1, 2]), "v"), '{"$bytes":"AAEC"}');
  assert.deepEqual(decode('{"a":[{"$bytes":"AAEC"}]}'), { a: [new Uint8Array([0, 1, 2])] });
  assert.equal(encode({ $bytes: 1, b: 2 }, "v"), '{"$bytes":1,"b":2}');
});

test("decoding gives a new value each time", () => {
  const text = encode({ list: [1] }, "v")!;
  const first = decode(text) as { list: number[] };
  first.list.push(2);
  assert.deepEqual(decode(text), { list: [1] });
});

test("nothing stays nothing, and -0 becomes 0", () => {
  assert.equal(encode(undefined, "v"), undefined);
  assert.equal(encode(-0, "v"), "0");
});

test("what can't be sent is named by its path and left as it was", () => {
  class Point {}
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [() => 1, /^v is a function/],
    [{ items: [1, 2, 3, { fn() {} }] }, /^v\.items\[3\]\.fn is a function/],
    [{ "a b": Symbol("x") }, /^v\["a b"\] is a symbol/],
    [[1n], /^v\[0\] is a bigint/],
    [{ a: undefined }, /^v\.a is undefined: leave it out or use null/],
    [[undefined], /^v\[0\] is undefined/],
    [NaN, /^v is NaN, which JSON can't hold/],
    [[-Infinity], /^v\[0\] is -Infinity/],
    [new Date(0), /^v is a Date: use toISOString\(\)/],
    [new Map(), /^v is a Map: use Object\.fromEntries\(\)/],
    [new Set(), /^v is a Set: use an array/],
    [new Error("x"), /^v is a Error: throw it/],
    [new ArrayBuffer(1), /^v is a ArrayBuffer: use a Uint8Array/],
    [new Float64Array(1), /^v is a Float64Array: use a Uint8Array/],
    [new Point(), /^v is a Point: a value is made of plain objects/],
    [{ [Symbol("s")]: 1 }, /^v has a symbol as a key/],
    [{ toJSON: () => 1 }, /^v\.toJSON is a function/],
    [cyclic, /nested more than 500 deep, or holds itself/],
    // deno-lint-ignore no-sparse-arrays
    [[1, , 3], /^v\[1\] is undefined/],
  ];
  for (const [given, message] of cases) {
    assert.throws(() => encode(given, "v"), (error: unknown) => {
      assert.ok(error instanceof ValueError);
      assert.equal(error.code, "OUTRIDER_VALUE");
      assert.match(error.message, message);
      return true;
    });
  }
});

test("values are as deep as they may be", () => {
  const nest = (depth: number) => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as Value;
  assert.deepEqual(decode(encode(nest(MAX_DEPTH), "v")!), nest(MAX_DEPTH));
  assert.throws(() => encode(nest(MAX_DEPTH + 1), "v"), ValueError);
});

test("base64 is right for all lengths", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    assert.deepEqual(fromBase64(toBase64(bytes)), new Uint8Array(bytes));
  }));
  const large = new Uint8Array(100_000).map((_, at) => at);
  assert.deepEqual(fromBase64(toBase64(large)), large);
});

test("a value has a limit in bytes, told with its size; every value within it fits into a batch", () => {
  const characters = Math.floor(MAX_VALUE_BYTES / 3);
  assert.equal(encode("語".repeat(characters - 1), "t")?.length, characters + 1);
  assert.throws(() => encode("語".repeat(characters), "t"), {
    code: "OUTRIDER_VALUE",
    message:
      `t has ${3 * characters + 2} bytes as JSON, more than the ${MAX_VALUE_BYTES} that a value may have: ` +
      "write it to a file and return the path",
  });
  assert.throws(() => encode(["x".repeat(MAX_VALUE_BYTES)], "t"), { code: "OUTRIDER_VALUE" });
  const worst = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom('"', "\\", "\u0000", "\ud800", "語"),
  );
  fc.assert(fc.property(fc.array(worst), (texts) => {
    const value = encode(texts, "t")!;
    const bytes = (text: string) => new TextEncoder().encode(text).length;
    assert.ok(bytes(JSON.stringify(value)) <= 2 * bytes(value) + 2);
  }));
  assert.ok(MAX_BATCH_BYTES >= 2 * MAX_VALUE_BYTES + 16 * 1024 * 1024);
});

test("bytes of a text are counted as an encoder has them", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.nat(10), (text, max) => {
    const bytes = new TextEncoder().encode(text).length;
    assert.equal(bytesBeyond(text, max), bytes > max ? bytes : undefined);
  }));
  assert.equal(bytesBeyond("\ud800\ud800\udc00\udc00", 1), 10);
});

test("a form in JSON that all objects or all arrays were given changes no value, and is no reason to refuse one", () => {
  const value = { a: [1, { b: "two" }], c: new Uint8Array([1]) };
  const text = encode(value, "v");
  for (const prototype of [Object.prototype, Array.prototype]) {
    Object.defineProperty(prototype, "toJSON", { configurable: true, writable: true, value: () => "forged" });
    try {
      assert.equal(encode(value, "v"), text);
      assert.throws(() => encode({ a: { toJSON: () => 1 } }, "v"), {
        message: /^v\.a\.toJSON is a function/,
      });
    } finally {
      delete (prototype as { toJSON?: unknown }).toJSON;
    }
  }
});

test("a form of its own in JSON is refused wherever it lies, and however it got there", () => {
  const form = { toJSON: () => "another" };
  class Listed extends Array<unknown> {
    toJSON() {
      return "another";
    }
  }
  const hidden = Object.defineProperty({ a: 1 }, "toJSON", { value: () => "another" });
  const bare = Object.create(Object.assign(Object.create(null), form));
  for (const made of [form, new Listed(1), hidden, bare, Object.assign([1], form)]) {
    for (const value of [made, [made], { a: [{ b: made }] }, [new Uint8Array(1), made]]) {
      assert.throws(() => encode(value, "v"), { name: "ValueError" });
    }
  }
});

test("fields that are inherited are not dropped in silence", () => {
  const inherits = Object.create(Object.assign(Object.create(null), { a: 1 }));
  assert.throws(() => encode({ inherits }, "v"), { message: /^v\.inherits is a object of a class/ });
  assert.equal(encode(Object.assign(Object.create(null), { a: 1 }), "v"), '{"a":1}');
});

test("what libraries put on prototypes changes no value", () => {
  const value = { a: [1, "two", true, null], c: new Uint8Array([1]) };
  const text = encode(value, "v");
  const patched = [BigInt, Date, Number, String, Boolean, Function, Uint8Array, Map, Set, Error];
  for (const { prototype } of patched) {
    Object.defineProperty(prototype, "toJSON", { configurable: true, writable: true, value: () => "forged" });
  }
  try {
    assert.equal(encode(value, "v"), text);
    for (const other of [5n, new Date(0), new Map(), new Set(), new Error("e"), Object(5n), () => 1]) {
      assert.throws(() => encode({ a: [other] }, "v"), { message: /^v\.a\[0\] is a / });
    }
  } finally {
    for (const { prototype } of patched) delete (prototype as { toJSON?: unknown }).toJSON;
  }
});

test("what is known to be JSON is written as it is, whatever all objects were given", () => {
  const value = { list: [1, { a: "b" }], none: null };
  const text = JSON.stringify(value);
  for (const prototype of [Object.prototype, Array.prototype]) {
    Object.defineProperty(prototype, "toJSON", { configurable: true, writable: true, value: () => "forged" });
    try {
      assert.equal(jsonOf(value), text);
    } finally {
      delete (prototype as { toJSON?: unknown }).toJSON;
    }
  }
});
