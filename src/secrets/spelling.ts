/**
 * Owns what is looked for to find secrets in whichever of the usual spellings: as they are, escaped in JSON,
 * percent-encoded, in base64 at any offset, wrapped or not.
 * Must not know how texts come.
 * Invariant: a text that the hint does not match holds no whole secret in any spelling.
 */
import { Automaton } from "../base/automaton.ts";
import { toBase64 } from "../base/base64.ts";
import {
  Base64Reader,
  EscapeReader,
  PercentReader,
  PlainReader,
  type Reader,
  type Sink,
  sixtyFour,
} from "../base/spellings.ts";

/** Shorter ones are left: they stand in too many texts by chance. In characters. */
export const MIN_SECRET = 4;
/** Least length of what is stable of a secret's base64, whatever stands around it. */
export const MIN_BASE64 = 6;

/** One way to spell: what of it is looked for. */
export interface Spelling {
  readonly automaton: Automaton;
  readonly reader: (sink: Sink) => Reader;
  /** Characters, of the first 256, at which something may begin; all others are passed over while nothing has. */
  readonly starts: Uint8Array;
  /** A text without any of these characters has nothing that another spelling does not have too. */
  readonly only?: RegExp;
  /** Goes on over line ends, so that a secret may be spread over the records of several lines. */
  readonly overLines?: true;
}

/** What is looked for, by spelling. */
export function spellingsOf(secrets: readonly string[]): Spelling[] {
  // Without its backslashes little may be left of a secret: then each depth of escaping is looked for as it is.
  const [bare, short] = partition(secrets, (secret) => unitsOf(secret, EscapeReader).length >= MIN_SECRET);
  const plain = [...secrets, ...short.flatMap((secret) => [escaped(secret), escaped(escaped(secret))])];
  const encoded = secrets.flatMap((
    secret,
  ) => [secret, escaped(secret), encodeURIComponent(secret.toWellFormed())]);
  const all: [
    readonly ArrayLike<number>[],
    Omit<Spelling, "automaton" | "starts"> & { readonly signs: string },
  ][] = [
    [plain.map((secret) => unitsOf(secret, PlainReader)), {
      reader: (sink) => new PlainReader(sink),
      signs: "",
    }],
    [bare.map((secret) => unitsOf(secret, EscapeReader)), {
      reader: (sink) => new EscapeReader(sink),
      signs: "\\\b\f\n\r\t",
      only: /\\/,
    }],
    [encoded.map(bytesOf), { reader: (sink) => new PercentReader(sink), signs: "%+ ", only: /[%+]/ }],
    [secrets.flatMap(packedOf), {
      reader: (sink) => new Base64Reader(sink),
      signs: "\\%+/-_",
      overLines: true,
    }],
  ];
  return all.filter(([patterns]) => patterns.length > 0).map(([patterns, { signs, ...spelling }]) => {
    const automaton = new Automaton(patterns);
    const first = new Set(automaton.first);
    const isFirst = (code: number) => first.has(spelling.overLines ? sixtyFour(code) : code);
    const starts = Uint8Array.from(
      { length: 256 },
      (_, code) => isFirst(code) || code >= 128 || signs.includes(String.fromCharCode(code)) ? 1 : 0,
    );
    return { automaton, starts, ...spelling };
  });
}

/** Letters of each secret that are enough of a hint. */
export const HINT = 4;
/** With more hints than this, looking for them saves no time. */
const MAX_HINTS = 100;

/** Finds, in little time, the beginning of a secret, or what may lead to another spelling of one. */
export function hintOf(secrets: readonly string[]): RegExp | undefined {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const packed = secrets.flatMap(packedOf).map((core) =>
    core.slice(0, HINT).map((unit) => letters[unit] ?? (unit === 62 ? "[+-]" : "[/_]")).join("")
  );
  const plain = secrets.map((secret) => secret.slice(0, HINT).replace(/[^A-Za-z0-9]/g, hexEscape));
  const hints = new Set([...plain, ...packed]);
  return hints.size > MAX_HINTS ? undefined : new RegExp(["[\\\\%+\n\r]", ...hints].join("|"));
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** What base64 has of a secret, as it is and as it stands in JSON. */
function packedOf(secret: string): number[][] {
  return [...new Set([secret, escaped(secret)])].flatMap(base64Cores);
}

function hexEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function partition<T>(items: readonly T[], holds: (item: T) => boolean): [T[], T[]] {
  return [items.filter(holds), items.filter((item) => !holds(item))];
}

/** A text as a reader reads it. */
function unitsOf(text: string, Kind: new (sink: Sink) => Reader): number[] {
  const units: number[] = [];
  const reader = new Kind({ unit: (unit) => void units.push(unit), break: () => {} });
  for (let at = 0; at < text.length; at++) reader.read(text.charCodeAt(at), at);
  reader.end();
  return units;
}

/** A text as {@linkcode PercentReader} reads it where nothing is encoded. */
function bytesOf(text: string): number[] {
  const [plus, space] = [0x2b, 0x20];
  return Array.from(new TextEncoder().encode(text.toWellFormed()), (byte) => byte === plus ? space : byte);
}

/** What base64 has of a text for certain, for each of the three places in a group of bytes where it may begin. */
function base64Cores(text: string): number[][] {
  const bytes = new TextEncoder().encode(text.toWellFormed());
  return [0, 1, 2].map((offset) => {
    const shifted = new Uint8Array(offset + bytes.length);
    shifted.set(bytes, offset);
    const packed = toBase64(shifted).replace(/=+$/, "");
    // The characters at both ends hold bits of neighbours too.
    const from = offset === 0 ? 0 : offset + 1;
    const to = shifted.length % 3 === 0 ? packed.length : packed.length - 1;
    return Array.from(packed.slice(from, to), (letter) => sixtyFour(letter.charCodeAt(0)));
  }).filter((core) => core.length >= MIN_BASE64);
}
