/**
 * Owns the choice of how a plan is drawn.
 * Must not know where the drawing goes.
 * Invariant: the same plan gives the same text.
 */
import { drawDot } from "../draw/dot.ts";
import { drawJson } from "../draw/json.ts";
import { drawMermaid } from "../draw/mermaid.ts";
import type { Plan } from "./plan.ts";

/** Formats that a plan can be drawn in. */
export const GRAPH_FORMATS = ["mermaid", "dot", "json", "svg"] as const;

/** A format that a plan can be drawn in. */
export type GraphFormat = (typeof GRAPH_FORMATS)[number];

/**
 * Draws a plan: tasks, needs (labelled where they are not on success) and loops (dashed, back).
 *
 * Mermaid's renderers refuse more than 500 edges, which a comment in the text then says. SVG is laid out here, in seconds for
 * 1,000 tasks; see `MAX_SVG_TASKS`. DOT and JSON have no limit.
 *
 * @throws {PipelineError} If the plan is too large for SVG; the message says what to use.
 */
export async function graph(plan: Plan, format: GraphFormat): Promise<string> {
  switch (format) {
    case "mermaid":
      return drawMermaid(plan);
    case "dot":
      return drawDot(plan);
    case "json":
      return drawJson(plan);
    case "svg": {
      // The layout library is loaded only here, so that nothing else pays for it.
      const { drawSvg } = await import("../draw/svg.ts");
      return drawSvg(plan);
    }
    default:
      throw new TypeError(`There is no format ${JSON.stringify(format)}: use ${GRAPH_FORMATS.join(", ")}`);
  }
}
