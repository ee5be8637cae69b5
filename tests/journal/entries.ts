/**
 * Owns records for tests of the journal.
 * Must not know which test.
 * Invariant: a record says which it is.
 */
import type { LogEntry } from "../../src/journal/journal.ts";
import type { StateEvent } from "../../src/model/record.ts";

/** A state event that says which it is. */
export function stateOf(task: string): StateEvent {
  return {
    type: "attempt.settled",
    task,
    iteration: 0,
    attempt: 1,
    outcome: "succeeded",
    value: '"line\\nbreak"',
  };
}

/** A log entry that says which it is. */
export function entryOf(text: string, at: number = 0): LogEntry {
  return { at, level: "info", from: "task", task: "t", iteration: 0, attempt: 1, stream: "stdout", text };
}
