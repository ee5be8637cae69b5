/**
 * Owns reading what an executor told of a pipeline's graph, and what stands in its place where it told none.
 * Must not know how it came, nor how it is drawn.
 * Invariant: whatever was told, what comes out can be drawn: every need is a task, and comes before the one that has it.
 */
import type { StateRecord } from "../../model/record.ts";
import type { PagePipeline, PageTask } from "../data.ts";

const ON = ["success", "failure", "any"];

type Told = Readonly<Record<string, unknown>>;

/** The graph in a JSON text; nothing if it is none. */
export function graphTold(text: string): PagePipeline | undefined {
  try {
    const told = JSON.parse(text) as PagePipeline;
    return isGraph(told) ? told : undefined;
  } catch {
    return undefined;
  }
}

function isGraph({ name, onFailure, tasks, loops, edges = [] }: PagePipeline): boolean {
  const before = new Set<string>();
  for (const task of tasks) {
    if (!isTask(task, before)) return false;
    before.add(task.name);
  }
  const areTasks = (...names: readonly string[]) => names.every((each) => before.has(each));
  return typeof name === "string" && (onFailure === "stop" || onFailure === "continue") &&
    before.size === tasks.length &&
    loops.every(({ from, to, body }) => areTasks(from, to, ...body)) &&
    edges.every(({ from, to }) => areTasks(from, to));
}

function isTask({ name, kind, needs, join, attempts, when, uses }: PageTask, before: Set<string>): boolean {
  return typeof name === "string" && typeof kind === "string" && typeof attempts === "number" &&
    (join === "all" || join === "any") && (when === undefined || typeof when === "string") &&
    (uses === undefined || uses.every(({ resource }) => typeof resource === "string")) &&
    needs.every(({ task, on }) => before.has(task) && ON.includes(on));
}

/** A pipeline of which only the tasks are known, by the records that name them. */
export function tasksAlone(name: string, tasks: Iterable<string>): PagePipeline {
  const each = (task: string): PageTask => ({
    name: task,
    kind: "task",
    needs: [],
    join: "all",
    attempts: 1,
    allowFailure: false,
  });
  return { name, onFailure: "continue", tasks: Array.from(tasks, each), loops: [] };
}

/** Whether a record is of a type that the page knows, and has what it reads of it: the gateway takes any other too. */
export function isReadable(record: unknown): record is StateRecord {
  const { type, seq, at, ...told } = record as Told;
  if (typeof seq !== "number" || typeof at !== "number" || typeof type !== "string") return false;
  const fields = Object.hasOwn(FIELDS, type) ? FIELDS[type]! : {};
  return Object.entries(fields).every(([name, kind]) =>
    kind === "text" ? typeof told[name] === "string" : Number.isFinite(told[name])
  );
}

const ATTEMPT = { task: "text", iteration: "number", attempt: "number" } as const;
/** What the page reads of records that the gateway has not checked, and of those that it has. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, "text" | "number">>>> = {
  "attempt.dispatched": { ...ATTEMPT, worker: "number" },
  "attempt.planned": { ...ATTEMPT, dueAt: "number" },
  "attempt.settled": { ...ATTEMPT, outcome: "text" },
  "store.changed": { key: "text", version: "number" },
  "event.emitted": { id: "number", event: "text" },
  "run.stopping": { because: "text", state: "text" },
};
