/**
 * Owns how two that know a token show it to each other before either sends it.
 * Must not know how the proofs travel.
 * Invariant: a proof holds for one challenge and one side, and says nothing of the token to whoever does not know it already,
 * as long as the token is too long to be guessed.
 */

import { hex, randomHex } from "./bytes.ts";

/** Who proves: what asks, or what answers. */
export type Side = "client" | "executor";

/** A challenge that was not there before: 32 hexadecimal digits. */
export function newChallenge(): string {
  return randomHex(16);
}

/** Whether a text can be a challenge. */
export function isChallenge(text: string): boolean {
  return /^[0-9a-f]{32,128}$/.test(text);
}

/** What only one who knows the token can say to a challenge: HMAC-SHA-256 by the token, in hexadecimal digits. */
export async function proofOf(token: string, side: Side, challenge: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(token), algorithm, false, ["sign"]);
  return hex(
    new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(`outrider ${side} ${challenge}`))),
  );
}
