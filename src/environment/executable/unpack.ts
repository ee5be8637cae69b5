/**
 * Owns taking one file out of a package of npm, which is a gzipped tar.
 * Must not know which file it is; who calls has verified the package, and verifies the file.
 * Invariant: nothing but that one file is written, and never more of it than its size.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { OpenFile, Runtime } from "../../runtime/port.ts";

const BLOCK = 512;
const PIECE_BYTES = 1_048_576;

/** What is taken, and where to. */
export interface Unpacking {
  readonly archive: string;
  /** Its whole name in the archive. */
  readonly name: string;
  readonly to: string;
  /** The size that it has. */
  readonly bytes: number;
}

/** Takes it. @throws {Error} If it is not there, or has another size. */
export async function unpackOne(
  runtime: Pick<Runtime, "openFile">,
  { archive, name, to, bytes }: Unpacking,
): Promise<void> {
  const packed = await runtime.openFile(archive, "read");
  try {
    const blocks = new Blocks(piecesOf(packed));
    for (;;) {
      const header = await blocks.take(BLOCK);
      if (header.length < BLOCK || header.every((byte) => byte === 0)) break;
      const size = parseInt(textAt(header, 124, 12), 8) || 0;
      if (whole(header) !== name) {
        await blocks.skip(padded(size));
        continue;
      }
      if (size !== bytes) throw new Error(`${name} in ${archive} has ${size} bytes instead of ${bytes}`);
      return await write(runtime, { blocks, to, size });
    }
  } finally {
    await packed.close();
  }
  throw new Error(`${archive} holds no file ${name}`);
}

async function write(
  runtime: Pick<Runtime, "openFile">,
  { blocks, to, size }: { readonly blocks: Blocks; readonly to: string; readonly size: number },
): Promise<void> {
  const file = await runtime.openFile(to, "write", 0o755);
  try {
    for (let at = 0; at < size;) {
      const piece = await blocks.take(Math.min(PIECE_BYTES, size - at));
      if (piece.length === 0) throw new Error(`${to} is cut off in its package`);
      await file.write(at, piece);
      at += piece.length;
    }
    await file.cut(size);
    await file.sync();
  } finally {
    await file.close();
  }
}

function textAt(header: Uint8Array, at: number, length: number): string {
  const part = header.subarray(at, at + length);
  const end = part.indexOf(0);
  return new TextDecoder().decode(end < 0 ? part : part.subarray(0, end)).trim();
}

function whole(header: Uint8Array): string {
  const prefix = textAt(header, 345, 155);
  return prefix === "" ? textAt(header, 0, 100) : `${prefix}/${textAt(header, 0, 100)}`;
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** A file's bytes, unzipped. */
function piecesOf(file: OpenFile): AsyncIterator<Bytes> {
  let at = 0;
  const packed = new ReadableStream<Bytes>({
    async pull(controller) {
      const piece = await file.read(at, PIECE_BYTES);
      at += piece.length;
      if (piece.length === 0) controller.close();
      else controller.enqueue(piece);
    },
  });
  return read(packed.pipeThrough(new DecompressionStream("gzip")).getReader());
}

async function* read(reader: ReadableStreamDefaultReader<Bytes>): AsyncGenerator<Bytes> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Bytes that come in pieces of any size, taken in pieces of those that are wanted. */
class Blocks {
  readonly #pieces: AsyncIterator<Bytes>;
  #left: Bytes = new Uint8Array(0);

  constructor(pieces: AsyncIterator<Bytes>) {
    this.#pieces = pieces;
  }

  /** So many bytes; fewer only at the end. */
  async take(count: number): Promise<Bytes> {
    while (this.#left.length < count) {
      const { done, value } = await this.#pieces.next();
      if (done) break;
      const both = new Uint8Array(this.#left.length + value.length);
      both.set(this.#left);
      both.set(value, this.#left.length);
      this.#left = both;
    }
    const taken = this.#left.subarray(0, count);
    this.#left = this.#left.subarray(taken.length);
    return taken;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      const { length } = await this.take(Math.min(PIECE_BYTES, left));
      if (length === 0) return;
      left -= length;
    }
  }
}
