/**
 * Owns what the page says of its link to who tells it, and of what is not as it should be with that.
 * Must not know the run.
 * Invariant: what is said already is not said again, so that a screen reader hears it once.
 */
import { timeOfDay } from "../base/shown.ts";
import type { Connection, PageStatus, ToldBy } from "./data.ts";
import { h, setAttribute } from "./dom.ts";

/** Both notices. */
export class Notices {
  readonly link: HTMLElement = h("div", [], { class: "notice", role: "alert", hidden: true });
  readonly conditions: HTMLElement = h("ul", [], { class: "notice conditions", hidden: true });
  readonly #askToken: () => void;
  readonly #teller: ToldBy;
  #told = "";

  constructor(askToken: () => void, teller: ToldBy) {
    this.#askToken = askToken;
    this.#teller = teller;
  }

  /** Says how the page stands to who tells. */
  connection(link: Connection): void {
    const text = linkText(link, this.#teller);
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

function linkText(link: Connection, teller: ToldBy): string {
  switch (link.state) {
    case "connecting":
      return `Connecting to the ${teller} …`;
    case "idle":
      return "The executor has no run yet. It is shown as soon as one begins.";
    case "away":
      return `The ${teller} has not answered since ${timeOfDay(link.since).slice(0, 8)}. ` +
        "What is shown is the last that it told; it is asked again by itself.";
    case "gone":
      return "The run is over and its executor has ended. This is all of the run that was seen here.";
    case "denied":
      return `The executor wants a token. ${link.because}`;
    default:
      return "";
  }
}
