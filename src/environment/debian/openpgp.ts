/**
 * Owns the check of a text that was signed in the clear by OpenPGP (RFC 9580, section 7), as Debian signs its releases: version 4
 * signatures by RSA with SHA-256 or SHA-512.
 * Must not know whose keys they are, nor what the text says.
 * Invariant: only what was signed is given back, and only if a key that was asked for has signed it.
 */
import { fromBase64 } from "../../base/base64.ts";
import { toBase64Url } from "../../base/base64_url.ts";
import { type Bytes, joined } from "../../base/bytes.ts";
import { DebianError } from "./errors.ts";

const CLEAR =
  /^-----BEGIN PGP SIGNED MESSAGE-----\n(?:Hash: [^\n]*\n)*\n([\s\S]*)\n-----BEGIN PGP SIGNATURE-----\n([\s\S]*?)-----END PGP SIGNATURE-----\s*$/;

/** OpenPGP's numbers: signature packet, text signature, RSA, hashes. */
const SIGNATURE = 2;
const OF_TEXT = 1;
const RSA = 1;
const HASHES: Readonly<Record<number, string>> = { 8: "SHA-256", 10: "SHA-512" };

/** A key: the contents of OpenPGP's version 4 packet of an RSA key. */
export type SigningKey = Uint8Array;

interface Signature {
  readonly hash: string;
  /** What is signed beside the text. */
  readonly hashed: Bytes;
  readonly value: Bytes;
}

/** The text that was signed. @throws {DebianError} If none of the keys has signed it. */
export async function signedText(message: string, keys: readonly SigningKey[]): Promise<string> {
  const [, escaped, armour] = CLEAR.exec(message.replaceAll("\r\n", "\n")) ?? [];
  if (escaped === undefined || armour === undefined) throw new DebianError("It is not signed in the clear");
  // Blanks at the ends of lines are not signed.
  const text = escaped.replace(/^- /gm, "").replace(/[ \t]+$/gm, "");
  const canonical = new TextEncoder().encode(text.replaceAll("\n", "\r\n"));
  for (const signature of signaturesIn(armour)) {
    for (const key of keys) {
      if (await isBy(key, signature, canonical)) return text;
    }
  }
  throw new DebianError("It is signed by none of the keys that are trusted, or was changed after that");
}

async function isBy(key: SigningKey, { hash, hashed, value }: Signature, text: Bytes): Promise<boolean> {
  const { n, e, bytes } = numbersOf(key);
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash };
  const imported = await crypto.subtle.importKey("jwk", { kty: "RSA", n, e }, algorithm, false, ["verify"]);
  if (value.length > bytes) return false;
  const padded = new Uint8Array(bytes);
  padded.set(value, bytes - value.length);
  const trailer = new Uint8Array([4, 0xff, 0, 0, 0, 0]);
  new DataView(trailer.buffer).setUint32(2, hashed.length);
  const signed = joined([text, hashed, trailer], text.length + hashed.length + trailer.length);
  return await crypto.subtle.verify(algorithm, imported, padded, signed);
}

/** The numbers of a key, as WebCrypto takes them. */
function numbersOf(key: SigningKey): { n: string; e: string; bytes: number } {
  const reader = new Reader(key);
  if (reader.byte() !== 4) throw new DebianError("A key is of another version than 4");
  reader.take(4);
  if (reader.byte() !== RSA) throw new DebianError("A key is none of RSA");
  const n = reader.number();
  const e = reader.number();
  return { n: toBase64Url(n), e: toBase64Url(e), bytes: n.length };
}

/** Those of a kind that is known; others are left out, since a release is signed by several keys. */
function signaturesIn(armour: string): Signature[] {
  // A blank line ends the armour's headers, and the checksum is for who has no signature.
  const base64 = armour.slice(armour.startsWith("\n") ? 0 : armour.indexOf("\n\n")).replace(/^=.*$/gm, "");
  const reader = new Reader(fromBase64(base64.replace(/\s/g, "")));
  const signatures: Signature[] = [];
  while (!reader.atEnd) {
    const { tag, body } = reader.packet();
    const signature = tag === SIGNATURE ? readSignature(body) : undefined;
    if (signature !== undefined) signatures.push(signature);
  }
  return signatures;
}

function readSignature(body: Bytes): Signature | undefined {
  const reader = new Reader(body);
  const [version, type, algorithm, digest] = reader.take(4);
  const hash = HASHES[digest!];
  if (version !== 4 || type !== OF_TEXT || algorithm !== RSA || hash === undefined) return undefined;
  reader.take(reader.short());
  const hashed = body.slice(0, reader.at);
  reader.take(reader.short());
  reader.take(2);
  return { hash, hashed, value: reader.number() };
}

/** Reads what OpenPGP writes. */
class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at >= this.#bytes.length;
  }

  take(length: number): Bytes {
    if (this.at + length > this.#bytes.length) throw new DebianError("A signature or key is cut");
    return new Uint8Array(this.#bytes.subarray(this.at, this.at += length));
  }

  byte(): number {
    return this.take(1)[0]!;
  }

  short(): number {
    return this.byte() * 256 + this.byte();
  }

  long(): number {
    return this.short() * 65536 + this.short();
  }

  /** Its bits come first. */
  number(): Bytes {
    return this.take(Math.ceil(this.short() / 8));
  }

  packet(): { tag: number; body: Bytes } {
    const head = this.byte();
    if (head >= 0xc0) return { tag: head & 0x3f, body: this.take(this.#length()) };
    const lengths = [() => this.byte(), () => this.short(), () => this.long()];
    const length = lengths[head & 3];
    if (head < 0x80 || length === undefined) throw new DebianError("A signature can't be read");
    return { tag: (head >> 2) & 0xf, body: this.take(length()) };
  }

  #length(): number {
    const first = this.byte();
    if (first < 192) return first;
    if (first < 224) return (first - 192) * 256 + this.byte() + 192;
    if (first === 255) return this.long();
    throw new DebianError("A signature can't be read");
  }
}
