/**
 * Owns loops: which tasks each one holds, and whether they are closed and nested.
 * Must not know what runs in them.
 * Invariant: of the loops returned, any two are disjoint or one holds the other, and an inner one comes first.
 */
import type { Draft, DraftLoop, LoopBody } from "../builder/draft.ts";
import { endlessWaits } from "./loop_waits.ts";
import type { Problem } from "../../model/problem.ts";

/** Tasks in all loops together, counted once for each loop that holds them. */
const MAX_LOOPED_TASKS = 10_000_000;

/** Finds what each loop holds. @param sequence The order of the draft's tasks. */
export function readLoops(
  draft: Draft,
  sequence: readonly number[],
): { loops: LoopBody[]; problems: Problem[] } {
  const problems: Problem[] = [];
  if (draft.loops.length === 0) return { loops: [], problems };
  const graph = new Graph(draft, sequence);
  const seen = new Map<string, number>();
  const found: LoopBody[] = [];
  let total = 0;
  for (const loop of draft.loops) {
    const place = `loops[${loop.at}]`;
    const key = `${loop.from} ${loop.to}`;
    const twin = seen.get(key);
    if (twin !== undefined) {
      problems.push({ place, message: `Duplicate: loops[${twin}] has the same "from" and "to": remove one` });
      continue;
    }
    seen.set(key, loop.at);
    const body = graph.between(loop.to, loop.from);
    total += body.length;
    if (total > MAX_LOOPED_TASKS) {
      problems.push({
        place,
        message: `The loops hold more than ${MAX_LOOPED_TASKS} tasks together: use fewer`,
      });
      break;
    }
    if (body.length === 0) problems.push({ place, message: notClosed(draft, loop, graph) });
    else found.push({ loop, body });
  }
  found.sort((a, b) => a.body.length - b.body.length || a.loop.at - b.loop.at);
  const overlapping = overlaps(draft, found);
  problems.push(...overlapping);
  if (overlapping.length === 0) problems.push(...endlessWaits(draft, found));
  return { loops: found, problems };
}

function notClosed(draft: Draft, { from, to }: DraftLoop, graph: Graph): string {
  const [first, last] = [JSON.stringify(draft.names[to]), JSON.stringify(draft.names[from])];
  const swapped = graph.between(from, to).length > 0;
  return `The loop is not closed by a path: no chain of needs leads from ${first} to ${last}` +
    (swapped ? `, but one leads back: swap "from" and "to"` : `: add the needs, or choose another "to"`);
}

/** Two loops that meet must be one inside the other. @param loops Smaller ones first. */
function overlaps(draft: Draft, loops: readonly LoopBody[]): Problem[] {
  const problems: Problem[] = [];
  /** For each task the largest loop so far that holds it, plus one. */
  const outermost = new Int32Array(draft.names.length);
  loops.forEach(({ loop, body }, index) => {
    const shared = new Map<number, number>();
    for (const task of body) {
      const inner = outermost[task]!;
      if (inner > 0) shared.set(inner - 1, (shared.get(inner - 1) ?? 0) + 1);
      outermost[task] = index + 1;
    }
    for (const [inner, count] of shared) {
      const other = loops[inner]!;
      if (count === other.body.length) continue;
      const held = new Set(body);
      const outside = other.body.find((task) => !held.has(task))!;
      const common = other.body.find((task) => held.has(task))!;
      problems.push({
        place: `loops[${loop.at}]`,
        message:
          `Overlaps loops[${other.loop.at}]: both hold ${
            JSON.stringify(draft.names[common])
          }, but only the other ` +
          `holds ${JSON.stringify(draft.names[outside])}: put one wholly inside the other, or apart`,
      });
    }
  });
  return problems;
}

/** Edges both ways, and for each task its place and depth, which bound a search. */
class Graph {
  readonly #before: readonly (readonly { readonly task: number }[])[];
  readonly #after: number[][];
  readonly #place: Int32Array;
  readonly #depth: Int32Array;

  constructor(draft: Draft, sequence: readonly number[]) {
    const size = draft.names.length;
    this.#before = draft.needs;
    this.#after = Array.from({ length: size }, () => []);
    this.#place = new Int32Array(size);
    this.#depth = new Int32Array(size);
    sequence.forEach((task, place) => this.#place[task] = place);
    for (const task of sequence) {
      for (const need of draft.needs[task]!) {
        this.#after[need.task]!.push(task);
        this.#depth[task] = Math.max(this.#depth[task]!, this.#depth[need.task]! + 1);
      }
    }
  }

  /** The tasks on all paths from one task to another, both included; none if there is no path. */
  between(first: number, last: number): number[] {
    if (first === last) return [first];
    const inside = (task: number) =>
      this.#place[task]! >= this.#place[first]! && this.#place[task]! <= this.#place[last]! &&
      this.#depth[task]! >= this.#depth[first]! && this.#depth[task]! <= this.#depth[last]!;
    if (!inside(first) || !inside(last)) return [];
    const reached = walk(first, inside, (task) => this.#after[task]!);
    if (!reached.has(last)) return [];
    const leading = walk(
      last,
      (task) => reached.has(task),
      (task) => this.#before[task]!.map((need) => need.task),
    );
    return [...leading];
  }
}

function walk(
  start: number,
  inside: (task: number) => boolean,
  next: (task: number) => readonly number[],
): Set<number> {
  const seen = new Set([start]);
  for (const task of seen) {
    for (const other of next(task)) if (inside(other)) seen.add(other);
  }
  return seen;
}
