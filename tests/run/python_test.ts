/** Python functions as tasks: what they are given, what they come to, and that a process is warm but clean. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { execSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import type { RunOptions } from "../../src/run/execution.ts";
import type { Manifest, ManifestPythonOptions, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import { pipeline } from "../../src/pipeline/builder/builder.ts";
import type { RunResult } from "../../src/model/result.ts";
import { runCli, startCli } from "../rig.ts";
import { testWith } from "../system.ts";
import { HeldTimers, HOUR_MS, only, outcomes, printed, see, type Seen, start, withFolder } from "./rig.ts";

const MODULE = new URL("../fixtures/python/tasks.py", import.meta.url).href;

type PythonTask = Omit<ManifestTask, "run"> & Partial<ManifestPythonOptions>;

/** A pipeline of functions of the fixture; a task's function has the task's name unless it is given. */
function functions(tasks: Readonly<Record<string, PythonTask>>, more: Partial<Manifest> = {}): Manifest {
  return {
    outrider: 1,
    name: "python",
    onFailure: "continue",
    tasks: Object.fromEntries(
      Object.entries(tasks).map(([name, { function: fn = name, requirements, memory, ...rest }]) => [name, {
        run: {
          python: MODULE,
          function: fn,
          ...(requirements !== undefined && { requirements }),
          ...(memory !== undefined && { memory }),
        },
        ...rest,
      }]),
    ),
    ...more,
  };
}

/** Tasks that run one after the other, and so on one process. */
function inTurn(tasks: readonly (readonly [name: string, task: PythonTask])[]): Manifest {
  return functions(Object.fromEntries(tasks.map(([name, task], at) => [name, {
    ...(at === 0 ? {} : { needs: [{ task: tasks[at - 1]![0], on: "any" as const }] }),
    ...task,
  }])));
}

async function runOne(name: string, task: PythonTask = {}, options: RunOptions = {}) {
  const seen = await see(functions({ t: { function: name, ...task } }), options);
  return { seen, attempt: only(seen.result, "t"), lines: printed(seen, "t") };
}

function valueOf(seen: Seen, task: string): unknown {
  return only(seen.result, task).value;
}

/** Processes whose environment has this text. */
function pythonsWith(text: string): number {
  const found = execSync(`grep -ls '${text}' /proc/[0-9]*/environ 2>/dev/null | wc -l`, { encoding: "utf8" });
  return Number(found);
}

/** Whether a process is there and no zombie. */
function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

const python = (name: string, fn: () => void | Promise<void>) => testWith(["python3"], `python: ${name}`, fn);

python("a function gets what it needs, and gives a value that JavaScript reads", async () => {
  const seen = await see(functions({
    value: {},
    given: { needs: [{ task: "value", as: "before" }], params: { deep: [1, null] } },
  }));
  const made = { ms: 1.5, raw: new Uint8Array([0, 255]), $bytes: "no bytes", text: "ä😀" };
  assert.deepEqual(valueOf(seen, "value"), made);
  const { run, pid, ...rest } = valueOf(seen, "given") as Record<string, unknown>;
  assert.deepEqual(rest, {
    inputs: { before: made },
    params: { deep: [1, null] },
    who: ["given", 0, 1],
    cancelled: false,
  });
  assert.equal(run, seen.result.run);
  assert.equal(typeof pid, "number");
});

python("a function of a mapped task is called with each item", async () => {
  const { result } = await see(functions({ items: {}, mapped: { each: { task: "items" } } }));
  assert.deepEqual(result.tasks["mapped"]!.at(-1)!.value, [["a", 0, ["item"]], [null, 1, ["item"]]]);
});

python("the typed builder makes the same, and hands values to functions of JavaScript", async () => {
  const p = pipeline("built", { module: import.meta.url });
  const value = p.python<{ ms: number }>("value", "../fixtures/python/tasks.py", { function: "value" });
  p.python("nothing", { value }, "../fixtures/python/tasks.py", { function: "nothing", memory: "1GiB" });
  const seen = await see(p);
  assert.deepEqual(outcomes(seen.result), { value: "succeeded", nothing: "succeeded" });
  assert.ok(!("value" in only(seen.result, "nothing")), "None is no value");
});

python("store, events and what came before are those of the run, with versions", async () => {
  const seen = await see(functions({ value: {}, shared: { needs: ["value"] } }));
  assert.deepEqual(valueOf(seen, "shared"), [
    null,
    7,
    false,
    1,
    { a: new Uint8Array([1]) },
    ["k", { a: new Uint8Array([1]) }, 1],
    2,
    ["k"],
    ["ConflictError", "VERSION_CONFLICT"],
    1,
    5,
    true,
    true,
    false,
    5,
    true,
    false,
    'The store\'s "k" has not become what was waited for within 0.01 s',
    1,
    2,
    [1, "sample", { mbps: 3.5 }, "shared"],
    [1, 2],
    "There are no flags without a gateway: ru",
    { value: ["succeeded"] },
  ]);
});

python("what is printed in every way is in the log, as its attempt's and before its end", async () => {
  const { seen, lines } = await runOne("prints");
  const expected = [
    "logged",
    "careful 1",
    "printed",
    "to stderr",
    "written",
    "of a child",
    "of another",
    "no end",
  ];
  assert.deepEqual([...lines].sort(), [...expected].sort());
  const streams = Object.fromEntries(
    seen.logs.map(({ text, stream, level }) => [text, `${stream} ${level}`]),
  );
  assert.equal(streams["logged"], "log info");
  assert.equal(streams["careful 1"], "log warn");
  assert.equal(streams["printed"], "stdout info");
  assert.equal(streams["of another"], "stderr info");
  const settled = seen.events.findIndex((event) => event.type === "attempt.settled");
  const last = seen.events.findLastIndex((event) => event.type === "log" && event.from === "task");
  assert.ok(last < settled, "a line came after the end of its attempt");
});

python("each of many attempts has its own lines", async () => {
  const names = Array.from({ length: 200 }, (_, at) => `t${at}`);
  const unbuffered = process.env["PYTHONUNBUFFERED"];
  delete process.env["PYTHONUNBUFFERED"];
  const seen = await see(inTurn(names.map((name) => [name, { function: "signs" }]))).finally(() => {
    if (unbuffered !== undefined) process.env["PYTHONUNBUFFERED"] = unbuffered;
  });
  for (const name of names) {
    const ways = ["c", "child", "python", "written"].map((way) => `${name} ${way}`);
    assert.deepEqual(printed(seen, name).sort(), ways);
  }
});

python("one process runs one task after the other, a fresh one its own", async () => {
  const seen = await see(
    inTurn([
      ["first", { function: "pid" }],
      ["second", { function: "pid" }],
      ["fresh", { function: "pid", fresh: true }],
      ["third", { function: "pid" }],
    ]),
    { workers: 1 },
  );
  const [first, second, fresh] = ["first", "second", "fresh"].map((name) => valueOf(seen, name));
  assert.equal(first, second);
  assert.notEqual(first, fresh);
  assert.equal(only(seen.result, "first").worker, only(seen.result, "second").worker);
  assert.notEqual(only(seen.result, "first").worker, only(seen.result, "fresh").worker);
});

python("a coroutine is awaited, threads may ask, progress is told", async () => {
  const seen = await see(functions({ later: {}, thread_asks: {}, progresses: {} }));
  assert.equal(valueOf(seen, "later"), 1);
  assert.deepEqual(valueOf(seen, "thread_asks"), [1, 2, 3, 4, 5, 6, 7, 8]);
  const progress = seen.events.find((event) => event.type === "attempt.progressed");
  assert.deepEqual(progress && "fraction" in progress && [progress.fraction, progress.text], [
    0.5,
    "half way",
  ]);
});

python("an exception has its frames and its cause, and none of ours", async () => {
  const seen = await see(functions({ fails: {}, notes: {} }));
  const { error } = only(seen.result, "fails");
  assert.equal(`${error?.name}: ${error?.message}`, "RuntimeError: no number");
  const { frames = [], stack = "" } = error!;
  assert.equal(frames.length, 1);
  assert.match(frames[0]!.file, /fixtures\/python\/tasks\.py$/);
  assert.deepEqual([frames[0]!.function, frames[0]!.code], [
    "fails",
    'raise RuntimeError("no number") from error',
  ]);
  assert.match(stack, /^Traceback .*\n {2}File .*tasks\.py", line \d+, in fails\n/);
  assert.match(error!.cause!.message, /invalid literal/);
  assert.equal(error!.cause!.frames![0]!.line, frames[0]!.line - 2);
  assert.deepEqual(only(seen.result, "notes").error?.notes, ["while reading"]);
  assert.equal(error!.omitted, undefined);
});

python("an exception keeps what it says of itself, and those behind it", async () => {
  const seen = await see(functions({ no_file: {}, grouped: {}, circular: {} }, { onFailure: "continue" }));
  const { code, fields } = only(seen.result, "no_file").error!;
  assert.deepEqual([code, fields], ["ENOENT", { errno: 2, filename: "/no/such" }]);
  const grouped = only(seen.result, "grouped").error!;
  assert.deepEqual(grouped.errors!.map(({ name, message }) => `${name}: ${message}`), [
    "ValueError: one",
    "KeyError: 'two'",
  ]);
  assert.equal(grouped.cause!.message, "before");
  const circular = only(seen.result, "circular").error!;
  assert.deepEqual(circular.fields, { status: 404, url: "/a", deep: { list: [1] }, huge: "9".repeat(30) });
  assert.equal(circular.omitted, 1);
  assert.equal(circular.cause!.name, "KeyError");
  assert.equal(circular.cause!.cause, undefined);
});

python("what can't be sent is an error with its path", async () => {
  const kinds = ["nan", "large", "set", "key", "function", "object", "date", "cycle"];
  const seen = await see(functions({
    ...Object.fromEntries(kinds.map((kind) => [kind, { function: "bad", params: { kind } }])),
    fine: {},
  }));
  const messages = kinds.map((kind) => {
    const { outcome, error } = only(seen.result, kind);
    assert.equal(`${outcome} ${error?.name}`, "failed ValueError", kind);
    return error!.message;
  });
  assert.deepEqual(messages.slice(0, 7), [
    "nan.a[1] is nan, which JSON can't hold: use None or a text",
    "large.a is an integer beyond 2^53 - 1, which not every reader can hold: use str(value)",
    "set[0] is a set: use a list, such as sorted(value)",
    "key.a has the key 1, which is no text: use str(key)",
    "function.f is a function: a value is made of dicts, lists, texts, numbers and bytes",
    "object[0] is a enum.EnumType: a value is made of dicts, lists, texts, numbers and bytes".replace(
      "enum.EnumType",
      /enum\.\w+/.exec(messages[5]!)![0],
    ),
    "date is a datetime.date: use .isoformat()",
  ]);
  assert.match(messages[7]!, /nested more than 500 deep, or holds itself$/);
  const bytes = (text: string) => new TextEncoder().encode(text);
  assert.deepEqual(valueOf(seen, "fine"), [
    3,
    true,
    [1, 2],
    bytes("a"),
    bytes("b"),
    {},
    2 ** 53 - 1,
    -0.5,
    "\ud800",
  ]);
});

python("sys.exit, os._exit and a signal are crashes, and the next attempt works", async () => {
  const seen = await see(inTurn([
    ["quits", { params: { code: 3 } }],
    ["says", { function: "quits", params: { code: "why" } }],
    ["leaves", {}],
    ["segfaults", {}],
    ["value", {}],
  ]));
  const told = (name: string) => {
    const { outcome, reason, code } = only(seen.result, name);
    return [outcome, reason, code];
  };
  assert.deepEqual(told("quits"), ["crashed", "exit", 3]);
  assert.deepEqual(printed(seen, "quits"), ["last words"]);
  assert.deepEqual(told("says"), ["crashed", "exit", 1]);
  assert.deepEqual(printed(seen, "says"), ["last words", "why"]);
  assert.deepEqual(told("leaves"), ["crashed", "exit", 7]);
  assert.deepEqual(told("segfaults"), ["crashed", "lost", undefined]);
  assert.match(only(seen.result, "segfaults").because!, /SIGSEGV/);
  assert.equal(only(seen.result, "value").outcome, "succeeded");
});

python("retries, loops and a pipeline that stops are those of all tasks", async () => {
  const seen = await see(functions({
    tries: { retry: { attempts: 3, delay: 0 } },
    rounds: {},
  }, { loops: [{ from: "rounds", to: "rounds", times: 2 }] }));
  assert.deepEqual(seen.result.tasks["tries"]!.map(({ outcome }) => outcome), [
    "failed",
    "failed",
    "succeeded",
  ]);
  assert.deepEqual(seen.result.tasks["tries"]!.at(-1)!.value, [0, 3]);
  assert.deepEqual(seen.result.tasks["rounds"]!.map(({ value }) => value), [0, 1, 2]);
});

python("a timeout lets finally run, in whatever the task is, and counts when nothing is left", async () => {
  const ways = ["loop", "sleep", "wait", "child", "system"];
  const held = new HeldTimers(HOUR_MS);
  const going = start(
    functions({
      ...Object.fromEntries(ways.map((way) => [way, {
        function: "tidies",
        params: { way },
        timeout: "1h",
      }])),
      tidies_later: { timeout: "1h" },
    }),
    { killGraceMs: 60_000, workers: 6, world: held.world },
  );
  await Promise.all(
    [...ways, "tidies_later"].map((name) =>
      going.until((event) => event.type === "log" && event.task === name && event.text === "in")
    ),
  );
  await held.comes(HOUR_MS);
  const seen = await going.seen;
  for (const name of [...ways, "tidies_later"]) {
    const { outcome, because } = only(seen.result, name);
    assert.deepEqual([outcome, because], ["timed_out", "it ran longer than its timeout of 3600 s"], name);
    assert.deepEqual(printed(seen, name), ["in", "tidied True"], name);
  }
});

python("what does not listen is killed after the grace, with all that it has started", async () => {
  const seen = await see(
    functions({
      in_c: { timeout: "200ms" },
      swallows: { timeout: "200ms" },
      many_stuck: { timeout: "400ms" },
    }),
    { killGraceMs: 200, workers: 3 },
  );
  assert.deepEqual(outcomes(seen.result), {
    in_c: "timed_out",
    swallows: "timed_out",
    many_stuck: "timed_out",
  });
  if (existsSync("/proc/self/environ")) assert.equal(pythonsWith(`OUTRIDER_RUN=${seen.result.run}`), 0);
});

python("a cancel reaches a function that waits, and a run that is over leaves no process", async () => {
  const going = start(functions({ waits: {} }));
  await going.says("waiting");
  if (existsSync("/proc/self/environ")) assert.ok(pythonsWith(`OUTRIDER_RUN=${going.execution.run}`) > 0);
  going.execution.cancel("enough");
  const { result } = await going.seen;
  assert.deepEqual([only(result, "waits").outcome, only(result, "waits").because], ["cancelled", "enough"]);
  if (existsSync("/proc/self/environ")) assert.equal(pythonsWith(`OUTRIDER_RUN=${result.run}`), 0);
});

python("memory is a limit, and the next attempt works", async () => {
  const seen = await see(inTurn([
    ["much", { function: "eats", params: { mib: 400 }, memory: "200MiB" }],
    ["little", { function: "eats", params: { mib: 20 }, memory: "200MiB" }],
  ]));
  const { outcome, reason, because } = only(seen.result, "much");
  assert.deepEqual([outcome, reason], ["crashed", "memory"]);
  assert.match(because!, /^its process had no more memory, at .*tasks\.py:\d+$/);
  assert.equal(valueOf(seen, "little"), 20 << 20);
});

python("multiprocessing works by all its ways, and what a task leaves behind is stopped", async () => {
  const methods = ["fork", "spawn", "forkserver"];
  const seen = await see(functions({
    ...Object.fromEntries(methods.map((method) => [method, { function: "many", params: { method } }])),
    leaves_child: {},
  }));
  for (const method of methods) assert.deepEqual(valueOf(seen, method), [0, 1, 4, 9, 16], method);
  assert.equal(valueOf(seen, "leaves_child"), "done");
  assert.deepEqual(printed(seen, "leaves_child"), ["It ended and left processes behind: they are stopped"]);
  if (existsSync("/proc/self/environ")) assert.equal(pythonsWith(`OUTRIDER_RUN=${seen.result.run}`), 0);
});

python(
  "a task that spoils the line, or forges what its runner says, has crashed, and nothing else is harmed",
  async () => {
    const ways = ["writes", "long", "closes", "replaces", "forges", "forks", "claims"];
    const seen = await see(inTurn(ways.flatMap((way) => [
      [way, { function: "spoils", params: { way } }] as const,
      [`after ${way}`, { function: "value" }] as const,
    ])));
    for (const way of ways) {
      assert.equal(only(seen.result, way).outcome, "crashed", way);
      assert.equal(only(seen.result, `after ${way}`).outcome, "succeeded", way);
    }
    assert.match(only(seen.result, "forges").because!, /^it has set a mark that is not its runner's; /);
    assert.match(only(seen.result, "writes").because!, /^it has sent what is no JSON; /);
    assert.ok(printed(seen, "replaces").some((line) => line.startsWith("Descriptor 3, ")));
  },
);

python("what a task does to streams, folder and signals is undone before the next", async () => {
  const seen = await see(
    inTurn([
      ["before", { function: "pid" }],
      ["litters", {}],
      ["after", { function: "pid" }],
      ["in_order", { params: { cwd: process.cwd() } }],
    ]),
    { workers: 1 },
  );
  assert.equal(valueOf(seen, "before"), valueOf(seen, "after"));
  assert.deepEqual(printed(seen, "in_order"), ["here True"]);
});

python("without an interpreter a task fails with what to install", async () => {
  process.env["OUTRIDER_PYTHON"] = "no-such-python";
  try {
    const { attempt } = await runOne("value");
    assert.equal(attempt.outcome, "failed");
    assert.match(
      attempt.error!.message,
      /no-such-python.*install Python 3\.8 or newer, or name one by OUTRIDER_PYTHON$/,
    );
  } finally {
    delete process.env["OUTRIDER_PYTHON"];
  }
});

python("modules of the same name in two folders are two", () =>
  withFolder(async (folder) => {
    const tasks: Record<string, ManifestTask> = {};
    for (const name of ["a", "b"]) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "here.py"), `def f(ctx):\n    return ${JSON.stringify(name)}\n`);
      tasks[name] = { run: { python: join(folder, name, "here.py"), function: "f" } };
    }
    writeFileSync(join(folder, "json.py"), "def f(ctx):\n    return 1\n");
    writeFileSync(join(folder, "stars.py"), "from os.path import *\n");
    tasks["missing"] = { run: { python: join(folder, "stars.py"), function: "not_there" } };
    tasks["hidden"] = { run: { python: join(folder, "json.py"), function: "f" } };
    const seen = await see({ outrider: 1, name: "p", onFailure: "continue", tasks });
    assert.deepEqual([valueOf(seen, "a"), valueOf(seen, "b")], ["a", "b"]);
    assert.match(only(seen.result, "missing").error!.message, /stars\.py has no function not_there$/);
    assert.match(
      only(seen.result, "hidden").error!.message,
      /json\.py is hidden by .*: give it another name$/,
    );
  }));

python(
  "no process outlives an executor that is killed, whatever it does",
  () =>
    withFolder(async (folder) => {
      writeFileSync(
        join(folder, "t.py"),
        [
          "import os, time",
          "def says(way): print('pid=%d' % os.getpid(), way, flush=True)",
          "def sleeps(ctx): says('sleep'); time.sleep(600)",
          "def loops(ctx):",
          "    says('loop')",
          "    while True: pass",
          "def in_c(ctx): says('c'); return sum(range(10**12))",
          "",
        ].join("\n"),
      );
      const ways = ["sleeps", "loops", "in_c"];
      const tasks = Object.fromEntries(
        ways.map((name) => [name, { run: { python: "t.py", function: name } }]),
      );
      writeFileSync(join(folder, "p.json"), JSON.stringify({ outrider: 1, name: "p", tasks }));
      const cli = startCli(["run", join(folder, "p.json"), "--workers", "3"]);
      await Promise.all([cli.says(" sleep"), cli.says(" loop"), cli.says(" c")]);
      cli.kill("SIGKILL");
      const ended = await cli.ended;
      const pids = Array.from((ended.stdout + ended.stderr).matchAll(/pid=(\d+)/g), ([, pid]) => Number(pid));
      assert.equal(new Set(pids).size, 3);
      for (const pid of pids) {
        while (lives(pid)) await new Promise((later) => setTimeout(later, 10));
      }
    }),
);

python(
  "an attempt that was lost with the executor runs again, and a part of a run is repeated",
  () =>
    withFolder(async (folder) => {
      writeFileSync(
        join(folder, "t.py"),
        [
          "import os",
          "def first(ctx): return os.getpid()",
          "def dies(ctx):",
          "    if not os.path.exists(ctx.params['file']):",
          "        open(ctx.params['file'], 'w').close()",
          "        os.kill(os.getppid(), 9)",
          "        os.kill(os.getpid(), 9)",
          "    return [ctx.attempt, ctx.inputs['first']]",
          "",
        ].join("\n"),
      );
      const tasks = {
        first: { run: { python: "t.py", function: "first" } },
        dies: {
          run: { python: "t.py", function: "dies" },
          needs: ["first"],
          params: { file: join(folder, "f") },
        },
      };
      writeFileSync(join(folder, "p.json"), JSON.stringify({ outrider: 1, name: "p", tasks }));
      const args = ["run", join(folder, "p.json"), "--json", "--state-dir", join(folder, "state")];
      assert.equal((await runCli(args)).signal, "SIGKILL");
      const told = async (more: readonly string[]) => {
        const { stdout } = await runCli([...args, ...more]);
        return (JSON.parse(stdout) as RunResult).tasks;
      };
      const { first, dies } = await told([]);
      assert.deepEqual(first!.map(({ outcome }) => outcome), ["succeeded"]);
      assert.deepEqual(dies!.map(({ outcome }) => outcome), ["crashed", "succeeded"]);
      assert.deepEqual(dies!.at(-1)!.value, [2, first![0]!.value]);
      const again = await told(["--from", "dies"]);
      assert.deepEqual(again["first"]!.at(-1)!.value, first![0]!.value);
    }),
);

python(
  "a task that closes what its process stands on has crashed, and it is said why; the next one has another",
  async () => {
    const seen = await see(inTurn([["closes_all", {}], ["value", {}]]));
    const { outcome, code } = only(seen.result, "closes_all");
    assert.deepEqual([outcome, code], ["crashed", 70]);
    const text = /^Descriptor \d+, on which its process stands, was closed or replaced: leave it alone$/;
    assert.match(printed(seen, "closes_all").join("|"), text);
    assert.equal(only(seen.result, "value").outcome, "succeeded");
  },
);

python(
  "what a task does to its process is put right before the next one, which is not ended by it",
  async () => {
    const seen = await see(inTurn([
      ["before", { function: "finds_all" }],
      ["one", { function: "pid" }],
      ["changes_all", {}],
      ["two", { function: "pid" }],
      ["after", { function: "finds_all" }],
      ["three", { function: "pid" }],
    ]));
    assert.deepEqual(valueOf(seen, "after"), valueOf(seen, "before"));
    assert.deepEqual(printed(seen, "after"), ["out", "err"]);
    assert.equal(valueOf(seen, "one"), valueOf(seen, "three"), "on the same process");
  },
);

python(
  "a process with what can't be put right is used no more, and the task that left it is told",
  async () => {
    const seen = await see(inTurn([
      ["joins_a_thread", {}],
      ["leaves_a_thread", {}],
      ["between", { function: "pid" }],
      ["changes_priority", {}],
      ["after", { function: "pid" }],
    ]));
    const told = (what: string) =>
      `It ended and left ${what}: its process ends, and the next task gets another`;
    assert.equal(valueOf(seen, "joins_a_thread"), valueOf(seen, "leaves_a_thread"), "it has ended in time");
    assert.ok(printed(seen, "leaves_a_thread").includes(told("threads running (goes on)")));
    assert.deepEqual(printed(seen, "changes_priority"), [told("its process with another priority")]);
    assert.deepEqual([printed(seen, "between"), printed(seen, "after")], [[], []]);
    const pids = ["leaves_a_thread", "changes_priority", "after"].map((task) => valueOf(seen, task));
    assert.equal(new Set(pids).size, 3);
    assert.equal(valueOf(seen, "between"), valueOf(seen, "changes_priority"));
  },
);

python("what a task makes of os.environ is not there for the next one", async () => {
  const seen = await see(functions({ sets_environ: {}, environ: { needs: ["sets_environ"] } }));
  const [set, found] = ["sets_environ", "environ"].map((task) =>
    only(seen.result, task).value as Record<string, unknown>
  );
  assert.equal(set!["pid"], found!["pid"]);
  assert.deepEqual([set!["left"], found!["left"], found!["path"]], ["1", null, set!["path"]]);
});
