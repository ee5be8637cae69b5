/**
 * Owns the live view: a region at the bottom of the terminal that is drawn anew, with lines scrolling above it.
 * Must not know what the region shows (frame.ts) nor which lines there are (teller.ts).
 * Invariant: whatever is drawn is taken away again at the end, the cursor is shown, and no timer is left.
 *
 *   13:02:11.123 cpu │ a line that stays        <- lines, on the same stream if both are the terminal
 *   device-check ━━━━━───── 3 of 7 · 1.2 s      <- the region, on stderr, at most ten times a second
 */
import { every } from "../../base/clock.ts";
import { harmlessText } from "../../base/harmless.ts";
import type { Execution } from "../../run/execution.ts";
import type { Output } from "../../runtime/port.ts";
import { frame } from "./frame.ts";
import { width } from "./measures.ts";
import { type Paint, printed } from "./paint.ts";
import { Teller } from "./teller.ts";
import type { View, ViewOptions } from "./view.ts";

/** Time between two drawings. */
const TICK_MS = 100;

/** Ticks before the first drawing: a short run needs no live view, nor the time to load its library. */
const FIRST_TICK = 2;

/** Lines are held back until the next drawing, but no more than this many characters of them. */
const MAX_HELD = 16_384;

/** Tasks named as those that come next. */
const MAX_NEXT = 4;

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
/** Terminals that know these show all between them at once; others ignore them. */
const BEGIN_UPDATE = "\x1b[?2026h";
const END_UPDATE = "\x1b[?2026l";

/** What draws the region; log-update is one. */
export interface Region {
  (text: string): void;
  clear(): void;
  /** Forgets what is drawn, and leaves it there. */
  done(): void;
}

/** The stream that a region writes to. */
export interface RegionStream {
  write(text: string): void;
  readonly isTTY: boolean;
  readonly columns: number;
  readonly rows: number;
}

/** Lines above, a region below. */
export class LiveView implements View {
  readonly #execution: Execution;
  readonly #options: ViewOptions & { readonly region: Paint };
  readonly #teller: Teller;
  readonly #stopTicks: () => void;
  readonly #load: (stream: RegionStream) => Promise<Region>;
  readonly #oneTerminal: boolean;
  #region: Region | undefined;
  #ticks = 0;
  #held = "";
  /** What the region has written since the last flush. */
  #drawing = "";
  #drawn: readonly string[] = [];
  #drawnColumns = 0;
  #notice: string | undefined;
  #hidden = false;
  #ended = false;

  constructor(
    execution: Execution,
    options: ViewOptions & {
      /** Paint for the region. */
      readonly region: Paint;
      readonly load?: (stream: RegionStream) => Promise<Region>;
    },
  ) {
    this.#execution = execution;
    this.#options = options;
    this.#load = options.load ?? logUpdate;
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
    this.#draw({ region: false });
    this.#ended = true;
  }

  #lines(lines: string, to: "out" | "err"): void {
    if (to === "out" && !this.#oneTerminal) return printed(lines, this.#options.out, this.#options.paint);
    this.#held += lines;
    if (this.#held.length > MAX_HELD) this.#draw();
  }

  #tick(): void {
    if (++this.#ticks === FIRST_TICK) {
      void this.#load(this.#stream()).then((region) => this.#region = region);
    }
    this.#draw();
  }

  /** Takes the region away if lines are to go above it, writes them, draws it again: in one write. */
  #draw({ region = true }: { readonly region?: boolean } = {}): void {
    if (this.#ended) return;
    const { err, region: paint } = this.#options;
    const { columns, rows } = err;
    if (this.#drawn.length > 0 && columns !== this.#drawnColumns) this.#takeAwayFolded(columns, rows);
    if (this.#drawn.length > 0 && (this.#held !== "" || !region)) {
      this.#region?.clear();
      this.#drawn = [];
    }
    this.#drawing += harmlessText(this.#held, true);
    this.#held = "";
    if (region && this.#region !== undefined) {
      if (!this.#hidden) this.#drawing += HIDE_CURSOR;
      this.#hidden = true;
      const notice = this.#notice === undefined ? {} : { notice: this.#notice };
      const snapshot = this.#execution.snapshot(MAX_NEXT);
      this.#drawn = frame(snapshot, { columns, rows, paint, ...notice });
      this.#drawnColumns = columns;
      this.#region(harmlessText(this.#drawn.join("\n"), true));
    } else if (this.#hidden && !region) {
      this.#drawing += SHOW_CURSOR;
      this.#hidden = false;
    }
    this.#flush(err);
  }

  /** The terminal has folded or unfolded the lines of the region: takes away as many rows as they have now. */
  #takeAwayFolded(columns: number, rows: number): void {
    const folded = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(width(line) / columns)), 0);
    this.#drawing += `\r\x1b[${Math.min(folded, rows - 1)}A\x1b[J`;
    this.#region?.done();
    this.#drawn = [];
  }

  #flush(err: Output): void {
    if (this.#drawing === "") return;
    err.raw(this.#region === undefined ? this.#drawing : `${BEGIN_UPDATE}${this.#drawing}${END_UPDATE}`);
    this.#drawing = "";
  }

  /** Collects what the region writes, so that it leaves together with the lines above it. */
  #stream(): RegionStream {
    const { err } = this.#options;
    return {
      write: (text) => void (this.#drawing += text),
      isTTY: false,
      get columns() {
        return err.columns;
      },
      get rows() {
        return err.rows;
      },
    };
  }
}

async function logUpdate(stream: RegionStream): Promise<Region> {
  const { createLogUpdate } = await import("log-update");
  // The cursor is ours to hide: it must be shown again in the same write that ends the view.
  const options = { showCursor: true };
  return createLogUpdate(stream as RegionStream & Parameters<typeof createLogUpdate>[0], options);
}
