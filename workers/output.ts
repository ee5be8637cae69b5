/**
 * Owns what tasks print: which attempt it belongs to, where its lines end, and its way into the outbox.
 * Must not know how printing is intercepted (runtime/worker_host.ts does).
 * Invariant: text is written in the order in which it was printed. An unfinished line is written when its attempt ends, and
 * lies until then where it can be read when the thread is gone.
 */
import { MAX_LINE } from "../src/base/limits.ts";
import { Overwritten } from "../src/base/overwritten.ts";
import { charCodeAt, hasOwn, indexOf, lastIndexOf, slice } from "../src/base/primordials.ts";
import { LEVELS, STREAMS } from "../src/model/record.ts";
import { type OutboxWriter, RecordKind } from "../src/pool/ring/outbox.ts";
import { startOf } from "../src/pool/ring/text.ts";
import type { Unfinished } from "../src/pool/unfinished.ts";

/** Whom a line belongs to: an attempt, or (number -1) a module outside of any. */
export interface Author {
  /** The number of its offer. */
  readonly seq: number;
  /** Of what has ended nothing is kept until its end. */
  readonly ended: boolean;
}

/** The author of what is printed outside of any attempt. */
export const NOBODY: Author = { seq: -1, ended: true };

const CONSOLE: Readonly<Record<string, { readonly stream: string; readonly level: string }>> = {
  debug: { stream: "stdout", level: "debug" },
  warn: { stream: "stderr", level: "warn" },
  error: { stream: "stderr", level: "error" },
  trace: { stream: "stderr", level: "info" },
};

/** Where a method of `console` writes to. */
export function consoleTarget(method: string): { readonly stream: string; readonly level: string } {
  return hasOwn(CONSOLE, method) ? CONSOLE[method]! : { stream: "stdout", level: "info" };
}

/** What is written: a text, and where it was written to. */
export interface Printed {
  readonly stream: string;
  readonly level: string;
  readonly text: string;
}

/** What a worker writes lines with. */
export interface PrinterParts {
  readonly outbox: OutboxWriter;
  readonly unfinished: Unfinished;
  readonly now: () => number;
}

const LINE_END = 10, RETURN = 13;

/** Writes lines to the outbox. */
export class Printer {
  readonly #parts: PrinterParts;
  /** Unfinished lines of the one attempt that runs, by number of the stream. */
  readonly #rests: string[] = ["", "", ""];

  readonly #overwritten: readonly Overwritten[];

  constructor(parts: PrinterParts) {
    this.#parts = parts;
    const { now } = parts;
    this.#overwritten = [new Overwritten(now), new Overwritten(now), new Overwritten(now)];
  }

  /** Writes each line of the text as a record. */
  lines(author: Author, { stream, level, text }: Printed): void {
    for (let from = 0; from <= text.length;) {
      const end = indexOf(text, "\n", from);
      const to = end < 0 ? text.length : end;
      let rest = slice(text, from, to);
      while (rest.length > MAX_LINE) {
        const start = startOf(rest, MAX_LINE);
        this.#line(author, { stream, level, text: start });
        rest = slice(rest, start.length);
      }
      this.#line(author, { stream, level, text: rest });
      from = to + 1;
    }
    this.#parts.outbox.ring();
  }

  /** Writes the lines that are finished and keeps the rest until it is finished, or its attempt has ended. */
  piece(author: Author, { stream, text }: { readonly stream: string; readonly text: string }): void {
    const number = placeOf(STREAMS, stream);
    const end = author.ended ? text.length : lastIndexOf(text, "\n") + 1;
    if (end > 0) this.#finish(author, number, slice(text, 0, end));
    const rest = slice(text, end);
    if (rest === "") return;
    if (this.#overwritten[number]!.concerns(rest)) return this.#writtenOver(author, number, rest);
    if (this.#rests[number]!.length + rest.length > MAX_LINE) return this.#finish(author, number, rest);
    this.#rests[number] += rest;
    this.#parts.unfinished.add(number, author.seq, rest);
  }

  /** Writes what is left unfinished by the attempt that runs. */
  flush(author: Author): void {
    for (let number = 0; number < this.#rests.length; number++) {
      if (this.#rests[number] !== "") this.#finish(author, number, "");
    }
  }

  /** More of a line that is written over, such as a progress bar. */
  #writtenOver(author: Author, number: number, text: string): void {
    const { kept, told } = this.#overwritten[number]!.goesOn(this.#rests[number]! + text);
    this.#parts.unfinished.clear(number);
    this.#rests[number] = "";
    if (told !== undefined) this.lines(author, { stream: STREAMS[number]!, level: "info", text: told });
    if (kept.length > MAX_LINE) return;
    this.#rests[number] = kept;
    this.#parts.unfinished.add(number, author.seq, kept);
  }

  #finish(author: Author, number: number, text: string): void {
    const rest = author.ended ? "" : this.#rests[number]!;
    const told = this.#told(number, withoutEnd(rest + text));
    if (told !== undefined) this.lines(author, { stream: STREAMS[number]!, level: "info", text: told });
    if (rest === "") return;
    this.#rests[number] = "";
    this.#parts.unfinished.clear(number);
  }

  /** What of finished lines is told; nothing if all of it was. */
  #told(number: number, lines: string): string | undefined {
    const overwritten = this.#overwritten[number]!;
    if (!overwritten.concerns(lines)) return lines;
    let told: string | undefined;
    for (let from = 0; from <= lines.length;) {
      const end = indexOf(lines, "\n", from);
      const to = end < 0 ? lines.length : end;
      const line = overwritten.ends(slice(lines, from, to));
      if (line !== undefined) told = told === undefined ? line : `${told}\n${line}`;
      from = to + 1;
    }
    return told;
  }

  #line(author: Author, { stream, level, text }: Printed): void {
    this.#parts.outbox.write(RecordKind.log, {
      a: author.seq,
      b: 0,
      c: 0,
      x: this.#parts.now(),
      y: placeOf(LEVELS, level) * 4 + placeOf(STREAMS, stream),
      text,
    });
  }
}

function placeOf(list: readonly string[], what: string): number {
  for (let at = 0; at < list.length; at++) if (list[at] === what) return at;
  return 0;
}

/** The text without the end of its last line. */
function withoutEnd(text: string): string {
  const last = text.length - 1;
  if (charCodeAt(text, last) !== LINE_END) return text;
  return slice(text, 0, charCodeAt(text, last - 1) === RETURN ? last - 1 : last);
}
