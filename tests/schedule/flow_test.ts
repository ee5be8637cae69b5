/** Plans whose edges decide what runs, by netUnicorn's graphs, and by chance. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { type Graph, importGraph, readGraph } from "../../src/pipeline/import/netunicorn.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { Plan } from "../../src/pipeline/plan/plan.ts";
import { isFailure, type Outcome } from "../../src/model/outcome.ts";
import { type Command, type Replayed, Standing } from "../../src/schedule/command.ts";
import { replay } from "../../src/schedule/replay.ts";
import type { Scheduler } from "../../src/schedule/schedule.ts";
import { schedulerOf } from "../../src/schedule/scheduler.ts";
import { EITHER, type Ends, OTHERWISE } from "../fixtures/netunicorn/otherwise.ts";
import { type Dice, dice } from "./dice.ts";

interface Case {
  readonly graph: unknown;
  readonly own: Ends;
}

const CASES: Readonly<Record<string, Case>> = JSON.parse(
  readFileSync(new URL("../fixtures/netunicorn/graphs.json", import.meta.url), "utf8"),
);

const MODULE = { module: "./tasks.ts" };

/** The plan of a graph whose tasks are functions. */
function planOf(graph: Graph, asEdges = false): Plan {
  const { tasks, ...rest } = importGraph(graph, (node) => ({ netunicorn: "g", node }));
  const runs = Object.entries(tasks).map(([name, { run, needs, join, ...task }]) => [
    name,
    {
      ...task,
      ...(run && { run: MODULE }),
      ...(!asEdges && { ...(needs && { needs }), ...(join && { join }) }),
    },
  ]);
  const edges = asEdges
    ? graph.edges.map(({ from, to, on, weak, times }) => ({
      from: Object.keys(tasks)[from],
      to: Object.keys(tasks)[to],
      ...(on && { on }),
      weak,
      ...(times && { times }),
    }))
    : rest.edges;
  return compile({ ...rest, tasks: Object.fromEntries(runs), ...(edges && { edges }) }, "file:///p.json");
}

type Ran = Exclude<Outcome, "skipped">;
type EndOf = (name: string, before: number) => Ran;

interface Ended {
  readonly state: string;
  /** By task: `+` or `-` for each time that it ran. */
  readonly marks: Readonly<Record<string, string>>;
  readonly journal: readonly Replayed[];
  readonly outcomes: readonly (Outcome | undefined)[];
}

/** A run in which attempts end in an order by chance. */
class Running {
  readonly #plan: Plan;
  readonly #schedule: Scheduler;
  readonly #running: Set<number> = new Set();
  readonly #delayed: Set<number> = new Set();
  readonly marks: Record<string, string> = {};
  readonly journal: Replayed[] = [];
  state: string | undefined;
  /** Called before each step. */
  watch: () => void = () => {};

  constructor(plan: Plan, schedule: Scheduler = schedulerOf(plan)) {
    this.#plan = plan;
    this.#schedule = schedule;
  }

  run(roll: Dice, endOf: EndOf): Ended {
    this.#obey(this.#schedule.start());
    for (let step = 0; this.state === undefined; step++) {
      assert.ok(step < 10_000, "it never ends");
      this.#take();
      this.watch();
      const ways = [...this.#running, ...this.#delayed];
      assert.ok(ways.length > 0, "it has not ended, and there is nothing to do");
      this.#end(ways[roll(ways.length)]!, endOf);
    }
    assert.equal(this.#running.size, 0);
    const outcomes = this.#plan.tasks.map(({ index }) => this.#schedule.outcome(index));
    return { state: this.state, marks: this.marks, journal: this.journal, outcomes };
  }

  #take(): void {
    const taken = [
      ...this.#schedule.release(0, { max: this.#schedule.readyCount, ready: 100 }),
      ...Array.from({ length: 100 }, () => this.#schedule.takeAlone(0) ?? []).flat(),
    ];
    for (const { task, iteration, attempt } of taken) {
      assert.ok(!this.#running.has(task), "at it twice");
      this.#running.add(task);
      this.journal.push({ task, iteration, attempt });
    }
  }

  #end(task: number, endOf: EndOf): void {
    if (this.#delayed.delete(task)) return this.#obey(this.#schedule.due(task));
    this.#running.delete(task);
    const { name } = this.#plan.tasks[task]!;
    const outcome = endOf(name, this.marks[name]?.length ?? 0);
    this.marks[name] = (this.marks[name] ?? "") + (isFailure(outcome) ? "-" : "+");
    this.journal.push({
      ...{ task, iteration: this.#schedule.iteration(task), attempt: this.#schedule.attempt(task) },
      outcome,
    });
    this.#obey(this.#schedule.settle(task, outcome));
  }

  #obey(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.type === "end") this.state = command.state;
      if (command.type === "delay") this.#delayed.add(command.task);
      if (command.type !== "record") continue;
      const { task, iteration, attempt, outcome } = command;
      this.journal.push({ task, iteration, attempt, outcome });
    }
  }
}

function endOf(graph: Graph): EndOf {
  const types = new Map(graph.nodes.map(({ name, type }) => [name, type]));
  return (name, before) => {
    const type = types.get(name);
    return type === "Bad" || (type === "BadTwice" && before < 3) ? "failed" : "succeeded";
  };
}

const sorted = (marks: Readonly<Record<string, string>>) => Object.fromEntries(Object.entries(marks).sort());

for (const [name, { graph: told, own }] of Object.entries(CASES)) {
  test(`flow: netUnicorn's graph ${name} runs as its own executor runs it, in whatever order tasks end`, () => {
    const graph = readGraph(told);
    const plan = planOf(graph);
    for (let seed = 0; seed < 30; seed++) {
      const { state, marks } = new Running(plan).run(dice(seed), endOf(graph));
      const { ok, tasks } = OTHERWISE[name] ?? own;
      assert.equal(state, ok ? "succeeded" : "failed");
      const either = EITHER[name];
      if (either !== undefined) assert.match(marks[either.task] ?? "", either.marks);
      const known = either !== undefined && either.task in marks ? { [either.task]: marks[either.task] } : {};
      assert.deepEqual(sorted(marks), { ...tasks, ...known });
    }
  });
}

test("flow: a graph is written with needs where they say the same, else with its edges", () => {
  const written = Object.entries(CASES).filter(([, { graph }]) =>
    planOf(readGraph(graph)).edges !== undefined
  );
  assert.deepEqual(written.map(([name]) => name), [
    "loop5",
    "cycle3",
    "cycle4-parallel-even",
    "cycle4-parallel-uneven",
    "latency-watch",
    "retry-edge",
    "weak-forward",
  ]);
});

/** A graph by chance whose edges lead from lower to higher nodes. */
function graphBy(roll: Dice): Graph {
  const size = 2 + roll(6);
  const nodes = Array.from({ length: size }, (_, at) => ({ task: at > 0 && roll(5) > 0, name: `n${at}` }));
  const ons = ["success", "failure", "any", undefined, undefined] as const;
  const edges = nodes.flatMap((_, to) =>
    to === 0 ? [] : [...new Set([roll(to), roll(to), roll(to)])].map((from) => {
      const on = nodes[from]!.task ? ons[roll(ons.length)] : undefined;
      return { from, to, weak: false, ...(on && { on }) };
    })
  );
  return { name: "g", earlyStopping: roll(2) === 0, report: true, nodes, edges };
}

test("flow: where needs say the same as edges, both lead to the same runs", () => {
  let compared = 0;
  for (let seed = 0; seed < 1_500; seed++) {
    const graph = graphBy(dice(seed));
    const needs = planOf(graph);
    if (needs.edges !== undefined) continue;
    compared++;
    const fails = dice(seed * 7 + 1)(256);
    const end: EndOf = (name) => (fails >> Number(name.slice(1)) & 1 ? "failed" : "succeeded");
    const one = new Running(needs).run(dice(seed), end),
      other = new Running(planOf(graph, true)).run(dice(seed), end);
    const stopped = graph.earlyStopping && one.state === "failed";
    // What starts before a stop depends on which ends first.
    if (stopped && one.marks !== other.marks) continue;
    assert.deepEqual(
      [one.state, sorted(one.marks)],
      [other.state, sorted(other.marks)],
      JSON.stringify(graph),
    );
  }
  assert.ok(compared > 250, `${compared}`);
});

test("flow: a run goes on from any beginning of its journal to the same end", () => {
  for (const [name, { graph: told }] of Object.entries(CASES)) {
    const graph = readGraph(told);
    const plan = planOf(graph, true);
    for (let seed = 0; seed < 3; seed++) {
      const whole = new Running(plan).run(dice(seed), endOf(graph));
      for (let length = 0; length <= whole.journal.length; length++) {
        const { schedule, inFlight } = replay(plan, whole.journal.slice(0, length));
        assert.ok(inFlight.every((task) => schedule.standing(task) === Standing.dispatched));
        let end: string | undefined;
        for (const record of whole.journal.slice(length)) {
          if ("stopped" in record || plan.tasks[record.task]!.run === undefined) continue;
          const { task, outcome } = record;
          if (outcome === undefined) schedule.redispatch(task, 1);
          else if (outcome !== "skipped") end = endIn(schedule.settle(task, outcome)) ?? end;
        }
        assert.ok(schedule.ended && (end === undefined || end === whole.state), `${name} ${seed} ${length}`);
        const outcomes = plan.tasks.map(({ index }) => schedule.outcome(index));
        assert.deepEqual(outcomes, whole.outcomes, `${name} ${seed} ${length}`);
      }
    }
  }
});

function endIn(commands: readonly Command[]): string | undefined {
  return commands.flatMap((command) => command.type === "end" ? [command.state] : [])[0];
}

const edged = (more: object, tasks: object = { a: { run: MODULE }, b: { run: MODULE } }) =>
  compile({ outrider: 1, name: "p", tasks, ...more }, "file:///p.json");

test("flow: a stop leaves what runs to end, skips the rest, and the run is cancelled", () => {
  const plan = edged({ edges: [{ from: "a", to: "b" }, { from: "b", to: "a", weak: true, times: 3 }] });
  const schedule = schedulerOf(plan);
  assert.deepEqual(schedule.start(), []);
  assert.equal(schedule.release(1, { max: 5, ready: 5 }).length, 1);
  assert.deepEqual(schedule.stop("enough"), [{ type: "revoke", because: "enough" }]);
  const commands = schedule.settle(0, "succeeded");
  assert.deepEqual(commands.map((command) => command.type === "record" ? command.because : command.type), [
    "enough",
    "end",
  ]);
  assert.deepEqual(commands.at(-1), { type: "end", state: "cancelled" });
  assert.equal(schedule.outcome(1), "skipped");
});

test("flow: tries, delays and what is given back count as everywhere", () => {
  const tasks = { a: { run: MODULE, retry: { attempts: 2 } }, b: { run: MODULE, allowFailure: true } };
  const schedule = schedulerOf(edged({ edges: [{ from: "a", to: "b" }] }, tasks));
  schedule.start();
  const take = () => schedule.release(1, { max: 1, ready: 1 })[0];
  assert.equal(take()?.attempt, 1);
  schedule.giveBack(0);
  assert.equal(take()?.attempt, 1);
  assert.deepEqual(schedule.settle(0, "failed").map(({ type }) => type), ["delay"]);
  assert.equal(take(), undefined);
  schedule.due(0);
  assert.equal(take()?.attempt, 2);
  schedule.rerun(0);
  assert.equal(take()?.attempt, 3);
  schedule.settle(0, "succeeded");
  assert.equal(take()?.task, 1);
  assert.deepEqual(schedule.settle(1, "failed"), [{ type: "end", state: "succeeded" }]);
});

test("flow: what is wrong with edges is told, each with its place", () => {
  const run = { run: MODULE };
  const problems = (more: object, tasks: object = { a: run, b: run }) => {
    try {
      edged(more, tasks);
      return [];
    } catch (error) {
      return (error as { problems: { place: string; message: string }[] }).problems.map((
        { place, message },
      ) => `${place}: ${message}`);
    }
  };
  assert.deepEqual(problems({ edges: [{ from: "a", to: "b" }, { from: "a", to: "b", weak: true }] }), [
    'edges[1]: Duplicate: edges[0] has the same "from" and "to": remove one',
  ]);
  assert.match(
    problems({ edges: [{ from: "a", to: "b" }, { from: "b", to: "a" }] })[0]!,
    /^edges\[\d\]: Cycle: .* weak$/,
  );
  assert.match(problems({ edges: [{ from: "a", to: "c" }] })[0]!, /^edges\[0\]\.to: There is no task "c"/);
  const beside = problems({ edges: [], loops: [] }, {
    a: { ...run, needs: ["b"] },
    b: { ...run, join: "any" },
  });
  assert.deepEqual(beside.map((problem) => problem.split(":")[0]), [
    "loops",
    "tasks.a.needs",
    "tasks.b.join",
  ]);
  assert.match(
    problems({ edges: [{ from: "s", to: "t" }, { from: "t", to: "s", weak: true }] }, {
      s: {},
      t: {},
      a: run,
    })[0]!,
    /^edges\[\d\]: "s" -> "t" go round for ever|^edges\[\d\]: "t" -> "s" go round for ever/,
  );
  assert.deepEqual(
    problems({ edges: [{ from: "s", to: "s", weak: true, times: 5 }] }, { s: {}, a: run }),
    [],
  );
});
