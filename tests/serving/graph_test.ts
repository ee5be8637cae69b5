/** The graph of a pipeline goes with the first record that a gateway is told, and no further. */
import assert from "node:assert/strict";
import test from "node:test";
import { planJson } from "../../src/http/run_routes.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { toldOf } from "../../src/secrets/journal.ts";
import { Redactor } from "../../src/secrets/redactor.ts";
import { withGraph } from "../../src/serving/graph.ts";

const STARTED = { type: "run.started", run: "r", pipeline: "p", runtime: "x 1", plan: "" } as const;

function planOf(names: readonly string[]): Plan {
  const tasks = Object.fromEntries(names.map((name) => [name, {}]));
  return compile({ outrider: 1, name: "p", tasks }, "file:///x/");
}

function journalOf() {
  const journal = memoryJournal();
  journal.append(STARTED, 1);
  journal.append({ type: "run.ended", state: "succeeded" }, 2);
  return journal;
}

test("the first record is told with the graph, as the end point has it; the journal has it without", () => {
  const [journal, plan] = [journalOf(), planOf(["a", "b"])];
  const told = withGraph(journal, plan).states(0, 10);
  assert.deepEqual(told[0], { seq: 1, at: 1, ...STARTED, graph: planJson(plan) });
  assert.deepEqual(told[1], journal.states(1, 1)[0]);
  assert.deepEqual(withGraph(journal, plan).states(1, 10), journal.states(1, 10));
  assert.equal("graph" in journal.states(0, 1)[0]!, false);
});

test("what is secret is hidden in the graph too, which stays JSON", () => {
  const plan = planOf(["a", "the-secret-name"]);
  const told = toldOf(withGraph(journalOf(), plan), new Redactor(["the-secret-name"])).states(0, 1);
  const { graph } = told[0] as { readonly graph?: string };
  assert.equal(graph!.includes("the-secret-name"), false);
  assert.equal(JSON.parse(graph!).tasks.length, 2);
});

test("a graph too large for one message is left out, and the record stays", () => {
  const journal = journalOf();
  const most = 256 * 1024;
  const names = Array.from({ length: 2_000 }, (_, at) => `t${at}`);
  // Each name stands in the graph once.
  let room = most - planJson(planOf(names)).length;
  const full = names.map((name) => {
    const more = Math.min(room, 100);
    room -= more;
    return name + "x".repeat(more);
  });
  assert.equal(planJson(planOf(full)).length, most);
  const many = Array.from({ length: 2_500 }, (_, at) => `t${at}`);
  for (const fits of [full, many]) {
    assert.equal("graph" in withGraph(journal, planOf(fits)).states(0, 1)[0]!, true);
    assert.deepEqual(withGraph(journal, planOf([...fits, "more"])).states(0, 1), journal.states(0, 1));
  }
});
