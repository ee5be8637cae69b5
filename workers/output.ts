/**
 * Owns what tasks print: which attempt it belongs to, where its lines end, and its way into the outbox.
 * Must not know how printing is intercepted (runtime/worker_host.ts does).
 * Invariant: text is written in the order in which it was printed; an unfinished line is written when its attempt ends.
 */
import { Kind, type OutboxWriter } from "../src/pool/outbox.ts";
import { startOf } from "../src/pool/text.ts";
import { LEVELS, STREAMS } from "../src/journal/record.ts";

/** Longest line of the log in UTF-16 code units; a longer one is cut into several records. */
export const MAX_LINE: number = 64 * 1024;

/** Whom a line belongs to: an attempt, or (index -1) a module outside of any. */
export interface Author {
  readonly index: number;
  readonly iteration: number;
  readonly attempt: number;
  readonly ended: boolean;
  /** Unfinished lines by stream. */
  readonly partial: Map<string, string>;
}

/** The author of what is printed outside of any attempt. */
export const NOBODY: Author = { index: -1, iteration: 0, attempt: 0, ended: true, partial: new Map() };

/** Writes lines to the outbox. */
export class Output {
  readonly #outbox: OutboxWriter;
  readonly #now: () => number;

  constructor(outbox: OutboxWriter, now: () => number) {
    this.#outbox = outbox;
    this.#now = now;
  }

  /** Writes each line of the text as a record. */
  lines(author: Author, { stream, level, text }: { stream: string; level: string; text: string }): void {
    for (const line of text.split("\n")) {
      let rest = line;
      while (rest.length > MAX_LINE) {
        const start = startOf(rest, MAX_LINE);
        this.#line(author, { stream, level, text: start });
        rest = rest.slice(start.length);
      }
      this.#line(author, { stream, level, text: rest });
    }
    this.#outbox.ring();
  }

  /** Writes the lines that are finished and keeps the rest until it is finished, or its attempt has ended. */
  piece(author: Author, { stream, text }: { stream: string; text: string }): void {
    const whole = (author.partial.get(stream) ?? "") + text;
    const end = author.ended ? whole.length : whole.lastIndexOf("\n") + 1;
    const rest = whole.slice(end);
    if (rest.length > MAX_LINE) {
      author.partial.delete(stream);
      this.lines(author, { stream, level: "info", text: whole });
      return;
    }
    if (rest === "") author.partial.delete(stream);
    else author.partial.set(stream, rest);
    const finished = whole.slice(0, end);
    if (finished !== "") this.lines(author, { stream, level: "info", text: finished.replace(/\r?\n$/, "") });
  }

  /** Writes what is left unfinished. */
  flush(author: Author): void {
    for (const [stream, text] of author.partial) this.lines(author, { stream, level: "info", text });
    author.partial.clear();
  }

  #line(author: Author, { stream, level, text }: { stream: string; level: string; text: string }): void {
    this.#outbox.write(Kind.log, {
      a: author.index,
      b: author.attempt,
      c: author.iteration,
      x: this.#now(),
      y: LEVELS.indexOf(level as never) * 4 + STREAMS.indexOf(stream as never),
      text,
    });
  }
}
