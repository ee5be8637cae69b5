/**
 * Owns the way from a condition as it is written to that of a plan, and that in few words.
 * Must not know what a condition comes to.
 * Invariant: it asks the same, of tasks by their indexes.
 */
import type { ManifestCondition } from "../document/manifest.ts";
import type { Plan, PlanCondition, PlanTest } from "./plan.ts";

/** The condition of a plan. @param indexOf Index of a task. */
export function plannedCondition(
  condition: ManifestCondition,
  indexOf: (name: string) => number,
): PlanCondition {
  const planned = (each: ManifestCondition) => plannedCondition(each, indexOf);
  if ("all" in condition) return { all: condition.all.map(planned) };
  if ("any" in condition) return { any: condition.any.map(planned) };
  if ("not" in condition) return { not: planned(condition.not) };
  const { task, path = "", ...tests } = condition;
  return { task: indexOf(task), path, ...tests };
}

/** Longest condition in words, in UTF-16 code units; of a longer one only the beginning is told. */
const MAX_WORDS = 80;

const SIGNS = { eq: "=", ne: "≠", gt: ">", gte: "≥", lt: "<", lte: "≤" } as const;

/** A condition in few words, such as `/loss of probe > 0.1`. */
export function conditionText(plan: Pick<Plan, "tasks">, condition: PlanCondition): string {
  const text = [...textOf(condition, (task) => plan.tasks[task]!.name)];
  return text.length > MAX_WORDS ? `${text.slice(0, MAX_WORDS - 1).join("")}…` : text.join("");
}

function textOf(condition: PlanCondition, nameOf: (task: number) => string): string {
  const inner = (each: PlanCondition) =>
    "all" in each || "any" in each ? `(${textOf(each, nameOf)})` : textOf(each, nameOf);
  if ("all" in condition) return condition.all.map(inner).join(" and ");
  if ("any" in condition) return condition.any.map(inner).join(" or ");
  if ("not" in condition) return `not ${inner(condition.not)}`;
  return testText(condition, nameOf(condition.task));
}

function testText(test: PlanTest, name: string): string {
  const { path, in: candidates, matches, exists } = test;
  const asked = [
    ...(exists === undefined ? [] : [exists ? "is there" : "is not there"]),
    ...keysIn(SIGNS).flatMap((key) =>
      test[key] === undefined ? [] : [`${SIGNS[key]} ${JSON.stringify(test[key])}`]
    ),
    ...(candidates === undefined ? [] : [`in ${candidates.map((each) => JSON.stringify(each)).join(", ")}`]),
    ...(matches === undefined ? [] : [`matches ${JSON.stringify(matches)}`]),
  ];
  return `${path === "" ? "" : `${path} of `}${name} ${asked.join(" and ")}`;
}

function keysIn<T extends object>(table: T): (keyof T)[] {
  return Object.keys(table) as (keyof T)[];
}
