/**
 * Owns how programs spell a text: as it is, escaped in JSON however deep, percent-encoded, in base64 of either alphabet on
 * one line or many. A reader turns each spelling of the same text into the same numbers.
 * Must not know what is looked for.
 * Invariant: a reader is a state machine of single characters, so it gives the same however a text is cut, and holds back
 * no more than one escape.
 */

/** Told each number with where its spelling begins and ends, and of what nothing can go across. */
export interface Sink {
  unit(unit: number, start: number, end: number): void;
  /** The sequence breaks here. */
  break(): void;
}

/** Reads a text, character by character. */
export interface Reader {
  read(code: number, at: number): void;
  /** Where what it holds back begins; `undefined` if it holds nothing. */
  readonly held: number | undefined;
  /** No more comes: gives what it holds back. */
  end(): void;
}

/** Longer runs of backslashes are no escapes: JSON in JSON in JSON doubles them each time. */
const MAX_RUN = 64;
const BACKSLASH = 0x5c, NEWLINE = 0x0a, RETURN = 0x0d, SPACE = 0x20, TAB = 0x09, PERCENT = 0x25, PLUS = 0x2b;
const LOWER_U = 0x75, LOWER_N = 0x6e, LOWER_R = 0x72, SLASH = 0x2f, MINUS = 0x2d, LOW_LINE = 0x5f;

/** Characters that JSON escapes by a letter, each as that letter. */
const AS_LETTER: Readonly<Record<number, number>> = { 8: 0x62, 9: 0x74, 10: 0x6e, 12: 0x66, 13: 0x72 };
/** What may follow a backslash in JSON. */
const AFTER_BACKSLASH: ReadonlySet<number> = new Set(
  Array.from('"/bfnrtu', (letter) => letter.charCodeAt(0)),
);

function hexOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/**
 * A text as it is or as JSON has it. Backslashes are left out and what they escape stands as its letter: so all depths of
 * escaping read the same, and nothing depends on what stands before or behind.
 */
export class EscapeReader implements Reader {
  readonly #sink: Sink;
  #run = 0;
  #runAt = 0;
  /** Digits read of a `\\u`, -1 outside one. */
  #digits = -1;
  #codes: number[] = [];

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get held(): number | undefined {
    return this.#run > 0 ? this.#runAt : undefined;
  }

  read(code: number, at: number): void {
    if (this.#digits >= 0) {
      if (hexOf(code) < 0) this.#noUnicode(at);
      else return this.#digit(code, at);
    }
    if (code === BACKSLASH) return this.#backslash(at);
    if (this.#run === 0) return this.#tell(code, at, at + 1);
    if (code === LOWER_U) {
      this.#digits = 0;
      return;
    }
    const start = AFTER_BACKSLASH.has(code) ? this.#runAt : at;
    this.#run = 0;
    this.#tell(code, start, at + 1);
  }

  end(): void {
    if (this.#digits >= 0) this.#noUnicode(this.#runAt + this.#run + 1 + this.#digits);
    this.#run = 0;
  }

  #backslash(at: number): void {
    if (this.#run === 0) this.#runAt = at;
    if (++this.#run <= MAX_RUN) return;
    this.#run = 1;
    this.#runAt = at;
    this.#sink.break();
  }

  #digit(code: number, at: number): void {
    this.#codes.push(code);
    if (++this.#digits < 4) return;
    const unit = this.#codes.reduce((value, digit) => value * 16 + hexOf(digit), 0);
    this.#over();
    if (unit !== BACKSLASH) this.#tell(unit, this.#runAt, at + 1);
  }

  /** It was a `u` behind a backslash, and digits or not. */
  #noUnicode(at: number): void {
    const codes = this.#codes;
    const first = at - codes.length;
    this.#over();
    this.#tell(LOWER_U, this.#runAt, first);
    codes.forEach((code, index) => this.#tell(code, first + index, first + index + 1));
  }

  #over(): void {
    this.#digits = -1;
    this.#codes = [];
    this.#run = 0;
  }

  #tell(code: number, start: number, end: number): void {
    this.#sink.unit(AS_LETTER[code] ?? code, start, end);
  }
}

/** A text as it is and no other way. */
export class PlainReader implements Reader {
  readonly held = undefined;
  readonly #sink: Sink;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  read(code: number, at: number): void {
    this.#sink.unit(code, at, at + 1);
  }

  end(): void {}
}

/** A text as it is or percent-encoded, as bytes of UTF-8; a plus and a space are the same. */
export class PercentReader implements Reader {
  readonly #sink: Sink;
  /** What has come behind a `%`, with it; empty outside. */
  #codes: number[] = [];
  #at = 0;
  #high = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get held(): number | undefined {
    return this.#codes.length > 0 || this.#high > 0 ? this.#at : undefined;
  }

  read(code: number, at: number): void {
    if (this.#codes.length > 0) {
      if (hexOf(code) >= 0) return this.#digit(code, at);
      this.#noEscape();
    }
    if (code === PERCENT) {
      this.#lone();
      this.#codes = [code];
      this.#at = at;
    } else this.#plain(code, at);
  }

  end(): void {
    this.#lone();
    this.#noEscape();
  }

  #digit(code: number, at: number): void {
    this.#codes.push(code);
    if (this.#codes.length < 3) return;
    const [, high, low] = this.#codes;
    this.#codes = [];
    this.#byte(hexOf(high!) * 16 + hexOf(low!), this.#at, at + 1);
  }

  #noEscape(): void {
    const codes = this.#codes;
    this.#codes = [];
    codes.forEach((code, index) => this.#byte(code, this.#at + index, this.#at + index + 1));
  }

  #plain(code: number, at: number): void {
    if (this.#high > 0 && code >= 0xdc00 && code < 0xe000) {
      const point = 0x10000 + ((this.#high - 0xd800) << 10) + (code - 0xdc00);
      this.#high = 0;
      return this.#bytes(point, this.#at, at + 1);
    }
    this.#lone();
    if (code >= 0xd800 && code < 0xdc00) {
      this.#high = code;
      this.#at = at;
    } else this.#bytes(code >= 0xdc00 && code < 0xe000 ? 0xfffd : code, at, at + 1);
  }

  #lone(): void {
    if (this.#high === 0) return;
    this.#high = 0;
    this.#bytes(0xfffd, this.#at, this.#at + 1);
  }

  #bytes(point: number, start: number, end: number): void {
    if (point < 0x80) return this.#byte(point, start, end);
    const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    this.#byte([0, 0xc0, 0xe0, 0xf0][more]! | (point >> (6 * more)), start, end);
    for (let at = more - 1; at >= 0; at--) this.#byte(0x80 | (point >> (6 * at) & 0x3f), start, end);
  }

  #byte(byte: number, start: number, end: number): void {
    this.#sink.unit(byte === PLUS ? SPACE : byte, start, end);
  }
}

/** Values of the letters of both alphabets of base64. */
const SIXTY_FOUR: readonly number[] = (() => {
  const values = new Array<number>(128).fill(-1);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (let at = 0; at < 64; at++) values[letters.charCodeAt(at)] = at;
  values[MINUS] = 62;
  values[LOW_LINE] = 63;
  return values;
})();

/** What a letter of base64 stands for, -1 for what is none. */
export function sixtyFour(code: number): number {
  return SIXTY_FOUR[code] ?? -1;
}

/** Longest gap between two letters of base64: a line end and what the next line is indented by. In characters. */
const MAX_GAP = 256;

/**
 * Base64, wrapped or not. Line ends, also escaped in JSON or percent-encoded, and the spaces that follow them are passed
 * over; the few letters that JSON or an address escapes are read as they were.
 */
export class Base64Reader implements Reader {
  readonly #sink: Sink;
  /** An escape that has begun: `\`, `\u` and digits, `%` and digits. */
  #codes: number[] = [];
  #at = 0;
  #gap = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get held(): number | undefined {
    return this.#codes.length > 0 ? this.#at : undefined;
  }

  read(code: number, at: number): void {
    if (this.#codes.length > 0 && this.#escape(code, at)) return;
    if (code === BACKSLASH || code === PERCENT) {
      this.#codes = [code];
      this.#at = at;
    } else this.#letter(code, at, at + 1);
  }

  end(): void {
    if (this.#codes.length > 0) this.#break();
  }

  /** Whether the character belongs to the escape that has begun. */
  #escape(code: number, at: number): boolean {
    const [first] = this.#codes;
    const isUnicode = this.#codes.at(1) === LOWER_U;
    if (first === BACKSLASH && !isUnicode) {
      if (code === BACKSLASH) return this.#lengthened();
      if (code === LOWER_U) return this.#codes = [BACKSLASH, LOWER_U], true;
      const read = code === LOWER_N
        ? NEWLINE
        : code === LOWER_R
        ? RETURN
        : code === SLASH
        ? SLASH
        : undefined;
      if (read === undefined) return this.#break(), false;
      return this.#read(read, at);
    }
    if (hexOf(code) < 0) return this.#break(), false;
    this.#codes.push(code);
    if (this.#codes.length < (isUnicode ? 6 : 3)) return true;
    const digits = this.#codes.slice(isUnicode ? 2 : 1);
    return this.#read(digits.reduce((value, digit) => value * 16 + hexOf(digit), 0), at);
  }

  /** One backslash more; they count as a gap, so that there is an end to them. */
  #lengthened(): true {
    if (++this.#gap > MAX_GAP) this.#break();
    return true;
  }

  #read(code: number, at: number): true {
    this.#codes = [];
    this.#letter(code, this.#at, at + 1);
    return true;
  }

  #letter(code: number, start: number, end: number): void {
    const value = sixtyFour(code);
    if (value >= 0) {
      this.#gap = 0;
      return this.#sink.unit(value, start, end);
    }
    const isGap = code === NEWLINE || code === RETURN || (this.#gap > 0 && (code === SPACE || code === TAB));
    if (isGap && ++this.#gap <= MAX_GAP) return;
    this.#break();
  }

  #break(): void {
    this.#codes = [];
    this.#gap = 0;
    this.#sink.break();
  }
}
