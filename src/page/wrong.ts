/**
 * Owns the list of what went wrong in a run.
 * Must not know what choosing an entry leads to.
 * Invariant: the list changes only when what it says does, so that nobody loses the place in it.
 */
import { counted } from "../base/shown.ts";
import { h, setText } from "./dom.ts";
import type { HeadActions } from "./head_actions.ts";
import type { Model } from "./model.ts";
import { whyOf } from "./reason.ts";
import { brief, STANDINGS } from "./words.ts";

/** Most failures that are listed. */
const LISTED = 8;

/** The list, under its sum. */
export class Wrong {
  readonly element: HTMLDetailsElement;
  readonly #actions: Pick<HeadActions, "chooseStanding" | "chooseTask">;
  readonly #list: HTMLElement = h("ul", []);
  readonly #title: HTMLElement = h("summary", "");
  #listed = "";

  constructor(actions: Pick<HeadActions, "chooseStanding" | "chooseTask">) {
    this.#actions = actions;
    this.element = h("details", [this.#title, this.#list], {
      class: "wrong",
      hidden: true,
      open: true,
    });
  }

  /** Shows the run as it is now. */
  update(model: Model): void {
    const { counts } = model;
    const count = counts.failed + counts.timed_out + counts.crashed;
    const stopped = model.course.because === undefined ? "" : `The run was stopped: ${model.course.because}`;
    this.element.hidden = count === 0 && stopped === "";
    if (this.element.hidden || this.#listed === `${count} ${stopped} ${model.id} ${counts.skipped}`) return;
    this.#listed = `${count} ${stopped} ${model.id} ${counts.skipped}`;
    const failures = count === 0 ? "" : `${counted(count, "task")} went wrong`;
    const skipped = counts.skipped === 0
      ? ""
      : `, ${counted(counts.skipped, "task")} ${counts.skipped === 1 ? "was" : "were"} skipped`;
    setText(this.#title, failures === "" ? stopped : `${failures}${skipped}`);
    const rows = model.bad().slice(0, LISTED).map((task) =>
      h("li", [
        h("button", task.name, {
          type: "button",
          class: "link",
          onclick: () => this.#actions.chooseTask(task),
        }),
        ` ${STANDINGS[task.standing].word}: ${brief(whyOf(task, model), 240)}`,
      ])
    );
    if (failures !== "" && stopped !== "") rows.unshift(h("li", stopped));
    if (count > LISTED) {
      rows.push(h("li", [
        h("button", `and ${count - LISTED} more`, {
          type: "button",
          class: "link",
          onclick: () => this.#actions.chooseStanding("wrong"),
        }),
      ]));
    }
    this.#list.replaceChildren(...rows);
  }
}
