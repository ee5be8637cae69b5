/**
 * Owns the check of a manifest's shape, and the words for what only a manifest can have wrong.
 * Must not know what names refer to (draft.ts), how a pipeline is read, nor the words for any document (issues.ts).
 * Invariant: every problem of the shape is told, each once, with its place.
 */
import { durationProblem } from "../../model/duration.ts";
import { isRecord, type Manifest } from "./manifest.ts";
import { type Issue, type IssueWords, type Key, shapeProblems } from "./issues.ts";
import { PlainTasks } from "./plain.ts";
import { resourceWords } from "./resources.ts";
import { manifestSchema, taskSchema } from "./schema.ts";
import { type TaskList, tasksOf } from "./task_list.ts";
import { KINDS } from "../kinds/list.ts";
import { placeOf, type Problem, show } from "../../model/problem.ts";

const taskKeys: object = (taskSchema as unknown as { readonly entries: object }).entries;
const DURATION_KEYS: ReadonlySet<Key> = new Set(["timeout", "idle", "delay", "maxDelay", "estimate"]);

/** A manifest that has passed the check, or what is wrong with it. */
export interface Checked {
  /** The document itself; there only if nothing is wrong. */
  readonly manifest?: Manifest;
  readonly problems: readonly Problem[];
}

/** Checks the shape. @param list The document's tasks. */
export function checkManifest(document: unknown, { names, tasks }: TaskList = tasksOf(document)): Checked {
  if (!isRecord(document)) {
    return {
      problems: [{ place: "", message: `A pipeline is an object with "tasks"; received ${show(document)}` }],
    };
  }
  const around = isRecord(document["tasks"]) ? { ...document, tasks: {} } : document;
  const problems = shapeProblems(manifestSchema, around, WORDS);
  const plain = new PlainTasks();
  // Task by task, so that what the check allocates is gone before the next one.
  for (let index = 0; index < tasks.length; index++) {
    if (plain.has(tasks[index])) continue;
    problems.push(...taskProblems(tasks[index], names[index]!));
  }
  return problems.length === 0 ? { manifest: document as unknown as Manifest, problems } : { problems };
}

function taskProblems(task: unknown, name: string): Problem[] {
  const problems = shapeProblems(taskSchema, task, WORDS, ["tasks", name]);
  if (!isRecord(task) || task["include"] === undefined) return problems;
  const message = `Can't include ${show(task["include"])}: this pipeline comes without its files. ` +
    "Make one document of them with outrider bundle FILE, and use that";
  return [...problems, { place: `${placeOf("tasks", name)}.include`, message }];
}

/** What may stand beside an include. */
const BESIDE_INCLUDE: readonly string[] = ["include", "needs", "join", "when", "params", "description"];

/** What is wrong with the shape of an include that is looked up. */
export function includeProblems(task: Readonly<Record<string, unknown>>, name: string): Problem[] {
  const others = Object.keys(task).filter((key) =>
    !BESIDE_INCLUDE.includes(key) && Object.hasOwn(taskKeys, key)
  );
  return [
    ...shapeProblems(taskSchema, task, WORDS, ["tasks", name]),
    ...others.map((key) => ({
      place: placeOf(placeOf("tasks", name), key),
      message: `Has no meaning beside "include": it is said of the tasks in ${show(task["include"])}`,
    })),
  ];
}

/** What is said of a manifest and of no other document. */
const WORDS: IssueWords = {
  schema: manifestSchema,
  message: (issue, path) => {
    const key = path.at(-1) ?? "";
    const { input } = issue;
    if (input === undefined && path.length > 0) return missing(key);
    if (path.length === 1 && key === "outrider") {
      return `Must be 1, the version of this form; received ${show(input)}`;
    }
    if (key === "jitter" && path.at(-2) === "schedule") {
      return durationProblem(input) ?? `Must be at most 24h; received ${show(input)}`;
    }
    if (DURATION_KEYS.has(key)) return durationProblem(input) ?? `Must be above 0; received ${show(input)}`;
    if (path.includes("when")) return conditionMessage(issue, path);
    if (path.at(-2) === "needs" && typeof input !== "string") return noNeed(issue);
    return resourceWords(path, input);
  },
};

/** What is said of a part of a condition. */
function conditionMessage({ input, type }: Issue, path: readonly Key[]): string | undefined {
  const [before, key = ""] = path.slice(-2);
  if (key === "eq" || key === "ne" || before === "in") {
    return `Must be a text, a number, true, false or null; received ${show(input)}`;
  }
  const isCondition = key === "when" || key === "not" || before === "all" || before === "any";
  if (!isCondition || type === "min_length" || type === "max_length") return undefined;
  return `Must be a condition such as {"task": "probe", "path": "/loss", "gt": 0.1}; received ${show(input)}`;
}

function noNeed({ input }: Issue): string {
  return `Must be a task's name or an object such as {"task": "a", "on": "failure"}; received ${show(input)}`;
}

function missing(key: Key): string | undefined {
  switch (key) {
    case "outrider":
      return 'Missing: a pipeline in JSON starts with {"outrider": 1, "name": …';
    case "tasks":
      return 'Missing: a pipeline has tasks, such as {"cpu": {"run": {"module": "./tasks.ts", "export": "cpu"}}}';
    case "cron":
      return 'Missing: say when it is due, such as "0 * * * *" for every hour';
    case "times":
      return "Missing: say how many more times the loop may run";
    case "module":
      return `Missing: say which file holds the function, such as "./tasks.ts", or which ${otherKinds()} to run`;
    default:
      return undefined;
  }
}

/** The keys of those kinds that would have been known by theirs. */
function otherKinds(): string {
  const keys = KINDS.slice(0, -1).map(({ key }) => JSON.stringify(key));
  return keys.join(", ").replace(/, (?=[^,]*$)/, " or ");
}
