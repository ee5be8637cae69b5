/**
 * Owns what a gateway is told of a pipeline's graph: it goes with the first record of the run, which the journal has without.
 * Must not know how it is sent, nor how it is drawn.
 * Invariant: what is kept stays as it is, and a graph too large for the way is left out: records count more.
 */
import { planJson } from "../http/run_routes.ts";
import { type Journal, journalBefore } from "../journal/journal.ts";
import type { StateRecord } from "../model/record.ts";
import type { Plan } from "../pipeline/plan/plan.ts";

/** Most tasks, and characters of JSON; in UTF-8 it goes into one message of a fleet's servers. */
const MAX_TASKS = 2_500;
const MAX_GRAPH = 256 * 1024;

/** The journal as it is told, with the graph of its pipeline. */
export function withGraph(journal: Journal, plan: Plan): Journal {
  const graph = plan.tasks.length > MAX_TASKS ? "" : planJson(plan);
  if (graph === "" || graph.length > MAX_GRAPH) return journal;
  const told = (record: StateRecord): StateRecord =>
    record.type === "run.started" ? { ...record, graph } : record;
  return journalBefore(journal, {
    states: (after, limit, options) => {
      const records = journal.states(after, limit, options);
      return records[0]?.type === "run.started" ? records.map(told) : records;
    },
  });
}
