/**
 * Owns the import of netUnicorn's execution graphs: what Python has told of one, as a pipeline.
 * Must not know how a graph is read (pool/kinds/), nor how one runs.
 * Invariant: the pipeline runs as the graph would. Needs are written where they say the same as the graph's edges; where
 * they do not (edges that lead back, that are counted, or that come from what may not have run), the edges are.
 */
import * as v from "valibot";
import { type On, ONS } from "../../model/outcome.ts";
import { PipelineError } from "../../model/problem.ts";
import {
  isRecord,
  type Manifest,
  type ManifestEdge,
  type ManifestGraphRun,
  type ManifestNeed,
  type ManifestTask,
} from "../document/manifest.ts";
import { nameProblem } from "../document/name.ts";
import { order } from "../plan/order.ts";

/** A graph, as Python tells of it. */
export interface Graph {
  readonly name: string;
  readonly earlyStopping: boolean;
  readonly report: boolean;
  /** Tasks, and what only joins them. Names are good ones, and none is there twice. */
  readonly nodes: readonly {
    readonly task: boolean;
    readonly name: string;
    readonly type?: string | undefined;
  }[];
  readonly edges: readonly Edge[];
}

/** An edge, by places among the nodes. */
interface Edge {
  readonly from: number;
  readonly to: number;
  readonly weak: boolean;
  readonly times?: number | undefined;
  readonly on?: On | undefined;
}

const index = v.pipe(v.number(), v.integer(), v.minValue(0));

const graphSchema: v.GenericSchema<unknown, Graph> = v.object({
  name: v.string(),
  earlyStopping: v.boolean(),
  report: v.boolean(),
  nodes: v.array(v.object({ task: v.boolean(), name: v.string(), type: v.optional(v.string()) })),
  edges: v.array(
    v.object({
      from: index,
      to: index,
      weak: v.boolean(),
      times: v.optional(v.pipe(v.number(), v.integer())),
      on: v.optional(v.picklist(ONS)),
    }),
  ),
}) as v.GenericSchema<unknown, Graph>;

/** A graph as a gateway handed it out, in JSON. */
interface HandedGraph {
  /** Version of this form. */
  readonly outriderGraph: 1;
  /** Base64 of the pickle. */
  readonly pickle: string;
}

/** Whether a document is a graph that was handed out. */
export function isHandedGraph(document: unknown): document is HandedGraph {
  return isRecord(document) && document["outriderGraph"] === 1 && typeof document["pickle"] === "string";
}

/** The URL of a graph that was handed out: it lies in no file. */
export function urlOfGraph({ pickle }: HandedGraph): string {
  return `data:application/octet-stream;base64,${pickle}`;
}

/** What was told of a graph. @throws {PipelineError} If it is none. */
export function readGraph(told: unknown): Graph {
  const { success, output } = v.safeParse(graphSchema, told);
  const known = success && output.edges.every(({ from, to }) => Math.max(from, to) < output.nodes.length);
  if (known) return output;
  throw new PipelineError([{ place: "", message: "What Python has told of the graph makes no sense" }]);
}

/** A graph as a pipeline. @param run What each of its tasks runs, by its place among the nodes. */
export function importGraph(graph: Graph, run: (node: number) => ManifestGraphRun): Manifest {
  const names = graph.nodes.map(({ name }) => name);
  const written = new Writer(graph, names);
  const needs = written.needs();
  const tasks = graph.nodes.map((node, at): [string, ManifestTask] => [names[at]!, {
    ...(node.type === undefined ? {} : { description: node.type }),
    ...(node.task ? { run: run(at) } : {}),
    ...needs?.[at],
  }]);
  return {
    outrider: 1,
    name: nameProblem(graph.name) === undefined ? graph.name : "graph",
    onFailure: graph.earlyStopping ? "stop" : "continue",
    ...(graph.report ? {} : { report: false }),
    tasks: Object.fromEntries(tasks),
    ...(needs === undefined ? { edges: written.edges() } : {}),
  };
}

class Writer {
  readonly #graph: Graph;
  readonly #names: readonly string[];
  readonly #into: readonly Edge[][];
  readonly #out: readonly Edge[][];

  constructor(graph: Graph, names: readonly string[]) {
    this.#graph = graph;
    this.#names = names;
    this.#into = graph.nodes.map(() => []);
    this.#out = graph.nodes.map(() => []);
    for (const edge of graph.edges) {
      this.#into[edge.to]!.push(edge);
      this.#out[edge.from]!.push(edge);
    }
  }

  edges(): ManifestEdge[] {
    const plain = this.#graph.earlyStopping ? "success" : "any";
    return this.#graph.edges.map((edge) => {
      const on = this.#on(edge);
      return {
        from: this.#names[edge.from]!,
        to: this.#names[edge.to]!,
        ...(on === plain ? {} : { on }),
        ...(edge.weak ? { weak: true } : {}),
        ...(edge.times === undefined ? {} : { times: edge.times }),
      };
    });
  }

  /** By node what it needs; `undefined` if needs can't say the same as the edges. */
  needs(): Pick<ManifestTask, "needs" | "join">[] | undefined {
    const { edges } = this.#graph;
    if (edges.some(({ weak, times }) => weak || times !== undefined)) return undefined;
    const before = this.#into.map((into) => into.map(({ from }) => ({ task: from })));
    const { sequence, cycles } = order(before);
    if (cycles.length > 0) return undefined;
    const sure: boolean[] = [];
    const needs: Pick<ManifestTask, "needs" | "join">[] = [];
    for (const node of sequence) {
      const written = this.#needsOf(node, sure);
      if (written === undefined) return undefined;
      needs[node] = written;
      const into = this.#into[node]!;
      sure[node] = into.every(({ from }) => sure[from]) &&
        (into.length === 0 || into.some((edge) => this.#leads(edge)));
    }
    return needs;
  }

  /**
   * A node runs if each one before it has run and one edge was followed.
   *
   * @param sure By node: whether it runs in every run that nothing stops.
   */
  #needsOf(node: number, sure: readonly boolean[]): Pick<ManifestTask, "needs" | "join"> | undefined {
    const into = this.#into[node]!;
    if (into.length === 0) return {};
    const needs = into.map((edge) => this.#need(edge));
    const all = into.every((edge) => this.#leads(edge));
    if (into.every(({ from }) => sure[from])) {
      return all || needs.length === 1 ? { needs } : { needs, join: "any" };
    }
    // Of one that may have been skipped: on any outcome would be satisfied by that.
    const exact = (all || needs.length === 1) &&
      into.every((edge) => sure[edge.from] || this.#on(edge) !== "any");
    return exact ? { needs } : undefined;
  }

  #need(edge: Edge): string | ManifestNeed {
    const on = this.#on(edge);
    const task = this.#names[edge.from]!;
    return on === (this.#graph.earlyStopping ? "success" : "any") ? task : { task, on };
  }

  /** Whether an edge is followed whenever its task has run, and nothing has stopped the run. */
  #leads(edge: Edge): boolean {
    const on = this.#on(edge);
    if (on === "any" || !this.#graph.nodes[edge.from]!.task) return true;
    const stops = this.#graph.earlyStopping &&
      this.#out[edge.from]!.every((each) => this.#on(each) === "success");
    return on === "success" && stops;
  }

  /** On which outcome an edge is followed. A sync point has but one. */
  #on({ from, on }: Edge): On {
    if (!this.#graph.nodes[from]!.task) return "success";
    return on ?? (this.#graph.earlyStopping ? "success" : "any");
  }
}
