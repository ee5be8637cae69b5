/**
 * Owns digests of what comes piece by piece. Loaded with the first one: few starts make any.
 * Must not know what comes.
 */
import { createHash } from "node:crypto";
import type { Digest } from "./port.ts";

/** A SHA-256 of what is still to come. */
export function sha256Digest(): Digest {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}
