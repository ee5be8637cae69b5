/**
 * Owns the panel beside what a page shows, and what in it looks the same for all that can be chosen there.
 * Must not know what it is.
 * Invariant: closed, it gives the focus back to where it came from.
 */
import { h, type NodeLike } from "./dom.ts";

/** The panel. */
export class SidePanel {
  readonly element: HTMLElement;
  readonly #title: HTMLElement = h("h2", [], { tabindex: -1 });
  readonly #content: HTMLElement = h("div", [], { class: "content" });
  readonly #closed: () => void;
  #told = "";
  #from: Element | null = null;

  constructor(closed: () => void) {
    this.#closed = closed;
    const close = h("button", "×", {
      type: "button",
      class: "small close",
      "aria-label": "Close",
      onclick: () => this.close(),
    });
    this.element = h("aside", [h("header", [this.#title, close]), this.#content], {
      class: "detail",
      "aria-label": "Details",
      hidden: true,
      onkeydown: (event) => (event as KeyboardEvent).key === "Escape" && this.close(),
    });
  }

  /** Opens it with this title. */
  open(title: string): void {
    if (this.element.hidden) this.#from = document.activeElement;
    this.element.hidden = false;
    this.#title.textContent = title;
    this.#content.replaceChildren();
    this.#told = "";
    this.#content.scrollTop = 0;
    this.#title.focus({ preventScroll: true });
  }

  /**
   * Fills it; what has the focus keeps it, if it is there again.
   *
   * @param told What it is made of: of the same nothing is made anew, so that nobody loses the place in it.
   */
  fill(told: unknown, contentOf: () => readonly NodeLike[]): void {
    const text = JSON.stringify(told);
    if (text === this.#told) return;
    this.#told = text;
    const content = contentOf();
    const at = [...this.#content.querySelectorAll("button, a")].indexOf(document.activeElement!);
    this.#content.replaceChildren(...content.filter((each) => each !== undefined));
    if (at >= 0) (this.#content.querySelectorAll("button, a")[at] as HTMLElement | undefined)?.focus();
  }

  close(): void {
    if (this.element.hidden) return;
    this.element.hidden = true;
    this.#closed();
    if (this.#from instanceof HTMLElement && this.#from.isConnected) this.#from.focus();
  }
}

/** Names and what they stand for; what is not known is left out. */
export function facts(all: readonly (readonly [string, NodeLike])[]): HTMLElement {
  const known = all.filter(([, value]) => value !== undefined && value !== "");
  return h("dl", known.flatMap(([name, value]) => [h("dt", name), h("dd", [value])]));
}
