/**
 * Owns frames: a length of four bytes, the highest first, and so many bytes of JSON in UTF-8.
 * Must not know what is in them, nor what carries them.
 * Invariant: nothing is kept of a frame that is longer than one may be, and no memory is taken before its bytes are there.
 */
import { joined } from "../../base/bytes.ts";
import { MAX_VALUE_BYTES } from "../../base/limits.ts";

const HEAD = 4;

/** Longest frame that is taken from a process, bytes: the largest value, its quotes and backslashes written twice, and what stands around it. */
export const MAX_FRAME_BYTES: number = 2 * MAX_VALUE_BYTES + 1024 * 1024;

/** The frame of a JSON text. */
export function frameOf(text: string): Uint8Array {
  const body = new TextEncoder().encode(text);
  const frame = new Uint8Array(HEAD + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, HEAD);
  return frame;
}

/** Cuts what a process writes into the bodies of its frames. */
export class FrameReader {
  readonly #hear: (body: Uint8Array) => void;
  readonly #most: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** Length of the frame that has begun, with its head, if it is known. */
  #wanted: number | undefined;
  #wrong: string | undefined;

  /** @param most Longest frame, bytes. */
  constructor(hear: (body: Uint8Array) => void, most: number = MAX_FRAME_BYTES) {
    this.#hear = hear;
    this.#most = most;
  }

  /** Takes the next bytes; says what can't be right about them. After that it hears nothing more. */
  push(bytes: Uint8Array): string | undefined {
    if (this.#wrong !== undefined || bytes.length === 0) return this.#wrong;
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    while (this.#wrong === undefined && this.#bytes >= (this.#wanted ?? HEAD)) this.#next();
    return this.#wrong;
  }

  #next(): void {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : joined(this.#chunks, this.#bytes);
    this.#chunks = [all];
    if (this.#wanted === undefined) {
      const length = new DataView(all.buffer, all.byteOffset, HEAD).getUint32(0);
      if (length > this.#most) this.#wrong = `it has begun a frame of ${length} bytes`;
      this.#wanted = HEAD + length;
      return;
    }
    const body = all.subarray(HEAD, this.#wanted);
    const rest = all.subarray(this.#wanted);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    this.#wanted = undefined;
    this.#hear(body);
  }
}
