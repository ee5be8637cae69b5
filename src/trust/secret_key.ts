/**
 * Owns minisign's secret keys: made, read and written, without a password or with one, and what is signed with them.
 * Must not know what is signed, nor where keys lie.
 * Invariant: a secret is in no message.
 */
import { blake2b } from "@noble/hashes/blake2.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { type Bytes, joined } from "../base/bytes.ts";
import { toBase64 } from "../base/base64.ts";
import { TrustError } from "./error.ts";
import {
  ascii,
  latin,
  type PublicKey,
  publicKeyOf,
  shownId,
  signatureText,
  strictBytes,
} from "./minisign.ts";

/** A key that signs. */
export interface SecretKey {
  readonly publicKey: PublicKey;
  /** The file's text, as minisign reads it. @param password Default: none, whoever has the file can sign. */
  text(password?: string, cost?: Cost): Promise<string>;
  /** The text of a signature over what has the hash, and over a comment of one line. */
  sign(hash: Bytes, comment: string): Promise<string>;
}

/** What guessing a password costs: libsodium's two limits. */
export interface Cost {
  readonly ops: number;
  readonly memory: number;
}

/** What minisign itself takes: 1 GiB. Computed in JavaScript, that is half a minute. */
const MOST_COST: Cost = { ops: 33_554_432, memory: 1_073_741_824 };
/** An eighth of it. */
const USUAL_COST: Cost = { ops: 4_194_304, memory: 134_217_728 };

const LENGTH = 158;
/** Eight bytes of the id, 64 of the key, 32 of the check. */
const ENCRYPTED_AT = 54;
const NONE = "\0\0";
const SCRYPT = "Sc";
/** What comes before the 32 bytes of a private key in PKCS #8 (RFC 8410). */
const PKCS8 = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/** Makes a key that nobody else has. */
export async function makeSecretKey(): Promise<SecretKey> {
  const { privateKey } = await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  const seed = pkcs8.slice(PKCS8.length, PKCS8.length + 32);
  return await secretKeyOf(crypto.getRandomValues(new Uint8Array(8)), seed);
}

/**
 * Reads a key's file.
 *
 * @param password Asked for only if the key has one.
 * @throws {TrustError} If it is none, or the password is wrong.
 */
export async function readSecretKey(text: string, password: () => Promise<string>): Promise<SecretKey> {
  const [, line = ""] = text.trimEnd().split(/\r?\n/);
  const bytes = strictBytes(line.trim(), LENGTH);
  const kinds = bytes && [bytes.subarray(0, 2), bytes.subarray(2, 4), bytes.subarray(4, 6)].map(latin);
  if (bytes === undefined || kinds![0] !== "Ed" || kinds![2] !== "B2") {
    throw new TrustError("The file is no secret key of minisign: it has a comment and a line of base64");
  }
  if (kinds![1] === NONE) return await checked(bytes.slice(ENCRYPTED_AT), false);
  if (kinds![1] !== SCRYPT) {
    throw new TrustError("The secret key is protected in a way that is not known here");
  }
  const view = new DataView(bytes.buffer);
  const cost = { ops: Number(view.getBigUint64(38, true)), memory: Number(view.getBigUint64(46, true)) };
  const stream = await streamOf(await password(), { salt: bytes.slice(6, 38), cost });
  return await checked(bytes.slice(ENCRYPTED_AT).map((byte, at) => byte ^ stream[at]!), true);
}

/** @param protectedBy A password, so that the check tells whether it is right. */
async function checked(bytes: Bytes, protectedBy: boolean): Promise<SecretKey> {
  const [id, seed, check] = [bytes.slice(0, 8), bytes.slice(8, 40), bytes.slice(72)];
  if (protectedBy && !same(check, checkOf(bytes.subarray(0, 72)))) {
    throw new TrustError("The password of the secret key is wrong, or the file is damaged");
  }
  const key = await secretKeyOf(id, seed);
  if (same(bytes.subarray(40, 72), key.publicKey.bytes)) return key;
  throw new TrustError("The secret key is damaged: its halves do not belong together");
}

async function secretKeyOf(id: Bytes, seed: Bytes): Promise<SecretKey> {
  const pkcs8 = joined([new Uint8Array(PKCS8), seed], PKCS8.length + 32);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", key) as { readonly x: string };
  const raw = strictBytes(`${x.replaceAll("-", "+").replaceAll("_", "/")}=`, 32)!;
  const publicKey = publicKeyOf(id, raw);
  const sign = async (bytes: Bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, bytes));
  return {
    publicKey,
    text: (password, cost = USUAL_COST) => textOf(joined([id, seed, raw], 72), password, cost),
    sign: (hash, comment) => signatureText(hash, { id, comment, sign }),
  };
}

async function textOf(secret: Bytes, password: string | undefined, cost: Cost): Promise<string> {
  const bytes = new Uint8Array(LENGTH);
  bytes.set(ascii(`Ed${password === undefined ? NONE : SCRYPT}B2`));
  bytes.set(secret, ENCRYPTED_AT);
  if (password !== undefined) {
    bytes.set(checkOf(secret), ENCRYPTED_AT + 72);
    const salt = crypto.getRandomValues(bytes.subarray(6, 38));
    const view = new DataView(bytes.buffer);
    view.setBigUint64(38, BigInt(cost.ops), true);
    view.setBigUint64(46, BigInt(cost.memory), true);
    const stream = await streamOf(password, { salt, cost });
    for (let at = 0; at < stream.length; at++) bytes[ENCRYPTED_AT + at]! ^= stream[at]!;
  }
  const how = password === undefined ? "unencrypted" : "encrypted";
  return `untrusted comment: minisign ${how} secret key ${shownId(secret.subarray(0, 8))}\n${
    toBase64(bytes)
  }\n`;
}

function checkOf(secret: Uint8Array): Uint8Array {
  return blake2b(joined([ascii("Ed"), secret], secret.length + 2), { dkLen: 32 });
}

/** What a key is hidden under: libsodium's scrypt of a password. */
async function streamOf(
  password: string,
  { salt, cost }: { readonly salt: Uint8Array; readonly cost: Cost },
): Promise<Uint8Array> {
  const { N, r, p } = scryptCost(cost);
  return await scryptAsync(new TextEncoder().encode(password), salt, {
    N,
    r,
    p,
    dkLen: LENGTH - ENCRYPTED_AT,
    maxmem: MAX_MEMORY,
  });
}

/** What scrypt needs for that, with what lies beside it. */
const MAX_MEMORY: number = MOST_COST.memory + 1024 ** 2;

/** scrypt's parameters, as libsodium finds them for its limits (pickparams). */
function scryptCost({ ops, memory }: Cost): { readonly N: number; readonly r: number; readonly p: number } {
  if (!(ops <= MOST_COST.ops && memory <= MOST_COST.memory)) {
    throw new TrustError("The secret key asks for more time or memory than minisign's own do");
  }
  const r = 8;
  const least = Math.max(ops, 32_768);
  const most = least < memory / 32 ? least / (4 * r) : memory / (128 * r);
  const log = Math.max(1, Math.floor(Math.log2(most)));
  const N = 2 ** log;
  const p = least < memory / 32 ? 1 : Math.max(1, Math.floor(least / 4 / N / r));
  return { N, r, p };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
