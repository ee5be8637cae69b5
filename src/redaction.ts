/**
 * Owns taking secrets out of texts, in whichever of the usual spellings they stand there: as they are, escaped in JSON,
 * percent-encoded, in base64 at any offset.
 * Must not know where texts come from or go to.
 * Invariant: what a text holds of a secret's spellings is replaced whole; a text without any stays as it is. A stream gives
 * the same, however it is cut into chunks.
 */

/** Stands in the place of a secret. */
export const REDACTED = "[secret]";

/** Shorter ones are left: they stand in too many texts by chance. In characters. */
export const MIN_SECRET = 4;
/** Shortest line of a secret of several lines that counts by itself, since logs are made of lines. In characters. */
const MIN_LINE = 8;
/** Least length of what is stable of a secret's base64, whatever stands around it. */
const MIN_BASE64 = 6;

/** Takes a set of secrets out of texts. */
export class Redactor {
  /** Absent: there are no secrets. */
  readonly #pattern: RegExp | undefined;
  /** Longest spelling, in characters. */
  readonly #longest: number;

  constructor(secrets: Iterable<string>) {
    const parts = [...new Set([...secrets].flatMap(withLines))].filter((secret) =>
      secret.length >= MIN_SECRET
    );
    const spellings = parts.sort((a, b) => b.length - a.length).flatMap((secret) => [
      { source: anySpelling(secret), longest: secret.length * (NESTED + 5) },
      ...base64Cores(secret).map((core) => ({ source: base64Spelling(core), longest: core.length })),
    ]);
    this.#longest = Math.max(0, ...spellings.map(({ longest }) => longest));
    this.#pattern = spellings.length === 0
      ? undefined
      : new RegExp(spellings.map(({ source }) => source).join("|"), "g");
  }

  /** Whether there is anything to take out. */
  get idle(): boolean {
    return this.#pattern === undefined;
  }

  /** The text without secrets. */
  text(text: string): string {
    return this.#pattern === undefined ? text : text.replace(this.#pattern, REDACTED);
  }

  /** For a text that comes in chunks. */
  stream(): RedactionStream {
    return new RedactionStream(this.#pattern, this.#longest);
  }
}

/** Takes secrets out of a text that comes in chunks; holds back what may be the start of one. */
export class RedactionStream {
  readonly #pattern: RegExp | undefined;
  readonly #longest: number;
  #held = "";

  /** Made by {@linkcode Redactor.stream}. */
  constructor(pattern: RegExp | undefined, longest: number) {
    this.#pattern = pattern;
    this.#longest = longest;
  }

  /** What may be told of the text so far. */
  push(chunk: string): string {
    const text = this.#held + chunk;
    if (this.#pattern === undefined) return text;
    // A spelling that begins before `end` is whole in the text already.
    let end = Math.max(0, text.length - this.#longest + 1);
    for (const match of text.matchAll(this.#pattern)) {
      if (match.index >= end) break;
      end = Math.max(end, match.index + match[0].length);
    }
    this.#held = text.slice(end);
    return text.slice(0, end).replace(this.#pattern, REDACTED);
  }

  /** The rest. */
  end(): string {
    const text = this.#held;
    this.#held = "";
    return this.#pattern === undefined ? text : text.replace(this.#pattern, REDACTED);
  }
}

/** A secret, and the lines of one that has several. */
function withLines(secret: string): string[] {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  return lines.length === 1 ? [secret] : [secret.trim(), ...lines.filter((line) => line.length >= MIN_LINE)];
}

/** Most backslashes before an escape: JSON in JSON in JSON. */
const NESTED = 7;

/** How JSON escapes a character in short, as a pattern; also where that JSON is a text in other JSON. */
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': `\\\\{1,${NESTED}}"`,
  "\\": `\\\\{2,${NESTED + 1}}`,
  "/": `\\\\{1,${NESTED}}\\/`,
  "\b": `\\\\{1,${NESTED}}b`,
  "\f": `\\\\{1,${NESTED}}f`,
  "\n": `\\\\{1,${NESTED}}n`,
  "\r": `\\\\{1,${NESTED}}r`,
  "\t": `\\\\{1,${NESTED}}t`,
};

/** Matches a secret, each of its characters as it is, as JSON escapes it, or percent-encoded. */
function anySpelling(secret: string): string {
  return [...secret].map(anyCharacter).join("");
}

function anyCharacter(character: string): string {
  const units = [...Array(character.length).keys()].map((at) => character.charCodeAt(at));
  const unicode = units.map((unit) => `\\\\{1,${NESTED}}u${hexClass(unit.toString(16).padStart(4, "0"))}`)
    .join("");
  const percent = character.isWellFormed()
    ? Array.from(
      new TextEncoder().encode(character),
      (byte) => `%${hexClass(byte.toString(16).padStart(2, "0"))}`,
    )
    : [];
  const short = SHORT_ESCAPES[character];
  const spellings = [
    ...(short === undefined ? [] : [short]),
    ...(percent.length === 0 ? [] : [percent.join("")]),
    unicode,
    ...(character === " " ? ["\\+"] : []),
    escaped(character),
  ];
  return `(?:${spellings.join("|")})`;
}

/** Hexadecimal digits, large or small. */
function hexClass(digits: string): string {
  return digits.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

/** What base64 has of a secret for certain, for each of the three places in a group of bytes where it may begin. */
function base64Cores(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret.toWellFormed());
  return [0, 1, 2].map((offset) => {
    const shifted = new Uint8Array(offset + bytes.length);
    shifted.set(bytes, offset);
    const text = btoa(Array.from(shifted, (byte) => String.fromCharCode(byte)).join("")).replace(/=+$/, "");
    // The characters at both ends hold bits of neighbours too.
    const from = offset === 0 ? 0 : offset + 1;
    const to = shifted.length % 3 === 0 ? text.length : text.length - 1;
    return text.slice(from, to);
  }).filter((core) => core.length >= MIN_BASE64);
}

/** Matches both alphabets of base64. */
function base64Spelling(core: string): string {
  return core.replace(/[+/]/g, (sign) => sign === "+" ? "[+-]" : "[/_]");
}
