/** An attempt as a schedule would release it: one that waits for nothing and that nothing waits for, but for what is said. */
import type { LaneItem } from "../../src/pool/attempt.ts";
import { type SheetMemory, sheetMemory } from "../../src/pool/board/sheet.ts";

/** A sheet of no tasks, where all are told by a text. */
export const NO_SHEET: SheetMemory = sheetMemory([], new Int32Array());

export function itemOf(task: number, more: Partial<LaneItem> = {}): LaneItem {
  return {
    ...{ task, iteration: 0, attempt: 1, urgent: false, fatal: false, rank: task, behind: [] },
    ...{ few: true, awaited: 0, timeoutMs: undefined, payload: "{}" },
    ...more,
  };
}
