/**
 * Owns how every page is put together: a way past its top, what stands there, the tabs, and a panel beside what they show.
 * Must not know what is in any of them.
 */
import { h } from "./dom.ts";
import type { Tabs } from "./tabs.ts";

/** A window so narrow that the panel lies over what it is beside, as in page.css. */
export const narrow: MediaQueryList = matchMedia("(max-width: 700px)");

/** What a page is put together of. */
export interface Framed {
  readonly top: readonly HTMLElement[];
  readonly tabs: Tabs;
  readonly side: HTMLElement;
}

/** Puts the page together. */
export function pageFrame({ top, tabs, side }: Framed): void {
  const work = h("div", [tabs.panels, side], { class: "work", id: "content", tabindex: -1 });
  document.body.append(skipLink(work), ...top, h("main", [tabs.list, work]));
}

/** The first thing that a keyboard reaches: past the top of the page, to what is shown. */
function skipLink(content: HTMLElement): HTMLElement {
  return h("a", "Skip to the content", {
    href: `#${content.id}`,
    class: "skip",
    onclick: (event) => {
      // The address says which view is shown.
      event.preventDefault();
      content.focus();
    },
  });
}
