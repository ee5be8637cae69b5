/**
 * Owns minisign's signatures and public keys: their texts, and whether a signature is that of a key over some bytes
 * (https://jedisct1.github.io/minisign). What is signed is the BLAKE2b-512 of the bytes.
 * Must not know which keys are trusted, nor what is signed. Secret keys are in secret_key.ts.
 * Invariant: nothing of a signature counts, its comment least of all, before both of its signatures were verified.
 */
import { blake2b } from "@noble/hashes/blake2.js";
import { type Bytes, joined } from "../base/bytes.ts";
import { fromBase64, toBase64 } from "../base/base64.ts";
import { quoted } from "../base/message.ts";
import { TrustError } from "./error.ts";

/** Name of the algorithm of keys, and of signatures over a hash. */
const KEY = "Ed";
const HASHED = "ED";
/** Longest comment that minisign itself reads. */
const MAX_COMMENT = 1_000;
/** Longest text of a signature or key. */
const MAX_TEXT = 8_192;

/** A public key. */
export interface PublicKey {
  /** As minisign shows it: 16 digits, upper-case hexadecimal. */
  readonly id: string;
  /** The whole as text: 56 characters that begin with `RW`. */
  readonly text: string;
  readonly bytes: Bytes;
}

/** A signature, which nobody has verified yet. */
export interface Signature {
  readonly keyId: string;
  readonly bytes: Bytes;
  /** What was signed with it: tell nobody before it is verified. */
  readonly comment: string;
  readonly global: Bytes;
}

/** What of bytes is signed: their BLAKE2b-512. */
export function signedHash(bytes: Uint8Array): Bytes {
  return new Uint8Array(blake2b(bytes, { dkLen: 64 }));
}

/** An id as it is shown, of the eight bytes as they stand in keys and signatures. */
export function shownId(bytes: Uint8Array): string {
  return [...bytes].reverse().map((byte) => byte.toString(16).padStart(2, "0")).join("").toUpperCase();
}

/** A key as text. @throws {TrustError} If it is none. */
export function publicKey(text: string): PublicKey {
  const bytes = strictBytes(text, 42);
  if (bytes === undefined || latin(bytes.subarray(0, 2)) !== KEY) {
    throw new TrustError(
      `${quoted(text.slice(0, 60))} is no public key of minisign: it has 56 characters and begins with RW`,
    );
  }
  return { id: shownId(bytes.subarray(2, 10)), text, bytes: bytes.slice(10) };
}

/** The text of a public key. @param id Its eight bytes. */
export function publicKeyOf(id: Uint8Array, key: Uint8Array): PublicKey {
  return publicKey(toBase64(joined([ascii(KEY), id, key], 42)));
}

/** The file of a public key, as minisign writes it. */
export function publicKeyText({ id, text }: PublicKey): string {
  return `untrusted comment: minisign public key ${id}\n${text}\n`;
}

/** Makes a signature's text. @param sign Signs bytes with the secret key. @param id Its eight bytes. */
export async function signatureText(
  hash: Uint8Array,
  { id, comment, sign }: {
    readonly id: Uint8Array;
    readonly comment: string;
    readonly sign: (bytes: Bytes) => Promise<Bytes>;
  },
): Promise<string> {
  if (/[\r\n\0]/.test(comment) || new TextEncoder().encode(comment).length > MAX_COMMENT) {
    throw new TrustError(
      `The comment of a signature is one line of at most ${MAX_COMMENT} bytes; received ${quoted(comment)}`,
    );
  }
  const signature = await sign(new Uint8Array(hash));
  const global = await sign(withComment(signature, comment));
  const lines = [
    "untrusted comment: signature from outrider",
    toBase64(joined([ascii(HASHED), id, signature], 74)),
    `trusted comment: ${comment}`,
    toBase64(global),
  ];
  return `${lines.join("\n")}\n`;
}

/** Reads the text of a signature, which anybody may have written. @throws {TrustError} If it is none. */
export function signatureOf(text: string): Signature {
  const lines = text.length > MAX_TEXT ? [] : text.split(/\r?\n/);
  const [about = "", signed = "", comment = "", globally = ""] = lines;
  const bytes = strictBytes(signed.trim(), 74);
  const global = strictBytes(globally.trim(), 64);
  if (!about.startsWith("untrusted comment:") || !comment.startsWith("trusted comment: ")) {
    throw new TrustError(
      "The signature is none of minisign: it has four lines, the first and third comments",
    );
  }
  if (bytes === undefined || global === undefined) {
    throw new TrustError(
      "The signature is damaged: its second and fourth lines are base64 of 74 and 64 bytes",
    );
  }
  if (latin(bytes.subarray(0, 2)) !== HASHED) {
    throw new TrustError(
      "The signature is of minisign's older kind, without a hash: sign anew with minisign -H",
    );
  }
  return {
    keyId: shownId(bytes.subarray(2, 10)),
    bytes: bytes.slice(10),
    comment: comment.slice("trusted comment: ".length),
    global,
  };
}

/** Whether a signature, and its comment, are those of a key over what has the hash. */
export async function isSignedBy(
  key: PublicKey,
  { keyId, bytes, comment, global }: Signature,
  hash: Bytes,
): Promise<boolean> {
  if (keyId !== key.id) return false;
  const imported = await crypto.subtle.importKey("raw", key.bytes, "Ed25519", false, ["verify"]);
  return await crypto.subtle.verify("Ed25519", imported, bytes, hash) &&
    await crypto.subtle.verify("Ed25519", imported, global, withComment(bytes, comment));
}

function withComment(signature: Uint8Array, comment: string): Bytes {
  const text = new TextEncoder().encode(comment);
  return joined([signature, text], signature.length + text.length);
}

/** Bytes of base64 that is written as it must be, and has so many; else nothing. */
export function strictBytes(text: string, length: number): Bytes | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length !== 4 * Math.ceil(length / 3)) return undefined;
  const bytes = new Uint8Array(fromBase64(text));
  return bytes.length === length && toBase64(bytes) === text ? bytes : undefined;
}

/** Characters of one byte each. */
export function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** The bytes of a few characters of ASCII. */
export function ascii(text: string): Bytes {
  return new TextEncoder().encode(text);
}
