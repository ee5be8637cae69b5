/**
 * Owns taking secrets out of texts, in whichever of the usual spellings they stand there: as they are, escaped in JSON,
 * percent-encoded, in base64 at any offset, wrapped or not.
 * Must not know where texts come from or go to.
 * Invariant: what a text holds of a secret's spellings is replaced whole; a text without any stays as it is. A stream gives
 * the same, however it is cut into chunks. The time grows with the length of the text alone.
 */
import { Automaton } from "../base/automaton.ts";
import {
  Base64Reader,
  EscapeReader,
  PercentReader,
  PlainReader,
  type Reader,
  type Sink,
  sixtyFour,
} from "../base/spellings.ts";
import { toBase64 } from "../base/base64.ts";

/** Stands in the place of a secret. */
export const REDACTED = "[secret]";

/** Shorter ones are left: they stand in too many texts by chance. In characters. */
export const MIN_SECRET = 4;
/** Shortest line of a secret of several lines that counts by itself, since logs are made of lines. In characters. */
const MIN_LINE = 8;
/** Least length of what is stable of a secret's base64, whatever stands around it. */
const MIN_BASE64 = 6;

/** One way to spell: what of it is looked for. */
interface Spelling {
  readonly automaton: Automaton;
  readonly reader: (sink: Sink) => Reader;
  /** Characters, of the first 256, at which something may begin; all others are passed over while nothing has. */
  readonly starts: Uint8Array;
  /** A text without any of these characters has nothing that another spelling does not have too. */
  readonly only?: RegExp;
  /** Goes on over line ends, so that a secret may be spread over the records of several lines. */
  readonly overLines?: true;
}

/** Takes a set of secrets out of texts. */
export class Redactor {
  readonly #secrets: Set<string> = new Set();
  #spellings: readonly Spelling[] = [];
  #hint: RegExp | undefined;
  #whole: RedactionStream | undefined;
  #fork: Redactor | undefined;

  constructor(secrets: Iterable<string>) {
    this.add(secrets);
  }

  /** From now on these are secret too. */
  add(secrets: Iterable<string>): void {
    const before = this.#secrets.size;
    for (const part of [...secrets].flatMap(withLines)) {
      if (part.length >= MIN_SECRET) this.#secrets.add(part);
    }
    if (this.#secrets.size === before) return;
    this.#spellings = spellingsOf([...this.#secrets]);
    this.#hint = hintOf([...this.#secrets]);
    this.#whole = this.stream();
    this.#fork?.add(this.#secrets);
  }

  /** One that has more secrets. The last one made learns of all that are added here. */
  fork(more: Iterable<string>): Redactor {
    return this.#fork = new Redactor([...this.#secrets, ...more]);
  }

  /** Grows when there are more secrets: streams made before do not know of them. */
  get count(): number {
    return this.#secrets.size;
  }

  /** Whether there is anything to take out. */
  get idle(): boolean {
    return this.#whole === undefined;
  }

  /** The text without secrets. */
  text(text: string): string {
    return this.#whole?.whole(text) ?? text;
  }

  /** A text of JSON without secrets, which still is JSON: they are taken out of the strings and names in it. */
  json(text: string): string {
    return this.text(text) === text ? text : JSON.stringify(this.value(JSON.parse(text)));
  }

  /** A text that may be JSON, and then still is: numbers stay, since what a page or a program reads has to be read. */
  told(text: string): string {
    const told = this.text(text);
    if (told === text) return text;
    try {
      return this.json(text);
    } catch {
      return told;
    }
  }

  /** A JSON value without secrets in its strings and names. Numbers stay, and bytes stay bytes. */
  value(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map((each) => this.value(each));
    const { $bytes: bytes, ...more } = value as Record<string, unknown>;
    if (typeof bytes === "string" && Object.keys(more).length === 0) {
      return this.text(bytes) === bytes ? value : { $bytes: btoa(REDACTED) };
    }
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [this.text(name), this.value(each)]),
    );
  }

  /** For a text that comes in chunks, or in records. */
  stream(): RedactionStream {
    return new RedactionStream(this.#spellings, this.#hint);
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Looks for one spelling; positions count from the beginning of the stream. */
class Track implements Sink {
  readonly spelling: Spelling;
  readonly #reader: Reader;
  readonly #spans: Span[];
  /** Where the last numbers began, as many as the longest pattern has. */
  readonly #begun: Float64Array;
  #count = 0;
  #state = 0;

  constructor(spelling: Spelling, spans: Span[]) {
    this.spelling = spelling;
    this.#reader = spelling.reader(this);
    this.#spans = spans;
    this.#begun = new Float64Array(spelling.automaton.longest);
  }

  /** How many numbers may be the beginning of a secret. */
  get depth(): number {
    return this.spelling.automaton.depth(this.#state);
  }

  /** Where what may yet be a secret begins. */
  get from(): number {
    const { depth } = this;
    return Math.min(this.#reader.held ?? Infinity, depth === 0 ? Infinity : this.#beginning(depth));
  }

  read(text: string, at: number): void {
    const { starts } = this.spelling;
    const reader = this.#reader;
    const { length } = text;
    for (let index = 0; index < length; index++) {
      let code = text.charCodeAt(index);
      if (this.#state === 0 && reader.held === undefined) {
        while (code < 256 && starts[code] === 0 && ++index < length) code = text.charCodeAt(index);
        if (index >= length) return;
      }
      reader.read(code, at + index);
    }
  }

  /** No more comes. */
  end(): void {
    this.#reader.end();
    this.break();
  }

  /** Nothing goes across. */
  break(): void {
    this.#state = 0;
  }

  unit(unit: number, start: number, end: number): void {
    const { automaton } = this.spelling;
    this.#begun[this.#count++ % this.#begun.length] = start;
    this.#state = automaton.step(this.#state, unit);
    const length = automaton.ending(this.#state);
    if (length > 0) this.#spans.push({ start: this.#beginning(length), end });
  }

  #beginning(length: number): number {
    return this.#begun[(this.#count - length) % this.#begun.length]!;
  }
}

/** Takes secrets out of a text that comes in pieces. */
export class RedactionStream {
  readonly #spans: Span[] = [];
  readonly #tracks: readonly Track[];
  readonly #hint: RegExp | undefined;
  /** What is held back, and where it begins. */
  #held = "";
  #from = 0;
  /** Up to here all is taken out already; what begins before belongs to it. */
  #covered = 0;

  /** Made by {@linkcode Redactor.stream}. */
  constructor(spellings: readonly Spelling[], hint?: RegExp) {
    this.#hint = hint;
    this.#tracks = spellings.map((spelling) => new Track(spelling, this.#spans));
  }

  /** Whether what comes next may complete what has begun. */
  get open(): boolean {
    return this.#tracks.some(({ depth }) => depth > 0);
  }

  /** What may be told of the text so far; what may be the start of a secret is held back. */
  push(chunk: string): string {
    const end = this.#take(chunk);
    return this.#tell(Math.min(...this.#tracks.map(({ from }) => from), end));
  }

  /** The rest. */
  end(): string {
    for (const track of this.#tracks) track.end();
    return this.#tell(this.#from + this.#held.length);
  }

  /** A text by itself. */
  whole(text: string): string {
    if (this.#hint?.test(text) === false) return text;
    const at = this.#from;
    this.#held = text;
    for (const track of this.#tracks) {
      if (track.spelling.only?.test(text) === false) continue;
      track.read(text, at);
      track.end();
    }
    return this.#spans.length === 0 ? this.#passed(text) : this.#tell(at + text.length);
  }

  /**
   * One record of several: all of it is told. What may be the beginning of a secret with which the next one goes on is
   * taken out too: where a line was `cut` anything, at a line's end what is long enough and goes on over line ends.
   */
  record(text: string, { cut }: { readonly cut: boolean }): string {
    if (!cut && !this.open) return this.#line(text);
    const end = this.#take(text);
    for (const track of this.#tracks) {
      const goesOn = cut || track.spelling.overLines === true;
      if (!goesOn) track.end();
      else if (track.depth >= (cut ? 1 : MIN_BASE64)) this.#spans.push({ start: track.from, end });
      if (goesOn && !cut) track.read("\n", end);
    }
    const told = this.#tell(end);
    this.#from = cut ? end : end + 1;
    this.#covered = 0;
    return told;
  }

  /** A whole line before which nothing has begun: nearly all are, so this is the short way. */
  #line(text: string): string {
    if (this.#hint?.test(text) === false) return this.#hintless(text);
    const at = this.#from;
    const end = at + text.length;
    this.#held = text;
    this.#covered = 0;
    for (const track of this.#tracks) {
      const { only, overLines } = track.spelling;
      if (only?.test(text) === false) continue;
      track.read(text, at);
      if (!overLines) track.end();
      else if (track.depth > 0) {
        if (track.depth >= MIN_BASE64) this.#spans.push({ start: track.from, end });
        track.read("\n", end);
      }
    }
    const told = this.#spans.length === 0 ? this.#passed(text) : this.#tell(end);
    this.#from = end + 1;
    return told;
  }

  /** In a line without a hint no more can have begun than shorter than one, in its last letters. */
  #hintless(text: string): string {
    const end = this.#from + text.length;
    const tail = text.slice(1 - HINT);
    for (const track of this.#tracks) {
      if (!track.spelling.overLines) continue;
      track.read(tail, end - tail.length);
      if (track.depth > 0) track.read("\n", end);
    }
    this.#from = end + 1;
    this.#covered = 0;
    return text;
  }

  #take(text: string): number {
    const at = this.#from + this.#held.length;
    this.#held += text;
    for (const track of this.#tracks) track.read(text, at);
    return at + text.length;
  }

  /** What lies before a place over which nothing under way reaches back. */
  #tell(safe: number): string {
    const parts: string[] = [];
    const from = this.#from;
    let at = from;
    let told = 0;
    this.#spans.sort((a, b) => a.start - b.start);
    for (const { start, end } of this.#spans) {
      if (start >= safe) break;
      told++;
      if (start >= this.#covered) {
        parts.push(this.#held.slice(at - from, Math.max(at, start) - from), REDACTED);
      }
      this.#covered = Math.max(this.#covered, end);
      at = Math.max(at, end);
    }
    this.#spans.splice(0, told);
    const to = Math.max(at, safe);
    parts.push(this.#held.slice(at - from, to - from));
    this.#held = this.#held.slice(to - from);
    this.#from = to;
    return parts.join("");
  }

  #passed(text: string): string {
    this.#from += text.length;
    this.#held = "";
    return text;
  }
}

/** A secret, and the lines of one that has several. */
function withLines(secret: string): string[] {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  return lines.length === 1 ? [secret] : [secret.trim(), ...lines.filter((line) => line.length >= MIN_LINE)];
}

/** What is looked for, by spelling. */
function spellingsOf(secrets: readonly string[]): Spelling[] {
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
const HINT = 4;
/** With more hints than this, looking for them saves no time. */
const MAX_HINTS = 100;

/** Finds, in little time, the beginning of a secret, or what may lead to another spelling of one. */
function hintOf(secrets: readonly string[]): RegExp | undefined {
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
