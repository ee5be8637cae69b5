/**
 * Owns the graph on the page: its two canvases, what is drawn when, and which task is chosen.
 * Must not know how boxes look (graph_paint.ts) nor how pointers and keys move it (moving.ts).
 * Invariant: a change of state draws only the tasks that have changed; lines are drawn anew only when the window moves.
 */
import { h, painter, setText } from "./dom.ts";
import { boxWidth, isSeen, paintBox, paintLines, type Window } from "./graph_paint.ts";
import { pause, Slice } from "./lines.ts";
import type { Model, TaskView } from "./model.ts";
import { moving } from "./moving.ts";
import { BOX_HEIGHT, directionFor, type EdgeKind, type Placed, type Sketch } from "./place.ts";
import { place } from "./placing.ts";
import { onTheme, readTheme, type Theme } from "./theme.ts";
import { STANDINGS } from "./words.ts";

const KEYS =
  "Arrow keys go from task to task along the needs, Enter shows the chosen one, plus and minus zoom, 0 shows all.";

/** The view. */
export class GraphView {
  readonly element: HTMLElement;
  readonly #canvases: readonly [lines: HTMLCanvasElement, boxes: HTMLCanvasElement];
  readonly #stage: HTMLElement;
  readonly #said: HTMLElement;
  readonly #note: HTMLElement;
  readonly #window: Window = { x: 0, y: 0, scale: 1, width: 0, height: 0 };
  readonly #code: string;
  readonly #choose: (task: TaskView, open: boolean) => void;
  #model: Model | undefined;
  #widths: number[] = [];
  #kinds: EdgeKind[] = [];
  #placed: Placed | undefined;
  #theme: Theme = readTheme();
  #chosen = -1;
  #stale = true;
  /** Whether a person has moved the window; then a new layout does not. */
  #moved = false;
  #stopPlacing: () => void = () => {};
  readonly #paintSoon: () => void = painter(() => this.#paint(), 60);

  /** @param code The layout's program. @param choose Told of the task that was chosen. */
  constructor(code: string, choose: (task: TaskView, open: boolean) => void) {
    this.#code = code;
    this.#choose = choose;
    const canvas = () => h("canvas", [], { "aria-hidden": "true" });
    this.#canvases = [canvas(), canvas()];
    this.#said = h("p", [], { class: "unseen", "aria-live": "polite" });
    this.#note = h("p", [], { class: "note", hidden: true });
    this.#stage = h("div", [...this.#canvases], {
      class: "stage",
      tabindex: 0,
      role: "application",
      "aria-label": "Graph of the pipeline",
      "aria-describedby": "graph-keys",
    });
    const button = (text: string, label: string, act: () => void) =>
      h("button", text, { type: "button", class: "small", "aria-label": label, title: label, onclick: act });
    this.element = h("div", [
      this.#stage,
      h("p", KEYS, { class: "unseen", id: "graph-keys" }),
      this.#said,
      this.#note,
      h("div", [
        button("+", "Zoom in", () => this.#zoom(1.4)),
        button("−", "Zoom out", () => this.#zoom(1 / 1.4)),
        button("⤢", "Show all", () => this.#fit()),
      ], { class: "zoom" }),
    ], { class: "graph" });
    this.#listen();
  }

  /** Shows another run. */
  async show(model: Model): Promise<void> {
    this.#stopPlacing();
    this.#model = model;
    this.#placed = undefined;
    this.#chosen = -1;
    this.#moved = false;
    const slice = new Slice();
    const context = this.#canvases[1].getContext("2d")!;
    context.font = `13px ${this.#theme.font}`;
    const widths: number[] = [];
    for (const { name } of model.tasks) {
      widths.push(boxWidth(name, (text) => context.measureText(text).width));
      await slice.over();
    }
    await pause();
    if (this.#model !== model) return;
    this.#widths = widths;
    // A plain need is drawn plainly; where failures don't stop the run, that is one on any outcome.
    const plain = model.pipeline.onFailure === "continue" ? "any" : "success";
    const edges: Sketch["edges"][number][] = model.tasks.flatMap((task) =>
      task.needs.map(({ on }, at) => ({
        from: task.needIndexes[at]!,
        to: task.index,
        kind: on === plain ? "success" : on,
      }))
    );
    const { loops, edges: ways = [] } = model.pipeline;
    for (const { from, to } of [...loops, ...ways.filter(({ weak }) => weak)]) {
      edges.push({ from: model.byName.get(from)!.index, to: model.byName.get(to)!.index, kind: "loop" });
    }
    this.#kinds = edges.map(({ kind }) => kind);
    const sketch: Sketch = { widths, edges };
    const { width, height } = this.#measured();
    this.#stopPlacing = place(sketch, {
      direction: directionFor(sketch, width / Math.max(1, height)),
      code: this.#code,
      take: (placed, final) => this.#take(placed, final),
    });
  }

  /** Draws what has changed, soon. */
  update(): void {
    this.#paintSoon();
  }

  /** Marks a task as chosen and brings it into the window. */
  choose(task: TaskView | undefined): void {
    const before = this.#chosen;
    this.#chosen = task?.index ?? -1;
    for (const index of [before, this.#chosen]) if (index >= 0) this.#model?.changed.add(index);
    if (task !== undefined && this.#placed !== undefined) this.#reveal(task.index);
    this.#paintSoon();
  }

  #take(placed: Placed, final: boolean): void {
    this.#placed = placed;
    this.#stage.dataset["placed"] = final ? "final" : "first";
    this.#note.hidden = final;
    setText(this.#note, final ? "" : "Finding a better arrangement …");
    if (this.#moved) this.#redraw();
    else this.#fit();
  }

  #listen(): void {
    new ResizeObserver(() => this.#resize()).observe(this.#stage);
    onTheme(() => {
      this.#theme = readTheme();
      this.#redraw();
    });
    moving(this.#stage, {
      drag: (dx, dy) => this.#move(dx, dy),
      zoom: (factor, at) => this.#zoom(factor, at),
      click: (at) => this.#click(at),
    });
    this.#stage.addEventListener("keydown", (event) => this.#key(event));
    this.#stage.addEventListener("focus", () => this.#say());
  }

  #measured(): { width: number; height: number } {
    const { clientWidth, clientHeight } = this.#stage;
    return clientWidth > 0
      ? { width: clientWidth, height: clientHeight }
      : { width: innerWidth, height: innerHeight * 0.6 };
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.#stage;
    if (width === 0 || height === 0) return;
    const first = this.#window.width === 0;
    Object.assign(this.#window, { width, height });
    for (const canvas of this.#canvases) {
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
    }
    if (first || !this.#moved) this.#fit();
    else this.#redraw();
  }

  #redraw(): void {
    this.#stale = true;
    this.#paintSoon();
  }

  #fit(): void {
    if (this.#placed === undefined || this.#window.width === 0) return;
    const { width } = this.#window;
    // In a narrow window, the buttons would lie on the last tasks.
    const height = this.#window.height - (width < 600 ? 50 : 0);
    const scale = Math.min(1.25, width / this.#placed.width, height / this.#placed.height);
    Object.assign(this.#window, {
      scale,
      x: (width - this.#placed.width * scale) / 2,
      y: (height - this.#placed.height * scale) / 2,
    });
    this.#moved = false;
    this.#redraw();
  }

  #move(dx: number, dy: number): void {
    this.#window.x += dx;
    this.#window.y += dy;
    this.#moved = true;
    this.#redraw();
  }

  #zoom(
    factor: number,
    at: readonly [number, number] = [this.#window.width / 2, this.#window.height / 2],
  ): void {
    const before = this.#window.scale;
    const scale = Math.min(3, Math.max(0.01, before * factor));
    this.#window.x = at[0] - (at[0] - this.#window.x) * scale / before;
    this.#window.y = at[1] - (at[1] - this.#window.y) * scale / before;
    this.#window.scale = scale;
    this.#moved = true;
    this.#redraw();
  }

  #box(index: number): readonly [number, number, number, number] {
    const [x, y, half] = [
      this.#placed!.middles[2 * index]!,
      this.#placed!.middles[2 * index + 1]!,
      this.#widths[index]! / 2,
    ];
    return [x - half, y - BOX_HEIGHT / 2, x + half, y + BOX_HEIGHT / 2];
  }

  #reveal(index: number): void {
    const [left, top, right, bottom] = this.#box(index);
    const { scale, width, height } = this.#window;
    const [x, y] = [(left + right) / 2 * scale + this.#window.x, (top + bottom) / 2 * scale + this.#window.y];
    const inside = x > 40 && x < width - 40 && y > 30 && y < height - 30;
    if (!inside) this.#move(width / 2 - x, height / 2 - y);
  }

  #click([screenX, screenY]: readonly [number, number]): void {
    if (this.#model === undefined || this.#placed === undefined) return;
    const [x, y] = [
      (screenX - this.#window.x) / this.#window.scale,
      (screenY - this.#window.y) / this.#window.scale,
    ];
    const slack = 4 / this.#window.scale;
    const hit = this.#model.tasks.find(({ index }) => {
      const [left, top, right, bottom] = this.#box(index);
      return x >= left - slack && x <= right + slack && y >= top - slack && y <= bottom + slack;
    });
    if (hit !== undefined) this.#choose(hit, true);
  }

  #key(event: KeyboardEvent): void {
    const actions: Readonly<Record<string, () => void>> = {
      "+": () => this.#zoom(1.4),
      "=": () => this.#zoom(1.4),
      "-": () => this.#zoom(1 / 1.4),
      "0": () => this.#fit(),
      Enter: () => this.#chosen >= 0 && this.#choose(this.#model!.tasks[this.#chosen]!, true),
      ArrowLeft: () => this.#step(-1, 0),
      ArrowRight: () => this.#step(1, 0),
      ArrowUp: () => this.#step(0, -1),
      ArrowDown: () => this.#step(0, 1),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]!();
  }

  /** Chooses the nearest task in a direction: what lies along it counts once, what lies beside it thrice. */
  #step(dx: number, dy: number): void {
    const { tasks } = this.#model ?? { tasks: [] };
    if (tasks.length === 0 || this.#placed === undefined) return;
    const { middles } = this.#placed;
    let [best, nearest] = [this.#chosen < 0 ? 0 : -1, Infinity];
    for (const { index } of this.#chosen < 0 ? [] : tasks) {
      const [x, y] = [
        middles[2 * index]! - middles[2 * this.#chosen]!,
        middles[2 * index + 1]! - middles[2 * this.#chosen + 1]!,
      ];
      const [along, beside] = [x * dx + y * dy, Math.abs(x * dy) + Math.abs(y * dx)];
      if (along <= 1 || along + 3 * beside >= nearest) continue;
      [best, nearest] = [index, along + 3 * beside];
    }
    if (best < 0) return;
    this.#choose(tasks[best]!, false);
    this.#say();
  }

  #say(): void {
    const task = this.#model?.tasks[this.#chosen];
    if (task === undefined) return;
    const needs = task.needs.length === 0
      ? "no needs"
      : `needs ${task.needs.map((need) => need.task).slice(0, 5).join(", ")}`;
    setText(this.#said, `${task.name}, ${STANDINGS[task.standing].word}, ${needs}`);
  }

  #paint(): void {
    const [model, placed, window] = [this.#model, this.#placed, this.#window];
    if (model === undefined || placed === undefined || window.width === 0 || !this.element.isConnected) {
      return;
    }
    if (this.#stage.clientWidth === 0) return;
    const contexts = this.#canvases.map((canvas) => canvas.getContext("2d")!);
    const [lines, boxes] = contexts as [CanvasRenderingContext2D, CanvasRenderingContext2D];
    const { x, y, scale } = window;
    const ratio = devicePixelRatio;
    const all = this.#stale;
    if (all) {
      for (const context of contexts) {
        context.setTransform(1, 0, 0, 1, 0, 0);
        context.clearRect(0, 0, context.canvas.width, context.canvas.height);
        context.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio, y * ratio);
      }
      paintLines(lines, { placed, kinds: this.#kinds, window, theme: this.#theme });
      this.#stale = false;
    }
    for (const index of all ? model.tasks.keys() : model.changed) {
      const box = this.#box(index);
      if (!isSeen(window, box)) continue;
      if (!all) boxes.clearRect(box[0] - 3, box[1] - 3, box[2] - box[0] + 6, BOX_HEIGHT + 6);
      paintBox(boxes, model.tasks[index]!, {
        middle: [placed.middles[2 * index]!, placed.middles[2 * index + 1]!],
        width: this.#widths[index]!,
        scale,
        theme: this.#theme,
        selected: index === this.#chosen,
      });
    }
    model.changed.clear();
  }
}
