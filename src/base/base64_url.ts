/**
 * Owns base64 in its form for addresses and names of files: two other characters, and nothing that fills up.
 * Must not know what the bytes are.
 */
import { toBase64 } from "./base64.ts";

/** Base64 of bytes, as it stands in addresses. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
