/**
 * Owns which view is shown: tabs, by pointer, keyboard and address.
 * Must not know what the views show.
 * Invariant: exactly one view is shown.
 */
import { h } from "./dom.ts";

/** A view behind a tab. */
export interface Tab {
  readonly name: string;
  readonly title: string;
  readonly element: HTMLElement;
  /** Told when it is shown or hidden. */
  readonly shown?: (shown: boolean) => void;
}

/** The tabs. */
export class Tabs {
  readonly list: HTMLElement;
  readonly panels: HTMLElement;
  readonly #tabs: readonly Tab[];
  readonly #changed: () => void;
  #current: string = "";

  /** @param changed Told after another view is shown. */
  constructor(tabs: readonly Tab[], changed: () => void = () => {}) {
    this.#tabs = tabs;
    this.#changed = changed;
    this.list = h(
      "div",
      tabs.map(({ name, title }) =>
        h("button", title, {
          type: "button",
          role: "tab",
          id: `tab-${name}`,
          "aria-controls": `panel-${name}`,
          onclick: () => this.show(name),
        })
      ),
      {
        role: "tablist",
        "aria-label": "Views",
        class: "tabs",
        onkeydown: (event) => this.#key(event as KeyboardEvent),
      },
    );
    this.panels = h(
      "div",
      tabs.map(({ name, element }) =>
        h("section", [element], {
          role: "tabpanel",
          id: `panel-${name}`,
          "aria-labelledby": `tab-${name}`,
          hidden: true,
        })
      ),
      { class: "panels" },
    );
  }

  get current(): string {
    return this.#current;
  }

  /** Shows a view. @param own Whether the page does so by itself: what a person chose is in the address. */
  show(name: string, { own = false }: { readonly own?: boolean } = {}): void {
    if (name === this.#current || !this.#tabs.some((tab) => tab.name === name)) return;
    const before = this.#current;
    this.#current = name;
    this.#tabs.forEach((tab, at) => {
      const chosen = tab.name === name;
      const button = this.list.children[at] as HTMLElement;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      (this.panels.children[at] as HTMLElement).hidden = !chosen;
      if (chosen || tab.name === before) tab.shown?.(chosen);
    });
    this.#changed();
    if (before !== "" && !own) history.replaceState(null, "", `#${name}`);
  }

  #key(event: KeyboardEvent): void {
    const at = this.#tabs.findIndex(({ name }) => name === this.#current);
    const last = this.#tabs.length - 1;
    const goals: Readonly<Record<string, number>> = {
      ArrowRight: at === last ? 0 : at + 1,
      ArrowLeft: at === 0 ? last : at - 1,
      Home: 0,
      End: last,
    };
    if (!Object.hasOwn(goals, event.key)) return;
    event.preventDefault();
    const goal = goals[event.key]!;
    this.show(this.#tabs[goal]!.name);
    (this.list.children[goal] as HTMLElement).focus();
  }
}
