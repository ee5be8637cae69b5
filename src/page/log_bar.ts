/**
 * Owns what is chosen of the log: whose lines, from which level on, with which text, and whether the newest is followed.
 * Must not know the lines.
 * Invariant: a task that there is not is marked as wrong, and chooses nothing.
 */
import { LEVELS } from "../model/record.ts";
import type { LogFilter } from "./data.ts";
import { h, setText } from "./dom.ts";

/** What hears of a choice. */
export interface LogBarActions {
  /** Other lines are asked for. */
  readonly filter: () => void;
  /** Of those that are there, others are to be shown. */
  readonly show: () => void;
}

/** Most names that are offered for the filter. */
const OFFERED = 2_000;

/** What the filter offers. */
const LEVEL_WORDS: Readonly<Record<string, string>> = {
  debug: "all levels",
  info: "info and worse",
  warn: "warn and worse",
  error: "error and worse",
};
/** The bar. */
export class LogBar {
  readonly element: HTMLElement;
  readonly #task: HTMLInputElement;
  readonly #names: HTMLDataListElement = h("datalist", [], { id: "log-tasks" });
  readonly #level: HTMLSelectElement;
  readonly #text: HTMLInputElement;
  readonly #follow: HTMLButtonElement;
  readonly #said: HTMLElement = h("span", [], { class: "said", role: "status" });
  #known: ReadonlyMap<string, unknown> = new Map();

  constructor({ filter, show }: LogBarActions) {
    this.#task = h("input", [], {
      type: "search",
      list: "log-tasks",
      placeholder: "All tasks",
      "aria-label": "Only lines of this task",
      oninput: filter,
    });
    this.#level = h(
      "select",
      LEVELS.map((level) =>
        h("option", LEVEL_WORDS[level] ?? level, { value: level, selected: level === "debug" })
      ),
      { "aria-label": "Least level", onchange: filter },
    );
    this.#text = h("input", [], {
      type: "search",
      placeholder: "Find",
      "aria-label": "Only lines with this text",
      oninput: show,
    });
    this.#follow = h("button", "Follow", {
      type: "button",
      class: "small",
      "aria-pressed": "true",
      onclick: () => {
        this.following = !this.following;
        show();
      },
    });
    this.element = h("div", [this.#task, this.#names, this.#level, this.#text, this.#follow, this.#said], {
      class: "bar",
    });
  }

  /** Another run: its tasks can be filtered by. */
  begin(names: ReadonlyMap<string, unknown>): void {
    this.#known = names;
    this.#names.replaceChildren();
  }

  /** Thousands of options are made only for one who looks. */
  offer(): void {
    if (this.#names.childElementCount > 0) return;
    this.#names.append(
      ...[...this.#known.keys()].slice(0, OFFERED).map((value) => h("option", [], { value })),
    );
  }

  /** Chooses one task. */
  set task(task: string) {
    this.#task.value = task;
  }

  /** What is to be asked for. */
  get filter(): LogFilter {
    const task = this.#task.value.trim();
    const wrong = task !== "" && !this.#known.has(task);
    this.#task.setAttribute("aria-invalid", String(wrong));
    return { level: this.#level.value, ...(task !== "" && !wrong && { task }) };
  }

  /** What a line's text is to have in it, in small letters. */
  get part(): string {
    return this.#text.value.toLowerCase();
  }

  /** Whether the newest line is to be seen. */
  get following(): boolean {
    return this.#follow.getAttribute("aria-pressed") === "true";
  }

  set following(following: boolean) {
    if (this.following !== following) this.#follow.setAttribute("aria-pressed", String(following));
  }

  /** Says how many lines there are. */
  say(text: string): void {
    setText(this.#said, text);
  }
}
