/** Bytes: in hexadecimal, hashed, joined; and which names mean this machine alone. */
import assert from "node:assert/strict";
import test from "node:test";
import { hex, joined, randomHex, sha256 } from "../../src/base/bytes.ts";
import { isLoopback } from "../../src/base/loopback.ts";

test("bytes in hexadecimal have two digits each, and a hash is that of SHA-256", async () => {
  assert.equal(hex(new Uint8Array([0, 1, 15, 16, 255])), "00010f10ff");
  assert.equal(await sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.equal(await sha256("é"), await sha256(new Uint8Array([0xc3, 0xa9])));
  assert.match(randomHex(32), /^[0-9a-f]{64}$/);
  assert.notEqual(randomHex(32), randomHex(32));
});

test("chunks are joined in their order", () => {
  const chunks = [[1, 2], [], [3]].map((chunk) => new Uint8Array(chunk));
  assert.deepEqual(joined(chunks, 3), new Uint8Array([1, 2, 3]));
});

test("only names that nobody else can answer to are loopback", () => {
  for (const host of ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]) {
    assert.ok(isLoopback(host), host);
  }
  const others = [
    "",
    "localhost.example",
    "xlocalhost",
    "127.0.0.1.example",
    "128.0.0.1",
    "::",
    "[::2]",
    "0.0.0.0",
  ];
  for (const host of others) assert.ok(!isLoopback(host), host);
});
