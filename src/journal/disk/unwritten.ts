/**
 * Owns what of a journal is only in memory: in no tail file, and not in the database.
 * Must not know of files.
 * Invariant: what `text` gives counts as written only once `wrote` is called.
 */
import type { Contents } from "./contents.ts";
import type { LastRecords } from "../journal.ts";

/** What is to be written to a tail file next. */
export class Unwritten {
  readonly #contents: Contents;
  /** Up to where records are written. */
  #written: LastRecords;
  #cursors: Set<string> = new Set();

  constructor(contents: Contents) {
    this.#contents = contents;
    this.#written = contents.last;
  }

  /** Numbers of the newest records that are written. */
  get written(): LastRecords {
    return this.#written;
  }

  /** A cursor has moved on. */
  cursor(name: string): void {
    this.#cursors.add(name);
  }

  /** The lines that are to be written. @param logs Those of the log too. */
  text({ logs }: { readonly logs: boolean }): string {
    const contents = this.#contents;
    let text = "";
    contents.textsAfter("states", this.#written.states, (line) => text += `S${line}\n`);
    if (logs) contents.textsAfter("logs", this.#written.logs, (line) => text += `L${line}\n`);
    for (const name of this.#cursors) {
      text += `C${JSON.stringify({ name, seq: contents.cursor(name) })}\n`;
    }
    return text;
  }

  /** What `text` gave is out of the process. */
  wrote({ logs }: { readonly logs: boolean }): void {
    const { last } = this.#contents;
    this.#written = logs ? last : { states: last.states, logs: this.#written.logs };
    this.#cursors.clear();
  }

  /** All that the database has not counts as not written. */
  again(): void {
    this.#written = this.#contents.saved;
    this.#cursors = new Set(this.#contents.cursorNames());
  }
}
