/**
 * Owns tasks of netUnicorn's execution graphs, as a pipeline has them.
 * Must not know how a graph is opened (pool/kinds/netunicorn.ts), nor read one.
 * Invariant: the graph in a plan is a `file:` URL, or a `data:` URL of the pickle that a gateway handed out.
 */
import * as v from "valibot";
import { show } from "../../model/problem.ts";
import { LIMITS, type ManifestGraphRun } from "../document/manifest.ts";
import { about, closed, maybe, type Schema } from "../document/shapes.ts";
import type { OwnKind, Whereabouts } from "./kind.ts";

/** A task of a graph as it stands in a plan. */
export interface GraphRun {
  /** The graph, pickled. */
  readonly netunicorn: string;
  readonly node: number;
  readonly isolation?: "fork" | "none";
}

const schema = closed({
  netunicorn: about(
    v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.graph)) as Schema<string>,
    "A graph as netUnicorn's client pickled it: a path relative to this file, an absolute path, or a file: URL.",
  ),
  node: about(
    v.pipe(v.number(), v.integer(), v.minValue(0)) as Schema<number>,
    "Which of the graph's nodes it is, from 0, in the graph's own order.",
  ),
  isolation: maybe(
    v.picklist(["fork", "none"]) as Schema<"fork" | "none">,
    "fork: a process for each task. none: faster; what a task leaves behind stays. Default: OUTRIDER_NETUNICORN_ISOLATION, else fork.",
  ),
});

/** Tasks of netUnicorn's graphs. */
export const netunicornKind: OwnKind<ManifestGraphRun, GraphRun> = {
  key: "netunicorn",
  name: "netunicorn",
  schema,
  place: "kept",
  problems({ netunicorn: written }, around) {
    if (typeof written !== "string" || written === "") return [];
    const url = urlOf(written, around);
    return url instanceof Error ? [{ place: "netunicorn", message: url.message }] : [];
  },
  resolve({ netunicorn: written, node, isolation }, around) {
    return {
      netunicorn: urlOf(written, around) as string,
      node,
      ...(isolation !== undefined && { isolation }),
    };
  },
  bundle: (run) => run,
  processKey: ({ netunicorn }) => netunicorn,
  shown: ({ node }) => ({ node }),
};

function urlOf(written: string, { resolve }: Whereabouts): string | Error {
  if (written.startsWith("data:")) return written;
  const url = resolve(written);
  return url instanceof Error ? new Error(`Can't use ${show(written)}: it is a path or a file: URL`) : url;
}
