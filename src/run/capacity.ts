/**
 * Owns what a run knows of the device when it asks for more workers.
 * Must not know when they are asked for.
 */
import type { Clock } from "../base/clock.ts";
import type { Capacity } from "../pool/port.ts";
import type { Runtime } from "../runtime/port.ts";

/** What the device has for more workers. */
export function capacityOf(runtime: Runtime, clock: Clock): Capacity {
  const { cores, threadBytes, cpuMs, idleMs, queuedMs, freeMemory } = runtime;
  return { clock, cores, workerBytes: threadBytes, cpuMs, idleMs, queuedMs, freeMemory };
}
