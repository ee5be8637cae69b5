/**
 * Owns which tests a condition is made of, however wrong it is.
 * Must not know what is right about one (condition.ts); it imports no package, since the builder needs it in workers.
 * Invariant: it looks no deeper than a condition may be.
 */
import { placeOf } from "../../model/problem.ts";
import { isRecord, LIMITS } from "./manifest.ts";

const GROUPS = ["all", "any"] as const;
/** The conditions right within one, with the keys that lead to each. */
function within(
  condition: unknown,
): readonly (readonly [place: readonly (string | number)[], inner: unknown])[] {
  if (!isRecord(condition)) return [];
  const groups = GROUPS.flatMap((key) => {
    const list = condition[key];
    return Array.isArray(list) ? list.map((each: unknown, at) => [[key, at], each] as const) : [];
  });
  return Object.hasOwn(condition, "not") ? [...groups, [["not"], condition["not"]]] : groups;
}

/** Whether conditions lie in each other deeper than they may. */
export function isTooDeep(condition: unknown, depth = 1): boolean {
  return depth > LIMITS.testDepth || within(condition).some(([, each]) => isTooDeep(each, depth + 1));
}

/** The tests of a condition, each with its place; none of one that is too deep. */
export function testsOf(
  condition: unknown,
  place: string,
): { readonly place: string; readonly test: Readonly<Record<string, unknown>> }[] {
  if (isTooDeep(condition)) return [];
  const inner = within(condition);
  if (inner.length === 0) return isRecord(condition) ? [{ place, test: condition }] : [];
  return inner.flatMap(([keys, each]) => testsOf(each, keys.reduce<string>(placeOf, place)));
}
