/**
 * Owns the drawing as SVG; the layout is dagre's.
 * Must not be imported statically by anything that starts up, since it loads the layout library.
 * Invariant: no name can break out of its text; the file asks nothing of the network.
 */
import { Graph, layout } from "@dagrejs/dagre";
import { loopLabel, needLabel, taskNote, waysOf } from "./words.ts";
import type { Plan, PlanTask } from "../plan/plan.ts";
import { PipelineError } from "../../model/problem.ts";
import { SVG_STYLE } from "./style.ts";

/** Tasks and needs that SVG is laid out for; the layout's cost grows faster than the graph. */
export const MAX_SVG_TASKS = 2_000, MAX_SVG_NEEDS = 4_000;

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

interface Line extends Box {
  readonly points: readonly Point[];
}

const LETTER = 7.3, WIDE_LETTER = 13.5, PADDING = 14, LONGEST = 42;

/**
 * Draws a plan as SVG, for light and dark pages.
 *
 * @throws {PipelineError} If it has more than 2,000 tasks or 4,000 needs.
 */
export function drawSvg(plan: Plan): string {
  const needs = plan.tasks.reduce((sum, task) => sum + task.needs.length, 0);
  if (plan.tasks.length > MAX_SVG_TASKS || needs > MAX_SVG_NEEDS) {
    const message =
      `It has ${plan.tasks.length} tasks and ${needs} needs: SVG is laid out for at most ${MAX_SVG_TASKS} and ` +
      `${MAX_SVG_NEEDS}; use the format dot with Graphviz's sfdp, or json`;
    throw new PipelineError([{ place: "", message }], { source: JSON.stringify(plan.name) });
  }
  const placed = place(plan);
  const { width = 0, height = 0 } = placed.graph() as { width?: number; height?: number };
  const edges = placed.edges().map((edge) => {
    const own = edge.v === edge.w ? placed.node(edge.v) as Box : undefined;
    return line(edge.name!, placed.edge(edge) as Line, own);
  });
  const nodes = plan.tasks.map((task) => node(task, { plan, box: placed.node(String(task.index)) as Box }));
  const size = `${Math.ceil(width)} ${Math.ceil(height)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" width="${Math.ceil(width)}" height="${
    Math.ceil(height)
  }" role="img" aria-label="${escape(`Pipeline ${plan.name}`)}">
<title>${escape(plan.name)}</title>
<style>${SVG_STYLE}</style>
<defs>${["success", "failure", "any", "loop"].map(arrow).join("")}</defs>
<rect class="page" width="100%" height="100%"/>
${edges.join("\n")}
${nodes.join("\n")}
</svg>
`;
}

/** Kind and label of an edge travel in its name, since that is all that dagre keeps apart from its own. */
function place(plan: Plan): Graph {
  const graph = new Graph({ multigraph: true });
  const ranker = plan.tasks.length > 150 ? "tight-tree" : "network-simplex";
  graph.setGraph({ ranker, rankdir: "TB", nodesep: 28, ranksep: 44, edgesep: 16, marginx: 24, marginy: 24 });
  for (const task of plan.tasks) graph.setNode(String(task.index), size(task, plan));
  for (const task of plan.tasks) {
    for (const need of task.needs) {
      const label = needLabel(need) ?? "";
      graph.setEdge(String(need.task), String(task.index), labelSize(label), `${need.on}\n${label}`);
    }
  }
  for (const loop of waysOf(plan)) {
    // Given to the layout in the direction of the needs, and drawn the other way: a loop does not change who is above whom.
    const label = loopLabel(loop);
    graph.setEdge(String(loop.to), String(loop.from), labelSize(label), `loop\n${label}`);
  }
  layout(graph);
  return graph;
}

function size(task: PlanTask, plan: Plan): { width: number; height: number } {
  const note = taskNote(task, plan);
  const width = Math.max(
    textWidth(shorten(task.name)),
    note === undefined ? 0 : textWidth(shorten(note)) * 0.85,
  );
  return { width: Math.max(56, width + 2 * PADDING), height: note === undefined ? 34 : 46 };
}

function labelSize(label: string): { width: number; height: number; labelpos: "c" } {
  return {
    width: label === "" ? 0 : textWidth(label) * 0.85 + 10,
    height: label === "" ? 0 : 18,
    labelpos: "c",
  };
}

function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += character.codePointAt(0)! > 0x1100 ? WIDE_LETTER : LETTER;
  return width;
}

function shorten(name: string): string {
  const letters = [...name];
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST - 1).join("")}…` : name;
}

function node(task: PlanTask, { plan, box: at }: { readonly plan: Plan; readonly box: Box }): string {
  const { x, y, width, height } = at;
  const note = taskNote(task, plan);
  const kind = task.run === undefined ? "sync" : "task";
  const box = `<rect x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${
    round(width)
  }" height="${round(height)}" rx="${kind === "sync" ? round(height / 2) : 7}"/>`;
  const text = `<text x="${round(x)}" y="${round(note === undefined ? y + 4.5 : y - 2)}">${
    escape(shorten(task.name))
  }</text>`;
  const below = note === undefined
    ? ""
    : `<text class="note" x="${round(x)}" y="${round(y + 14)}">${escape(shorten(note))}</text>`;
  return `<g class="${kind}"><title>${escape(task.name)}</title>${box}${text}${below}</g>`;
}

/** @param own The box of a task that is a loop of its own. */
function line(name: string, { points, x, y, width, height }: Line, own: Box | undefined): string {
  const [kind, label] = name.split("\n") as [string, string];
  const path = own !== undefined ? ear(own) : curve(kind === "loop" ? [...points].reverse() : points);
  const drawn = `<path class="edge ${kind}" d="${path}" marker-end="url(#arrow-${kind})"/>`;
  if (label === "") return drawn;
  const pill = `<rect class="pill" x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${
    round(width)
  }" height="${round(height)}" rx="4"/>`;
  return `${drawn}${pill}<text class="label ${kind}" x="${round(x)}" y="${round(y + 4)}">${
    escape(label)
  }</text>`;
}

/** From a box's right side back to it. */
function ear({ x, y, width }: Box): string {
  const [side, out] = [round(x + width / 2), round(x + width / 2 + 40)];
  return `M${side} ${round(y + 9)}C${out} ${round(y + 26)} ${out} ${round(y - 26)} ${side} ${round(y - 9)}`;
}

/** A smooth line: straight at both ends, through the middles of the parts between. */
function curve(points: readonly Point[]): string {
  const middle = (a: Point, b: Point) => `${round((a.x + b.x) / 2)} ${round((a.y + b.y) / 2)}`;
  const at = (point: Point) => `${round(point.x)} ${round(point.y)}`;
  if (points.length < 3) return `M${points.map(at).join("L")}`;
  const parts = [`M${at(points[0]!)}L${middle(points[0]!, points[1]!)}`];
  for (let index = 1; index < points.length - 1; index++) {
    parts.push(`Q${at(points[index]!)} ${middle(points[index]!, points[index + 1]!)}`);
  }
  return `${parts.join("")}L${at(points.at(-1)!)}`;
}

function arrow(kind: string): string {
  return `<marker id="arrow-${kind}" class="arrow ${kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" ` +
    `orient="auto"><path d="M0 0.5L8 4L0 7.5z"/></marker>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
