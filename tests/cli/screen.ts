/**
 * Owns a terminal small enough to read: the escapes that the live view uses, nothing more.
 * Must not know who writes to it. An escape that it does not know is an error, so that no test passes by chance.
 */
import { printing } from "../../src/base/harmless.ts";
import type { Output } from "../../src/runtime/port.ts";

/** A terminal of so many columns and rows, with what has scrolled off above. */
export class Screen implements Output {
  readonly isTTY = true;
  columns: number;
  rows: number;
  cursorShown = true;
  /** Writes so far. */
  writes = 0;
  readonly #lines: string[] = [""];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** All lines, those scrolled off included, without empty ones at the end. */
  get text(): string {
    return this.#lines.map((line) => line.trimEnd()).join("\n").trimEnd();
  }

  readonly #print = printing((text) => this.raw(text));
  readonly write: Output["write"] = this.#print.write;
  readonly coloured: Output["coloured"] = this.#print.coloured;
  readonly json: Output["json"] = this.#print.json;

  jsonPieces(pieces: Iterable<string>): Promise<void> {
    for (const piece of pieces) this.json(piece);
    return Promise.resolve();
  }

  raw(text: string): void {
    this.writes++;
    // deno-lint-ignore no-control-regex
    for (const [piece] of text.matchAll(/\x1b\[[?\d;]*[A-Za-z]|\x1b.|[^]/gu)) this.#take(piece);
  }

  #take(piece: string): void {
    if (piece.startsWith("\x1b")) return this.#escape(piece);
    if (piece === "\r") this.#column = 0;
    else if (piece === "\n") this.#newline();
    else this.#put(piece);
  }

  #put(character: string): void {
    if (this.#column === this.columns) this.#newline();
    const line = [...this.#line];
    while (line.length < this.#column) line.push(" ");
    line[this.#column++] = character;
    this.#lines[this.#row] = line.join("");
  }

  #newline(): void {
    this.#column = 0;
    this.#row++;
    if (this.#row === this.#lines.length) this.#lines.push("");
  }

  get #line(): string {
    return this.#lines[this.#row]!;
  }

  #escape(piece: string): void {
    // deno-lint-ignore no-control-regex
    const [, digits = "", letter] = /^\x1b\[([?\d;]*)([A-Za-z])$/.exec(piece) ?? [];
    const number = Number(digits || 1);
    const top = Math.max(0, this.#lines.length - this.rows);
    if (letter === "m") return;
    if (digits === "?25") this.cursorShown = letter === "h";
    else if (digits === "?2026") return;
    else if (letter === "A") this.#row = Math.max(top, this.#row - number);
    else if (letter === "B") this.#row = Math.min(this.#lines.length - 1, this.#row + number);
    else if (letter === "G") this.#column = number - 1;
    else if (letter === "K" && digits === "2") this.#lines[this.#row] = "";
    else if (letter === "K") this.#lines[this.#row] = [...this.#line].slice(0, this.#column).join("");
    else if (letter === "J" && digits === "") {
      this.#lines[this.#row] = [...this.#line].slice(0, this.#column).join("");
      this.#lines.length = this.#row + 1;
    } else throw new Error(`Screen does not know the escape ${JSON.stringify(piece)}`);
  }
}
