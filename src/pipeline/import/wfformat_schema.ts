/**
 * Owns the shape of a WfFormat 1.5 trace, as far as it is read.
 * Must not know what becomes of it.
 * Invariant: keys that are not read may be anything.
 */
import * as v from "valibot";
import { PipelineError, placeOf, type Problem } from "../../model/problem.ts";

/** A task of the specification. Parents and children are ids. */
export interface TraceTask {
  readonly id: string;
  readonly parents: readonly string[];
  readonly children: readonly string[];
}

/** What is read of a trace. */
export interface Trace {
  readonly name: string;
  readonly description?: string | undefined;
  readonly workflow: {
    readonly specification: { readonly tasks: readonly TraceTask[] };
    readonly execution: {
      readonly tasks: readonly { readonly id: string; readonly runtimeInSeconds: number }[];
    };
  };
}

/** How an error names the source. */
export const WFFORMAT = "in WfFormat";

const ids = v.optional(v.array(v.string()), []);

const trace = v.object({
  name: v.optional(v.string(), "workflow"),
  description: v.optional(v.string()),
  schemaVersion: v.pipe(v.string(), v.regex(/^1\.5(\.|$)/)),
  workflow: v.object({
    specification: v.object({
      tasks: v.array(v.object({ id: v.string(), parents: ids, children: ids })),
    }),
    execution: v.object({
      tasks: v.array(v.object({ id: v.string(), runtimeInSeconds: v.pipe(v.number(), v.minValue(0)) })),
    }),
  }),
});

/**
 * Checks the shape of a trace.
 *
 * @throws {PipelineError} With every problem of the shape.
 */
export function readTrace(document: unknown): Trace {
  const checked = v.safeParse(trace, document);
  if (checked.success) return checked.output;
  throw new PipelineError(checked.issues.map(tell), { source: WFFORMAT });
}

function tell(issue: v.BaseIssue<unknown>): Problem {
  const place = (issue.path ?? []).reduce((parent, item) => placeOf(parent, item.key as string | number), "");
  if (place === "schemaVersion") {
    return { place, message: `WfFormat 1.5 is what can be read; received ${issue.received}` };
  }
  if (issue.received === "undefined") return { place, message: "Missing: a WfFormat trace has this key" };
  return { place, message: `Must be ${WORDS[issue.type] ?? issue.expected}; received ${issue.received}` };
}

const WORDS: Readonly<Record<string, string>> = {
  object: "an object",
  array: "an array",
  string: "a string",
  number: "a number",
  min_value: "0 or more",
};
