/**
 * Owns what the tasks of a manifest run, however wrong the rest of it is.
 * Must not know the kinds of tasks (kinds/), nor load a module.
 * Invariant: each problem is told at each task that has it.
 */
import { placeOf, type Problem } from "../../model/problem.ts";
import { isRecord } from "../document/manifest.ts";
import type { Whereabouts } from "../kinds/kind.ts";
import { kindOf } from "../kinds/list.ts";
import { resolveModule } from "../load/modules.ts";

/** An export that tasks run. */
export interface ExportUse {
  /** Absolute URL. */
  readonly module: string;
  /** The module as written. */
  readonly written: string;
  readonly export: string;
  /** Key of the kind that the tasks are of. */
  readonly kind: string;
  /** The keys of `run` that name the module and the export. */
  readonly keys: { readonly module: string; readonly export: string };
  /** Place of the first task's `run` that asks for it, such as `tasks.cpu.run`. */
  readonly place: string;
  /** Tasks that ask for it. */
  count: number;
}

/** A file that must be there. */
export interface FileUse {
  /** Absolute URL. */
  readonly url: string;
  /** Where the first task names it, such as `tasks.cpu.run.requirements`. */
  readonly place: string;
}

/** What the tasks' `run` come to. */
export interface Runs {
  readonly uses: readonly ExportUse[];
  readonly files: readonly FileUse[];
  readonly problems: readonly Problem[];
}

/** Where a manifest lies. Each module is looked at once: there may be many tasks of one, and its URL may be its code. */
export function whereabouts(base: string): Whereabouts {
  const known = new Map<string, string | Error>();
  return {
    base,
    resolve(module) {
      let url = known.get(module);
      if (url === undefined) known.set(module, url = resolveModule(module, base));
      return url;
    },
  };
}

/** Checks what tasks run. @param tasks The entries of a manifest's `tasks`. */
export function checkRuns(tasks: readonly [string, unknown][], around: Whereabouts): Runs {
  const uses = new Map<string, ExportUse>();
  const files = new Map<string, FileUse>();
  const problems: Problem[] = [];
  for (const [name, task] of tasks) {
    const run = isRecord(task) ? task["run"] : undefined;
    if (!isRecord(run)) continue;
    const kind = kindOf(run);
    const place = () => placeOf(placeOf("tasks", name), "run");
    for (const problem of kind.problems(run, around)) {
      problems.push({
        ...problem,
        place: problem.place === "" ? place() : `${place()}.${problem.place}`,
      });
    }
    for (const [key, file] of Object.entries(kind.files?.(run) ?? {})) {
      const url = around.resolve(file);
      if (typeof url === "string" && !files.has(url)) files.set(url, { url, place: `${place()}.${key}` });
    }
    const wanted = kind.wants?.(run);
    const module = wanted === undefined ? undefined : around.resolve(wanted.module);
    if (wanted === undefined || typeof module !== "string") continue;
    const key = `${wanted.export} ${module}`;
    const known = uses.get(key);
    if (known !== undefined) known.count++;
    else {
      const { module: written, export: exported, keys } = wanted;
      uses.set(key, { module, written, export: exported, kind: kind.key, keys, place: place(), count: 1 });
    }
  }
  return { uses: [...uses.values()], files: [...files.values()], problems };
}
