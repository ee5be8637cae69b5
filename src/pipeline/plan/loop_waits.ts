/**
 * Owns the check that loops do not wait for each other for ever.
 * Must not know how loops are found (loops.ts).
 * Invariant: a pipeline that passes comes to an end, however its tasks end: what waits, waits for something that comes first.
 *
 * A task outside a loop that needs one inside waits for the whole loop. So each such need is also a wait for the loop's last
 * task, its `from`; with these waits added to the needs, there must still be an order.
 */
import type { Draft, LoopBody } from "../builder/draft.ts";
import { order } from "./order.ts";
import type { Problem } from "../../model/problem.ts";

/** Problems of loops that wait for each other. @param loops Disjoint or nested, an inner one first. */
export function endlessWaits(draft: Draft, loops: readonly LoopBody[]): Problem[] {
  if (loops.length < 2) return [];
  const around = new Map<number, LoopBody[]>();
  for (const loop of loops) {
    for (const task of loop.body) around.set(task, [...around.get(task) ?? [], loop]);
  }
  const waits = draft.needs.map((needs, task) => {
    const kept = new Set(around.get(task));
    return needs.flatMap((need) => {
      const left = around.get(need.task)?.findLast((loop) => !kept.has(loop));
      return left === undefined ? [{ task: need.task }] : [{ task: need.task }, { task: left.loop.from }];
    });
  });
  return order(waits).cycles.slice(0, 1).map(({ path }) => {
    const on = new Set(path);
    const involved = loops.filter(({ loop }) => on.has(loop.from)).map(({ loop }) => `loops[${loop.at}]`);
    const names = [...path, path[0]!].map((task) => JSON.stringify(draft.names[task]));
    return {
      place: involved[0] ?? "loops",
      message:
        `${involved.join(" and ")} would wait for each other for ever, ${
          names.join(" -> ")
        }, since what needs a task ` +
        `inside a loop waits until the loop has ended: put one loop inside the other, or remove a need between them`,
    };
  });
}
