/**
 * Owns which part of the graph is seen, and how large.
 * Must not know what lies in it.
 * Invariant: what a person has moved to stays, until all is shown again.
 */
import type { Window } from "./graph_paint.ts";

/** A size, pixels of the page or of the graph. */
interface Size {
  readonly width: number;
  readonly height: number;
}

/** The window. A place in the graph times `scale`, plus `x` and `y`, is one on the stage. */
export class GraphWindow implements Window {
  x = 0;
  y = 0;
  scale = 1;
  width = 0;
  height = 0;
  /** Whether a person has moved it; then a new layout does not. */
  moved = false;

  /** The stage has another size. */
  resize({ width, height }: Size): void {
    Object.assign(this, { width, height });
  }

  /** Shows all of a graph. */
  fit(graph: Size): void {
    const { width } = this;
    // In a narrow window, the buttons would lie on the last tasks.
    const height = this.height - (width < 600 ? 50 : 0);
    this.scale = Math.min(1.25, width / graph.width, height / graph.height);
    this.x = (width - graph.width * this.scale) / 2;
    this.y = (height - graph.height * this.scale) / 2;
    this.moved = false;
  }

  /** Moves what is seen. */
  move(dx: number, dy: number): void {
    this.x += dx;
    this.y += dy;
    this.moved = true;
  }

  /** Makes it larger or smaller about a place on the stage that stays. */
  zoom(factor: number, [x, y]: readonly [number, number] = [this.width / 2, this.height / 2]): void {
    const scale = Math.min(3, Math.max(0.01, this.scale * factor));
    this.x = x - (x - this.x) * scale / this.scale;
    this.y = y - (y - this.y) * scale / this.scale;
    this.scale = scale;
    this.moved = true;
  }

  /** Brings a box of the graph into the middle, unless it is seen well. @returns Whether it moved. */
  reveal([left, top, right, bottom]: readonly [number, number, number, number]): boolean {
    const [x, y] = [(left + right) / 2 * this.scale + this.x, (top + bottom) / 2 * this.scale + this.y];
    if (x > 40 && x < this.width - 40 && y > 30 && y < this.height - 30) return false;
    this.move(this.width / 2 - x, this.height / 2 - y);
    return true;
  }
}
