/**
 * Owns the table of tasks: all that the graph shows, as text.
 * Must not know how a table is drawn.
 */
import { itemsInWords } from "../model/items.ts";
import { span } from "../base/shown.ts";
import { between } from "../base/clock.ts";
import { h } from "./dom.ts";
import { Grid } from "./grid.ts";
import { type Model, type TaskView, toldAttempts } from "./model.ts";
import { whyOf } from "./reason.ts";
import { brief, isWanted, STANDING_NAMES, STANDINGS, type WantedTasks } from "./words.ts";

/** The view. */
export class TasksView {
  readonly element: HTMLElement;
  readonly #grid: Grid<TaskView>;
  readonly #standing: HTMLSelectElement;
  readonly #name: HTMLInputElement;
  #model: Model | undefined;

  constructor(choose: (task: TaskView) => void) {
    this.#grid = new Grid<TaskView>({
      id: "tasks",
      label: "Tasks",
      columns: ["Task", "State", "Took", "Attempts", "Says"],
      empty: "No task is like that.",
      fill: (task, line) => this.#fill(task, line),
      open: choose,
    });
    this.#standing = h("select", [
      h("option", "all states", { value: "" }),
      h("option", "what went wrong", { value: "wrong" }),
      ...STANDING_NAMES.map((name) => h("option", STANDINGS[name].word, { value: name })),
    ], { "aria-label": "State", onchange: () => this.update() });
    this.#name = h("input", [], {
      type: "search",
      placeholder: "Part of a name",
      "aria-label": "Part of a task's name",
      oninput: () => this.update(),
    });
    this.element = h("div", [h("div", [this.#name, this.#standing], { class: "bar" }), this.#grid.element], {
      class: "pane",
    });
  }

  show(model: Model): void {
    this.#model = model;
    this.update();
  }

  /** Shows only these tasks. */
  filter(wanted: WantedTasks): void {
    this.#standing.value = wanted;
    this.#name.value = "";
    this.update();
  }

  update(): void {
    const tasks = this.#model?.tasks ?? [];
    const [wanted, part] = [this.#standing.value as WantedTasks, this.#name.value.trim().toLowerCase()];
    const all = wanted === "" && part === "";
    this.#grid.show(
      all ? tasks : tasks.filter((task) =>
        isWanted(task.standing, wanted) &&
        (part === "" || task.name.toLowerCase().includes(part))
      ),
    );
  }

  #fill(task: TaskView, line: HTMLElement): readonly string[] {
    const { standing, attempts } = task;
    line.dataset["standing"] = standing;
    const last = attempts.at(-1);
    const took = last?.startedAt === undefined || last.endedAt === undefined
      ? ""
      : span(between(last.startedAt, last.endedAt));
    const percent = task.progress === undefined ? "" : ` ${Math.round(task.progress.fraction * 100)} %`;
    return [
      task.name,
      `${STANDINGS[standing].mark} ${STANDINGS[standing].word}${percent}`,
      took,
      String(toldAttempts(task).length || ""),
      brief(itemsOf(task) ?? task.progress?.text ?? whyOf(task, this.#model!), 200),
    ];
  }
}

/** Where the items of a mapped task stand, in words. */
function itemsOf({ items }: TaskView): string | undefined {
  return items === undefined ? undefined : itemsInWords(items);
}
