/** What others see of tasks in processes that are kept: status, metrics, page, trace, and what becomes of one that was lost. */
import assert from "node:assert/strict";
import type { HttpRun } from "../../src/http/port.ts";
import { memoryJournal } from "../../src/journal/memory/memory.ts";
import { traceOf } from "../../src/model/trace.ts";
import type { Manifest, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import type { InspectedExecution } from "../../src/run/inspection.ts";
import { pageReport } from "../../src/serving/report.ts";
import { world } from "../http/rig.ts";
import { testWith } from "../system.ts";
import { fixture, only, see, start } from "./rig.ts";

const MODULE = new URL("../fixtures/python/tasks.py", import.meta.url).href;

/** How a function of a fixture runs in a process. */
interface Kind {
  readonly name: string;
  /** What the local end point calls it. */
  readonly shown: string;
  readonly programs: readonly string[];
  task(name: string): ManifestTask;
}

const KINDS: readonly Kind[] = [
  {
    ...{ name: "python", shown: "python", programs: ["python3"] },
    task: (name) => ({ run: { python: MODULE, function: name } }),
  },
  {
    ...{ name: "isolation", shown: "task", programs: [] },
    task: (name) => ({ run: { module: fixture("isolated"), export: name }, isolation: "process" }),
  },
];

/** A test of each kind. */
function each(name: string, fn: (kind: Kind) => Promise<void>): void {
  for (const kind of KINDS) testWith(kind.programs, `${kind.name}: ${name}`, () => fn(kind));
}

/** A pipeline of one function of the fixture. */
function one(kind: Kind, name: string, more: Omit<ManifestTask, "run"> = {}): Manifest {
  return { outrider: 1, name: "p", tasks: { [name]: { ...kind.task(name), ...more } } };
}

/** The end point on a run. */
function endPoint(execution: InspectedExecution): (path: string) => Promise<string> {
  const { run, store, events, journal } = execution;
  const seen: HttpRun = {
    ...{ run, store, events, journal, over: false, whenOver: new Promise(() => {}) },
    files: { list: () => [], open: () => Promise.reject(new Error("there is none")) },
    get plan() {
      return execution.plan;
    },
    snapshot: (limit) => execution.snapshot(limit),
    standings: (offset, limit) => execution.standings(offset, limit),
    resultJson: () => execution.resultJson(),
    cancel: (because) => execution.cancel(because),
  };
  const { ask } = world({ run: () => seen });
  return async (path) => await (await ask(path)).text();
}

/** A metric's value, as it is told. */
function valueOf(metrics: string, name: string): string | undefined {
  return metrics.split("\n").find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
}

each(
  "status, metrics and the page have a task that runs, and trace and report how it ended",
  async (kind) => {
    const going = start(one(kind, "waits"));
    await going.says("waiting");
    const ask = endPoint(going.execution);

    const { run } = JSON.parse(await ask("/status"));
    assert.equal(run.counts.running, 1);
    assert.deepEqual(run.running.map(({ task, attempt }: Record<string, unknown>) => [task, attempt]), [[
      "waits",
      1,
    ]]);
    const { worker } = run.running[0];
    assert.equal(JSON.parse(await ask("/pipeline")).tasks[0].kind, kind.shown);
    assert.equal(JSON.parse(await ask("/tasks")).tasks[0].standing, "dispatched");
    assert.equal(valueOf(await ask("/metrics"), 'outrider_tasks{standing="running"}'), "1");

    going.execution.cancel("enough");
    const { result } = await going.seen;
    assert.equal(only(result, "waits").worker, worker);
    assert.equal(valueOf(await ask("/metrics"), 'outrider_attempts_total{outcome="cancelled"}'), "1");
    const { traceEvents } = JSON.parse([...traceOf(going.execution.journal)].join(""));
    const [bar, ...others] = traceEvents.filter(({ ph }: { ph: string }) => ph === "X");
    assert.deepEqual([bar.name, bar.cat, bar.tid, others], ["waits", "cancelled", worker, []]);
    const report = [...pageReport(going.execution)].join("");
    assert.ok(report.includes(`"kind":"${kind.shown}"`));
    assert.match(report, /"text":"waiting"/);
  },
);

each("a task that must not run twice has crashed when it was lost, any other runs again", async (kind) => {
  for (const [onLost, outcomes] of [["fail", ["crashed"]], ["rerun", ["crashed", "succeeded"]]] as const) {
    const source = one(kind, "pid", { onLost });
    const [whole, journal] = [memoryJournal(), memoryJournal()];
    await see(source, { journal: whole });
    const states = whole.states(0, 100);
    const lostAt = states.findIndex(({ type }) => type === "attempt.dispatched");
    for (const { seq: _, at, ...event } of states.slice(0, lostAt + 1)) journal.append(event, at);
    const { tasks } = (await see(source, { journal })).result;
    assert.deepEqual(tasks["pid"]!.map(({ outcome }) => outcome), outcomes, onLost);
  }
});
