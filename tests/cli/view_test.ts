import assert from "node:assert/strict";
import test from "node:test";
import { plainPaint } from "../../src/cli/view/paint.ts";
import { LiveView } from "../../src/cli/view/live.ts";
import { PlainView } from "../../src/cli/view/plain.ts";
import type { ViewOptions } from "../../src/cli/view/view.ts";
import { FakeClock, FakeExecution, FakeOutput, runningSince, snapshotOf, START, utc } from "./fake.ts";
import { Screen } from "./screen.ts";

interface Fakes {
  readonly execution: FakeExecution;
  readonly clock: FakeClock;
  readonly out: FakeOutput;
  readonly err: FakeOutput;
  readonly options: ViewOptions;
}

function fakes(more: Partial<ViewOptions> = {}): Fakes {
  const [execution, clock, out, err] = [
    new FakeExecution(),
    new FakeClock(),
    new FakeOutput(),
    new FakeOutput(),
  ];
  execution.ranMs = () => clock.time - 5_000;
  const options = {
    out,
    err,
    paint: plainPaint,
    clock,
    time: utc,
    level: "info",
    quiet: false,
    ...more,
  } as const;
  return { execution, clock, out, err, options };
}

/** A live view on a small terminal, its region loaded and drawn once. */
async function live(more: Partial<ViewOptions> = {}, screen: Screen = new Screen(60, 12)) {
  const all = fakes({ out: screen, err: screen, ...more });
  all.execution.picture = snapshotOf({
    counts: { running: 2, succeeded: 1 },
    running: [runningSince(0, "cpu"), runningSince(100, "disk")],
  });
  const loaded = Promise.withResolvers<void>();
  const view = new LiveView(all.execution, {
    ...all.options,
    region: plainPaint,
    load: async (stream) => {
      const { createLogUpdate } = await import("log-update");
      const region = createLogUpdate(
        stream as typeof stream & Parameters<typeof createLogUpdate>[0],
        { showCursor: true },
      );
      queueMicrotask(loaded.resolve);
      return region;
    },
  });
  all.clock.pass(200);
  await loaded.promise;
  await Promise.resolve();
  all.clock.pass(100);
  return { ...all, view, screen };
}

test("plain: lines of tasks on stdout, words of Outrider on stderr, as they happen", () => {
  const { execution, out, err, options } = fakes();
  const view = new PlainView(execution, options);
  execution.log(0, "cpu", "hello");
  assert.equal(out.take(), "13:02:11.123 cpu │ hello\n");
  execution.log(1, undefined, "a worker was replaced", { level: "warn", stream: "log" });
  assert.equal(err.take(), "13:02:11.124 outrider · warn: a worker was replaced\n");
  execution.log(1, undefined, "the run started", { stream: "log" });
  assert.equal(err.take(), "", "what the view shows by itself is not said twice");
  execution.log(1, undefined, "Installing requirements.txt", { stream: "stdout" });
  assert.equal(
    err.take(),
    "13:02:11.124 outrider · Installing requirements.txt\n",
    "what takes long is said",
  );
  execution.settle(1_200, "cpu");
  execution.settle(1_300, "disk", { outcome: "failed", error: { name: "Error", message: "full" } });
  execution.emit({
    type: "attempt.planned",
    seq: 9,
    at: START + 1_300,
    task: "disk",
    iteration: 0,
    attempt: 2,
    dueAt: START + 1_800,
  });
  assert.equal(
    out.take(),
    `13:02:12.323 cpu ✓ succeeded in 1.2 s
13:02:12.423 disk ✗ failed after 1.3 s: full
13:02:12.423 disk ↻ attempt 2 starts in 500 ms
`,
  );
  view.end("the end\n");
  view.end("twice\n");
  assert.equal(out.take(), "the end\n");
  assert.equal(err.take(), "");
});

test("plain: after ten seconds of silence it says how far the run is; lines break the silence", () => {
  const { execution, clock, out, err, options } = fakes();
  const view = new PlainView(execution, options);
  execution.picture = snapshotOf({
    counts: { running: 7, succeeded: 1 },
    running: Array.from({ length: 7 }, (_, at) => runningSince(at * 1_000, `task ${at}`)),
    tasks: 8,
  });
  clock.pass(9_000);
  assert.equal(err.take(), "");
  clock.pass(1_000);
  assert.equal(
    err.take(),
    "13:02:21.123 outrider · 1 of 8 · running: task 0 (10.0 s), task 1 (9.0 s), task 2 (8.0 s), task 3 (7.0 s), task 4 (6.0 s) and 2 more\n",
  );
  clock.pass(5_000);
  execution.log(15_000, "task 1", "still here");
  clock.pass(9_000);
  assert.equal(err.take(), "");
  clock.pass(1_000);
  assert.match(err.take(), /^13:02:36.123 outrider · 1 of 8/);
  assert.equal(out.take(), "13:02:26.123 task 1 │ still here\n");
  view.end();
  assert.equal(clock.timers.size, 0);
  assert.equal(execution.watchers, 0);
});

test("plain: a mapped task is told as one, with how many of its items have ended and failed", () => {
  const { execution, clock, out, err, options } = fakes();
  const view = new PlainView(execution, options);
  execution.picture = snapshotOf({
    running: [
      runningSince(0, "scan", { item: 118 }),
      runningSince(0, "scan", { item: 121 }),
      runningSince(0, "cpu"),
    ],
    mapped: [
      {
        task: "scan",
        items: { count: 2_500, running: 2, ended: { succeeded: 1_117, failed: 2, timed_out: 1 } },
      },
      { task: "held", items: { count: 1, running: 0, ended: {} } },
    ],
  });
  clock.pass(10_000);
  assert.match(
    err.take(),
    / · 0 of 3 · running: cpu \(10\.0 s\), scan \(1,120 of 2,500 items, 3 failed\), held \(0 of 1 item\)\n$/,
  );
  execution.settle(10_000, "scan", { items: { succeeded: 2_497, failed: 3 } });
  execution.settle(10_000, "held", { items: { succeeded: 1 } });
  assert.deepEqual(out.take().split("\n").map((line) => line.slice(13)), [
    "scan ✓ succeeded in 10.0 s (2497 of 2500 items succeeded, 3 failed)",
    "held ✓ succeeded in 10.0 s (1 item)",
    "",
  ]);
  view.end();
});

test("plain: of a silent run it is told which task waits for which resource, and who has it", () => {
  const { execution, clock, err, options } = fakes();
  const view = new PlainView(execution, options);
  const heldBy = ["a", "b", "c", "d"].map((task) => ({ task }));
  execution.picture = snapshotOf({
    lacking: [{ task: "pi\ning", lacks: [{ resource: "uplink", amount: 2, capacity: 4, heldBy }] }],
  });
  clock.pass(10_000);
  assert.match(err.take(), / · 0 of 3 · pi␊ing waits for 2 of uplink, which a, b, c and 1 more have\n$/);
  view.end();
});

test("plain: a large pipeline tells failures up to twenty, and nothing of what went well", () => {
  const { execution, clock, out, err, options } = fakes();
  const view = new PlainView(execution, options);
  execution.picture = snapshotOf({ tasks: 100_000 });
  for (let at = 0; at < 5_000; at++) {
    const failed = at % 100 === 0;
    execution.settle(
      at,
      `t${at}`,
      failed ? { outcome: "failed", error: { name: "Error", message: "no" } } : {},
    );
    execution.settle(at, `s${at}`, { outcome: "skipped", because: "its need failed" });
  }
  const lines = out.take().trimEnd().split("\n");
  assert.equal(lines.length, 20);
  assert.match(lines[19]!, /t1900 ✗ failed after 1.9 s: no$/);
  assert.match(err.take(), /^\S+ outrider · more failures are counted from here on, and told at the end\n$/);
  execution.picture = snapshotOf({
    tasks: 100_000,
    counts: { succeeded: 4_950, failed: 50, skipped: 5_000 },
  });
  clock.pass(10_000);
  assert.equal(err.take(), "13:02:21.123 outrider · 10,000 of 100,000 · 50 failed · 5,000 skipped\n");
  view.end();
});

test("plain: the level keeps lines away, quiet keeps all away but the end", () => {
  const { execution, out, err, options } = fakes({ level: "warn" });
  const view = new PlainView(execution, options);
  execution.log(0, "cpu", "debug", { level: "debug", stream: "log" });
  execution.log(0, "cpu", "info", { stream: "log" });
  execution.log(0, "cpu", "warn", { level: "warn", stream: "log" });
  assert.equal(out.take(), "13:02:11.123 cpu │ warn: warn\n");
  view.end();

  const quiet = fakes({ quiet: true });
  const silent = new PlainView(quiet.execution, quiet.options);
  quiet.execution.log(0, "cpu", "hello");
  quiet.execution.settle(0, "cpu");
  quiet.clock.pass(60_000);
  silent.note("Stopping");
  silent.end("the end\n");
  assert.equal(quiet.out.take(), "the end\n");
  assert.equal(quiet.err.take(), "outrider · Stopping\n");
  assert.equal(err.take(), "");
});

test("live: lines scroll above a region that is drawn anew", async () => {
  const { execution, clock, screen, view } = await live();
  assert.equal(
    screen.text,
    `device-check ━━━━━━━━──────────────── 1 of 3 · 0.3 s
⠸ cpu    0.3 s
⠸ disk   0.2 s`,
  );
  assert.equal(screen.cursorShown, false);
  execution.log(300, "cpu", "hello");
  execution.log(310, "disk", "oops", { stream: "stderr" });
  clock.pass(100);
  assert.equal(
    screen.text,
    `13:02:11.423 cpu │ hello
13:02:11.433 disk ! oops
device-check ━━━━━━━━──────────────── 1 of 3 · 0.4 s
⠼ cpu    0.4 s
⠼ disk   0.3 s`,
  );
  execution.picture = snapshotOf({
    counts: { succeeded: 2, running: 1 },
    running: [runningSince(100, "disk")],
  });
  clock.pass(100);
  assert.equal(
    screen.text,
    `13:02:11.423 cpu │ hello
13:02:11.433 disk ! oops
device-check ━━━━━━━━━━━━━━━━──────── 2 of 3 · 0.5 s
⠴ disk   0.4 s`,
  );
  view.end("the end\n");
  assert.equal(screen.text, "13:02:11.423 cpu │ hello\n13:02:11.433 disk ! oops\nthe end");
  assert.equal(screen.cursorShown, true);
  assert.equal(clock.timers.size, 0);
  assert.equal(execution.watchers, 0);
});

test("live: more lines than the terminal is high are all kept", async () => {
  const { execution, clock, screen, view } = await live();
  for (let at = 0; at < 100; at++) execution.log(300, "cpu", `line ${at} ${"x".repeat(80)}`);
  clock.pass(100);
  view.end();
  const kept = screen.text.replaceAll("\n", "").match(/line \d+/g) ?? [];
  assert.deepEqual(kept, Array.from({ length: 100 }, (_, at) => `line ${at}`));
});

test("live: events cost no drawing; it is drawn at most ten times a second", async () => {
  const { execution, clock, screen, view } = await live();
  execution.picture = snapshotOf({ tasks: 100_000, counts: { succeeded: 50_000 } });
  const before = screen.writes;
  for (let at = 0; at < 60_000; at++) execution.settle(300, `t${at}`);
  assert.ok(screen.writes - before <= 40, "only what is held back too long is written between ticks");
  execution.picture = snapshotOf({ tasks: 100_000, counts: { succeeded: 60_000 } });
  const drawn = screen.writes;
  clock.pass(1_000);
  assert.equal(screen.writes - drawn, 10);
  view.end();
});

test("live: a terminal made narrower or wider keeps nothing of the old region", async () => {
  for (const columns of [20, 100]) {
    const { execution, clock, screen, view } = await live({}, new NarrowedScreen(60, 12));
    execution.log(300, "cpu", "hello");
    clock.pass(100);
    (screen as NarrowedScreen).fold(columns);
    clock.pass(100);
    view.end("the end\n");
    assert.equal(screen.text.replaceAll("\n", ""), "13:02:11.423 cpu │ hellothe end");
  }
});

test("live: a run shorter than the first drawing leaves no escape behind", () => {
  const screen = new FakeOutput({ isTTY: true });
  const { execution, clock, options } = fakes({ out: screen, err: screen });
  const load = () => Promise.reject(new Error("must not be loaded"));
  const view = new LiveView(execution, { ...options, region: plainPaint, load });
  execution.log(0, "cpu", "hello");
  clock.pass(100);
  execution.settle(150, "cpu");
  view.end("the end\n");
  assert.equal(
    screen.text,
    "13:02:11.123 cpu │ hello\n13:02:11.273 cpu ✓ succeeded in 150 ms\nthe end\n",
  );
});

test("live: with stdout elsewhere, lines go there and the region to the terminal", async () => {
  const out = new FakeOutput();
  const { execution, clock, screen, view } = await live({ out });
  execution.log(300, "cpu", "hello");
  execution.log(300, undefined, "a word", { stream: "log", level: "warn" });
  clock.pass(100);
  assert.equal(out.text, "13:02:11.423 cpu │ hello\n");
  assert.match(screen.text, /^13:02:11.423 outrider · warn: a word\ndevice-check ━/);
  view.end("the end\n");
  assert.equal(out.text, "13:02:11.423 cpu │ hello\nthe end\n");
  assert.equal(screen.text, "13:02:11.423 outrider · warn: a word");
});

test("live: a notice stays in the region until the end", async () => {
  const { clock, screen, view } = await live();
  view.note("Stopping: press Ctrl-C again to stop at once");
  clock.pass(500);
  assert.match(
    screen.text,
    /^\S+ outrider · Stopping: press[^]*\nStopping: press Ctrl-C again to stop at once$/,
  );
  view.end();
  assert.equal(screen.text, "13:02:11.423 outrider · Stopping: press Ctrl-C again to stop\n at once");
});

/** A screen that folds what is on it to another width, as terminals do. */
class NarrowedScreen extends Screen {
  fold(columns: number): void {
    const text = this.text;
    this.raw("\r\x1b[100A\x1b[J");
    this.columns = columns;
    this.raw(`${text}\n`);
  }
}
