/**
 * Owns the counts of tasks by where they stand, as buttons and as a bar.
 * Must not know what choosing one leads to.
 */
import { h, setText } from "./dom.ts";
import type { Model } from "./model.ts";
import { STANDING_NAMES, type StandingName, STANDINGS } from "./words.ts";

/** Parts of the bar from the left: what is done, what goes on, what is to come. */
const SHARE_ORDER: readonly StandingName[] = [
  "succeeded",
  "skipped",
  "cancelled",
  "failed",
  "timed_out",
  "crashed",
  "running",
  "retrying",
  "queued",
  "waiting",
];

/** The counts. */
export class Counts {
  readonly share: HTMLElement = h("div", [], { class: "share", "aria-hidden": "true" });
  readonly element: HTMLElement = h("div", [], {
    class: "counts",
    role: "group",
    "aria-label": "Tasks by state",
  });
  readonly #buttons: ReadonlyMap<StandingName, HTMLButtonElement>;
  readonly #parts: ReadonlyMap<StandingName, HTMLElement>;

  constructor(choose: (standing: StandingName) => void) {
    this.#buttons = new Map(STANDING_NAMES.map((name) => [name, button(name, choose)]));
    this.#parts = new Map(STANDING_NAMES.map((name) => [name, h("i", [], { "data-standing": name })]));
    this.share.append(...SHARE_ORDER.map((name) => this.#parts.get(name)!));
    this.element.append(...this.#buttons.values());
  }

  /** Shows the run as it is now. */
  update({ counts }: Model): void {
    for (const name of STANDING_NAMES) {
      const button = this.#buttons.get(name)!;
      button.hidden = counts[name] === 0;
      setText(button.lastChild as HTMLElement, counts[name].toLocaleString("en"));
      this.#parts.get(name)!.style.flexGrow = String(counts[name]);
    }
  }
}

function button(name: StandingName, choose: (standing: StandingName) => void): HTMLButtonElement {
  const { word, mark } = STANDINGS[name];
  return h("button", [h("span", mark, { "aria-hidden": "true" }), ` ${word} `, h("b", "0")], {
    type: "button",
    class: "count",
    "data-standing": name,
    hidden: true,
    title: `Show the tasks: ${word}`,
    onclick: () => choose(name),
  });
}
