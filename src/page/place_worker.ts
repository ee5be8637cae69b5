/**
 * Owns the layout by dagre, in a worker of the page: it takes seconds for thousands of tasks.
 * Must not know the page.
 * Invariant: one sketch in, one placed graph out.
 */
import { Graph, layout } from "@dagrejs/dagre";
import { BOX_HEIGHT, GAP, LAYER_GAP, type Placed } from "./place.ts";
import type { PlaceRequest } from "./placing.ts";

/** Places a sketch. */
export function placeByDagre({ sketch: { widths, edges }, direction }: PlaceRequest): Placed {
  const graph = new Graph({ multigraph: true });
  const ranker = widths.length > 150 ? "tight-tree" : "network-simplex";
  graph.setGraph({
    ranker,
    rankdir: direction,
    nodesep: GAP,
    ranksep: LAYER_GAP,
    edgesep: 10,
    marginx: GAP,
    marginy: GAP,
  });
  widths.forEach((width, box) => graph.setNode(String(box), { width, height: BOX_HEIGHT }));
  edges.forEach(({ from, to, kind }, at) => {
    // A loop is given in the direction of the needs and drawn the other way: it does not change who comes before whom.
    const [first, second] = kind === "loop" ? [to, from] : [from, to];
    graph.setEdge(String(first), String(second), {}, String(at));
  });
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const middles = new Float64Array(widths.length * 2);
  widths.forEach((_, box) => {
    const { x, y } = graph.node(String(box)) as { x: number; y: number };
    middles.set([x, y], 2 * box);
  });
  const lines = edges.map(({ from, to, kind }, at) => {
    const [v, w] = kind === "loop" ? [to, from] : [from, to];
    const { points } = graph.edge({ v: String(v), w: String(w), name: String(at) }) as {
      points: { x: number; y: number }[];
    };
    return Float64Array.from((kind === "loop" ? points.toReversed() : points).flatMap(({ x, y }) => [x, y]));
  });
  return { width, height, middles, lines };
}

if (typeof document === "undefined" && typeof self !== "undefined" && "importScripts" in self) {
  const scope = self as unknown as {
    onmessage: ((event: MessageEvent<PlaceRequest>) => void) | null;
    postMessage(placed: Placed): void;
  };
  scope.onmessage = ({ data }) => scope.postMessage(placeByDagre(data));
}
