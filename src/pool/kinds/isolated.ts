/**
 * Owns how functions of modules are run in processes: which process is for which task, and how one is started.
 * Must not know what is said to a process (process/), nor what a task does.
 * Invariant: tasks share a process only if they have the same limit of memory, and the same module where that is its own code.
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
  /** Modules that are their own code, which is told once a process. */
  readonly #codes: Map<string, number> = new Map();

  constructor(port: RunnerPort) {
    this.#port = port;
  }

  keyOf(run: object): string {
    const { module, memoryBytes = "" } = run as IsolatedRun;
    return `isolated\n${memoryBytes}\n${isCode(module) ? this.#numberOf(module) : ""}`;
  }

  workOf(run: object): string {
    const { module, ...rest } = run as IsolatedRun;
    const source = "export" in rest ? { export: rest.export } : { pipeline: rest.pipeline };
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

  #numberOf(module: string): number {
    const known = this.#codes.get(module) ?? this.#codes.size + 1;
    this.#codes.set(module, known);
    return known;
  }
}

function isCode(module: string): boolean {
  return module.startsWith("data:");
}
