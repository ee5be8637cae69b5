/**
 * Owns the words that all drawings share.
 * Must not know a format.
 * Invariant: nothing is said of what is the default.
 */
import type { On } from "../../model/outcome.ts";
import { conditionText } from "../plan/condition.ts";
import type { Plan, PlanNeed, PlanResource, PlanTask, PlanUse } from "../plan/plan.ts";

/** What is written at a need. */
export function needLabel(need: PlanNeed): string | undefined {
  return need.on === "success" ? undefined : need.on;
}

/** What leads on beside the needs. */
export interface DrawnLoop {
  readonly from: number;
  readonly to: number;
  readonly on: On;
  /** How often at most; `undefined`: there is no limit. */
  readonly times: number | undefined;
}

/** Loops, and where edges decide the weak ones. */
export function waysOf({ loops, edges = [] }: Plan): readonly DrawnLoop[] {
  return [...loops, ...edges.filter(({ weak }) => weak)];
}

/** What is written at one. */
export function loopLabel({ times, on }: DrawnLoop): string {
  const often = times === undefined ? "again" : `again, at most ${times} ${times === 1 ? "time" : "times"}`;
  return on === "success" ? often : `${often}, on ${on}`;
}

/** What is written below a task's name. It may hold any text. */
export function taskNote({ join, needs, each, when, uses }: PlanTask, plan: Plan): string | undefined {
  const notes = [
    ...(join === "any" && needs.length > 1 ? ["any of its needs"] : []),
    ...(each === undefined
      ? []
      : [`for each of ${each.path === "" ? "" : `${each.path} of `}${plan.tasks[each.task]!.name}`]),
    ...(when === undefined ? [] : [`when ${conditionText(plan, when)}`]),
    ...(uses === undefined ? [] : [`uses ${uses.map((use) => useWords(use, plan.resources!)).join(", ")}`]),
  ];
  return notes.length === 0 ? undefined : notes.join(", ");
}

function useWords({ resource, amount }: PlanUse, resources: readonly PlanResource[]): string {
  const { name } = resources[resource]!;
  return amount === 1 ? name : `${amount} of ${name}`;
}

/** Tasks whose names begin alike, up to a slash: those of an include, or that are called so. */
export interface DrawnGroup {
  readonly name: string;
  readonly tasks: readonly PlanTask[];
  readonly groups: readonly DrawnGroup[];
}

/** All tasks, as groups within groups; the outermost has the name `""`. */
export function drawnGroups({ tasks }: Plan): DrawnGroup {
  interface Group extends DrawnGroup {
    readonly tasks: PlanTask[];
    readonly groups: Group[];
  }
  const known = new Map<string, Group>([["", { name: "", tasks: [], groups: [] }]]);
  const groupOf = (name: string): Group => {
    let group = known.get(name);
    if (group === undefined) {
      known.set(name, group = { name, tasks: [], groups: [] });
      groupOf(aboveOf(name)).groups.push(group);
    }
    return group;
  };
  for (const task of tasks) groupOf(aboveOf(task.name)).tasks.push(task);
  return known.get("")!;
}

function aboveOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}
