/**
 * Owns the list of what was handed in, the newest first.
 * Must not know how a table is drawn, nor how the gateway is asked.
 */
import { h } from "../dom.ts";
import { Grid } from "../grid.ts";
import { agoText } from "./ago.ts";
import type { HandoutTold } from "./told.ts";
import { lookOf, stateText } from "./words.ts";

/** The list. */
export class HandoutsView {
  readonly element: HTMLElement;
  readonly #grid: Grid<HandoutTold>;

  constructor(open: (handout: HandoutTold) => void) {
    this.#grid = new Grid<HandoutTold>({
      id: "handouts",
      label: "Submitted",
      columns: ["Pipeline", "State", "For", "Executor", "When"],
      empty: "Looking …",
      fill,
      open,
    });
    this.element = h("div", [this.#grid.element], { class: "pane" });
  }

  show(handouts: readonly HandoutTold[]): void {
    this.#grid.sayEmpty("Nothing has been submitted yet.");
    this.#grid.show(handouts);
  }
}

function fill(
  { id, pipeline, state, to, executor = "", at }: HandoutTold,
  line: HTMLElement,
): readonly string[] {
  line.dataset["standing"] = lookOf(state).like;
  return [pipeline ?? id, stateText(state), to, executor, agoText(at)];
}
