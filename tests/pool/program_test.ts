/** A program that runs as an attempt, by the clock and by how it ends, with its process in the test's hand. */
import assert from "node:assert/strict";
import test from "node:test";
import type { LaneItem, LaneOutcome } from "../../src/pool/attempt.ts";
import { Program } from "../../src/pool/kinds/program.ts";
import type { ProgramRuntime } from "../../src/pool/kinds/program_files.ts";
import { HandClock } from "../store/hand_clock.ts";
import { itemOf } from "./item.ts";
import { type FakeGroup, Processless } from "./processless.ts";

const GRACE_MS = 1_000;
const OUTPUT = "/tmp/x/output.json";
const LEFT = "0.2 It ended and left processes behind: they are stopped";

/** Files in memory, as far as programs need any. */
class Files {
  readonly texts: Map<string, string> = new Map();
  readonly removed: string[] = [];
  /** What reading its value comes to instead. */
  reads: (() => Promise<string>) | undefined;
  writes: () => void = () => {};
  /** When they can be removed. */
  free: Promise<void> = Promise.resolve();

  runtime(world: Processless): ProgramRuntime {
    return {
      startGroup: world.startGroup,
      newMark: world.newMark,
      stopMarked: world.stopMarked,
      makeTempFiles: (texts) => {
        this.writes();
        const path = (name: string) => `/tmp/x/${name}`;
        for (const [name, text] of Object.entries(texts)) this.texts.set(path(name), text);
        return {
          path,
          has: (name) => this.reads !== undefined || this.texts.has(path(name)),
          remove: () => this.free.then(() => void this.removed.push("/tmp/x")),
        };
      },
      readText: (path) => {
        if (this.reads !== undefined) return this.reads();
        const text = this.texts.get(path);
        const none = () => Object.assign(new Error("none"), { code: "ENOENT" });
        return text === undefined ? Promise.reject(none()) : Promise.resolve(text);
      },
      filePath: (url) => `path of ${url}`,
      cwd: () => "/here",
    } as ProgramRuntime;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await null;
}

interface Rig {
  readonly clock: HandClock;
  readonly files: Files;
  readonly world: Processless;
  readonly program: Program;
  readonly printed: string[];
  readonly outcomes: LaneOutcome[];
  readonly group: FakeGroup;
  over(): boolean;
  /** The one outcome, without its times. */
  only(): Omit<LaneOutcome, "startedAt" | "endedAt">;
}

async function started(
  { item = {}, run = {}, files = new Files() }: {
    item?: Partial<LaneItem>;
    run?: object;
    files?: Files;
  } = {},
): Promise<Rig> {
  const clock = new HandClock(), world = new Processless();
  const printed: string[] = [], outcomes: LaneOutcome[] = [];
  let over = false;
  const payload = JSON.stringify({
    r: { command: ["tool", "-v"], ...run },
    t: "name",
    p: { x: 1 },
    i: { a: 2 },
  });
  const program = new Program({
    ...{ lane: 4, killGraceMs: GRACE_MS, clock, mark: "the run's mark", environment: { A: "1", B: "1" } },
    item: itemOf(3, { iteration: 1, attempt: 2, payload, ...item }),
    runtime: files.runtime(world),
    printed: ({ stream, level, text }) => void printed.push(`${stream}.${level} ${text}`),
    settled: (outcome) => void outcomes.push(outcome),
  });
  void program.over.then(() => over = true);
  await settle();
  return {
    ...{ clock, files, world, program, printed, outcomes, group: world.last },
    over: () => over,
    only: () => {
      assert.deepEqual([outcomes.length, over, clock.timers], [1, true, 0]);
      assert.deepEqual(files.removed, ["/tmp/x"]);
      const { startedAt: _, endedAt: __, ...rest } = outcomes[0]!;
      return rest;
    },
  };
}

const EXIT = (code: number) => ({ code, signal: undefined });

async function passes({ clock }: Rig, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= Math.min(10, left)) {
    clock.advance(Math.min(10, left));
    await settle();
  }
}

test("program: it is started with its files, its variables and its mark", async () => {
  const rig = await started({ run: { env: { B: "2" }, stdin: "input" } });
  const { command, cwd, env, stdin, mark } = rig.group.options;
  assert.deepEqual({ command, cwd, stdin, mark }, {
    ...{ command: ["tool", "-v"], cwd: "/here", stdin: "input", mark: "the run's mark" },
  });
  assert.deepEqual(env, {
    ...{ A: "1", B: "2", OUTRIDER_TASK: "name", OUTRIDER_ITERATION: "1", OUTRIDER_ATTEMPT: "2" },
    ...{
      OUTRIDER_INPUTS: "/tmp/x/inputs.json",
      OUTRIDER_PARAMS: "/tmp/x/params.json",
      OUTRIDER_OUTPUT: OUTPUT,
    },
  });
  assert.deepEqual(Object.fromEntries(rig.files.texts), {
    "/tmp/x/inputs.json": '{"a":2}\n',
    "/tmp/x/params.json": '{"x":1}\n',
  });
  assert.deepEqual([rig.program.id, rig.program.item.attempt, rig.program.since], [
    4,
    2,
    rig.clock.monotonic(),
  ]);
  assert.deepEqual([rig.clock.timers, rig.outcomes], [0, []]);
  const elsewhere = await started({ run: { cwd: "file:///there" } });
  assert.deepEqual([elsewhere.group.options.cwd, elsewhere.group.options.stdin], [
    "path of file:///there",
    "",
  ]);
});

test("program: it has succeeded with what it has written, told when its output is at its end", async () => {
  const rig = await started({ item: { timeoutMs: 5_000 } });
  rig.group.prints("stdout", "out\nno end");
  rig.group.prints("stderr", "err\n");
  rig.clock.advance(300);
  rig.files.texts.set(OUTPUT, '{"v": 1}\n');
  rig.group.ends(EXIT(0));
  await settle();
  assert.deepEqual(rig.only(), { outcome: "succeeded", value: '{"v":1}' });
  assert.deepEqual([rig.printed, rig.group.released], [["1.1 out", "2.1 err", "1.1 no end"], true]);
  assert.deepEqual(rig.group.signals, []);
  assert.equal(rig.outcomes[0]!.endedAt - rig.outcomes[0]!.startedAt, 300);
  const none = await started();
  none.group.ends(EXIT(0));
  await settle();
  assert.deepEqual(none.only(), { outcome: "succeeded" });
});

test("program: it is told of before its files are removed, and over when they are", async () => {
  const free = Promise.withResolvers<void>();
  const files = new Files();
  files.free = free.promise;
  const rig = await started({ files });
  rig.group.ends(EXIT(0));
  await settle();
  assert.deepEqual([rig.outcomes.length, rig.over()], [1, false]);
  free.resolve();
  await settle();
  assert.deepEqual(rig.only(), { outcome: "succeeded" });
});

test("program: what it has written and can't be read or used has failed it", async () => {
  const wrong = await started();
  wrong.files.texts.set(OUTPUT, "{");
  wrong.group.ends(EXIT(0));
  await settle();
  const { outcome, error } = wrong.only();
  assert.deepEqual([outcome, error?.name], ["failed", "CommandError"]);
  assert.match(error!.message, /^The value in OUTRIDER_OUTPUT can't be used, /);
  const empty = await started();
  empty.files.texts.set(OUTPUT, " \n");
  empty.group.ends(EXIT(0));
  await settle();
  assert.deepEqual(empty.only(), { outcome: "succeeded" });
  const files = new Files();
  files.reads = () => Promise.reject(new Error("too large"));
  const unread = await started({ files });
  unread.group.ends(EXIT(0));
  await settle();
  assert.equal(unread.only().error?.message, "The value in OUTRIDER_OUTPUT can't be read: too large");
});

test("program: how it ended is told, with the last that it said about an error", async () => {
  for (
    const [end, words, code] of [
      [EXIT(3), '"tool" ended with exit code 3: last words', 3],
      [{ code: undefined, signal: "SIGSEGV" }, '"tool" was ended by SIGSEGV: last words', undefined],
    ] as const
  ) {
    const rig = await started();
    rig.group.prints("stderr", "first words\n  last words \n \n");
    rig.group.prints("stdout", "other\n");
    rig.group.ends(end);
    await settle();
    const { outcome, error, code: told } = rig.only();
    assert.deepEqual([outcome, error, told], ["failed", { name: "CommandError", message: words }, code]);
  }
  const silent = await started();
  silent.group.prints("stderr", "x".repeat(600));
  silent.group.ends(EXIT(1));
  await settle();
  assert.equal(silent.only().error?.message, `"tool" ended with exit code 1: ${"x".repeat(500)}`);
  const quiet = await started();
  quiet.group.ends(EXIT(1));
  await settle();
  assert.equal(quiet.only().error?.message, '"tool" ended with exit code 1');
});

test("program: at its timeout it is told to end, and killed when its grace is over", async () => {
  const rig = await started({ item: { timeoutMs: 300 } });
  await passes(rig, 299);
  assert.deepEqual(rig.group.signals, []);
  await passes(rig, 1);
  assert.deepEqual(rig.group.signals, ["SIGTERM"]);
  rig.program.abort("cancelled", "again");
  await passes(rig, GRACE_MS - 1);
  assert.deepEqual(rig.group.signals, ["SIGTERM"]);
  await passes(rig, 1);
  assert.deepEqual(rig.group.signals, ["SIGTERM", "SIGKILL"]);
  assert.deepEqual(rig.only(), {
    ...{ outcome: "timed_out", because: "it ran longer than its timeout of 300 ms" },
  });
  assert.deepEqual(rig.printed, []);
});

test("program: it is told to end when it has printed nothing for its idle limit", async () => {
  const rig = await started({ item: { idleMs: 300 } });
  await passes(rig, 299);
  rig.group.prints("stderr", "no end");
  await passes(rig, 299);
  rig.group.prints("stdout", "\n");
  await passes(rig, 299);
  assert.deepEqual(rig.group.signals, []);
  await passes(rig, 1);
  assert.deepEqual(rig.group.signals, ["SIGTERM"]);
  await passes(rig, GRACE_MS);
  assert.deepEqual(rig.only(), {
    outcome: "timed_out",
    because: "nothing was heard of it, no output, progress or call, for its idle limit of 300 ms",
  });
});

test("program: one that is stopped comes to what it was stopped for, unless it ends with 0 after a cancel", async () => {
  for (
    const [by, code, outcome] of [
      ["cancelled", 1, "cancelled"],
      ["cancelled", 0, "succeeded"],
      ["timed_out", 0, "timed_out"],
    ] as const
  ) {
    const rig = await started();
    rig.program.abort(by, "enough");
    assert.deepEqual(rig.group.signals, ["SIGTERM"]);
    rig.files.texts.set(OUTPUT, "1");
    rig.group.ends(EXIT(code));
    await settle();
    assert.equal(rig.only().outcome, outcome);
  }
});

test("program: one that is stopped before it starts does not start", async () => {
  const files = new Files();
  // There is no room for its files at first.
  const crowded = () => {
    throw Object.assign(new Error("no room"), { code: "EMFILE" });
  };
  files.writes = crowded;
  const rig = await started({ files, item: { timeoutMs: 100 } });
  rig.program.abort("cancelled", "enough");
  files.writes = () => {};
  await passes(rig, 10);
  assert.deepEqual([rig.only(), rig.world.groups], [{ outcome: "cancelled", because: "enough" }, []]);
});

test("program: one that can't be started, or whose files can't be written, has failed by that", async () => {
  const files = new Files();
  files.writes = () => {
    throw new Error("disk full");
  };
  const unwritten = await started({ files });
  assert.equal(unwritten.over(), true);
  assert.match(unwritten.outcomes[0]!.error!.message, /^Could not write the task's inputs: disk full$/);
  const world = new Processless();
  const none = new Files();
  const clock = new HandClock();
  const outcomes: LaneOutcome[] = [];
  const runtime = {
    ...none.runtime(world),
    startGroup: (options: Parameters<Processless["startGroup"]>[0]) => {
      const group = world.startGroup(options);
      Object.assign(group, { pid: 0 });
      group.ends({ code: undefined, signal: undefined, error: new Error("There is no tool") });
      return group;
    },
  };
  const payload = JSON.stringify({ r: { command: ["tool"] }, t: "name" });
  const program = new Program({
    ...{ lane: 4, killGraceMs: GRACE_MS, clock, mark: "", environment: {}, runtime, printed: () => {} },
    ...{
      item: itemOf(3, { payload, timeoutMs: 100 }),
      settled: (outcome: LaneOutcome) => void outcomes.push(outcome),
    },
  });
  await program.over;
  assert.deepEqual([outcomes[0]!.outcome, outcomes[0]!.error?.message], ["failed", "There is no tool"]);
  assert.deepEqual([clock.timers, world.last.released, none.removed], [0, true, ["/tmp/x"]]);
  assert.deepEqual(Object.fromEntries(none.texts), {
    "/tmp/x/inputs.json": "{}\n",
    "/tmp/x/params.json": "{}\n",
  });
});

test("program: what it leaves is stopped, in its grace, then killed, and awaited", async () => {
  const rig = await started();
  rig.group.dies = false;
  rig.group.ends(EXIT(0), false);
  await settle();
  assert.deepEqual([rig.printed, rig.group.signals], [[LEFT], ["SIGTERM"]]);
  await passes(rig, GRACE_MS - 1);
  assert.deepEqual(rig.group.signals, ["SIGTERM"]);
  await passes(rig, 1);
  assert.deepEqual([rig.group.signals, rig.outcomes], [["SIGTERM", "SIGKILL"], []]);
  rig.group.clears();
  await passes(rig, 50);
  assert.deepEqual([rig.only().outcome, rig.printed], ["succeeded", [LEFT]]);
});

test("program: what can't be killed is left alone after 5 s more, and the log says so", async () => {
  const rig = await started();
  rig.group.dies = false;
  rig.group.ends(EXIT(0), false);
  await settle();
  await passes(rig, GRACE_MS + 4_990);
  assert.deepEqual([rig.printed, rig.outcomes], [[LEFT], []]);
  // And its output is awaited for a second.
  await passes(rig, 900);
  assert.deepEqual([rig.printed.slice(1), rig.outcomes], [[
    "0.2 Process group 1 is still there 5 s after SIGKILL: it is left alone",
  ], []]);
  await passes(rig, 200);
  assert.equal(rig.only().outcome, "succeeded");
});

test("program: for reading its value it has what is left of its timeout, and at least a second", async () => {
  for (const [timeoutMs, after, left] of [[10_000, 4_000, 6_000], [1_500, 1_400, 1_000]] as const) {
    const files = new Files();
    const rig = await started({ files, item: { timeoutMs } });
    files.reads = () => new Promise(() => {});
    await passes(rig, after);
    rig.group.ends(EXIT(0));
    await settle();
    await passes(rig, left - 1);
    assert.deepEqual(rig.outcomes, []);
    await passes(rig, 1);
    assert.equal(rig.only().outcome, "timed_out");
  }
});

test("program: the value of one that ends with 0 after a cancel is read for a second", async () => {
  const files = new Files();
  const rig = await started({ files });
  files.reads = () => new Promise(() => {});
  rig.program.abort("cancelled", "enough");
  rig.group.ends(EXIT(0));
  await settle();
  await passes(rig, 999);
  assert.deepEqual(rig.outcomes, []);
  await passes(rig, 1);
  assert.deepEqual(rig.only(), { outcome: "cancelled", because: "enough" });
});

test("program: a cancel while its value is read is heard", async () => {
  const files = new Files();
  const rig = await started({ files });
  files.reads = () => new Promise(() => {});
  rig.group.ends(EXIT(0));
  await settle();
  rig.program.abort("cancelled", "enough");
  await settle();
  assert.deepEqual(rig.only(), { outcome: "cancelled", because: "enough" });
});
