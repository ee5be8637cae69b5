/**
 * Owns what is asked of the system, not measured.
 */
import os from "node:os";
import process from "node:process";

/** The machine as the report names it. */
export interface Machine {
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly runtime: string;
}

/** Asks the system. */
export function describeMachine(): Machine {
  const cores = os.cpus();
  return {
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    processor: cores[0]?.model.trim() || "unknown processor",
    cores: os.availableParallelism(),
    memoryGiB: Number((os.totalmem() / 2 ** 30).toFixed(1)),
    runtime: runtimeName(),
  };
}

function runtimeName(): string {
  const { deno, bun, node } = process.versions as Record<string, string | undefined>;
  if (deno !== undefined) return `Deno ${deno}`;
  return bun !== undefined ? `Bun ${bun}` : `Node ${node}`;
}
