/**
 * Owns tasks that are functions: an export of a module, or a task of a pipeline that a module makes with the typed builder.
 * Must not load a module.
 * Invariant: a module in a plan is an absolute `file:` or `data:` URL.
 */
import * as v from "valibot";
import type { Problem } from "../../model/problem.ts";
import { BUNDLE_MODULE } from "../document/bundle.ts";
import { LIMITS, type ManifestModuleRun } from "../document/manifest.ts";
import { spellingProblem } from "../document/name.ts";
import { unimportable } from "../load/modules.ts";
import { about, closed, isPlainName, maybe, name, type Schema } from "../document/shapes.ts";
import type { IsolatedRun } from "./isolated.ts";
import type { WorkerKind } from "./kind.ts";

/** A function as it stands in a plan. */
export type ModuleRun =
  /** An export. */
  | { readonly module: string; readonly export: string }
  /** The task of this name of the pipeline. */
  | { readonly module: string; readonly pipeline: string; readonly task: string };

const schema = closed({
  module: about(
    v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.module)) as Schema<string>,
    "A path relative to this file, an absolute path, or a file: or data: URL.",
  ),
  export: maybe(name, 'The exported function. Default: "default".'),
  pipeline: maybe(name, "Written by the typed builder: the pipeline that the module makes."),
  task: maybe(name, "Written by the typed builder: the task of that pipeline."),
});

/** Functions. */
export const moduleKind: WorkerKind<ManifestModuleRun, ModuleRun> = {
  key: "module",
  name: "task",
  schema,
  isPlain(run) {
    const { module } = run;
    if (typeof module !== "string" || module === "" || module.length > LIMITS.module) return false;
    for (const key in run) if (key !== "module" && (key !== "export" || !isPlainName(run[key]))) return false;
    return true;
  },
  place: "line",
  problems(run, around) {
    const problems: Problem[] = [];
    const message = formProblem(run) ?? spellingProblem(run["export"]);
    if (message !== undefined) problems.push({ place: "", message });
    const { module } = run;
    const url = typeof module === "string" && module !== "" ? around.resolve(module) : undefined;
    const problem = url instanceof Error ? url.message : url && unimportable(url);
    if (problem !== undefined) problems.push({ place: "module", message: problem });
    return problems;
  },
  wants({ module, export: exported = "default", pipeline }) {
    if (typeof module !== "string" || module === "") return undefined;
    if (pipeline !== undefined || typeof exported !== "string") return undefined;
    return { module, export: exported, keys: { module: "module", export: "export" } };
  },
  resolve({ module: written, export: exported = "default", pipeline, task }, around) {
    const module = around.resolve(written) as string;
    return pipeline === undefined ? { module, export: exported } : { module, pipeline, task: task! };
  },
  bundle(run, maker) {
    const { module, export: exported = "default", pipeline } = run;
    if (pipeline !== undefined) {
      return maker.takePipeline(module, pipeline) ? { ...run, module: BUNDLE_MODULE } : run;
    }
    const name = maker.takeExport(module, exported);
    return name === undefined ? run : { module: BUNDLE_MODULE, export: name };
  },
  source: (run) => run,
  isolated: (run, memoryBytes): IsolatedRun => ({
    ...run,
    isolated: true,
    ...(memoryBytes !== undefined && { memoryBytes }),
  }),
};

function formProblem(run: Readonly<Record<string, unknown>>): string | undefined {
  const { export: exported, pipeline, task } = run;
  if (exported !== undefined && (pipeline !== undefined || task !== undefined)) {
    return 'Has both "export" and "pipeline" or "task": keep "module" and "export"';
  }
  if ((pipeline === undefined) === (task === undefined)) return undefined;
  return '"pipeline" and "task" go together: add the other, or use "export"';
}
