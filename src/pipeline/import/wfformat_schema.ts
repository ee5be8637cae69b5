/**
 * Owns the shapes of WfFormat traces, as far as they are read: 1.5, and 1.3 and 1.4, which have tasks and runtimes in one list.
 * Must not know what becomes of them.
 * Invariant: keys that are not read may be anything; whatever the version, what is read has one form.
 */
import * as v from "valibot";
import { PipelineError, placeOf, type Problem } from "../../model/problem.ts";

/** A task of the specification. Parents and children are ids, or names where these tell which task is meant. */
export interface TraceTask {
  readonly id: string;
  readonly name?: string | undefined;
  readonly parents: readonly string[];
  readonly children: readonly string[];
}

/** How long a task took. */
export interface TraceRuntime {
  readonly id: string;
  readonly runtimeInSeconds: number;
}

/** What is read of a trace. */
export interface Trace {
  readonly name: string;
  readonly description?: string | undefined;
  readonly tasks: readonly TraceTask[];
  /** Absent if the trace tells no runtime at all. */
  readonly runtimes?: readonly TraceRuntime[];
  /** Where tasks and runtimes stand in the document. */
  readonly places: { readonly tasks: string; readonly runtimes: string };
}

/** How an error names the source. */
export const WFFORMAT = "in WfFormat";

const ids = v.optional(v.array(v.string()), []);
const seconds = v.pipe(v.number(), v.minValue(0));
const head = { name: v.optional(v.string(), "workflow"), description: v.optional(v.string()) };

const trace = v.object({
  ...head,
  schemaVersion: v.pipe(v.string(), v.regex(/^1\.5(\.|$)/)),
  workflow: v.object({
    specification: v.object({
      tasks: v.array(v.object({ id: v.string(), name: v.optional(v.string()), parents: ids, children: ids })),
    }),
    execution: v.optional(
      v.object({ tasks: v.array(v.object({ id: v.string(), runtimeInSeconds: seconds })) }),
    ),
  }),
});

/** 1.3 says `runtime`; both name parents by the names of tasks, and need not have ids. */
const earlier = v.object({
  ...head,
  workflow: v.object({
    tasks: v.array(v.object({
      name: v.string(),
      id: v.optional(v.string()),
      parents: ids,
      children: ids,
      runtimeInSeconds: v.optional(seconds),
      runtime: v.optional(seconds),
    })),
  }),
});

/**
 * Checks the shape of a trace.
 *
 * @throws {PipelineError} With every problem of the shape.
 */
export function readTrace(document: unknown): Trace {
  const { schemaVersion } = (document ?? {}) as { readonly schemaVersion?: unknown };
  if (/^1\.[34](\.|$)/.test(`${schemaVersion}`)) return readEarlier(document);
  const { name, description, workflow: { specification, execution } } = checked(trace, document);
  return {
    name,
    description,
    tasks: specification.tasks,
    ...(execution !== undefined && { runtimes: execution.tasks }),
    places: { tasks: "workflow.specification.tasks", runtimes: "workflow.execution.tasks" },
  };
}

function readEarlier(document: unknown): Trace {
  const { name, description, workflow } = checked(earlier, document);
  const tasks = workflow.tasks.map((task) => ({ ...task, id: task.id ?? task.name }));
  // Of a task that stands there twice once: it is told as a task.
  const runtimes = new Map<string, TraceRuntime>();
  for (const { id, runtimeInSeconds, runtime } of tasks) {
    const seconds = runtimeInSeconds ?? runtime;
    if (seconds !== undefined) runtimes.set(id, { id, runtimeInSeconds: seconds });
  }
  return {
    name,
    description,
    tasks,
    ...(runtimes.size > 0 && { runtimes: [...runtimes.values()] }),
    places: { tasks: "workflow.tasks", runtimes: "workflow.tasks, as runtimeInSeconds" },
  };
}

function checked<T>(schema: v.GenericSchema<unknown, T>, document: unknown): T {
  const checked = v.safeParse(schema, document);
  if (checked.success) return checked.output;
  throw new PipelineError(checked.issues.map(tell), { source: WFFORMAT });
}

function tell(issue: v.BaseIssue<unknown>): Problem {
  const place = (issue.path ?? []).reduce((parent, item) => placeOf(parent, item.key as string | number), "");
  if (place === "schemaVersion") {
    return { place, message: `WfFormat 1.3, 1.4 and 1.5 are what can be read; received ${issue.received}` };
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
