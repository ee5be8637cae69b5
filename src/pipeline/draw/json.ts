/**
 * Owns the drawing as data: nodes and edges by name, for other programs.
 * Must not know who reads it.
 * Invariant: every name in an edge or a loop is the name of a task.
 */
import { conditionText } from "../plan/condition.ts";
import type { Plan } from "../plan/plan.ts";

/** Draws a plan as `{name, onFailure, tasks, needs, loops}`. */
export function drawJson(plan: Plan): string {
  const name = (index: number) => plan.tasks[index]!.name;
  const document = {
    name: plan.name,
    onFailure: plan.onFailure,
    tasks: plan.tasks.map((task) => ({
      name: task.name,
      kind: task.run === undefined ? "sync" : "task",
      join: task.join,
      ...(task.when === undefined ? {} : { when: conditionText(plan, task.when) }),
      ...(task.each === undefined ? {} : {
        each: { ...task.each, task: name(task.each.task) },
      }),
      rank: task.rank,
      ...(task.estimateMs === undefined ? {} : { estimateMs: task.estimateMs }),
      ...(task.uses === undefined ? {} : {
        uses: task.uses.map(({ resource, amount }) => ({
          resource: plan.resources![resource]!.name,
          amount,
        })),
      }),
    })),
    ...(plan.resources === undefined ? {} : { resources: plan.resources }),
    needs: plan.tasks.flatMap((task) =>
      task.needs.map((need) => ({ from: name(need.task), to: task.name, on: need.on, as: need.as }))
    ),
    loops: plan.loops.map((loop) => ({
      from: name(loop.from),
      to: name(loop.to),
      times: loop.times,
      on: loop.on,
      body: loop.body.map(name),
    })),
    ...(plan.edges === undefined ? {} : {
      edges: plan.edges.map((edge) => ({ ...edge, from: name(edge.from), to: name(edge.to) })),
    }),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
