/**
 * Owns the log on the page, as its bar (log_bar.ts) chooses.
 * Must not know where lines come from.
 * Invariant: at most `KEPT` lines are held; it says when older ones were left out.
 */
import type { LogRecord } from "../model/record.ts";
import type { Feed } from "./data.ts";
import { h, painter } from "./dom.ts";
import { Grid } from "./grid.ts";
import { LogBar } from "./log_bar.ts";
import { counted, timeOfDay } from "../base/shown.ts";
import { brief } from "./words.ts";

/** Most lines that are held. */
const KEPT = 20_000;

/** The view. */
export class LogView {
  readonly element: HTMLElement;
  readonly #grid: Grid<LogRecord>;
  readonly #bar: LogBar;
  readonly #feed: Feed;
  #lines: LogRecord[] = [];
  #dropped = 0;
  #reading: AbortController | undefined;
  #asked = "";
  #shown = false;
  readonly #showSoon: () => void = painter(() => this.#show(), 120);

  constructor(feed: Feed, open: (record: LogRecord) => void) {
    this.#feed = feed;
    this.#bar = new LogBar({ filter: () => this.#restart(), show: () => this.#showSoon() });
    this.#grid = new Grid<LogRecord>({
      id: "log",
      label: "Log",
      columns: ["Time", "Level", "Task", "Text"],
      empty: "Nothing has been written yet.",
      fill: logTexts,
      open,
      scrolled: (atEnd) => this.#bar.following = atEnd,
    });
    this.element = h("div", [this.#bar.element, this.#grid.element], { class: "pane" });
  }

  /** Another run: its tasks can be filtered by. */
  begin(names: ReadonlyMap<string, unknown>): void {
    this.#bar.begin(names);
    this.#restart(true);
    if (this.#shown) this.#bar.offer();
  }

  /** Shows the lines of one task. */
  only(task: string): void {
    this.#bar.task = task;
    this.#restart();
  }

  /** Whether it is looked at: only then is it read. */
  set shown(shown: boolean) {
    this.#shown = shown;
    if (!shown) return;
    this.#bar.offer();
    if (this.#reading === undefined) this.#restart(true);
    this.#showSoon();
  }

  #restart(anew = false): void {
    const { filter } = this.#bar;
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
    const { part, following } = this.#bar;
    const lines = part === ""
      ? this.#lines
      : this.#lines.filter(({ text }) => text.toLowerCase().includes(part));
    this.#grid.sayEmpty(this.#lines.length === 0 ? "No lines yet." : "No line has this text.");
    this.#grid.show(lines, { toEnd: following });
    this.#bar.say(
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
