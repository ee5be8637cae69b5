/**
 * Owns the check of `params`: JSON values only, since they are written to files and sent to other devices.
 * Must not know what a task does with them.
 * Invariant: params without a problem survive `JSON.parse(JSON.stringify(params))` unchanged.
 */
import { isRecord } from "./manifest.ts";
import type { TaskList } from "./task_list.ts";
import type { Plan } from "../plan/plan.ts";
import { NameFinder } from "../../model/nearest.ts";
import { PipelineError, placeOf, type Problem, show } from "../../model/problem.ts";
import { encode, ValueError } from "../../model/value.ts";

/** Checks the params of all tasks of a manifest. */
export function checkParams({ names, tasks }: TaskList): Problem[] {
  const problems: Problem[] = [];
  let sound: unknown;
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index];
    const params = isRecord(task) ? task["params"] : undefined;
    if (params === sound || !isRecord(params)) continue;
    const message = paramsProblem(params);
    if (message === undefined) sound = params;
    else problems.push({ place: placeOf(placeOf("tasks", names[index]!), "params"), message });
  }
  return problems;
}

/** What is wrong with params, in words; `undefined` if nothing is. */
export function paramsProblem(params: unknown): string | undefined {
  if (!isRecord(params)) return `params are an object, such as { "ms": 50 }; received ${show(params)}`;
  try {
    encode(params, "params");
  } catch (error) {
    if (error instanceof ValueError) return error.message;
    throw error;
  }
  return holdsBytes(params)
    ? "params hold bytes, which JSON has no word for: write them as base64"
    : undefined;
}

/** Only called for what `encode` has accepted, so the depth is bounded. */
function holdsBytes(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return value instanceof Uint8Array || Object.values(value).some(holdsBytes);
}

/**
 * The plan with params laid over those of every task.
 *
 * @throws {PipelineError} If they are not JSON.
 */
export function overlayParams(plan: Plan, params: Readonly<Record<string, unknown>>): Plan {
  const message = paramsProblem(params);
  if (message !== undefined) throw new PipelineError([{ place: "params", message }]);
  return { ...plan, tasks: plan.tasks.map((task) => ({ ...task, params: { ...task.params, ...params } })) };
}

/**
 * Parameters that no task declares, with the nearest that one does; none where no task declares any, since a function may read
 * what it likes.
 */
export function undeclared({ tasks }: Plan, params: Readonly<Record<string, unknown>>): Problem[] {
  const given = Object.keys(params);
  if (given.length === 0) return [];
  const declared = new Set<string>();
  for (const task of tasks) for (const key in task.params) declared.add(key);
  if (declared.size === 0) return [];
  const finder = new NameFinder([...declared]);
  const known = [...declared].slice(0, MAX_SHOWN).join(", ");
  return given.filter((key) => !declared.has(key)).map((key) => ({
    place: placeOf("params", key),
    message: `No task declares this parameter${finder.hint(key, `: declared are ${known}`)}`,
  }));
}

/** Most names that are listed. */
const MAX_SHOWN = 20;
