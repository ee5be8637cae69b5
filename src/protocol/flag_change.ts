/**
 * Owns what an operation makes of a flag. Pure.
 * Must not know where flags are kept, nor who asks.
 * Invariant: the version grows by one with each change, and with nothing else.
 */
import type { FlagOperation, SharedFlag } from "./messages.ts";

/** What came of an operation: the flag after it, or why it can't be done. */
type Applied =
  | { readonly flag: SharedFlag | undefined; readonly done: boolean }
  | { readonly refused: { readonly code: string; readonly message: string } };

interface Apply {
  readonly flag: SharedFlag | undefined;
  readonly operation: FlagOperation;
}

/** What an operation makes of a flag. */
export function applied(name: string, { flag, operation }: Apply): Applied {
  const version = flag?.version ?? 0;
  const next = (value: unknown): Applied => ({ flag: { name, value, version: version + 1 }, done: true });
  switch (operation.op) {
    case "set":
      return operation.ifVersion === undefined || operation.ifVersion === version
        ? next(operation.value)
        : { flag, done: false };
    case "compare": {
      const same = "expected" in operation
        ? flag !== undefined && sameJson(flag.value, operation.expected)
        : flag === undefined;
      return same ? next(operation.value) : { flag, done: false };
    }
    default: {
      const before = flag?.value ?? 0;
      if (typeof before !== "number") {
        const shown = JSON.stringify(before).slice(0, 100);
        return refused("FLAG_TYPE", `Flag ${name} is ${shown}, which is no number to count: set it first`);
      }
      const after = operation.op === "increment" ? before + operation.by : before - operation.by;
      // Beyond 2^53 a count of one would change nothing and be told as done.
      const whole = Number.isInteger(before) && Number.isInteger(operation.by);
      if (whole ? Number.isSafeInteger(after) : Number.isFinite(after)) return next(after);
      return refused("FLAG_RANGE", `Flag ${name} is ${before}, and no number holds what comes after it`);
    }
  }
}

function refused(code: string, message: string): Applied {
  return { refused: { code, message } };
}

/** Whether two JSON values are the same; the order of keys does not count. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) =>
    Object.hasOwn(b, key) &&
    sameJson((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])
  );
}
