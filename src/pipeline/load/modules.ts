/**
 * Owns which module and export each task of a manifest runs, and how a module's path becomes a URL.
 * Must not know what is in a module, nor load one.
 * Invariant: every URL it gives is an absolute `file:` or `data:` URL.
 */
import { inBase64 } from "./data_url.ts";
import { isRecord } from "../document/manifest.ts";
import { spellingProblem } from "../document/name.ts";
import { placeOf, type Problem, show } from "../../model/problem.ts";

/** An export that tasks run. */
export interface ExportUse {
  /** Absolute URL. */
  readonly module: string;
  /** The module as written. */
  readonly written: string;
  readonly export: string;
  /** Place of the first task's `run` that asks for it, such as `tasks.cpu.run`. */
  readonly place: string;
  /** Tasks that ask for it. */
  count: number;
}

/** What the tasks' `run` come to. */
export interface Modules {
  /** By module as written. */
  readonly urls: ReadonlyMap<string, string>;
  readonly uses: readonly ExportUse[];
  readonly problems: readonly Problem[];
}

/** Resolves the modules of a manifest, however wrong the rest of it is. @param tasks The entries of its `tasks`. */
export function checkModules(tasks: readonly [string, unknown][], base: string): Modules {
  const urls = new Map<string, string>();
  const uses = new Map<string, ExportUse>();
  const problems: Problem[] = [];
  for (const [name, task] of tasks) {
    const run = isRecord(task) ? task["run"] : undefined;
    if (!isRecord(run)) continue;
    const place = () => placeOf(placeOf("tasks", name), "run");
    if ("command" in run) {
      const problem = commandProblem(run, base);
      if (problem !== undefined) problems.push({ ...problem, place: `${place()}.${problem.place}` });
      continue;
    }
    const message = formProblem(run) ?? spellingProblem(run["export"]);
    if (message !== undefined) problems.push({ place: place(), message });
    const written = run["module"];
    if (typeof written !== "string" || written === "") continue;
    let module = urls.get(written);
    if (module === undefined) {
      const resolved = resolveModule(written, base);
      if (typeof resolved !== "string") {
        problems.push({ place: `${place()}.module`, message: resolved.message });
        continue;
      }
      urls.set(written, module = resolved);
    }
    const wanted = run["export"] ?? "default";
    if (run["pipeline"] === undefined && typeof wanted === "string") {
      const key = `${wanted} ${module}`;
      const known = uses.get(key);
      if (known === undefined) uses.set(key, { module, written, export: wanted, place: place(), count: 1 });
      else known.count++;
    }
  }
  return { urls, uses: [...uses.values()], problems };
}

/** What is wrong with a command that its shape does not show. */
function commandProblem(run: Readonly<Record<string, unknown>>, base: string): Problem | undefined {
  const { command, cwd, env } = run;
  if (Array.isArray(command) && command[0] === "") {
    return { place: "command[0]", message: "Can't be empty: name the program" };
  }
  const bad = isRecord(env) ? Object.keys(env).find((name) => !/^[^=\0]+$/.test(name)) : undefined;
  if (bad !== undefined) {
    return {
      place: "env",
      message: `${show(bad)} can't be the name of a variable: it is empty, or has "=" or NUL`,
    };
  }
  const folder = typeof cwd === "string" && cwd !== "" ? folderOf(cwd, base) : undefined;
  return folder instanceof Error ? { place: "cwd", message: folder.message } : undefined;
}

/**
 * The `file:` URL of the folder that a command runs in; `undefined` where the manifest lies in no folder and none is named.
 *
 * @returns The URL, or an error to be told.
 */
export function folderOf(cwd: string | undefined, base: string): string | undefined | Error {
  if (cwd === undefined) return base.startsWith("file:") ? new URL(".", base).href : undefined;
  const url = resolveModule(cwd.endsWith("/") ? cwd : `${cwd}/`, base);
  if (url instanceof Error || url.startsWith("file:")) return url;
  return new Error(`Can't run in ${show(cwd)}: a folder is a path or a file: URL`);
}

function formProblem(run: Readonly<Record<string, unknown>>): string | undefined {
  const { export: exported, pipeline, task } = run;
  if (exported !== undefined && (pipeline !== undefined || task !== undefined)) {
    return 'Has both "export" and "pipeline" or "task": keep "module" and "export"';
  }
  if ((pipeline === undefined) === (task === undefined)) return undefined;
  return '"pipeline" and "task" go together: add the other, or use "export"';
}

/**
 * The absolute URL of a module as written in a manifest.
 *
 * @param written A path, relative to `base` or absolute, or a `file:` or `data:` URL. In a path, `?`, `#` and `%` stand for themselves.
 * @returns The URL, or an error to be told.
 */
export function resolveModule(written: string, base: string): string | Error {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(written)?.[1]?.toLowerCase();
  if (scheme === "data") return inBase64(written);
  if (scheme !== undefined && scheme !== "file") {
    return new Error(`Can't use ${show(written)}: a module is a path, or a file: or data: URL`);
  }
  const path = /^[a-z]:[\\/]/i.test(written) ? `/${written}` : written;
  const reference = scheme === "file"
    ? written
    : path.replace(/[%?#]/g, (character) => encodeURIComponent(character));
  try {
    return new URL(reference, base).href;
  } catch {
    return new Error(
      `Can't resolve ${show(written)} against ${show(base)}: use an absolute path or a file: URL`,
    );
  }
}
