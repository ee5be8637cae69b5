/**
 * Owns the top of the page: what runs, how it stands, the counts, and what went wrong.
 * Must not know the views below it.
 * Invariant: what it says of the run is said in words and is told to a screen reader when the run ends or is lost.
 */
import { isoTime } from "../base/clock.ts";
import type { Link, PageStatus } from "./data.ts";
import { h, setAttribute, setText } from "./dom.ts";
import type { Model, TaskView } from "./model.ts";
import { reasonOf } from "./reason.ts";
import { brief, counted, span, type Standing, STANDING_NAMES, STANDINGS } from "./words.ts";

/** Most failures that are listed. */
const LISTED = 8;

/** Parts of the bar from the left: what is done, what goes on, what is to come. */
const SHARE_ORDER: readonly Standing[] = [
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

/** What a person can do at the top. */
export interface HeadActions {
  readonly chooseStanding: (standing: Standing) => void;
  readonly chooseTask: (task: TaskView) => void;
  readonly cancel: (() => void) | undefined;
  readonly askToken: () => void;
}

/** The top. */
export class Head {
  readonly element: HTMLElement;
  readonly #actions: HeadActions;
  readonly #name: HTMLElement = h("h1", "Outrider");
  readonly #state: HTMLElement = h("span", "", { class: "badge", role: "status" });
  readonly #facts: HTMLElement = h("span", "", { class: "facts" });
  readonly #origin: HTMLElement = h("span", "", { class: "facts origin" });
  readonly #cancel: HTMLButtonElement;
  readonly #share: HTMLElement = h("div", [], { class: "share", "aria-hidden": "true" });
  readonly #counts: HTMLElement = h("div", [], {
    class: "counts",
    role: "group",
    "aria-label": "Tasks by state",
  });
  readonly #buttons: ReadonlyMap<Standing, HTMLButtonElement>;
  readonly #parts: ReadonlyMap<Standing, HTMLElement>;
  readonly #notice: HTMLElement = h("div", [], { class: "notice", role: "alert", hidden: true });
  readonly #conditions: HTMLElement = h("ul", [], { class: "notice conditions", hidden: true });
  readonly #wrong: HTMLElement = h("ul", []);
  readonly #wrongTitle: HTMLElement = h("summary", "");
  readonly #summary: HTMLDetailsElement;
  #listed = "";
  #told = "";
  #link: Link = { state: "connecting" };

  constructor(actions: HeadActions) {
    this.#actions = actions;
    this.#cancel = h("button", "Cancel the run", {
      type: "button",
      class: "danger",
      hidden: true,
      onclick: () => actions.cancel?.(),
    });
    this.#buttons = new Map(STANDING_NAMES.map((name) => [name, this.#count(name)]));
    this.#parts = new Map(STANDING_NAMES.map((name) => [name, h("i", [], { "data-standing": name })]));
    this.#share.append(...SHARE_ORDER.map((name) => this.#parts.get(name)!));
    this.#counts.append(...this.#buttons.values());
    this.#summary = h("details", [this.#wrongTitle, this.#wrong], {
      class: "wrong",
      hidden: true,
      open: innerWidth > 700,
    });
    this.element = h("header", [
      h("div", [this.#name, this.#state, this.#facts, this.#origin, this.#cancel], { class: "title" }),
      this.#share,
      this.#counts,
      this.#notice,
      this.#conditions,
      this.#summary,
    ], { class: "top" });
  }

  /** Says how the page stands to the executor. */
  link(link: Link): void {
    this.#link = link;
    const text = linkText(link);
    this.#notice.hidden = text === "";
    if (text === "") return;
    const ask = h("button", "Enter the token", {
      type: "button",
      class: "small",
      onclick: this.#actions.askToken,
    });
    if (this.#notice.firstChild?.textContent === text) return;
    this.#notice.replaceChildren(h("span", text), ...(link.state === "denied" ? [" ", ask] : []));
    setAttribute(this.#notice, "data-link", link.state);
  }

  /** Says what is not as it should be. */
  status({ unable, conditions = [] }: PageStatus): void {
    const lines = [...(unable === undefined ? [] : [unable]), ...conditions.map(({ message }) => message)];
    this.#conditions.hidden = lines.length === 0;
    const told = lines.join("\n");
    if (told === this.#told) return;
    this.#told = told;
    this.#conditions.replaceChildren(...lines.map((line) => h("li", line)));
  }

  /** Shows the run as it is now. */
  update(model: Model): void {
    const { pipeline, state, startedAt, tasks, counts } = model;
    setText(this.#name, pipeline.name);
    document.title = `${pipeline.name}: ${state}`;
    setText(this.#state, state === "stopping" ? "being stopped" : state);
    setAttribute(this.#state, "data-standing", state === "stopping" ? "cancelled" : state);
    const took = startedAt === 0 ? "" : ` · ${span(model.took(this.#link.state === "live"))}`;
    setText(this.#facts, `${counted(tasks.length, "task")}${took}`);
    setText(this.#origin, `${model.runtime} · run ${model.id.slice(0, 8)}`);
    setAttribute(this.#facts, "title", `Run ${model.id}, begun ${isoTime(startedAt)}`);
    this.#cancel.hidden = this.#actions.cancel === undefined || this.#link.state !== "live" ||
      state !== "running";
    for (const name of STANDING_NAMES) {
      const button = this.#buttons.get(name)!;
      button.hidden = counts[name] === 0;
      setText(button.lastChild as HTMLElement, counts[name].toLocaleString("en"));
      this.#parts.get(name)!.style.flexGrow = String(counts[name]);
    }
    this.#listWrong(model);
  }

  #count(name: Standing): HTMLButtonElement {
    const { word, mark } = STANDINGS[name];
    return h("button", [h("span", mark, { "aria-hidden": "true" }), ` ${word} `, h("b", "0")], {
      type: "button",
      class: "count",
      "data-standing": name,
      hidden: true,
      title: `Show the tasks: ${word}`,
      onclick: () => this.#actions.chooseStanding(name),
    });
  }

  #listWrong(model: Model): void {
    const { counts } = model;
    const count = counts.failed + counts.timed_out + counts.crashed;
    const stopped = model.because === undefined ? "" : `The run was stopped: ${model.because}`;
    this.#summary.hidden = count === 0 && stopped === "";
    if (this.#summary.hidden || this.#listed === `${count} ${stopped} ${model.id} ${counts.skipped}`) return;
    this.#listed = `${count} ${stopped} ${model.id} ${counts.skipped}`;
    const failures = count === 0 ? "" : `${counted(count, "task")} went wrong`;
    const skipped = counts.skipped === 0
      ? ""
      : `, ${counted(counts.skipped, "task")} ${counts.skipped === 1 ? "was" : "were"} skipped`;
    setText(this.#wrongTitle, failures === "" ? stopped : `${failures}${skipped}`);
    const rows = model.bad().slice(0, LISTED).map((task) =>
      h("li", [
        h("button", task.name, {
          type: "button",
          class: "link",
          onclick: () => this.#actions.chooseTask(task),
        }),
        ` ${STANDINGS[task.standing].word}: ${brief(reasonOf(task, model), 240)}`,
      ])
    );
    if (failures !== "" && stopped !== "") rows.unshift(h("li", stopped));
    if (count > LISTED) {
      rows.push(h("li", [
        h("button", `and ${count - LISTED} more`, {
          type: "button",
          class: "link",
          onclick: () =>
            this.#actions.chooseStanding(
              STANDING_NAMES.find((name) => name === "failed" && counts[name] > 0) ?? "crashed",
            ),
        }),
      ]));
    }
    this.#wrong.replaceChildren(...rows);
  }
}

function linkText(link: Link): string {
  switch (link.state) {
    case "connecting":
      return "Connecting to the executor …";
    case "idle":
      return "The executor has no run yet. It is shown as soon as one begins.";
    case "away":
      return `The executor has not answered since ${new Date(link.since).toLocaleTimeString("en-GB")}. ` +
        "What is shown is the last that it told; it is asked again by itself.";
    case "gone":
      return "The run is over and its executor has ended. This is all of the run that was seen here.";
    case "denied":
      return `The executor wants a token. ${link.because}`;
    default:
      return "";
  }
}
