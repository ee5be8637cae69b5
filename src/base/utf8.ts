/**
 * Owns the reading of bytes as text: UTF-8, and nothing else.
 * Must not know where the bytes come from.
 * Invariant: a text that was read, written as UTF-8, is the bytes that it was read from: nothing is replaced.
 */

/** Bytes that are not UTF-8. */
export class Utf8Error extends Error {
  /** Stable, for programs. */
  readonly code = "OUTRIDER_UTF8";
  override name = "Utf8Error";
  /** Where the first byte lies that is none of a character. */
  readonly offset: number;
  /** It, and what follows: four at the most. */
  readonly bytes: readonly number[];

  constructor(bytes: Uint8Array, offset: number) {
    super(wordsFor(bytes, offset));
    this.offset = offset;
    this.bytes = [...bytes.subarray(offset, offset + 4)];
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const loose = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text; a byte order mark stays in it, so that what is written back is the same. @throws {Utf8Error} With the place. */
export function utf8Text(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch (cause) {
    const offset = faultIn(bytes);
    if (offset === undefined) throw cause;
    throw new Utf8Error(bytes, offset);
  }
}

/** The text for who only looks for something in it: what is no UTF-8 is replaced. */
export function looseText(bytes: Uint8Array): string {
  return loose.decode(bytes);
}

function wordsFor(bytes: Uint8Array, offset: number): string {
  const before = loose.decode(bytes.subarray(0, offset)).split(/\r\n|\r|\n/);
  const column = [...before.at(-1)!].length + 1;
  const byte = `0x${bytes[offset]!.toString(16).padStart(2, "0")}`;
  const place = `line ${before.length}, column ${column}`;
  if (/^(255,254|254,255)/.test(String(bytes.subarray(0, 2)))) {
    return "it is UTF-16, not UTF-8: save it as UTF-8";
  }
  return `it is not UTF-8: the byte ${byte} at ${place} is no character; save it as UTF-8`;
}

/** Where the first sequence begins that is none of UTF-8. */
function faultIn(bytes: Uint8Array): number | undefined {
  for (let at = 0; at < bytes.length;) {
    const size = sizeAt(bytes, at);
    if (size === 0) return at;
    at += size;
  }
  return undefined;
}

/** Bytes of the character that begins here; 0 if none does. The ranges are those of the Unicode standard, table 3-7. */
function sizeAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < least || second > most) return 0;
  for (let next = at + 2; next < at + size; next++) if (((bytes[next] ?? 0) & 0xc0) !== 0x80) return 0;
  return size;
}
