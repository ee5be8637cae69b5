/**
 * Owns the list of executors: of however many there are, those that are seen are asked for.
 * Must not know how a table is drawn, nor how the gateway is asked.
 * Invariant: the page holds one window of the list; what lies outside of it is blank until it is scrolled to.
 */
import { count } from "../../base/shown.ts";
import { h, painter, setText } from "../dom.ts";
import { Grid } from "../grid.ts";
import { agoText } from "./ago.ts";
import type { ExecutorTold, OverviewTold } from "./told.ts";
import { EXECUTORS_SHOWN, lookOf, stateText } from "./words.ts";

/** Executors asked for at a time, of which a quarter lies before those that are seen. */
const WINDOW = 200;

/** A place in the list, and who has it, where that is known. */
interface Place {
  readonly at: number;
  readonly executor?: ExecutorTold;
}

/** What the list leads to. */
export interface ExecutorsActions {
  /** Something else is looked for. */
  readonly wanted: () => void;
  readonly open: (executor: string) => void;
}

/** The list. */
export class ExecutorsView {
  readonly element: HTMLElement;
  readonly #grid: Grid<Place>;
  readonly #find: HTMLInputElement;
  readonly #state: HTMLSelectElement;
  readonly #said: HTMLElement = h("span", [], { class: "said" });
  readonly #wantSoon: () => void;
  #painted: number[] = [];
  #painting = false;

  constructor({ wanted, open }: ExecutorsActions) {
    this.#wantSoon = painter(wanted, 200);
    this.#find = h("input", [], {
      type: "search",
      placeholder: "Id, group, version, run",
      "aria-label": "Find executors by id, group, version or run",
      oninput: () => this.#anew(),
    });
    this.#state = h("select", [
      h("option", "all states", { value: "" }),
      ...Object.keys(EXECUTORS_SHOWN).map((state) => h("option", state, { value: state })),
    ], { "aria-label": "State of executors", onchange: () => this.#anew() });
    this.#grid = new Grid<Place>({
      id: "executors",
      label: "Executors",
      columns: ["Executor", "State", "Run", "Group", "Version", "Seen"],
      empty: "Looking …",
      fill: (place, line) => this.#fill(place, line),
      open: ({ executor }) => executor !== undefined && open(executor.id),
    });
    const bar = h("div", [this.#find, this.#state, this.#said], { class: "bar" });
    this.element = h("div", [bar, this.#grid.element], { class: "pane" });
  }

  /** The state that is chosen; none: all. */
  get state(): string {
    return this.#state.value;
  }

  choose(state: string): void {
    this.#state.value = state;
    this.#anew();
  }

  /** What is looked for, as a query. */
  get query(): string {
    const first = this.#painted.length === 0 ? 0 : Math.min(...this.#painted);
    const query = new URLSearchParams({
      offset: String(Math.max(0, first - WINDOW / 4)),
      limit: String(WINDOW),
    });
    if (this.#state.value !== "") query.set("state", this.#state.value);
    const find = this.#find.value.trim();
    if (find !== "") query.set("find", find);
    return query.toString();
  }

  show({ total, matching, offset, executors }: OverviewTold): void {
    const places = Array.from({ length: matching }, (_, at): Place => ({ at }));
    executors.forEach((executor, at) => places[offset + at] = { at: offset + at, executor });
    this.#grid.sayEmpty(
      total === 0
        ? "No executor has been heard yet. One that is started with this gateway's address shows itself here."
        : "No executor is like that.",
    );
    this.#grid.show(places);
    setText(this.#said, matching === total ? "" : `${count(matching)} of ${count(total)}`);
  }

  #anew(): void {
    this.#painted = [];
    this.#wantSoon();
  }

  #fill(place: Place, line: HTMLElement): readonly string[] {
    this.#note(place);
    const { executor } = place;
    if (executor === undefined) {
      line.dataset["standing"] = "waiting";
      return ["…", "", "", "", "", ""];
    }
    const { id, state, run, groups = [], outrider = "", lastSeenAt, rival } = executor;
    line.dataset["standing"] = lookOf(state).like;
    return [
      rival ? `${id} (two devices have this id)` : id,
      stateText(state),
      run === undefined || run.state !== "running" ? "" : run.pipeline,
      groups.join(", "),
      outrider,
      agoText(lastSeenAt),
    ];
  }

  /** All rows that are seen are filled in one go; what is not known of them is asked for. */
  #note({ at, executor }: Place): void {
    if (!this.#painting) {
      this.#painting = true;
      this.#painted = [];
      queueMicrotask(() => this.#painting = false);
    }
    this.#painted.push(at);
    if (executor === undefined) this.#wantSoon();
  }
}
