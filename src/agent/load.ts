/**
 * Owns what the device spends on the agent: memory, and the share of its processors since it was last asked for.
 * Must not know who is told.
 */
import type { Heartbeat } from "../protocol/messages.ts";
import type { AgentPort } from "./port.ts";

/** The load of one process. */
export class Load {
  readonly #port: AgentPort;
  /** Processor time, and the monotonic time at which it was read. */
  #cpu: { readonly tick: number; readonly ms: number };

  constructor(port: AgentPort) {
    this.#port = port;
    this.#cpu = { tick: port.clock.monotonic(), ms: port.cpuMs() };
  }

  /** Memory, and processors since the last time. */
  read(): NonNullable<Heartbeat["load"]> {
    const { clock, cores, cpuMs, memoryBytes } = this.#port;
    const now = { tick: clock.monotonic(), ms: cpuMs() };
    const passed = now.tick - this.#cpu.tick;
    const cpu = passed > 0 ? Math.max(0, (now.ms - this.#cpu.ms) / passed / cores) : undefined;
    if (passed > 0) this.#cpu = now;
    const memory = memoryBytes();
    return {
      ...(memory === undefined ? {} : { memoryBytes: memory }),
      ...(cpu === undefined ? {} : { cpu: Math.round(cpu * 1000) / 1000 }),
    };
  }
}
