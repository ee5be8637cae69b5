/** What the tests of a pipeline's words share: tasks made into a plan, and what is wrong with them. */
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import type { PipelineError } from "../../src/model/problem.ts";

/** The plan of a pipeline with these tasks. */
export function planOf(tasks: Readonly<Record<string, unknown>>, more: object = {}): Plan {
  return compile({ outrider: 1, name: "p", ...more, tasks }, "file:///x/");
}

/** What is wrong, with places below `tasks.`. */
export function problemsOf(
  tasks: Readonly<Record<string, unknown>>,
  more: object = {},
): Record<string, string> {
  try {
    planOf(tasks, more);
    return {};
  } catch (error) {
    const { problems } = error as PipelineError;
    return Object.fromEntries(problems.map(({ place, message }) => [place.replace("tasks.", ""), message]));
  }
}
