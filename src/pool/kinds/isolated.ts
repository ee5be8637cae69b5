/**
 * Owns how functions of modules are run in processes: how one is started, and what it is told to do.
 * Must not know what is said to a process (process/), nor what a task does.
 * Invariant: a module that is its own code is told to a process once, and not with each task.
 */
import type { IsolatedRun } from "../../pipeline/kinds/isolated.ts";
import type { Launch } from "../process/life.ts";
import type { KeptKind, KeptRunner, RunnerPort } from "./runner.ts";

/** Functions in processes. */
export const isolated: KeptKind = {
  key: "isolated",
  open: (port) => new Isolated(port),
};

/** What of the memory may be the heap's; the rest is for all else. */
const HEAP_SHARE = 0.75;

class Isolated implements KeptRunner {
  readonly #port: RunnerPort;

  constructor(port: RunnerPort) {
    this.#port = port;
  }

  workOf(run: object): string {
    const { module, ...rest } = run as IsolatedRun;
    const source = "export" in rest ? { export: rest.export } : { pipeline: rest.pipeline, task: rest.task };
    return JSON.stringify(isCode(module) ? source : { module, ...source });
  }

  async launch(run: object): Promise<Launch> {
    // Large, and of no use to a run without such tasks.
    const { processCode } = await import("../process_code.ts");
    const { module, memoryBytes } = run as IsolatedRun;
    const { runtime } = this.#port;
    const heap = memoryBytes === undefined ? undefined : Math.floor(memoryBytes * HEAP_SHARE / 1024 ** 2);
    return {
      command: runtime.taskProgram({ code: processCode, ...(heap !== undefined && { heapMiB: heap }) }),
      cwd: runtime.cwd(),
      env: this.#port.environment(),
      ...(memoryBytes !== undefined && { memoryBytes }),
      setup: {
        runner: `${runtime.name} ${runtime.version}`,
        ...(isCode(module) && { module }),
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function isCode(module: string): boolean {
  return module.startsWith("data:");
}
