/**
 * Owns the plain view: lines, for pipes, files, CI, and those who want no colour.
 * Must not know of terminals.
 * Invariant: every line is whole, and written when it happens.
 */
import { lackWords } from "../../model/lack.ts";
import { growing } from "../../base/shown.ts";
import { every } from "../../base/clock.ts";
import { itemsText, progressText, rowsOf } from "./frame.ts";
import { harmless, indented } from "../../base/harmless.ts";
import { type Paint, printed } from "./paint.ts";
import { Teller } from "./teller.ts";
import type { View, Viewed, ViewOptions } from "./view.ts";

/** After this much silence it is said how far the run is, so that nobody, nor a CI, takes it for hung. */
const SILENCE_MS = 10_000;

/** Running tasks that are named then. */
const MAX_NAMED = 5;

/** Lines on `out`, words of Outrider's own on `err`. */
export class PlainView implements View {
  readonly #execution: Viewed;
  readonly #options: ViewOptions;
  readonly #teller: Teller | undefined;
  readonly #stopTicks: () => void;
  /** When there last was a line, by the monotonic clock. */
  #spokenAt: number;
  #ended = false;

  constructor(execution: Viewed, options: ViewOptions) {
    this.#execution = execution;
    this.#options = options;
    this.#spokenAt = options.clock.monotonic();
    const tell = (lines: string, to: "out" | "err") => {
      this.#spokenAt = options.clock.monotonic();
      printed(lines, options[to], options.paint);
    };
    this.#teller = options.quiet ? undefined : new Teller(execution, { ...options, tell });
    this.#stopTicks = options.quiet ? () => {} : every(options.clock, SILENCE_MS / 10, () => this.#tick());
  }

  note(text: string): void {
    if (this.#teller === undefined) this.#options.err.write(`outrider · ${indented(text)}\n`);
    else this.#teller.note(this.#options.clock.now(), text);
  }

  end(last = ""): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopTicks();
    this.#teller?.close();
    if (last !== "") printed(last, this.#options.out, this.#options.paint);
  }

  #tick(): void {
    const { clock, paint } = this.#options;
    if (clock.monotonic() - this.#spokenAt < SILENCE_MS) return;
    this.#teller?.note(clock.now(), stillText(this.#execution, paint));
  }
}

/** `3 of 7 · running: cpu (12.0 s), disk (3.1 s) · ping waits for radio, which cpu has`. */
function stillText(execution: Viewed, paint: Paint): string {
  const snapshot = execution.snapshot(1);
  const running = rowsOf(snapshot);
  const named = running.slice(0, MAX_NAMED).map(({ task, ranMs, items }) =>
    items === undefined ? `${harmless(task)} (${growing(ranMs)})` : `${harmless(task)} (${itemsText(items)})`
  );
  const more = running.length - named.length;
  const list = named.length === 0
    ? ""
    : ` · running: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  const lacking = (snapshot.lacking ?? []).slice(0, 1)
    .map(({ task, lacks }) => harmless(` · ${task} waits ${lackWords(lacks)}`));
  return `${progressText(snapshot, paint)}${list}${lacking.join("")}`;
}
