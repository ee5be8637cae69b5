/**
 * Owns what the tasks of a manifest run, however wrong the rest of it is.
 * Must not know the kinds of tasks (kinds/), nor load a module.
 * Invariant: each problem is told at each task that has it.
 */
import { placeOf, type Problem } from "../../model/problem.ts";
import { isRecord } from "../document/manifest.ts";
import type { TaskList } from "../document/task_list.ts";
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

/**
 * Where a manifest lies. Each module is looked at once: there may be many tasks of one, and its URL may be its code.
 *
 * @param real What a `file:` URL is called where it really lies.
 */
export function whereabouts(base: string, real: (url: string) => string = (url) => url): Whereabouts {
  const known = new Map<string, string | Error>();
  return {
    base,
    resolve(module) {
      let url = known.get(module);
      if (url !== undefined) return url;
      const named = resolveModule(module, base);
      known.set(module, url = typeof named === "string" && named.startsWith("file:") ? real(named) : named);
      return url;
    },
  };
}

/** Checks what the tasks of a manifest run. */
export function checkRuns({ names, tasks }: TaskList, around: Whereabouts): Runs {
  const uses = new Uses();
  const files = new Map<string, FileUse>();
  const problems: Problem[] = [];
  /** The run that was looked at last, and what it uses. Neighbours often have one and the same. */
  let seen: unknown, used: ExportUse | undefined;
  for (let index = 0; index < tasks.length; index++) {
    const task = tasks[index];
    const run = isRecord(task) ? task["run"] : undefined;
    if (run === seen && used !== undefined) {
      used.count++;
      continue;
    }
    [seen, used] = [undefined, undefined];
    if (!isRecord(run)) continue;
    const name = names[index]!;
    const kind = kindOf(run);
    const before = problems.length;
    const place = () => placeOf(placeOf("tasks", name), "run");
    for (const problem of kind.problems(run, around)) {
      problems.push({
        ...problem,
        place: problem.place === "" ? place() : `${place()}.${problem.place}`,
      });
    }
    for (const [key, file] of Object.entries(kind.files?.(run) ?? NO_FILES)) {
      const url = around.resolve(file);
      if (typeof url === "string" && !files.has(url)) files.set(url, { url, place: `${place()}.${key}` });
    }
    const wanted = kind.wants?.(run);
    const module = wanted === undefined ? undefined : around.resolve(wanted.module);
    if (wanted === undefined || typeof module !== "string") continue;
    const { module: written, export: exported, keys } = wanted;
    const use = uses.of(module, exported) ??
      uses.add({ module, written, export: exported, kind: kind.key, keys, place: place(), count: 0 });
    use.count++;
    // What is wrong is told at each task that has it.
    if (problems.length === before) [seen, used] = [run, use];
  }
  return { uses: uses.all, files: [...files.values()], problems };
}

const NO_FILES: Readonly<Record<string, string>> = {};

/** The uses found so far, by module first: its URL may be its code, and no key is made of that. */
class Uses {
  readonly all: ExportUse[] = [];
  readonly #known: Map<string, Map<string, ExportUse>> = new Map();

  of(module: string, exported: string): ExportUse | undefined {
    return this.#known.get(module)?.get(exported);
  }

  add(use: ExportUse): ExportUse {
    this.all.push(use);
    const known = this.#known.get(use.module);
    if (known === undefined) this.#known.set(use.module, new Map([[use.export, use]]));
    else known.set(use.export, use);
    return use;
  }
}
