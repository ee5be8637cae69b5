/**
 * Owns what the page says of its link to the executor, and of what is not as it should be with that.
 * Must not know the run.
 * Invariant: what is said already is not said again, so that a screen reader hears it once.
 */
import { timeOfDay } from "../base/shown.ts";
import type { Connection, PageStatus } from "./data.ts";
import { h, setAttribute } from "./dom.ts";

/** Both notices. */
export class Notices {
  readonly link: HTMLElement = h("div", [], { class: "notice", role: "alert", hidden: true });
  readonly conditions: HTMLElement = h("ul", [], { class: "notice conditions", hidden: true });
  readonly #askToken: () => void;
  #told = "";

  constructor(askToken: () => void) {
    this.#askToken = askToken;
  }

  /** Says how the page stands to the executor. */
  connection(link: Connection): void {
    const text = linkText(link);
    this.link.hidden = text === "";
    if (text === "") return;
    const ask = h("button", "Enter the token", {
      type: "button",
      class: "small",
      onclick: this.#askToken,
    });
    if (this.link.firstChild?.textContent === text) return;
    this.link.replaceChildren(h("span", text), ...(link.state === "denied" ? [" ", ask] : []));
    setAttribute(this.link, "data-link", link.state);
  }

  /** Says what is not as it should be. */
  status({ unable, conditions = [] }: PageStatus): void {
    const lines = [...(unable === undefined ? [] : [unable]), ...conditions.map(({ message }) => message)];
    this.conditions.hidden = lines.length === 0;
    const told = lines.join("\n");
    if (told === this.#told) return;
    this.#told = told;
    this.conditions.replaceChildren(...lines.map((line) => h("li", line)));
  }
}

function linkText(link: Connection): string {
  switch (link.state) {
    case "connecting":
      return "Connecting to the executor …";
    case "idle":
      return "The executor has no run yet. It is shown as soon as one begins.";
    case "away":
      return `The executor has not answered since ${timeOfDay(link.since).slice(0, 8)}. ` +
        "What is shown is the last that it told; it is asked again by itself.";
    case "gone":
      return "The run is over and its executor has ended. This is all of the run that was seen here.";
    case "denied":
      return `The executor wants a token. ${link.because}`;
    default:
      return "";
  }
}
