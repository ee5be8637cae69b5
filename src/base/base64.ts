/**
 * Owns base64 of bytes, and bytes of base64.
 * Must not know what the bytes are. Tasks' threads run this, so that it takes what it uses from primordials.ts.
 * Invariant: a size is bounded by memory alone, not by how many arguments a call may have.
 */
import {
  apply,
  byteLength,
  Bytes,
  charCodeAt,
  fromBinary,
  fromCharCode,
  min,
  toBinary,
} from "./primordials.ts";

/** How many bytes become text at a time: more are more arguments than a call may have. */
const PIECE = 8192;

/** Base64 of bytes. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  const length = byteLength(bytes);
  for (let from = 0; from < length; from += PIECE) {
    const codes: number[] = [];
    const to = min(length, from + PIECE);
    for (let at = from; at < to; at++) codes[at - from] = bytes[at]!;
    text += apply(fromCharCode, undefined, codes);
  }
  return fromBinary(text);
}

/** Bytes of base64. */
export function fromBase64(text: string): Uint8Array {
  const binary = toBinary(text);
  const bytes = new Bytes(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = charCodeAt(binary, at);
  return bytes;
}
