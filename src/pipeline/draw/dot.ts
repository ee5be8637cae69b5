/**
 * Owns the drawing in Graphviz's language.
 * Must not know how it is laid out.
 * Invariant: no name can break out of its label.
 */
import { type DrawnGroup, drawnGroups, loopLabel, needLabel, taskNote, waysOf } from "./words.ts";
import type { Plan, PlanTask } from "../plan/plan.ts";

/** Draws a plan in Graphviz's DOT. */
export function drawDot(plan: Plan): string {
  const needs = plan.tasks.flatMap((task) =>
    task.needs.map((need) => {
      const label = needLabel(need);
      return `  t${need.task} -> t${task.index}${label === undefined ? "" : ` [label=${quote(label)}]`};`;
    })
  );
  const loops = waysOf(plan).map((loop) =>
    `  t${loop.from} -> t${loop.to} [label=${quote(loopLabel(loop))}, style=dashed, constraint=false];`
  );
  return [
    `digraph ${quote(plan.name)} {`,
    "  rankdir=TB;",
    '  node [shape=box, style=rounded, fontname="sans-serif"];',
    '  edge [fontname="sans-serif", fontsize=10];',
    ...nodes(drawnGroups(plan), plan, "  "),
    ...needs,
    ...loops,
    "}\n",
  ].join("\n");
}

function nodes(group: DrawnGroup, plan: Plan, indent: string): string[] {
  return [
    ...group.tasks.map((task) => `${indent}${node(task, plan).trimStart()}`),
    ...group.groups.flatMap((inner) => [
      `${indent}subgraph ${quote(`cluster ${inner.name}`)} {`,
      `${indent}  label=${quote(inner.name)}; style="rounded,dashed"; fontname="sans-serif"; fontsize=10;`,
      ...nodes(inner, plan, `${indent}  `),
      `${indent}}`,
    ]),
  ];
}

function node(task: PlanTask, plan: Plan): string {
  const note = taskNote(task, plan);
  const label = note === undefined
    ? quote(task.name)
    : `${quote(task.name).slice(0, -1)}\\n${quote(note).slice(1)}`;
  return `  t${task.index} [label=${label}${task.run === undefined ? ", shape=ellipse, style=dashed" : ""}];`;
}

function quote(text: string): string {
  // Graphviz reads entities in labels.
  return `"${text.replace(/["\\]/g, "\\$&").replaceAll("&", "&amp;")}"`;
}
