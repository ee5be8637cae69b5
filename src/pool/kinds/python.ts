/**
 * Owns how Python functions are run: how a process for them is started, and what it is told to do.
 * Must not know what is said to a process (process/), nor what a task does.
 * Invariant: nothing is started before what its tasks require is installed.
 */
import { nameOf, type PythonRun } from "../../pipeline/kinds/python.ts";
import type { Launch } from "../process/life.ts";
import { environmentOf, requirementFiles } from "./python_environment.ts";
import { PythonFiles } from "./python_files.ts";
import { interpreterOf } from "./python_interpreter.ts";
import { localFiles, look } from "./python_look.ts";
import type { KeptKind, KeptRunner, RunnerPort } from "./runner.ts";

/** Functions of Python modules. */
export const python: KeptKind = {
  key: "python",
  open: (port) => new Pythons(port),
  look,
  imports: (port, path) =>
    path.endsWith(".py") ? localFiles(port, path) : requirementFiles(port.runtime, path),
};

/** The runner names itself, so that its frames can be told from those of tasks. */
async function program(): Promise<string> {
  // Large, and of no use to a run without such tasks.
  const { pythonCode } = await import("./python_code.ts");
  return `exec(compile(${pythonText(pythonCode)}, "<outrider>", "exec"))`;
}

class Pythons implements KeptRunner {
  readonly #port: RunnerPort;
  readonly #files: PythonFiles;

  constructor(port: RunnerPort) {
    this.#port = port;
    this.#files = new PythonFiles(port.runtime);
  }

  workOf(run: object): string {
    const { python, function: name } = run as PythonRun;
    const module = nameOf(python).replace(/\.py$/, "");
    return JSON.stringify({ module, file: this.#files.known(python), function: name });
  }

  async launch(run: object): Promise<Launch> {
    const { python, requirements, memoryBytes } = run as PythonRun;
    const { runtime } = this.#port;
    const env = this.#port.environment();
    const interpreter = await interpreterOf(this.#port, env);
    const file = await this.#files.place(python);
    const executable = requirements === undefined ? interpreter.executable : await environmentOf({
      port: this.#port,
      interpreter,
      requirements: await this.#files.place(requirements),
    });
    return {
      // Unbuffered: what C code prints, which nobody flushes, would come with a later attempt, or never.
      command: [executable, "-u", "-c", await program()],
      cwd: runtime.cwd(),
      env,
      setup: {
        path: [file.slice(0, file.lastIndexOf("/"))],
        ...(memoryBytes !== undefined && { memoryBytes }),
      },
    };
  }

  close(): Promise<void> {
    return this.#files.remove();
  }
}

/** A text as Python has it in its source: a JSON text in ASCII is one of Python's too. There is nothing beyond the first plane in it. */
export function pythonText(text: string): string {
  return JSON.stringify(text).replace(
    /[^\0-\x7f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
