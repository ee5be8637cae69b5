/**
 * Owns reading what a packed archive holds without holding any of it: names, kinds and rights, piece by piece.
 * Must not know what they are for.
 * Invariant: of what is in the files no more is in memory than a piece.
 */
import { createTarDecoder, type TarHeader } from "modern-tar";
import { runtime } from "../../runtime/runtime.ts";
import { unpackedStream } from "../unpacked.ts";

const PIECE_BYTES = 1024 * 1024;
/** The most that an archive may have once it is unpacked. */
const MAX_BYTES: number = 64 * 1024 ** 3;

/** What stands before each file of an archive. @throws {Error} If it is damaged, or has too much in it. */
export async function* tarHeaders(path: string): AsyncGenerator<TarHeader, void, undefined> {
  const file = await runtime.openFile(path, "read");
  let at = 0;
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const piece = await file.read(at, PIECE_BYTES);
      at += piece.length;
      if (piece.length === 0) controller.close();
      else controller.enqueue(piece);
    },
  });
  const reader = (await unpackedStream(packed, MAX_BYTES)).pipeThrough(createTarDecoder()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value.header;
      await value.body.cancel();
    }
  } finally {
    await reader.cancel().catch(() => {});
    await file.close();
  }
}
