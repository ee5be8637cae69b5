/**
 * Owns the order of tasks: every need before the task that has it, else as written; and the cycles that prevent it.
 * Must not know names.
 * Invariant: each task is in the sequence once, cycles or not; the cost is linear and the depth of the graph does not matter.
 */

/** The order of a graph's tasks. */
export interface Order {
  /** Indexes of tasks. If there are no cycles, every need comes before the task that has it. */
  readonly sequence: readonly number[];
  /** One for each need that closes a cycle: the tasks from first to last, each needed by the next, the last by the first. */
  readonly cycles: readonly Cycle[];
}

/** A cycle, and the need that closes it. */
export interface Cycle {
  readonly path: readonly number[];
  /** The task whose need closes the cycle. */
  readonly task: number;
  /** Position of that need in the task's list. */
  readonly need: number;
}

const ABSENT = 0, OPEN = 1, DONE = 2;

/** Sorts by a depth-first walk along the needs, without recursion. */
export function order(needs: readonly (readonly { readonly task: number }[])[]): Order {
  const state = new Uint8Array(needs.length);
  const next = new Int32Array(needs.length);
  const sequence: number[] = [];
  const cycles: Cycle[] = [];
  const stack: number[] = [];
  for (let start = 0; start < needs.length; start++) {
    if (state[start] !== ABSENT) continue;
    state[start] = OPEN;
    stack.push(start);
    while (stack.length > 0) {
      const task = stack[stack.length - 1]!;
      const at = next[task]!++;
      const need = needs[task]![at];
      if (need === undefined) {
        state[task] = DONE;
        sequence.push(task);
        stack.pop();
      } else if (state[need.task] === ABSENT) {
        state[need.task] = OPEN;
        stack.push(need.task);
      } else if (state[need.task] === OPEN) {
        // The stack goes from a task to what it needs; a path is told the other way round.
        const [first, ...rest] = stack.slice(stack.lastIndexOf(need.task));
        cycles.push({ path: [first!, ...rest.reverse()], task, need: at });
      }
    }
  }
  return { sequence, cycles };
}
