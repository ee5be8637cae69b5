/**
 * Owns what is done to bytes on the way to and from the gateway: compression and hash, by the web's own means.
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

/** SHA-256 of bytes, in lower-case hexadecimal. */
export async function sha256(bytes: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
