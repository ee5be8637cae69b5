/**
 * Owns where boxes and lines of the graph lie, but for what dagre does (place_worker.ts): sizes, direction, and the plain
 * arrangement in layers that is there at once.
 * Must not know how it is drawn.
 * Invariant: no two boxes overlap; every need has a line.
 */

/** What is to be placed: widths of boxes, and needs by index. */
export interface Sketch {
  readonly widths: readonly number[];
  readonly edges: readonly { readonly from: number; readonly to: number; readonly kind: EdgeKind }[];
}

/** What a line stands for. */
export type EdgeKind = "success" | "failure" | "any" | "loop";

/** A sketch that has been placed. Boxes are given by their middles. */
export interface Placed {
  readonly width: number;
  readonly height: number;
  /** x and y of each box, one after the other. */
  readonly middles: Float64Array;
  /** Points of each line, x and y in turn, in the direction of the need; a loop goes back. */
  readonly lines: readonly Float64Array[];
}

/** Whether layers follow each other downwards or to the right. */
export type Direction = "TB" | "LR";

/** Height of every box. */
export const BOX_HEIGHT = 32;
/** Space between boxes of a layer, and between layers. */
export const GAP = 18, LAYER_GAP = 46;
/** A layer with more tasks is folded into rows. */
const WIDEST = 40;

/** Beyond these, and for layers wider than `WIDEST`, the plain arrangement stays. */
export const MAX_PLACED = 2_500, MAX_PLACED_EDGES = 6_000;

const known: WeakMap<Sketch, readonly number[]> = new WeakMap();

/** Layer of each box: one more than the deepest of its needs. */
export function layersOf(sketch: Sketch): readonly number[] {
  const found = known.get(sketch) ?? layer(sketch);
  known.set(sketch, found);
  return found;
}

function layer({ widths, edges }: Sketch): number[] {
  const needs: number[][] = widths.map(() => []);
  for (const { from, to, kind } of edges) if (kind !== "loop") needs[to]!.push(from);
  const layers: number[] = [];
  // Needs come before the tasks that have them.
  for (const own of needs) layers.push(own.reduce((most, need) => Math.max(most, layers[need]! + 1), 0));
  return layers;
}

/** The direction in which more of the graph can be read. @param aspect Width of the window by its height. */
export function directionFor(sketch: Sketch, aspect: number): Direction {
  const layers = layersOf(sketch);
  const depth = layers.reduce((most, layer) => Math.max(most, layer), 0) + 1;
  const most = Math.min(WIDEST, widest(layers));
  const width = sketch.widths.reduce((sum, each) => sum + each, 0) / Math.max(1, sketch.widths.length) + GAP;
  const shown = (wide: number, high: number) => Math.min(aspect / wide, 1 / high);
  const down = shown(most * width, depth * (BOX_HEIGHT + LAYER_GAP));
  const right = shown(depth * (width + LAYER_GAP), most * (BOX_HEIGHT + GAP));
  return right >= down ? "LR" : "TB";
}

/** Whether the layout library makes it more legible in acceptable time. */
export function worthPlacing(sketch: Sketch): boolean {
  return sketch.widths.length <= MAX_PLACED && sketch.edges.length <= MAX_PLACED_EDGES &&
    widest(layersOf(sketch)) <= 2 * WIDEST;
}

function widest(layers: readonly number[]): number {
  const sizes: number[] = [];
  for (const layer of layers) sizes[layer] = (sizes[layer] ?? 0) + 1;
  return sizes.reduce((most, size) => Math.max(most, size), 1);
}

/** Arranges boxes in layers, each ordered by where its needs are. */
export function placeInLayers(sketch: Sketch, direction: Direction): Placed {
  const { widths, edges } = sketch;
  const layers = layersOf(sketch);
  const rows = rowsOf(layers, edges);
  const middles = new Float64Array(widths.length * 2);
  const down = direction === "TB";
  const size = (box: number) => down ? widths[box]! : BOX_HEIGHT;
  const lengths = rows.map((row) => row.reduce((sum, box) => sum + size(box) + GAP, -GAP));
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  let across = GAP;
  rows.forEach((row, at) => {
    const thick = down ? BOX_HEIGHT : row.reduce((most, box) => Math.max(most, widths[box]!), 0);
    let along = GAP + (longest - lengths[at]!) / 2;
    for (const box of row) {
      middles[2 * box + (down ? 0 : 1)] = along + size(box) / 2;
      middles[2 * box + (down ? 1 : 0)] = across + thick / 2;
      along += size(box) + GAP;
    }
    const folded = at + 1 < rows.length && layers[rows[at + 1]![0]!] === layers[row[0]!];
    across += thick + (folded ? GAP : LAYER_GAP);
  });
  const [width, height] = [longest + 2 * GAP, across - LAYER_GAP + GAP];
  return {
    width: down ? width : height,
    height: down ? height : width,
    middles,
    lines: edges.map((edge) => straight(edge, { middles, widths, direction })),
  };
}

/** Boxes by row, in order; layers that are too wide have several rows. */
function rowsOf(layers: readonly number[], edges: Sketch["edges"]): number[][] {
  const wish = new Float64Array(layers.length);
  const needs: number[][] = layers.map(() => []);
  for (const { from, to, kind } of edges) if (kind !== "loop") needs[to]!.push(from);
  const byLayer: number[][] = [];
  layers.forEach((layer, box) => (byLayer[layer] ??= []).push(box));
  return byLayer.flatMap((boxes) => {
    for (const box of boxes) {
      const own = needs[box]!;
      wish[box] = own.length === 0 ? 0.5 : own.reduce((sum, need) => sum + wish[need]!, 0) / own.length;
    }
    boxes.sort((a, b) => wish[a]! - wish[b]! || a - b);
    boxes.forEach((box, at) => wish[box] = (at + 0.5) / boxes.length);
    const rows = Math.ceil(boxes.length / WIDEST);
    const each = Math.ceil(boxes.length / rows);
    return Array.from({ length: rows }, (_, row) => boxes.slice(row * each, (row + 1) * each));
  });
}

/** A line from side to side. */
export function straight(
  { from, to, kind }: Sketch["edges"][number],
  { middles, widths, direction }: {
    readonly middles: Float64Array;
    readonly widths: readonly number[];
    readonly direction: Direction;
  },
): Float64Array {
  const [ax, ay, bx, by] = [
    middles[2 * from]!,
    middles[2 * from + 1]!,
    middles[2 * to]!,
    middles[2 * to + 1]!,
  ];
  const back = kind === "loop" ? -1 : 1;
  if (direction === "TB") {
    const half = back * BOX_HEIGHT / 2;
    return Float64Array.of(
      ax,
      ay + half,
      ax,
      ay + half + back * 12,
      bx,
      by - half - back * 12,
      bx,
      by - half,
    );
  }
  const [fromHalf, toHalf] = [back * widths[from]! / 2, back * widths[to]! / 2];
  return Float64Array.of(
    ax + fromHalf,
    ay,
    ax + fromHalf + back * 12,
    ay,
    bx - toHalf - back * 12,
    by,
    bx - toHalf,
    by,
  );
}
