/**
 * Owns the log on the page: its filter, and following it.
 * Must not know where lines come from.
 * Invariant: at most `KEPT` lines are held; it says when older ones were left out.
 */
import type { LogRecord } from "../model/record.ts";
import type { Feed } from "./data.ts";
import { h, painter, setText } from "./dom.ts";
import { Grid } from "./grid.ts";
import { LEVELS } from "../model/record.ts";
import { brief, counted, timeOfDay } from "./words.ts";

/** Most lines that are held. */
const KEPT = 20_000;
/** Most names that are offered for the filter. */
const OFFERED = 2_000;

/** What the filter offers. */
const LEVEL_WORDS: Readonly<Record<string, string>> = {
  debug: "all levels",
  info: "info and worse",
  warn: "warn and worse",
  error: "error and worse",
};

/** The view. */
export class LogView {
  readonly element: HTMLElement;
  readonly #grid: Grid<LogRecord>;
  readonly #task: HTMLInputElement;
  readonly #names: HTMLDataListElement = h("datalist", [], { id: "log-tasks" });
  readonly #level: HTMLSelectElement;
  readonly #text: HTMLInputElement;
  readonly #follow: HTMLButtonElement;
  readonly #said: HTMLElement = h("span", [], { class: "said", role: "status" });
  readonly #feed: Feed;
  #known: ReadonlyMap<string, unknown> = new Map();
  #lines: LogRecord[] = [];
  #dropped = 0;
  #reading: AbortController | undefined;
  #asked = "";
  #shown = false;
  readonly #showSoon: () => void = painter(() => this.#show(), 120);

  constructor(feed: Feed, open: (record: LogRecord) => void) {
    this.#feed = feed;
    this.#grid = new Grid<LogRecord>({
      id: "log",
      label: "Log",
      columns: ["Time", "Level", "Task", "Text"],
      empty: "Nothing has been written yet.",
      fill: logTexts,
      open,
      scrolled: (atEnd) => this.#setFollowing(atEnd),
    });
    this.#task = h("input", [], {
      type: "search",
      list: "log-tasks",
      placeholder: "All tasks",
      "aria-label": "Only lines of this task",
      oninput: () => this.#restart(),
    });
    this.#level = h(
      "select",
      LEVELS.map((level) =>
        h("option", LEVEL_WORDS[level] ?? level, { value: level, selected: level === "debug" })
      ),
      {
        "aria-label": "Least level",
        onchange: () => this.#restart(),
      },
    );
    this.#text = h("input", [], {
      type: "search",
      placeholder: "Find",
      "aria-label": "Only lines with this text",
      oninput: () => this.#showSoon(),
    });
    this.#follow = h("button", "Follow", {
      type: "button",
      class: "small",
      "aria-pressed": "true",
      onclick: () => {
        this.#setFollowing(!this.#following);
        this.#showSoon();
      },
    });
    this.element = h("div", [
      h("div", [this.#task, this.#names, this.#level, this.#text, this.#follow, this.#said], {
        class: "bar",
      }),
      this.#grid.element,
    ], { class: "pane" });
  }

  /** Another run: its tasks can be filtered by. */
  begin(names: ReadonlyMap<string, unknown>): void {
    this.#known = names;
    this.#names.replaceChildren();
    this.#restart(true);
    if (this.#shown) this.#offer();
  }

  /** Shows the lines of one task. */
  only(task: string): void {
    this.#task.value = task;
    this.#restart();
  }

  /** Whether it is looked at: only then is it read. */
  set shown(shown: boolean) {
    this.#shown = shown;
    if (!shown) return;
    this.#offer();
    if (this.#reading === undefined) this.#restart(true);
    this.#showSoon();
  }

  /** Thousands of options are made only for one who looks. */
  #offer(): void {
    if (this.#names.childElementCount > 0) return;
    this.#names.append(
      ...[...this.#known.keys()].slice(0, OFFERED).map((value) => h("option", [], { value })),
    );
  }

  get #following(): boolean {
    return this.#follow.getAttribute("aria-pressed") === "true";
  }

  #setFollowing(following: boolean): void {
    if (this.#following !== following) this.#follow.setAttribute("aria-pressed", String(following));
  }

  #restart(anew = false): void {
    const task = this.#task.value.trim();
    const wrong = task !== "" && !this.#known.has(task);
    this.#task.setAttribute("aria-invalid", String(wrong));
    const filter = { level: this.#level.value, ...(task !== "" && !wrong && { task }) };
    const asked = JSON.stringify(filter);
    if (!anew && asked === this.#asked) return;
    this.#asked = asked;
    this.#reading?.abort();
    this.#reading = undefined;
    this.#lines = [];
    this.#dropped = 0;
    this.#showSoon();
    if (!this.#shown) return;
    this.#reading = new AbortController();
    this.#feed.followLog(filter, (record) => this.#take(record), this.#reading.signal);
  }

  #take(record: LogRecord): void {
    this.#lines.push(record);
    if (this.#lines.length > KEPT * 1.2) {
      const out = this.#lines.length - KEPT;
      this.#lines.splice(0, out);
      this.#dropped += out;
    }
    this.#showSoon();
  }

  #show(): void {
    if (!this.#shown) return;
    const part = this.#text.value.toLowerCase();
    const lines = part === ""
      ? this.#lines
      : this.#lines.filter(({ text }) => text.toLowerCase().includes(part));
    this.#grid.sayEmpty(this.#lines.length === 0 ? "No lines yet." : "No line has this text.");
    this.#grid.show(lines, { toEnd: this.#following });
    setText(
      this.#said,
      `${counted(lines.length, "line")}${
        this.#dropped > 0 ? `; ${counted(this.#dropped, "older one")} left out` : ""
      }`,
    );
  }
}

function logTexts(record: LogRecord, line: HTMLElement): readonly string[] {
  line.dataset["level"] = record.level;
  const { at, level, task, text, dropped } = record;
  const says = dropped === undefined ? text : `${counted(dropped.count, "line")} left out: the log was full`;
  return [timeOfDay(Date.parse(at)), level, task ?? "outrider", brief(says, 2_000)];
}
