/** What a stream that is unpacked as it comes gives, and what it says of one that is cut, damaged or too large. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import test from "node:test";
import { gzipSync } from "fflate";
import { unpackedStream } from "../../src/environment/unpacked.ts";

const TEXT = new TextEncoder().encode("a layer of a base");
/** Zstandard: one block, as it is; its size, and that it is the last. */
const ZSTD = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, TEXT.length, TEXT.length << 3 | 1, 0, 0, ...TEXT);

/** What comes of some bytes that come in pieces. */
async function unpacked(packed: Uint8Array, most = 1_000): Promise<string> {
  const pieces = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (let at = 0; at < packed.length; at += 7) controller.enqueue(packed.slice(at, at + 7));
      controller.close();
    },
  });
  const out = await Array.fromAsync(await unpackedStream(pieces, most));
  return Buffer.concat(out).toString();
}

test("a stream is unpacked by what it begins with", async () => {
  for (const packed of [TEXT, gzipSync(TEXT), ZSTD]) {
    assert.equal(await unpacked(packed), "a layer of a base");
  }
});

test("a stream that is cut, or comes to more than it may, fails", async () => {
  for (const packed of [gzipSync(TEXT), ZSTD]) {
    for (const cut of [1, 9]) await assert.rejects(unpacked(packed.slice(0, -cut)));
    await assert.rejects(unpacked(packed, TEXT.length - 1), /more than 16 bytes once it is unpacked/);
  }
});
