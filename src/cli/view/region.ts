/**
 * Owns a region at the bottom of a terminal, and the lines that go above it.
 * Must not know what either says.
 * Invariant: lines and region leave in one write, so that nobody sees one without the other; at the end the region is taken
 * away and the cursor shown.
 */
import { harmlessText } from "../../base/harmless.ts";
import type { Output } from "../../runtime/port.ts";
import { width } from "./measures.ts";

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

/** The terminal's size, in characters. */
export type ScreenSize = Pick<Output, "columns" | "rows">;

/** A region, and what is above it. */
export class RegionScreen {
  readonly #err: Output;
  readonly #load: (stream: RegionStream) => Promise<Region>;
  #region: Region | undefined;
  /** What is to leave with the next write. */
  #drawing = "";
  #drawn: readonly string[] = [];
  #drawnColumns = 0;
  #hidden = false;

  /** @param load Loads what draws the region. Default: log-update. */
  constructor(err: Output, load: (stream: RegionStream) => Promise<Region> = logUpdate) {
    this.#err = err;
    this.#load = load;
  }

  /** Loads what draws the region, which is shown from the next drawing on. */
  open(): void {
    void this.#load(this.#stream()).then((region) => this.#region = region);
  }

  /** Takes the region away if lines are to go above it, writes them, draws it again: in one write. */
  draw(above: string, region: (size: ScreenSize) => readonly string[]): void {
    const { columns, rows } = this.#err;
    this.#write(above, above !== "");
    if (this.#region !== undefined) {
      if (!this.#hidden) this.#drawing += HIDE_CURSOR;
      this.#hidden = true;
      this.#drawn = region({ columns, rows });
      this.#drawnColumns = columns;
      this.#region(harmlessText(this.#drawn.join("\n"), true));
    }
    this.#flush();
  }

  /** Takes the region away for good, and writes the last lines. */
  end(above: string): void {
    this.#write(above, true);
    if (this.#hidden) this.#drawing += SHOW_CURSOR;
    this.#hidden = false;
    this.#flush();
  }

  #write(above: string, takeAway: boolean): void {
    const { columns, rows } = this.#err;
    if (this.#drawn.length > 0 && columns !== this.#drawnColumns) this.#takeAwayFolded(columns, rows);
    if (this.#drawn.length > 0 && takeAway) {
      this.#region?.clear();
      this.#drawn = [];
    }
    this.#drawing += harmlessText(above, true);
  }

  /** The terminal has folded or unfolded the lines of the region: takes away as many rows as they have now. */
  #takeAwayFolded(columns: number, rows: number): void {
    const folded = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(width(line) / columns)), 0);
    this.#drawing += `\r\x1b[${Math.min(folded, rows - 1)}A\x1b[J`;
    this.#region?.done();
    this.#drawn = [];
  }

  #flush(): void {
    if (this.#drawing === "") return;
    this.#err.raw(
      this.#region === undefined ? this.#drawing : `${BEGIN_UPDATE}${this.#drawing}${END_UPDATE}`,
    );
    this.#drawing = "";
  }

  /** Collects what the region writes, so that it leaves together with the lines above it. */
  #stream(): RegionStream {
    const err = this.#err;
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
