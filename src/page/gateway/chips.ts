/**
 * Owns counts by state, as buttons that choose what is listed.
 * Must not know what is counted, nor what choosing one leads to.
 */
import { h, setAttribute, setText } from "../dom.ts";
import { count } from "../../base/shown.ts";
import { lookOf } from "./words.ts";

/** The counts. */
export class Chips<S extends string> {
  readonly element: HTMLElement;
  readonly #buttons: ReadonlyMap<S, HTMLButtonElement>;

  /** @param what What is counted. */
  constructor(what: string, states: readonly S[], choose: (state: S | "") => void) {
    const button = (state: S): HTMLButtonElement => {
      const { mark, like } = lookOf(state);
      const made: HTMLButtonElement = h(
        "button",
        [h("span", mark, { "aria-hidden": "true" }), ` ${state} `, h("b", "0")],
        {
          type: "button",
          class: "count",
          "data-standing": like,
          "aria-pressed": "false",
          title: `Show ${what.toLowerCase()}: ${state}`,
          onclick: () => choose(made.getAttribute("aria-pressed") === "true" ? "" : state),
        },
      );
      return made;
    };
    this.#buttons = new Map(states.map((state) => [state, button(state)]));
    this.element = h("div", [h("span", what, { class: "of" }), ...this.#buttons.values()], {
      class: "counts",
      role: "group",
      "aria-label": `${what} by state`,
    });
  }

  update(counts: Readonly<Partial<Record<S, number>>>): void {
    for (const [state, button] of this.#buttons) {
      const number = counts[state] ?? 0;
      button.hidden = number === 0 && button.getAttribute("aria-pressed") !== "true";
      setText(button.lastChild as HTMLElement, count(number));
    }
  }

  /** Marks the one that is chosen, if any is. */
  chosen(chosen: string): void {
    for (const [state, button] of this.#buttons) {
      setAttribute(button, "aria-pressed", String(state === chosen));
      if (state === chosen) button.hidden = false;
    }
  }
}
