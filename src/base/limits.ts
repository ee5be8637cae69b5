/**
 * Owns the sizes that both ends of the line to a gateway have to agree on.
 * Must not know what is made, kept or sent.
 * Invariant: what one end may make, the other end takes: the largest value fits into the largest record, that into the largest
 * batch, however its JSON is quoted.
 */
import { charCodeAt } from "./primordials.ts";

/** Deepest nesting of JSON that comes from outside, in levels. */
export const MAX_TEXT_DEPTH = 1_000;

/** Largest value of a task: bytes of its JSON in UTF-8 (64 MiB). */
export const MAX_VALUE_BYTES: number = 64 * 1024 * 1024;

/** Most items of a mapped task. */
export const MAX_ITEMS = 100_000;

/**
 * Largest batch of records, unpacked, bytes. A record holds a value as a text, so each quote and backslash of its JSON counts
 * twice; all else in a batch (errors, reasons, what was set aside) has 32 MiB.
 */
export const MAX_BATCH_BYTES: number = 2 * MAX_VALUE_BYTES + 32 * 1024 * 1024;

/** Largest change of a flag as JSON, bytes: flags are for agreeing on something, not for data. */
export const MAX_FLAG_BYTES: number = 256 * 1024;

/** Longest reason for which a task skips itself, in UTF-16 code units. */
export const MAX_SKIP_REASON = 1_000;

/** Longest line of the log in UTF-16 code units; a longer one is cut into several. */
export const MAX_LINE: number = 64 * 1024;

/** Bytes of a text in UTF-8 where it has more than `maxBytes`, else `undefined`. Long texts alone are counted. */
export function bytesBeyond(text: string, maxBytes: number): number | undefined {
  if (text.length <= maxBytes / 3) return undefined;
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = charCodeAt(text, at);
    // Each half of a pair counts two, a lone one three as the character that stands in for it.
    if (code >= 0x80) bytes += code < 0x800 || isPaired(text, at) ? 1 : 2;
  }
  return bytes > maxBytes ? bytes : undefined;
}

function isPaired(text: string, at: number): boolean {
  const code = charCodeAt(text, at) & 0xfc00;
  if (code === 0xd800) return (charCodeAt(text, at + 1) & 0xfc00) === 0xdc00;
  return code === 0xdc00 && (charCodeAt(text, at - 1) & 0xfc00) === 0xd800;
}
