/**
 * Owns text in shared memory: UTF-8, with a short way for short ASCII, which is most of it and where the calls of the
 * encoders cost more than their work.
 * Must not know what the text means.
 * Invariant: `readText` gives what `writeText` was given, but for lone surrogates, which become U+FFFD.
 */

/** Texts up to this length take the short way, in UTF-16 code units. */
const SHORT = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Writes a text; returns how many bytes it took, at most three for each code unit, for which there must be room. */
export function writeText(text: string, bytes: Uint8Array, from: number): number {
  if (text.length <= SHORT) {
    let at = 0;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code > 127) break;
      bytes[from + at] = code;
    }
    if (at === text.length) return at;
  }
  return encoder.encodeInto(text, bytes.subarray(from, from + text.length * 3)).written;
}

/** The start of a text, at most `most` code units long, that parts no surrogate pair. */
export function startOf(text: string, most: number): string {
  const last = most < text.length ? text.charCodeAt(most - 1) : 0;
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? most - 1 : most);
}

/** Reads a text of so many bytes. */
export function readText(bytes: Uint8Array, from: number, length: number): string {
  if (length > SHORT) return decoder.decode(bytes.subarray(from, from + length));
  let text = "";
  for (let at = from; at < from + length; at++) {
    const code = bytes[at]!;
    if (code > 127) return decoder.decode(bytes.subarray(from, from + length));
    text += String.fromCharCode(code);
  }
  return text;
}
