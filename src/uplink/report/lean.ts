/**
 * Owns what is left out of a report that is too large for the way to the gateway: values, never outcomes.
 * Must not know what is sent how, nor when it is too large.
 * Invariant: where a value was, stands that it was left out, and how many bytes of JSON it had.
 */
import type { Numbered } from "../port.ts";

/** Stands beside an outcome in the place of its value. */
export interface LeftOut {
  readonly valueLeftOut: string;
}

/** A record without its value; `undefined` if it has none. */
export function leanRecord(record: Numbered): (Numbered & LeftOut) | undefined {
  const { value, ...rest } = record as Numbered & { readonly value?: unknown };
  return typeof value === "string" ? { ...rest, ...leftOut(value) } : undefined;
}

/** A result document, and how many values it goes without. */
export interface Lean {
  readonly result: unknown;
  readonly leftOut: number;
}

interface Large {
  readonly task: string;
  readonly at: number;
  readonly text: string;
}

/** A result document without its largest values, so many that it is no longer than `maxLength` as JSON, if that will do. */
export function leanResult(result: unknown, maxLength: number): Lean {
  const tasks = tasksIn(result);
  const values: Large[] = [...tasks].flatMap(([task, attempts]) =>
    attempts.flatMap((attempt, at) =>
      attempt["value"] === undefined ? [] : [{ task, at, text: JSON.stringify(attempt["value"]) }]
    )
  ).sort((a, b) => b.text.length - a.text.length);
  let length = (JSON.stringify(result) ?? "").length;
  let count = 0;
  for (const { task, at, text } of values) {
    if (length <= maxLength) break;
    const { value: _, ...rest } = tasks.get(task)![at]!;
    tasks.get(task)![at] = { ...rest, ...leftOut(text) };
    length -= text.length;
    count++;
  }
  if (count === 0) return { result, leftOut: 0 };
  return { result: { ...result as object, tasks: Object.fromEntries(tasks) }, leftOut: count };
}

function leftOut(json: string): LeftOut {
  return { valueLeftOut: `${json.length} characters of JSON: too large for the way to this gateway` };
}

/** The attempts of each task, to be changed. */
function tasksIn(result: unknown): Map<string, Record<string, unknown>[]> {
  const { tasks } = (result ?? {}) as {
    readonly tasks?: Readonly<Record<string, Record<string, unknown>[]>>;
  };
  return new Map(Object.entries(tasks ?? {}).map(([task, attempts]) => [task, [...attempts]]));
}
