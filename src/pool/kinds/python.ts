/**
 * Owns how Python functions are run: which process is for which task, and how one is started.
 * Must not know what is said to a process (process/), nor what a task does.
 * Invariant: tasks share a process only if they have the same interpreter, environment, memory and folder of modules.
 */
import { nameOf, type PythonRun } from "../../pipeline/kinds/python.ts";
import type { Launch } from "../process/process.ts";
import { pythonCode } from "./python_code.ts";
import { interpreterOf } from "./python_interpreter.ts";
import type { KeptKind, KeptRunner, RunnerPort } from "./runner.ts";

/** Functions of Python modules. */
export const python: KeptKind = {
  key: "python",
  open: (port) => new Pythons(port),
};

/** The runner names itself, so that its frames can be told from those of tasks. A JSON text in ASCII is one of Python too. */
const PROGRAM = `exec(compile(${JSON.stringify(pythonCode)}, "<outrider>", "exec"))`;

class Pythons implements KeptRunner {
  readonly #port: RunnerPort;

  constructor(port: RunnerPort) {
    this.#port = port;
  }

  keyOf(run: object): string {
    const { python, requirements = "", memoryBytes = "" } = run as PythonRun;
    return ["python", folderOf(python), requirements, memoryBytes].join("\n");
  }

  workOf(run: object): string {
    const { python, function: name } = run as PythonRun;
    const file = this.#port.runtime.filePath(python);
    return JSON.stringify({ module: nameOf(python).replace(/\.py$/, ""), file, function: name });
  }

  async launch(run: object): Promise<Launch> {
    const { python, memoryBytes } = run as PythonRun;
    const { runtime, clock } = this.#port;
    const env = this.#port.environment();
    const { executable } = await interpreterOf({ runtime, clock }, env);
    return {
      command: [executable, "-c", PROGRAM],
      cwd: runtime.cwd(),
      env,
      setup: {
        path: [runtime.filePath(folderOf(python))],
        ...(memoryBytes !== undefined && { memoryBytes }),
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function folderOf(python: string): string {
  return new URL(".", python).href;
}
