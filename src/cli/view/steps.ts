/**
 * Owns how a person follows work that has steps: one line that changes on a terminal, a line for each step elsewhere.
 * Must not know what the work is.
 * Invariant: after `end` nothing of a terminal's line is left.
 */
import { harmless } from "../../base/harmless.ts";
import type { Output } from "../../runtime/port.ts";
import { fit } from "./measures.ts";

/** The steps of one piece of work. */
export class Steps {
  readonly #out: Output;
  #step: string = "";
  #shown: string = "";

  constructor(out: Output) {
    this.#out = out;
  }

  /** Tells what is being done. @param done How much of `total` is, where that is known. */
  tell(step: string, done?: number, total?: number): void {
    const fresh = step !== this.#step;
    this.#step = step;
    if (!this.#out.isTTY) {
      if (fresh) this.#out.write(`${step}\n`);
      return;
    }
    const share = done === undefined || !total ? "" : ` ${Math.floor(100 * Math.min(1, done / total))} %`;
    const text = fit(harmless(`${step}${share}`), this.#out.columns - 1);
    if (text !== this.#shown) this.#out.raw(`\r\x1b[K${text}`);
    this.#shown = text;
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown !== "") this.#out.raw("\r\x1b[K");
    this.#shown = "";
  }
}
