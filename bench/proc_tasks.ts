/**
 * Owns the task that reads the processor's time; apart from tasks.ts, which imports nothing.
 */
import { type ProcessorTimes, processorTimes } from "./proc.ts";

/** What the process has taken so far; `null` where the system does not tell. */
export function times(): ProcessorTimes | null {
  return processorTimes() ?? null;
}
