/**
 * Owns how a pipeline says what there is only so much of, and what each task takes of it: schemas, words and names.
 * Must not know when a task gets what it takes (schedule/).
 * Invariant: what passes can be had: no task takes more of a resource than there is, nor of one that is not declared.
 */
import * as v from "valibot";
import { NameFinder } from "../../model/nearest.ts";
import { placeOf, type Problem, show } from "../../model/problem.ts";
import { declaredOf } from "./declared.ts";
import { isRecord, LIMITS, type ManifestResource, type ManifestUses } from "./manifest.ts";
import { nameProblem } from "./name.ts";
import { closed, maybe, name, record, type Schema } from "./shapes.ts";
import type { TaskList } from "./task_list.ts";

const amount = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.capacity)) as Schema<number>;

const resourceObject = closed({
  capacity: maybe(amount, "How much there is of it. Default 1."),
  scope: maybe(
    v.picklist(["run", "device"]) as Schema<"run" | "device">,
    "run (default): the tasks of a run share it. device: those of all executors of the device do.",
  ),
}) as Schema<ManifestResource>;
const resource: Schema<ManifestResource> = v.lazy((input) =>
  typeof input === "number" ? amount as Schema<ManifestResource> : resourceObject
);

const usesList = v.pipe(v.array(name), v.maxLength(LIMITS.resources)) as Schema<ManifestUses>;
const usesObject = v.pipe(record(amount), v.maxEntries(LIMITS.resources)) as Schema<ManifestUses>;

/** The schema of a task's `uses`. */
export const usesSchema: Schema<ManifestUses> = v.lazy((input) =>
  Array.isArray(input) ? usesList : usesObject
);

/** The schema of a pipeline's `resources`. */
export const resourcesSchema: Schema<Record<string, ManifestResource>> = v.pipe(
  record(resource),
  v.maxEntries(LIMITS.resources),
) as Schema<Record<string, ManifestResource>>;

/** Of these, the schemas that choose by the value's type. */
export const RESOURCE_CHOICES: ReadonlyMap<
  v.GenericSchema,
  { readonly name: string; readonly options: readonly v.GenericSchema[] }
> = new Map([
  [resource as v.GenericSchema, {
    name: "resource",
    options: [amount, resourceObject] as v.GenericSchema[],
  }],
  [usesSchema as v.GenericSchema, { name: "uses", options: [usesList, usesObject] as v.GenericSchema[] }],
]);

/** Says in other words than those for any document what is wrong with the shape of one of these. */
export function resourceWords(path: readonly (string | number)[], input: unknown): string | undefined {
  if (path[0] === "resources" && path.length === 2 && !isRecord(input) && typeof input !== "number") {
    return `Must be how much there is, such as 1, or an object such as {"capacity": 2, "scope": "device"}; received ${
      show(input)
    }`;
  }
  if (path.at(-1) !== "uses" || path.length !== 3 || Array.isArray(input) || isRecord(input)) {
    return undefined;
  }
  return `Must be a list of resources such as ["radio"], or how much of each such as {"uplink": 2}; received ${
    show(input)
  }`;
}

/** What a task takes, by names. */
export function namedUses(uses: ManifestUses): readonly (readonly [name: string, amount: number])[] {
  return Array.isArray(uses) ? uses.map((name: string) => [name, 1] as const) : Object.entries(uses);
}

/** What is wrong with the names of resources, however wrong the rest of a document is. */
export function resourceProblems(document: unknown, list: TaskList): Problem[] {
  const resources: unknown = isRecord(document) ? document["resources"] : undefined;
  const written = isRecord(resources) ? resources : {};
  const problems: Problem[] = [];
  for (const name in written) {
    const message = nameProblem(name);
    if (message !== undefined) problems.push({ place: placeOf("resources", name), message });
  }
  const finder = new NameFinder(Object.keys(written));
  for (let index = 0; index < list.tasks.length; index++) {
    const task = list.tasks[index];
    if (!isRecord(task) || task["uses"] === undefined) continue;
    const place = `${placeOf("tasks", list.names[index]!)}.uses`;
    if (task["run"] === undefined) {
      const message = "A sync point runs nothing that could use a resource: take it out, or say what it runs";
      problems.push({ place, message });
    }
    problems.push(...usesProblems(task["uses"], { place, written, finder }));
  }
  return problems;
}

function usesProblems(
  uses: unknown,
  { place, written, finder }: {
    readonly place: string;
    readonly written: Readonly<Record<string, unknown>>;
    readonly finder: NameFinder;
  },
): Problem[] {
  const taken: readonly (readonly [string | number, unknown, unknown])[] = Array.isArray(uses)
    ? uses.map((name: unknown, at) => [at, name, 1] as const)
    : isRecord(uses)
    ? Object.entries(uses).map(([name, amount]) => [name, name, amount] as const)
    : [];
  const seen = new Set<unknown>();
  return taken.flatMap(([key, name, amount]): Problem[] => {
    if (typeof name !== "string" || name === "") return [];
    const tell = (message: string) => [{ place: placeOf(place, key), message }];
    if (seen.has(name)) {
      return tell(`Duplicate: ${show(name)} is there already: to take more of it write {${show(name)}: 2}`);
    }
    seen.add(name);
    if (!Object.hasOwn(written, name)) {
      const fallback = `: declare it in the pipeline's resources, such as {${show(name)}: 1}`;
      return tell(`There is no resource ${show(name)}${finder.hint(name, fallback)}`);
    }
    const { capacity } = declaredOf(written[name]);
    // What is no number is wrong by itself.
    if (typeof capacity !== "number" || typeof amount !== "number" || amount <= capacity) return [];
    return tell(
      `Takes ${amount} of ${show(name)}, of which there are ${capacity}, and would never start: ` +
        "take less, or raise the capacity",
    );
  });
}
