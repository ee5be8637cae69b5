/**
 * Owns taking what was found out of a text that comes in pieces: chunks of one text, or records of several lines.
 * Must not know what is secret.
 * Invariant: what a text holds of a spelling is replaced whole, however it is cut into chunks; the rest stays as it is. The
 * time grows with the length of the text alone.
 */
import type { Reader, Sink } from "../base/spellings.ts";
import { HINT, MIN_BASE64, type Spelling } from "./spelling.ts";

/** Stands in the place of a secret. */
export const REDACTED = "[secret]";

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
    this.#covered = 0;
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
    this.#held = "";
    return text;
  }
}
