/**
 * Owns the graph on the page: its two canvases, what is drawn when, and which task is chosen.
 * Must not know where boxes lie (graph_layout.ts), how they look (graph_paint.ts), nor how pointers and keys move the window (moving.ts).
 * Invariant: a change of state draws only the tasks that have changed; lines are drawn anew only when the window moves.
 */
import { h, painter, setText } from "./dom.ts";
import { GraphLayout } from "./graph_layout.ts";
import { isSeen, paintBox, paintLines } from "./graph_paint.ts";
import { GraphWindow } from "./graph_window.ts";
import type { Model, TaskView } from "./model.ts";
import { moving } from "./moving.ts";
import { BOX_HEIGHT } from "./place.ts";
import { onTheme, readTheme, type Theme } from "./theme.ts";
import { STANDINGS } from "./words.ts";

const KEYS =
  "Arrow keys go from task to task along the needs, Enter shows the chosen one, plus and minus zoom, 0 shows all.";

/** What a graph is made with. */
export interface GraphOptions {
  /** The layout's program. */
  readonly code: string;
  /** Told of the task that was chosen. @param open Whether it is to be shown. */
  readonly choose: (task: TaskView, open: boolean) => void;
}

/** Its elements. */
interface Parts {
  readonly canvases: readonly [lines: HTMLCanvasElement, boxes: HTMLCanvasElement];
  readonly stage: HTMLElement;
  readonly said: HTMLElement;
  readonly note: HTMLElement;
}

/** The view. */
export class GraphView {
  readonly element: HTMLElement;
  readonly #parts: Parts;
  readonly #window = new GraphWindow();
  readonly #layout = new GraphLayout();
  readonly #options: GraphOptions;
  #model: Model | undefined;
  #theme: Theme = readTheme();
  #chosen = -1;
  #stale = true;
  readonly #paintSoon: () => void = painter(() => this.#paint(), 60);

  constructor(options: GraphOptions) {
    this.#options = options;
    this.#parts = partsOf();
    const { stage, said, note } = this.#parts;
    const button = (text: string, label: string, act: () => void) =>
      h("button", text, { type: "button", class: "small", "aria-label": label, title: label, onclick: act });
    this.element = h("div", [
      stage,
      h("p", KEYS, { class: "unseen", id: "graph-keys" }),
      said,
      note,
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
    this.#model = model;
    this.#chosen = -1;
    this.#window.moved = false;
    await this.#layout.of(model, {
      code: this.#options.code,
      font: this.#theme.font,
      ratio: () => this.#ratio(),
      take: (final) => this.#take(final),
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
    if (task !== undefined && this.#layout.placed !== undefined) {
      if (this.#window.reveal(this.#layout.box(task.index))) this.#redraw();
    }
    this.#paintSoon();
  }

  #take(final: boolean): void {
    const { stage, note } = this.#parts;
    stage.dataset["placed"] = final ? "final" : "first";
    note.hidden = final;
    setText(note, final ? "" : "Finding a better arrangement …");
    if (this.#window.moved) this.#redraw();
    else this.#fit();
  }

  #listen(): void {
    const { stage } = this.#parts;
    new ResizeObserver(() => this.#resize()).observe(stage);
    onTheme(() => {
      this.#theme = readTheme();
      this.#redraw();
    });
    moving(stage, {
      drag: (dx, dy) => this.#move(dx, dy),
      zoom: (factor, at) => this.#zoom(factor, at),
      click: (at) => this.#click(at),
    });
    stage.addEventListener("keydown", (event) => this.#key(event));
    stage.addEventListener("focus", () => this.#say());
  }

  #ratio(): number {
    const { clientWidth, clientHeight } = this.#parts.stage;
    const [width, height] = clientWidth > 0 ? [clientWidth, clientHeight] : [innerWidth, innerHeight * 0.6];
    return width / Math.max(1, height);
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.#parts.stage;
    if (width === 0 || height === 0) return;
    const first = this.#window.width === 0;
    this.#window.resize({ width, height });
    for (const canvas of this.#parts.canvases) {
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
    }
    if (first || !this.#window.moved) this.#fit();
    else this.#redraw();
  }

  #redraw(): void {
    this.#stale = true;
    this.#paintSoon();
  }

  #fit(): void {
    const { placed } = this.#layout;
    if (placed === undefined || this.#window.width === 0) return;
    this.#window.fit(placed);
    this.#redraw();
  }

  #move(dx: number, dy: number): void {
    this.#window.move(dx, dy);
    this.#redraw();
  }

  #zoom(factor: number, at?: readonly [number, number]): void {
    this.#window.zoom(factor, at);
    this.#redraw();
  }

  #click([screenX, screenY]: readonly [number, number]): void {
    if (this.#model === undefined || this.#layout.placed === undefined) return;
    const { x, y, scale } = this.#window;
    const hit = this.#layout.at((screenX - x) / scale, (screenY - y) / scale, 4 / scale);
    if (hit >= 0) this.#options.choose(this.#model.tasks[hit]!, true);
  }

  #key(event: KeyboardEvent): void {
    const actions: Readonly<Record<string, () => void>> = {
      "+": () => this.#zoom(1.4),
      "=": () => this.#zoom(1.4),
      "-": () => this.#zoom(1 / 1.4),
      "0": () => this.#fit(),
      Enter: () => this.#chosen >= 0 && this.#options.choose(this.#model!.tasks[this.#chosen]!, true),
      ArrowLeft: () => this.#step(-1, 0),
      ArrowRight: () => this.#step(1, 0),
      ArrowUp: () => this.#step(0, -1),
      ArrowDown: () => this.#step(0, 1),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]!();
  }

  #step(dx: number, dy: number): void {
    const next = this.#layout.nearest(this.#chosen, dx, dy);
    if (next < 0) return;
    this.#options.choose(this.#model!.tasks[next]!, false);
    this.#say();
  }

  #say(): void {
    const task = this.#model?.tasks[this.#chosen];
    if (task === undefined) return;
    const needs = task.needs.length === 0
      ? "no needs"
      : `needs ${task.needs.map((need) => need.task).slice(0, 5).join(", ")}`;
    setText(this.#parts.said, `${task.name}, ${STANDINGS[task.standing].word}, ${needs}`);
  }

  #paint(): void {
    const [model, { placed, kinds, widths }, window] = [this.#model, this.#layout, this.#window];
    if (model === undefined || placed === undefined || window.width === 0 || !this.element.isConnected) {
      return;
    }
    if (this.#parts.stage.clientWidth === 0) return;
    const contexts = this.#parts.canvases.map((canvas) => canvas.getContext("2d")!);
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
      paintLines(lines, { placed, kinds, window, theme: this.#theme });
      this.#stale = false;
    }
    for (const index of all ? model.tasks.keys() : model.changed) {
      const box = this.#layout.box(index);
      if (!isSeen(window, box)) continue;
      if (!all) boxes.clearRect(box[0] - 3, box[1] - 3, box[2] - box[0] + 6, BOX_HEIGHT + 6);
      paintBox(boxes, model.tasks[index]!, {
        middle: this.#layout.middle(index),
        width: widths[index]!,
        scale,
        theme: this.#theme,
        selected: index === this.#chosen,
      });
    }
    model.changed.clear();
  }
}

function partsOf(): Parts {
  const canvas = () => h("canvas", [], { "aria-hidden": "true" });
  const canvases: Parts["canvases"] = [canvas(), canvas()];
  const stage = h("div", [...canvases], {
    class: "stage",
    tabindex: 0,
    role: "application",
    "aria-label": "Graph of the pipeline",
    "aria-describedby": "graph-keys",
  });
  const said = h("p", [], { class: "unseen", "aria-live": "polite" });
  const note = h("p", [], { class: "note", hidden: true });
  return { canvases, stage, said, note };
}
