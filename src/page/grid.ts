/**
 * Owns a table of any length: only the rows that are seen are elements.
 * Must not know what is in the rows.
 * Invariant: the number of elements depends on the height of the window alone; a keyboard reaches every row, and a screen
 * reader is told how many there are and which one it is on.
 */
import { h, painter, setAttribute, setText } from "./dom.ts";

/** What a table is made of. */
export interface GridOptions<R> {
  /** Unique on the page. */
  readonly id: string;
  readonly label: string;
  readonly columns: readonly string[];
  /** Shown when there are no rows. */
  readonly empty: string;
  /** Texts of a row's cells; the row's element may get marks by `data-…`. */
  fill(row: R, line: HTMLElement): readonly string[];
  open(row: R): void;
  /** Told when a person scrolls; whether the last row is seen. */
  scrolled?(atEnd: boolean): void;
}

const ROW_PX = 28;
/** Rows drawn beyond the window, at either side. */
const MORE = 6;

/** The table. */
export class Grid<R> {
  readonly element: HTMLElement;
  readonly #options: GridOptions<R>;
  readonly #body: HTMLElement;
  readonly #empty: HTMLElement;
  readonly #lines: HTMLElement[] = [];
  #rows: ArrayLike<R> = [];
  #active = -1;
  #toEnd = false;
  readonly #paintSoon: () => void = painter(() => this.#paint());

  constructor(options: GridOptions<R>) {
    this.#options = options;
    const { id, label, columns, empty } = options;
    const head = h(
      "div",
      columns.map((name) => h("span", name, { role: "columnheader", "data-column": name.toLowerCase() })),
      {
        role: "row",
        class: "head",
      },
    );
    this.#body = h("div", [], { role: "rowgroup", class: "rows" });
    this.#empty = h("p", empty, { class: "empty" });
    const grid = h("div", [h("div", [head], { role: "rowgroup", class: "heads" }), this.#body], {
      role: "grid",
      class: `grid grid-${id}`,
      tabindex: 0,
      "aria-label": label,
      onscroll: () => {
        this.#paintSoon();
        this.#options.scrolled?.(this.#atEnd());
      },
      onkeydown: (event) => this.#key(event as KeyboardEvent),
      onfocus: () => this.#rows.length > 0 && this.#active < 0 && this.#goTo(this.#first()),
    });
    this.#grid = grid;
    this.element = h("div", [grid, this.#empty], { class: "table" });
    new ResizeObserver(() => this.#paintSoon()).observe(grid);
  }

  readonly #grid: HTMLElement;

  /** Shows rows; the same list again when it has changed. */
  show(rows: ArrayLike<R>, { toEnd = false }: { readonly toEnd?: boolean } = {}): void {
    this.#rows = rows;
    this.#toEnd ||= toEnd;
    this.#paintSoon();
  }

  /** Says why there are no rows. */
  sayEmpty(text: string): void {
    setText(this.#empty, text);
  }

  #atEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.#grid;
    return scrollTop + clientHeight >= scrollHeight - ROW_PX;
  }

  #first(): number {
    return Math.min(this.#rows.length - 1, Math.ceil(this.#grid.scrollTop / ROW_PX));
  }

  #paint(): void {
    const { length } = this.#rows;
    this.#empty.hidden = length > 0;
    this.#body.style.height = `${length * ROW_PX}px`;
    setAttribute(this.#grid, "aria-rowcount", String(length + 1));
    if (this.#toEnd) this.#grid.scrollTop = this.#grid.scrollHeight;
    this.#toEnd = false;
    const { scrollTop, clientHeight } = this.#grid;
    if (clientHeight === 0) return;
    const from = Math.max(0, Math.floor(scrollTop / ROW_PX) - MORE);
    const to = Math.min(length, Math.ceil((scrollTop + clientHeight) / ROW_PX) + MORE);
    while (this.#lines.length < to - from) this.#lines.push(this.#line());
    this.#lines.forEach((line, at) => this.#place(line, from + at < to ? from + at : -1));
    if (this.#active >= length) this.#active = length - 1;
    const shown = this.#lines.find((line) => Number(line.dataset["row"]) === this.#active && !line.hidden);
    setAttribute(this.#grid, "aria-activedescendant", shown?.id);
  }

  #line(): HTMLElement {
    const cells = this.#options.columns.map((name) =>
      h("span", [], { role: "gridcell", "data-column": name.toLowerCase() })
    );
    const line = h("div", cells, {
      role: "row",
      class: "line",
      id: `${this.#options.id}-${this.#lines.length}`,
      onclick: () => {
        const row = Number(line.dataset["row"]);
        this.#goTo(row);
        this.#options.open(this.#rows[row]!);
      },
    });
    this.#body.append(line);
    return line;
  }

  #place(line: HTMLElement, row: number): void {
    line.hidden = row < 0;
    if (row < 0) return;
    line.dataset["row"] = String(row);
    line.style.transform = `translateY(${row * ROW_PX}px)`;
    setAttribute(line, "aria-rowindex", String(row + 2));
    setAttribute(line, "aria-selected", String(row === this.#active));
    const texts = this.#options.fill(this.#rows[row]!, line);
    texts.forEach((text, at) => setText(line.children[at]!, text));
  }

  #key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.#grid.clientHeight / ROW_PX) - 2);
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
      Home: 0,
      End: this.#rows.length - 1,
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && this.#active >= 0) this.#options.open(this.#rows[this.#active]!);
    else if (Object.hasOwn(steps, event.key)) this.#goTo(steps[event.key]!);
    else return;
    event.preventDefault();
  }

  #goTo(row: number): void {
    this.#active = Math.min(this.#rows.length - 1, Math.max(0, row));
    const [top, grid] = [this.#active * ROW_PX, this.#grid];
    // The head stays on top of the rows.
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + 2 * ROW_PX > grid.scrollTop + grid.clientHeight) {
      grid.scrollTop = top + 2 * ROW_PX - grid.clientHeight;
    }
    this.#options.scrolled?.(this.#atEnd());
    this.#paint();
  }
}
