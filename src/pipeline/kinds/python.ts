/**
 * Owns tasks that are functions of Python modules, as a pipeline has them.
 * Must not know how Python is run (pool/kinds/python.ts), nor read a file.
 * Invariant: module and requirements in a plan are `file:` URLs, or `data:` URLs of files that a bundle carries.
 */
import * as v from "valibot";
import type { Problem } from "../../model/problem.ts";
import { show } from "../../model/problem.ts";
import { SIZE, sizeOf } from "../../model/size.ts";
import { LIMITS, type ManifestPythonRun } from "../document/manifest.ts";
import { about, closed, maybe, name, type Schema } from "../document/shapes.ts";
import type { OwnKind, Whereabouts } from "./kind.ts";

/** A function of a Python module as it stands in a plan. */
export interface PythonRun {
  /** The module. */
  readonly python: string;
  readonly function: string;
  /** The file of what must be installed. */
  readonly requirements?: string;
  /** The most memory that its process may have, bytes. */
  readonly memoryBytes?: number;
}

/** Least memory that can be asked for: what the interpreter itself takes. */
const MIN_MEMORY: number = 32 * 1024 ** 2;

const path = v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.module)) as Schema<string>;

const schema = closed({
  python: about(
    path,
    "The file of a Python module, relative to this file, an absolute path, or a file: URL.",
  ),
  function: about(
    v.pipe(
      name as v.GenericSchema<unknown, string>,
      v.regex(/^[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*$/, "Is no name of a Python function"),
    ) as Schema<string>,
    "The function of the module; it is called with ctx, which docs/python.md describes.",
  ),
  requirements: maybe(
    path,
    "A requirements file for pip; what is in it is installed once, in an environment of its own.",
  ),
  memory: maybe(
    v.pipe(v.string(), v.regex(SIZE)) as Schema<string>,
    "The most memory that the task's process may have, such as 512MiB. Default: no limit.",
  ),
});

/** Functions of Python modules. */
export const pythonKind: OwnKind<ManifestPythonRun, PythonRun> = {
  key: "python",
  name: "python",
  schema,
  place: "kept",
  problems({ python, requirements, memory }, around) {
    return [
      ...problemOf("python", python, around),
      ...problemOf("requirements", requirements, around),
      ...memoryProblem(memory),
    ];
  },
  wants({ python, function: name }) {
    if (typeof python !== "string" || python === "" || typeof name !== "string") return undefined;
    return { module: python, export: name, keys: { module: "python", export: "function" } };
  },
  files({ python, requirements }) {
    const named = Object.entries({ python, requirements });
    return Object.fromEntries(named.filter((entry): entry is [string, string] => isFile(entry[1])));
  },
  resolve({ python, function: name, requirements, memory }, around) {
    return {
      python: urlOf(python, around) as string,
      function: name,
      ...(requirements !== undefined && { requirements: urlOf(requirements, around) as string }),
      ...(memory !== undefined && { memoryBytes: sizeOf(memory)! }),
    };
  },
  bundle(run, maker) {
    const { python, requirements } = run;
    const taken = requirements === undefined ? undefined : maker.takeFile(requirements, "python");
    return {
      ...run,
      python: maker.takeFile(python, "python") ?? python,
      ...(taken !== undefined && { requirements: taken }),
    };
  },
  processKey: ({ python, requirements = "", memoryBytes = "" }) =>
    [python.slice(0, python.length - lastOf(python).length), requirements, memoryBytes].join("\n"),
  shown: ({ python, function: name }) => ({ module: nameOf(python), function: name }),
};

/** A file's name at the end of a URL. */
export function nameOf(url: string): string {
  return decodeURIComponent(lastOf(url));
}

function lastOf(url: string): string {
  return url.slice(Math.max(url.lastIndexOf("/"), url.lastIndexOf("#")) + 1);
}

function isFile(written: unknown): boolean {
  return typeof written === "string" && written !== "" && !written.startsWith("data:");
}

function urlOf(written: string, { resolve }: Whereabouts): string | Error {
  if (written.startsWith("data:")) return written;
  const url = resolve(written);
  return url instanceof Error ? new Error(`Can't use ${show(written)}: it is a path or a file: URL`) : url;
}

function problemOf(
  key: "python" | "requirements",
  written: unknown,
  around: Whereabouts,
): readonly Problem[] {
  if (typeof written !== "string" || written === "") return [];
  const url = urlOf(written, around);
  if (url instanceof Error) return [{ place: key, message: url.message }];
  // It is imported by its name, so that processes that it starts can import it too.
  if (key === "requirements" || /^[^.]+\.py$/.test(nameOf(url))) return [];
  return [{
    place: key,
    message: `${
      show(written)
    } can't be imported: the file of a module ends with .py and has no other dot in its name`,
  }];
}

function memoryProblem(memory: unknown): readonly Problem[] {
  if (typeof memory !== "string" || !SIZE.test(memory)) return [];
  const bytes = sizeOf(memory);
  if (bytes !== undefined && bytes >= MIN_MEMORY) return [];
  return [{
    place: "memory",
    message: `${show(memory)} is out of range: a process of Python takes at least 32MiB`,
  }];
}
