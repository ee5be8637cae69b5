/**
 * Owns the list of runs, the newest first.
 * Must not know how a table is drawn, nor how the gateway is asked.
 */
import { between } from "../../base/clock.ts";
import { counted, localTimeOf, span } from "../../base/shown.ts";
import { h, painter, setText } from "../dom.ts";
import { Grid } from "../grid.ts";
import { agoText } from "./ago.ts";
import type { RunTold } from "./feed_gateway.ts";
import { lookOf, RUNS_SHOWN, stateText } from "./words.ts";

/** Most runs that are listed; older ones are found by their executor or state. */
const MOST = 500;

/** What the list leads to. */
export interface RunsActions {
  /** Others are looked for. */
  readonly wanted: () => void;
  readonly open: (run: string) => void;
}

/** The list. */
export class RunsView {
  readonly element: HTMLElement;
  readonly #grid: Grid<RunTold>;
  readonly #executor: HTMLInputElement;
  readonly #state: HTMLSelectElement;
  readonly #said: HTMLElement = h("span", [], { class: "said" });

  constructor({ wanted, open }: RunsActions) {
    const wantSoon = painter(wanted, 200);
    this.#executor = h("input", [], {
      type: "search",
      placeholder: "Executor's id",
      "aria-label": "Only runs of the executor with this id",
      oninput: wantSoon,
    });
    this.#state = h("select", [
      h("option", "all states", { value: "" }),
      ...Object.keys(RUNS_SHOWN).map((state) => h("option", state, { value: state })),
    ], { "aria-label": "State of runs", onchange: wantSoon });
    this.#grid = new Grid<RunTold>({
      id: "runs",
      label: "Runs",
      columns: ["Pipeline", "State", "Executor", "Began", "Took", "Says"],
      empty: "Looking …",
      fill,
      open: ({ run }) => open(run),
    });
    const bar = h("div", [this.#executor, this.#state, this.#said], { class: "bar" });
    this.element = h("div", [bar, this.#grid.element], { class: "pane" });
  }

  /** The state that is chosen; none: all. */
  get state(): string {
    return this.#state.value;
  }

  /** Chooses what is listed. */
  choose({ state = "", executor = "" }: { readonly state?: string; readonly executor?: string }): void {
    this.#state.value = state;
    this.#executor.value = executor;
  }

  /** What is looked for, as a query. */
  get query(): string {
    const query = new URLSearchParams({ limit: String(MOST) });
    if (this.#state.value !== "") query.set("state", this.#state.value);
    const executor = this.#executor.value.trim();
    if (executor !== "") query.set("executor", executor);
    return query.toString();
  }

  show(runs: readonly RunTold[]): void {
    const all = this.#state.value === "" && this.#executor.value.trim() === "";
    this.#grid.sayEmpty(all ? "No run has been reported yet." : "No run is like that.");
    this.#grid.show(runs);
    setText(
      this.#said,
      runs.length === MOST ? `the newest ${MOST}` : all ? "" : counted(runs.length, "run"),
    );
  }
}

function fill(told: RunTold, line: HTMLElement): readonly string[] {
  const { run, pipeline, state, executor, startedAt, endedAt, complete, missing } = told;
  line.dataset["standing"] = lookOf(state).like;
  const took = startedAt === undefined || endedAt === undefined
    ? ""
    : span(between(Date.parse(startedAt), Date.parse(endedAt)));
  const says = missing.length > 0
    ? "some of its records are missing"
    : state !== "running" && state !== "lost" && !complete
    ? "not all of it is here yet"
    : "";
  line.title = startedAt === undefined ? `Run ${run}` : `Run ${run}, begun ${localTimeOf(startedAt)}`;
  return [
    pipeline ?? run,
    stateText(state),
    executor,
    startedAt === undefined ? "" : agoText(startedAt),
    took,
    says,
  ];
}
