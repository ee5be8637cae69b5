/**
 * Owns what is done to bytes whatever they are: joined, compressed, hashed, written in hexadecimal digits.
 * Must not know what the bytes are.
 * Invariant: nothing here reads or keeps more than it was given.
 */

/** Bytes that `fetch` takes as a body. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Below this many bytes gzip's own frame costs more than it saves. */
export const WORTH_GZIP = 256;

/** Bytes in gzip's format. */
export async function gzip(bytes: Bytes): Promise<Bytes> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** SHA-256 of bytes, or of a text in UTF-8, in lower-case hexadecimal. */
export async function sha256(content: Bytes | string): Promise<string> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/** Bytes in lower-case hexadecimal, two digits each. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** So many random bytes, in lower-case hexadecimal. */
export function randomHex(count: number): string {
  return hex(crypto.getRandomValues(new Uint8Array(count)));
}

/** The bytes of all chunks, which have so many together. */
export function joined(chunks: readonly Uint8Array[], length: number): Bytes {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
