/**
 * Owns the live view: a region at the bottom of the terminal that is drawn anew, with lines scrolling above it.
 * Must not know what the region shows (frame.ts), which lines there are (teller.ts), nor how both get there (region.ts).
 * Invariant: whatever is drawn is taken away again at the end, and no timer is left.
 *
 *   13:02:11.123 cpu │ a line that stays        <- lines, on the same stream if both are the terminal
 *   device-check ━━━━━───── 3 of 7 · 1.2 s      <- the region, on stderr, at most ten times a second
 */
import { every } from "../../base/clock.ts";
import { frame } from "./frame.ts";
import { type Paint, printed } from "./paint.ts";
import { type Region, RegionScreen, type RegionStream } from "./region.ts";
import { Teller } from "./teller.ts";
import type { View, Viewed, ViewOptions } from "./view.ts";

/** Time between two drawings. */
const TICK_MS = 100;

/** Ticks before the first drawing: a short run needs no live view, nor the time to load its library. */
const FIRST_TICK = 2;

/** Lines are held back until the next drawing, but no more than this many characters of them. */
const MAX_HELD = 16_384;

/** Tasks named as those that come next. */
const MAX_NEXT = 4;

/** Lines above, a region below. */
export class LiveView implements View {
  readonly #execution: Viewed;
  readonly #options: ViewOptions & { readonly region: Paint };
  readonly #teller: Teller;
  readonly #stopTicks: () => void;
  readonly #screen: RegionScreen;
  readonly #oneTerminal: boolean;
  #ticks = 0;
  #held = "";
  #notice: string | undefined;
  #ended = false;

  constructor(
    execution: Viewed,
    options: ViewOptions & {
      /** Paint for the region. */
      readonly region: Paint;
      readonly load?: (stream: RegionStream) => Promise<Region>;
    },
  ) {
    this.#execution = execution;
    this.#options = options;
    this.#screen = new RegionScreen(options.err, options.load);
    this.#oneTerminal = options.out.isTTY;
    const tell = (lines: string, to: "out" | "err") => this.#lines(lines, to);
    this.#teller = new Teller(execution, { ...options, tell });
    this.#stopTicks = every(options.clock, TICK_MS, () => this.#tick());
  }

  note(text: string): void {
    this.#notice = text;
    this.#teller.note(this.#options.clock.now(), text);
    this.#draw();
  }

  end(last = ""): void {
    if (this.#ended) return;
    this.#stopTicks();
    this.#teller.close();
    this.#lines(last, "out");
    this.#screen.end(this.#held);
    this.#ended = true;
  }

  #lines(lines: string, to: "out" | "err"): void {
    if (to === "out" && !this.#oneTerminal) return printed(lines, this.#options.out, this.#options.paint);
    this.#held += lines;
    if (this.#held.length > MAX_HELD) this.#draw();
  }

  #tick(): void {
    if (++this.#ticks === FIRST_TICK) this.#screen.open();
    this.#draw();
  }

  #draw(): void {
    if (this.#ended) return;
    const notice = this.#notice === undefined ? {} : { notice: this.#notice };
    this.#screen.draw(
      this.#held,
      (size) =>
        frame(this.#execution.snapshot(MAX_NEXT), { ...size, paint: this.#options.region, ...notice }),
    );
    this.#held = "";
  }
}
