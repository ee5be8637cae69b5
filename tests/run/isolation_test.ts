/** Functions in processes: what they are given, that their end is not the run's, and what they can't do to others. */
import assert from "node:assert/strict";
import { execSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";
import test from "node:test";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import { compile } from "../../src/pipeline/plan/compile.ts";
import type { PipelineError } from "../../src/model/problem.ts";
import type { RunResult } from "../../src/model/result.ts";
import { runCli, startCli, withFiles } from "../rig.ts";
import type { RunOptions } from "../../src/run/execution.ts";
import {
  fixture,
  type FixtureTask,
  HeldTimers,
  HOUR_MS,
  manifest,
  only,
  outcomes,
  printed,
  RUNTIME,
  see,
  type Seen,
  start,
} from "./rig.ts";
import type { Manifest, ManifestTask } from "../../src/pipeline/document/manifest.ts";

type Isolated = Omit<FixtureTask, "isolation">;

function isolated(tasks: Readonly<Record<string, Isolated>>): Manifest {
  const all = Object.entries(tasks).map(([name, task]) => [name, { isolation: "process", ...task }] as const);
  return manifest("isolated", Object.fromEntries(all), { onFailure: "continue" });
}

/** One after the other, and so on one process, as long as that lives. */
function inTurn(tasks: readonly (readonly [name: string, task: Isolated])[]): Manifest {
  return isolated(Object.fromEntries(tasks.map(([name, task], at) => [name, {
    ...(at === 0 ? {} : { needs: [{ task: tasks[at - 1]![0], on: "any" as const }] }),
    ...task,
  }])));
}

async function runOne(name: string, task: Isolated = {}, options: RunOptions = {}) {
  const seen = await see(isolated({ t: { export: name, ...task } }), options);
  return { seen, attempt: only(seen.result, "t"), lines: printed(seen, "t") };
}

function valueOf(seen: Seen, task: string): unknown {
  return only(seen.result, task).value;
}

/** How many processes have this text in their environment. */
function processesWith(text: string): number {
  return Number(
    execSync(`grep -ls '${text}' /proc/[0-9]*/environ 2>/dev/null | wc -l`, { encoding: "utf8" }),
  );
}

test("isolation: a function gets and gives all that it does on a worker, in a process that stays warm", async () => {
  const seen = await see(inTurn([
    ["first", { export: "value" }],
    ["given", { params: { deep: [1, null] }, needs: [{ task: "first", as: "before" }] }],
    ["one", { export: "pid" }],
    ["two", { export: "pid" }],
    ["three", { export: "pid", fresh: true }],
  ]));
  const made = { raw: new Uint8Array([0, 255]), text: "ä😀" };
  assert.deepEqual(valueOf(seen, "first"), made);
  assert.deepEqual(valueOf(seen, "given"), {
    inputs: { before: made },
    params: { deep: [1, null] },
    run: seen.result.run,
    who: ["given", 0, 1],
    seen: { at: "given" },
    none: true,
    count: 2,
    detail: new Uint8Array([7]),
    task: "given",
    before: ["succeeded"],
  });
  assert.equal(valueOf(seen, "one"), valueOf(seen, "two"));
  assert.notEqual(valueOf(seen, "one"), process.pid);
  assert.notEqual(valueOf(seen, "two"), valueOf(seen, "three"), "a fresh one has run nothing before");
});

test("isolation: errors, values that can't be sent and refusals are told as on a worker", async () => {
  const seen = await see(
    inTurn([["fails", {}], ["unsendable", {}], ["refused", {}], ["uncaught", {}], ["pid", {}]]),
  );
  const { error } = only(seen.result, "fails");
  assert.deepEqual([error!.name, error!.message, error!.cause?.message], ["TypeError", "no", "why"]);
  assert.match(error!.stack!, /isolated\.ts/);
  assert.doesNotMatch(error!.stack!, /outrider-worker|\[eval/, "our own frames are left out");
  assert.match(only(seen.result, "unsendable").error!.message, /^unsendable\.items\[1\] is a function/);
  assert.equal(only(seen.result, "refused").error!.name, "ConflictError");
  assert.equal(only(seen.result, "uncaught").error!.message, "from a timer");
  assert.equal(only(seen.result, "pid").outcome, "succeeded");
});

test("isolation: what a function and its children print is told as its own, with its level", async () => {
  const { seen, lines } = await runOne("prints");
  assert.deepEqual(lines.toSorted(), [
    "child",
    "err",
    "half line",
    "later",
    "lines",
    "no end",
    "out",
    "quiet",
    "two",
  ]);
  const levels = seen.logs.filter(({ task }) => task === "t").map((
    { text, level, stream },
  ) => [text, level, stream]);
  const of = (text: string) => levels.find(([each]) => each === text)!.slice(1);
  assert.deepEqual([of("out"), of("err"), of("quiet")], [["info", "stdout"], ["error", "stderr"], [
    "debug",
    "stdout",
  ]]);
  assert.deepEqual([of("half line"), of("lines")], [["info", "stdout"], ["warn", "log"]]);
});

test("isolation: a process that ends, by whatever, ends its attempt and nothing else", async () => {
  const ways = ["exits", "aborts", "faults"];
  const seen = await see(
    inTurn(ways.flatMap((way) => [[way, {}], [`after ${way}`, { export: "pid" }]] as const)),
  );
  const told = ways.map((way) => {
    const { outcome, reason, code, because } = only(seen.result, way);
    return [outcome, reason, code ?? because];
  });
  assert.deepEqual(told, [
    ["crashed", "exit", 5],
    ["crashed", "lost", "its process ended by SIGABRT"],
    ["crashed", "lost", "its process ended by SIGSEGV"],
  ]);
  assert.deepEqual(printed(seen, "exits"), ["going"]);
  const pids = ways.map((way) => valueOf(seen, `after ${way}`));
  assert.equal(new Set(pids).size, 3, "each in a new process");
});

test("isolation: a crashed attempt is tried again in a new process", async () => {
  const { result } = await see(isolated({ flaky: { retry: { attempts: 2, delay: 0 } } }));
  assert.deepEqual(result.tasks["flaky"]!.map(({ outcome, value }) => [outcome, value]), [
    ["crashed", undefined],
    ["succeeded", 2],
  ]);
});

test("isolation: memory is a limit, for what a function starts as well, and the next attempt works", async () => {
  const memory = "256MiB";
  const seen = await see(inTurn([
    ["much", { export: "eats", params: { mib: 2_000 }, memory }],
    ["lets", { memory }],
    ["little", { export: "eats", params: { mib: 16 }, memory }],
  ]));
  for (const task of ["much", "lets"]) {
    const { outcome, reason, because = "" } = only(seen.result, task);
    assert.deepEqual([outcome, reason], ["crashed", "memory"], `${task}: ${because}`);
  }
  assert.match(only(seen.result, "lets").because!, /^its process had \d+ MiB of memory, and may have 256$/);
  assert.equal(valueOf(seen, "little"), 4);
});

test("isolation: a timeout aborts the signal, and kills after the grace what does not listen", async () => {
  const held = new HeldTimers(HOUR_MS, 2 * HOUR_MS);
  const going = start(
    isolated({ heeds: { timeout: "2h" }, spins: { timeout: "2h" } }),
    { killGraceMs: HOUR_MS, workers: 2, world: held.world },
  );
  await Promise.all([going.says("in"), going.says("spinning")]);
  await held.comes(2 * HOUR_MS);
  await going.until((event) => event.type === "attempt.settled" && event.task === "heeds");
  await held.comes(HOUR_MS);
  const seen = await going.seen;
  for (const name of ["heeds", "spins"]) {
    const { outcome, because } = only(seen.result, name);
    assert.deepEqual([outcome, because], ["timed_out", "it ran longer than its timeout of 7200 s"], name);
  }
  assert.deepEqual(printed(seen, "heeds"), ["in", "TimeoutError"]);
  assert.deepEqual(printed(seen, "spins"), ["spinning"]);
  assert.equal(processesWith(`OUTRIDER_RUN=${seen.result.run}`), 0);
});

test("isolation: a cancel reaches a function that waits, and a run that is over leaves no process", async () => {
  const going = start(isolated({ heeds: {} }), { killGraceMs: 60_000 });
  await going.says("in");
  assert.ok(processesWith(`OUTRIDER_RUN=${going.execution.run}`) > 0);
  going.execution.cancel("enough");
  const { result } = await going.seen;
  assert.deepEqual([only(result, "heeds").outcome, only(result, "heeds").because], ["cancelled", "enough"]);
  assert.equal(processesWith(`OUTRIDER_RUN=${result.run}`), 0);
});

test("isolation: no process is left when the executor is killed, whatever its function does", async () => {
  const probe = `PROBE_${Math.random().toString(36).slice(2)}`;
  const file = JSON.stringify(isolated({ spins: {}, leavesAndWaits: {} }));
  await withFiles({ "p.json": file }, async (cwd) => {
    const cli = startCli(["run", "p.json", "--workers", "2"], { cwd, env: { [probe]: "1" } });
    await Promise.all([cli.says("spinning"), cli.says("left behind")]);
    // Two processes, and what one of them has started.
    assert.ok(processesWith(probe) >= 3);
    cli.kill("SIGKILL");
    await cli.ended;
    for (let tries = 0; processesWith(probe) > 0; tries++) {
      assert.ok(tries < 1_200, `left: ${processesWith(probe)}`);
      await new Promise((later) => setTimeout(later, 50));
    }
  });
});

test("isolation: the command runs functions in processes too, in loops as well", async () => {
  const more = { loops: [{ from: "pid", to: "pid", times: 2 }] };
  const file = JSON.stringify({
    ...isolated({ pid: {}, flaky: { needs: ["pid"], retry: { attempts: 1 } } }),
    ...more,
  });
  await withFiles({ "p.json": file }, async (cwd) => {
    const { stdout } = await runCli(["run", "p.json", "--json"], { cwd });
    const result = JSON.parse(stdout) as RunResult;
    const pids = result.tasks["pid"]!.map(({ value }) => value);
    assert.deepEqual([pids.length, new Set(pids).size], [3, 1], "three times, on one process");
    assert.equal(only(result, "flaky").outcome, "crashed");
  });
});

test("isolation: a run that was killed goes on where it was, and --from begins anew at a task", async () => {
  const module = [
    'import { existsSync, writeFileSync } from "node:fs";',
    "const write = (file) => writeFileSync(file, '');",
    "export const first = () => process.pid;",
    "export const dies = ({ params: { file }, attempt, inputs }) => {",
    "  if (!existsSync(file)) {",
    "    write(file);",
    '    process.kill(process.ppid, "SIGKILL");',
    '    process.kill(process.pid, "SIGKILL");',
    "  }",
    "  return [attempt, inputs.first];",
    "};",
  ].join("\n");
  await withFiles({ "t.mjs": `import process from "node:process";\n${module}` }, async (cwd) => {
    const task = (name: string) => ({ run: { module: "./t.mjs", export: name }, isolation: "process" });
    const dies = { ...task("dies"), needs: ["first"], params: { file: `${cwd}/f` } };
    writeFileSync(
      `${cwd}/p.json`,
      JSON.stringify({ outrider: 1, name: "p", tasks: { first: task("first"), dies } }),
    );
    const args = ["run", "p.json", "--json", "--state-dir", "state"];
    assert.equal((await runCli(args, { cwd })).signal, "SIGKILL");
    const told = async (...more: readonly string[]) =>
      (JSON.parse((await runCli([...args, ...more], { cwd })).stdout) as RunResult).tasks;
    const after = await told();
    assert.deepEqual(after["dies"]!.map(({ outcome }) => outcome), ["crashed", "succeeded"]);
    const [first] = after["first"]!;
    assert.deepEqual(after["dies"]!.at(-1)!.value, [2, first!.value]);
    const again = await told("--from", "dies");
    assert.deepEqual(again["first"]!.at(-1)!.value, first!.value, "what came before is as it was");
    assert.deepEqual(again["dies"]!.map(({ outcome }) => outcome), ["succeeded"]);
  });
});

test("isolation: what a function leaves behind is stopped, and told", async () => {
  const { seen, attempt, lines } = await runOne("leaves");
  assert.equal(attempt.outcome, "succeeded");
  assert.deepEqual(lines, ["It ended and left processes behind: they are stopped"]);
  assert.equal(processesWith(`OUTRIDER_RUN=${seen.result.run}`), 0);
});

test("isolation: a task that spoils the line, or forges what its runner says, has crashed, and nothing else is harmed", async () => {
  const ways = ["writes", "long", "closes", "forges", "claims", "twice", "asks"];
  const seen = await see(inTurn(ways.flatMap((way) => [
    [way, { export: "spoils", params: { way } }] as const,
    [`after ${way}`, { export: "value" }] as const,
  ])));
  for (const way of ways) {
    assert.equal(only(seen.result, way).outcome, "crashed", way);
    assert.equal(only(seen.result, `after ${way}`).outcome, "succeeded", way);
  }
  assert.match(only(seen.result, "forges").because!, /^it has set a mark that is not its runner's; /);
  assert.match(only(seen.result, "writes").because!, /^it has sent what is no JSON; /);
});

test("isolation: a task that closes an output has crashed, and it is said why", async () => {
  const seen = await see(inTurn(["stdout", "stderr"].flatMap((way) => [
    [way, { export: "spoils", params: { way } }] as const,
    [`after ${way}`, { export: "value" }] as const,
  ])));
  for (const [way, descriptor] of [["stdout", 1], ["stderr", 2]] as const) {
    const { outcome, code, because } = only(seen.result, way);
    // Deno keeps descriptors of its own.
    const [wanted, lines] = RUNTIME === "deno" ? ["succeeded", []] : ["crashed", [
      `Descriptor ${descriptor}, an output that all share, was closed or replaced: leave it alone`,
    ]];
    assert.deepEqual([outcome, printed(seen, way)], [wanted, lines]);
    if (wanted === "crashed") assert.deepEqual([code, because], [70, "its process ended with exit code 70"]);
    assert.equal(only(seen.result, `after ${way}`).outcome, "succeeded", way);
  }
});

test("isolation: a task that closes what its process stands on has crashed, and it is said why; the next one has another", async () => {
  const ways = ["natively", "by fs", "and waits"];
  const seen = await see(inTurn(ways.flatMap((way) => [
    [way, { export: "closes", params: { way }, timeout: "20s" }] as const,
    [`after ${way}`, { export: "value", timeout: "20s" }] as const,
  ])));
  for (const way of ways) {
    const { outcome, because, code } = only(seen.result, way);
    // Deno's `node:fs` closes nothing that it has not opened.
    const wanted = RUNTIME === "deno" && way !== "natively" ? "succeeded" : "crashed";
    assert.equal(outcome, wanted, `${way}: ${because}`);
    // Deno's other threads end the process themselves when their descriptors are gone.
    if (wanted === "crashed" && RUNTIME !== "deno") {
      assert.equal(code, 70, way);
      const text = /^Descriptor \d+, on which its process stands, was closed or replaced: leave it alone$/;
      assert.match(printed(seen, way).join("|"), text, way);
    }
    assert.equal(only(seen.result, `after ${way}`).outcome, "succeeded", way);
  }
});

test("isolation: the folder, the umask and what catches errors are as they were for the next task on a process", async () => {
  const seen = await see(
    inTurn([["before", { export: "finds" }], ["changes", {}], ["after", { export: "finds" }], [
      "uncaught",
      {},
    ]]),
  );
  assert.deepEqual(valueOf(seen, "after"), valueOf(seen, "before"));
  assert.equal(only(seen.result, "uncaught").error!.message, "from a timer");
});

test("isolation: what a task makes of the language is not the next one's harm", async () => {
  const seen = await see(inTurn([["breaks", {}], ["value", {}]]));
  assert.deepEqual(outcomes(seen.result), { breaks: "succeeded", value: "succeeded" });
});

test("isolation: the typed builder has it, beside tasks on workers", async () => {
  const p = pipeline("built", { module: fixture("isolated_pipeline") });
  const apart = p.task("apart", () => process.pid, { isolation: "process", memory: "512MiB" });
  p.task("here", { apart }, ({ inputs }) => [inputs.apart, process.pid]);
  const { result } = await see(p);
  const [there, here] = only(result, "here").value as [number, number];
  assert.deepEqual([here, there !== here], [process.pid, true]);
});

test("isolation: what can't be isolated, or limited, is told with its place", () => {
  const told = (task: ManifestTask) => {
    try {
      compile({ outrider: 1, name: "p", tasks: { t: task } }, "file:///p/");
      return [];
    } catch (error) {
      return (error as PipelineError).problems.map(({ place, message }) =>
        `${place}: ${message.slice(0, 60)}`
      );
    }
  };
  const run = { module: "./a.ts" };
  assert.deepEqual(told({ run, isolation: "process", memory: "64MiB" }), []);
  assert.deepEqual(told({ run, isolation: "thread" }), []);
  assert.deepEqual(told({ run: { command: ["x"] }, isolation: "process" }), [
    "tasks.t.isolation: Is for functions of modules: take it out, as Python and prog",
  ]);
  assert.deepEqual(told({ isolation: "process" }), [
    "tasks.t.isolation: There is nothing to isolate, as the task runs nothing: take ",
  ]);
  assert.deepEqual(told({ run, memory: "1GiB" }), [
    'tasks.t.memory: Is for functions of modules with "isolation": "process"; tha',
  ]);
  assert.deepEqual(told({ run, isolation: "process", memory: "63MiB" }), [
    'tasks.t.memory: "63MiB" is out of range: a process takes at least 64MiB',
  ]);
});
