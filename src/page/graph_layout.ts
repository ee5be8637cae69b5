/**
 * Owns where everything of a run's graph lies: the boxes' places and widths, and which kind each line is of.
 * Must not know what is seen of it, nor how it is drawn.
 * Invariant: a layout is of the run it was last asked for, never of an earlier one.
 */
import { boxWidth } from "./graph_paint.ts";
import { pause, Slice } from "./lines.ts";
import type { Model } from "./model.ts";
import { BOX_HEIGHT, directionFor, type EdgeKind, type Placed, type Sketch } from "./place.ts";
import { place } from "./placing.ts";

/** What a layout depends on. */
export interface LayoutOptions {
  /** The layout's program. */
  readonly code: string;
  /** Of the text in boxes. */
  readonly font: string;
  /** Width over height of what it is to fill. */
  readonly ratio: () => number;
  /** Told of each arrangement. @param final Whether none better follows. */
  readonly take: (final: boolean) => void;
}

/** The layout. */
export class GraphLayout {
  placed: Placed | undefined;
  widths: readonly number[] = [];
  kinds: readonly EdgeKind[] = [];
  #model: Model | undefined;
  #stop: () => void = () => {};

  /** Places another run's tasks. */
  async of(model: Model, { code, font, ratio, take }: LayoutOptions): Promise<void> {
    this.#stop();
    this.#model = model;
    this.placed = undefined;
    const slice = new Slice();
    const context = document.createElement("canvas").getContext("2d")!;
    context.font = `13px ${font}`;
    const widths: number[] = [];
    for (const { name } of model.tasks) {
      widths.push(boxWidth(name, (text) => context.measureText(text).width));
      await slice.over();
    }
    await pause();
    if (this.#model !== model) return;
    this.widths = widths;
    const edges = edgesOf(model);
    this.kinds = edges.map(({ kind }) => kind);
    const sketch: Sketch = { widths, edges };
    this.#stop = place(sketch, {
      direction: directionFor(sketch, ratio()),
      code,
      take: (placed, final) => {
        this.placed = placed;
        take(final);
      },
    });
  }

  /** A task's box: left, top, right, bottom. Only of what is placed. */
  box(index: number): readonly [number, number, number, number] {
    const [x, y, half] = [...this.middle(index), this.widths[index]! / 2] as const;
    return [x - half, y - BOX_HEIGHT / 2, x + half, y + BOX_HEIGHT / 2];
  }

  /** The middle of a task's box. */
  middle(index: number): readonly [number, number] {
    return [this.placed!.middles[2 * index]!, this.placed!.middles[2 * index + 1]!];
  }

  /** The task at a place. @param slack How far beside its box it is still hit. */
  at(x: number, y: number, slack: number): number {
    return this.widths.findIndex((_, index) => {
      const [left, top, right, bottom] = this.box(index);
      return x >= left - slack && x <= right + slack && y >= top - slack && y <= bottom + slack;
    });
  }

  /**
   * The nearest task in a direction: what lies along it counts once, what lies beside it thrice.
   *
   * @param from Index of the task that is left; the first is found where there is none.
   * @returns -1 where there is none.
   */
  nearest(from: number, dx: number, dy: number): number {
    if (this.placed === undefined || this.widths.length === 0) return -1;
    if (from < 0) return 0;
    const [fromX, fromY] = this.middle(from);
    let [best, nearest] = [-1, Infinity];
    for (const index of this.widths.keys()) {
      const [middleX, middleY] = this.middle(index);
      const [x, y] = [middleX - fromX, middleY - fromY];
      const [along, beside] = [x * dx + y * dy, Math.abs(x * dy) + Math.abs(y * dx)];
      if (along <= 1 || along + 3 * beside >= nearest) continue;
      [best, nearest] = [index, along + 3 * beside];
    }
    return best;
  }
}

/** Lines between tasks, by indexes. */
function edgesOf(model: Model): Sketch["edges"][number][] {
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
  return edges;
}
