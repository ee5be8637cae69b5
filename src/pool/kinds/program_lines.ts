/**
 * Owns cutting what a program prints into lines.
 * Must not know whose lines they are.
 * Invariant: nothing is lost or doubled but line ends, and what is written over (base/overwritten.ts); no line is longer than
 * the longest that a log takes.
 */
import { MAX_LINE } from "../../base/limits.ts";
import type { Clock } from "../../base/clock.ts";
import { Overwritten } from "../../base/overwritten.ts";
import { startOf } from "../ring/text.ts";

/** Cuts one stream, which is UTF-8; what is not becomes U+FFFD. */
export class LineCutter {
  readonly #line: (text: string) => void;
  readonly #decoder: TextDecoder = new TextDecoder();
  readonly #overwritten: Overwritten | undefined;
  #rest = "";

  /** @param clock For lines that are written over; without one, they stay as they are. */
  constructor(line: (text: string) => void, clock?: Pick<Clock, "monotonic">) {
    this.#line = line;
    this.#overwritten = clock && new Overwritten(() => clock.monotonic());
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
    if (this.#rest !== "") this.#finish(this.#rest);
    this.#rest = "";
  }

  #cut(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#finish(line);
    if (this.#overwritten?.concerns(this.#rest)) {
      const { kept, told } = this.#overwritten.goesOn(this.#rest);
      this.#rest = kept;
      if (told !== undefined) return this.#tell(told);
    }
    while (this.#rest.length > MAX_LINE) {
      const start = startOf(this.#rest, MAX_LINE);
      this.#line(start);
      this.#rest = this.#rest.slice(start.length);
    }
  }

  #finish(line: string): void {
    const told = this.#overwritten === undefined
      ? line.endsWith("\r") ? line.slice(0, -1) : line
      : this.#overwritten.ends(line);
    if (told !== undefined) this.#tell(told);
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
