/**
 * Owns cutting what a program prints into lines.
 * Must not know whose lines they are.
 * Invariant: nothing is lost or doubled but line ends; no line is longer than the longest that a log takes.
 */
import { MAX_LINE } from "../../base/limits.ts";
import { startOf } from "../ring/text.ts";

/** Cuts one stream, which is UTF-8; what is not becomes U+FFFD. */
export class LineCutter {
  readonly #line: (text: string) => void;
  readonly #decoder: TextDecoder = new TextDecoder();
  #rest = "";

  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  push(bytes: Uint8Array): void {
    this.#cut(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Takes a piece that is text already. */
  pushText(text: string): void {
    this.#cut(text);
  }

  /** Tells what is left, which has no line end. */
  end(): void {
    this.#cut(this.#decoder.decode());
    if (this.#rest !== "") this.#tell(this.#rest);
    this.#rest = "";
  }

  #cut(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#tell(line.endsWith("\r") ? line.slice(0, -1) : line);
    while (this.#rest.length > MAX_LINE) {
      const start = startOf(this.#rest, MAX_LINE);
      this.#line(start);
      this.#rest = this.#rest.slice(start.length);
    }
  }

  #tell(line: string): void {
    let rest = line;
    while (rest.length > MAX_LINE) {
      const start = startOf(rest, MAX_LINE);
      this.#line(start);
      rest = rest.slice(start.length);
    }
    this.#line(rest);
  }
}
