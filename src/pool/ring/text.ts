/**
 * Owns text in shared memory: UTF-8, with a short way for short ASCII, which is most of it and where the calls of the
 * encoders cost more than their work.
 * Must not know what the text means.
 * Invariant: `read` gives what `write` was given, but for lone surrogates, which become U+FFFD.
 */
import { Bytes, charCodeAt, decodeUtf8, encodeInto, fromCharCode, slice } from "../../base/primordials.ts";

/** Texts up to this length are read the short way, in bytes. */
const SHORT = 64;

/** How texts are written. */
export interface Way {
  /** Texts up to this length take the short way, in UTF-16 code units. */
  readonly short: number;
  readonly codeAt: (text: string, at: number) => number;
}

/** On the executor's thread, where no task can change what a text's methods are. */
export const ALONE: Way = { short: SHORT, codeAt: (text, at) => text.charCodeAt(at) };
/** Beside tasks. Bun takes 20 ns for such a call, so that the encoder is worth its while sooner. */
export const BESIDE_TASKS: Way = { short: 16, codeAt: charCodeAt };

/** Shared memory that holds texts. */
export class TextMemory {
  readonly #buffer: SharedArrayBuffer;
  readonly #bytes: Uint8Array;
  readonly #way: Way;

  constructor(buffer: SharedArrayBuffer, way: Way) {
    this.#way = way;
    this.#buffer = buffer;
    this.#bytes = new Bytes(buffer);
  }

  /** Writes a text; returns how many bytes it took, at most three for each code unit, for which there must be room. */
  write(text: string, from: number): number {
    const { short, codeAt } = this.#way;
    if (text.length <= short) {
      const bytes = this.#bytes;
      let at = 0;
      for (; at < text.length; at++) {
        const code = codeAt(text, at);
        if (code > 127) break;
        bytes[from + at] = code;
      }
      if (at === text.length) return at;
    }
    return this.fill(text, { from, most: text.length * 3 }).written;
  }

  /** Writes as much of a text as so many bytes hold. */
  fill(
    text: string,
    { from, most }: { readonly from: number; readonly most: number },
  ): { readonly read: number; readonly written: number } {
    // Not `subarray`, which asks what kind of array is wanted, and may be told by whom nobody asked.
    return encodeInto(text, new Bytes(this.#buffer, from, most));
  }

  /** Reads a text of so many bytes. */
  read(from: number, length: number): string {
    if (length > SHORT) return decodeUtf8(new Bytes(this.#buffer, from, length));
    const bytes = this.#bytes;
    let text = "";
    for (let at = from; at < from + length; at++) {
      const code = bytes[at]!;
      if (code > 127) return decodeUtf8(new Bytes(this.#buffer, from, length));
      text += fromCharCode(code);
    }
    return text;
  }
}

/** The start of a text, at most `most` code units long, that parts no surrogate pair. */
export function startOf(text: string, most: number): string {
  const last = most < text.length ? charCodeAt(text, most - 1) : 0;
  return slice(text, 0, last >= 0xd800 && last <= 0xdbff ? most - 1 : most);
}
