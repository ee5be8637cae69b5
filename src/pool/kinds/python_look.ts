/**
 * Owns what is found out about Python modules without running them, by an interpreter that reads their syntax.
 * Must not know what tasks want of them.
 * Invariant: nothing of a module is run. Where there is no interpreter, that is said, and is no error.
 */
import type { ModuleExports } from "../../pipeline/load/load.ts";
import { PythonFiles } from "./python_files.ts";
import { type Interpreter, interpreterOf, PythonError, runTool } from "./python_interpreter.ts";
import type { RunnerPort } from "./runner.ts";

/** How long looking may take, milliseconds. */
const LOOK_MS = 60_000;

/** What functions modules have, by their URLs. It never rejects. */
export async function look(
  port: RunnerPort,
  modules: readonly string[],
): Promise<Readonly<Record<string, ModuleExports>>> {
  const files = new PythonFiles(port.runtime);
  try {
    const paths = new Map<string, string>();
    for (const module of modules) paths.set(module, await files.place(module));
    const { look: told } = await ask(port, { look: [...paths.values()], files: [] });
    return Object.fromEntries(
      modules.map((module) => [module, readModule(partOf(told, paths.get(module)!))]),
    );
  } catch (error) {
    const unknown = error instanceof Error ? error.message : String(error);
    return Object.fromEntries(modules.map((module) => [module, { unknown }]));
  } finally {
    await files.remove();
  }
}

/**
 * A module and all that it imports of its folder, as paths relative to that.
 *
 * @param path Of the module.
 * @throws {PythonError} If there is no interpreter.
 */
export async function localFiles(port: RunnerPort, path: string): Promise<readonly string[]> {
  const { files } = await ask(port, { look: [], files: [path] });
  const found = partOf(files, path);
  if (Array.isArray(found) && found.every((name) => typeof name === "string")) return found;
  throw new PythonError(`Python did not say what ${path} imports`);
}

async function ask(
  port: RunnerPort,
  question: { readonly look: readonly string[]; readonly files: readonly string[] },
): Promise<{ readonly look?: unknown; readonly files?: unknown }> {
  const env = port.environment();
  const interpreter = await interpreterOf(port, env);
  const { pythonLookCode } = await import("./python_code.ts");
  // Isolated: neither the environment nor the working folder is to have a say in what is imported here.
  const command = [interpreter.executable, "-I", "-S", "-c", pythonLookCode];
  const end = await runTool(port, {
    command,
    env,
    stdin: JSON.stringify(question),
    limitMs: LOOK_MS,
  });
  try {
    return JSON.parse(end.stdout) as { readonly look?: unknown; readonly files?: unknown };
  } catch {
    throw new PythonError(notSaid(interpreter, end.stderr));
  }
}

function notSaid({ executable, version }: Interpreter, stderr: string): string {
  const last = stderr.trim().split("\n").at(-1) ?? "";
  return `Python ${version} (${executable}) could not read it${last === "" ? "" : `: ${last.slice(0, 500)}`}`;
}

function partOf(parts: unknown, name: string): unknown {
  if (typeof parts !== "object" || parts === null || !Object.hasOwn(parts, name)) return undefined;
  return (parts as Readonly<Record<string, unknown>>)[name];
}

function readModule(told: unknown): ModuleExports {
  const { error, names, imported, open } = (told ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof error === "string") return { error };
  if (typeof names !== "object" || names === null) return { unknown: "Python did not say what is in it" };
  const entries = Object.entries(names as Readonly<Record<string, unknown>>);
  return {
    exports: entries.filter(([, wrong]) => wrong === null).map(([name]) => name),
    unfit: Object.fromEntries(
      entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    ),
    imported: Array.isArray(imported) ? imported.filter((name) => typeof name === "string") : [],
    open: open === true,
  };
}
