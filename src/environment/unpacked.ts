/**
 * Owns the unpacking of what others have packed, by gzip, xz or Zstandard: which one it is, its beginning tells.
 * Must not know what is inside.
 * Invariant: no more comes out than was asked for, however small what goes in; the same on each runtime.
 */
import { type Bytes, joined } from "../base/bytes.ts";

/** What is packed can't be unpacked, or is larger than it may be. */
export class UnpackingError extends Error {
  readonly code = "OUTRIDER_UNPACKING";
  override name = "UnpackingError";
}

/** By the bytes at the beginning. */
const GZIP = [0x1f, 0x8b], XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
const FORMATS: readonly { readonly magic: readonly number[]; readonly unpack: Unpack }[] = [
  { magic: GZIP, unpack: gunzipped },
  { magic: XZ, unpack: unxz },
  { magic: ZSTD, unpack: unzstd },
];

type Unpack = (packed: Bytes, room: Room) => Promise<void>;

/**
 * Unpacks it. What is in none of the formats is given back as it is.
 *
 * @param maxBytes The most that may come out.
 * @throws {UnpackingError} If it is damaged, cut, or larger.
 */
export async function unpacked(packed: Bytes, maxBytes: number): Promise<Bytes> {
  const format = FORMATS.find(({ magic }) => magic.every((byte, at) => packed[at] === byte));
  if (format === undefined) return packed;
  const room = new Room(maxBytes);
  try {
    await format.unpack(packed, room);
  } catch (cause) {
    if (cause instanceof UnpackingError) throw cause;
    throw new UnpackingError(`It is damaged or cut: it can't be unpacked`, { cause });
  }
  return room.bytes();
}

/** What has come out so far. */
class Room {
  readonly #maxBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  take(chunk: Uint8Array): void {
    this.#length += chunk.length;
    if (this.#length > this.#maxBytes) {
      throw new UnpackingError(`It has more than ${this.#maxBytes} bytes once it is unpacked`);
    }
    this.#chunks.push(chunk);
  }

  async drain(stream: ReadableStream<Uint8Array>): Promise<void> {
    const reader = stream.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        this.take(value);
      }
    } finally {
      // Where it was left in the midst, the other end hears of it; what it answers is of no interest.
      reader.cancel().catch(() => {});
    }
  }

  bytes(): Bytes {
    return joined(this.#chunks, this.#length);
  }
}

async function gunzipped(packed: Bytes, room: Room): Promise<void> {
  await room.drain(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
}

async function unxz(packed: Bytes, room: Room): Promise<void> {
  const { default: xz } = await import("xz-decompress");
  await room.drain(new xz.XzReadableStream(new Blob([packed]).stream()));
}

async function unzstd(packed: Bytes, room: Room): Promise<void> {
  const { Decompress } = await import("fzstd");
  let whole = false;
  const stream = new Decompress((chunk, last) => {
    room.take(chunk);
    whole ||= last === true;
  });
  stream.push(packed, true);
  if (!whole) throw new UnpackingError("It is cut: its end is missing");
}

/**
 * Unpacks a stream by gzip or Zstandard, as its beginning tells; another is given back as it is.
 *
 * @param maxBytes The most that may come out. Where it is damaged, cut or larger, the stream that comes out fails.
 */
export async function unpackedStream(
  packed: ReadableStream<Bytes>,
  maxBytes: number,
): Promise<ReadableStream<Uint8Array>> {
  const reader = packed.getReader();
  const { value: first } = await reader.read();
  const begins = (magic: readonly number[]) => magic.every((byte, at) => first?.[at] === byte);
  const whole = new ReadableStream<Bytes>({
    start(controller) {
      if (first !== undefined) controller.enqueue(first);
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (why) => reader.cancel(why),
  });
  const out = begins(GZIP)
    ? whole.pipeThrough(new DecompressionStream("gzip"))
    : begins(ZSTD)
    ? whole.pipeThrough(await zstdStream())
    : whole;
  let length = 0;
  return out.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        length += chunk.length;
        if (length > maxBytes) {
          throw new UnpackingError(`It has more than ${maxBytes} bytes once it is unpacked`);
        }
        controller.enqueue(chunk);
      },
    }),
  );
}

async function zstdStream(): Promise<TransformStream<Bytes, Uint8Array>> {
  const { Decompress } = await import("fzstd");
  let out: (chunk: Uint8Array) => void = () => {};
  const stream = new Decompress((chunk) => out(chunk));
  return new TransformStream({
    transform(chunk, controller) {
      out = (unpacked) => controller.enqueue(unpacked);
      stream.push(chunk);
    },
    // It fails where the end is missing.
    flush: () => stream.push(new Uint8Array(0), true),
  });
}
