/**
 * Owns the drawing as a Mermaid flowchart.
 * Must not know how Mermaid is rendered.
 * Invariant: no name can break out of its label.
 */
import { type DrawnGroup, drawnGroups, loopLabel, needLabel, taskNote, waysOf } from "./words.ts";
import type { Plan, PlanTask } from "../plan/plan.ts";

/** Edges and characters that Mermaid renders unless its embedder allows more (`maxEdges`, `maxTextSize`). */
const MAX_EDGES = 500, MAX_TEXT = 50_000;

/** Draws a plan as a Mermaid flowchart. */
export function drawMermaid(plan: Plan): string {
  const needs = plan.tasks.flatMap((task) =>
    task.needs.map((need) => {
      const label = needLabel(need);
      return `  t${need.task} -->${label === undefined ? "" : `|${label}|`} t${task.index}`;
    })
  );
  const loops = waysOf(plan).map((loop) => `  t${loop.from} -. "${loopLabel(loop)}" .-> t${loop.to}`);
  const lines = [...nodes(drawnGroups(plan), plan, "  "), ...needs, ...loops];
  const head = `---\ntitle: ${JSON.stringify(plan.name)}\n---\nflowchart TD\n`;
  const text = `${head}${lines.join("\n")}\n`;
  const edges = needs.length + loops.length;
  if (edges <= MAX_EDGES && text.length <= MAX_TEXT) return text;
  return `${text}%% ${edges} edges, ${text.length} characters: Mermaid draws at most ${MAX_EDGES} and ${MAX_TEXT} unless its ` +
    "maxEdges and maxTextSize are raised. Use another format for a pipeline of this size.\n";
}

/** Groups have numbers: those of the first task in them. */
function nodes(group: DrawnGroup, plan: Plan, indent: string): string[] {
  return [
    ...group.tasks.map((task) => `${indent}${node(task, plan).trimStart()}`),
    ...group.groups.flatMap((inner) => [
      `${indent}subgraph ${idOf(inner)}["${escape(inner.name)}"]`,
      ...nodes(inner, plan, `${indent}  `),
      `${indent}end`,
    ]),
  ];
}

/** How deep it is, and the number of the first task in it. */
function idOf({ name, tasks, groups }: DrawnGroup): string {
  const first = ({ tasks, groups }: Pick<DrawnGroup, "tasks" | "groups">): number =>
    tasks[0]?.index ?? first(groups[0]!);
  return `g${name.split("/").length}_${first({ tasks, groups })}`;
}

function node(task: PlanTask, plan: Plan): string {
  const note = taskNote(task, plan);
  const label = `"${escape(task.name)}${note === undefined ? "" : `<br><i>${escape(note)}</i>`}"`;
  return `  t${task.index}${task.run === undefined ? `([${label}])` : `[${label}]`}`;
}

/** Mermaid knows entities by number, written `#35;`. Letters, digits and simple marks stay. */
function escape(text: string): string {
  return text.replace(/[^\p{L}\p{N} ._:/()+-]/gu, (character) => `#${character.codePointAt(0)};`);
}
