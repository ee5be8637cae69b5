import assert from "node:assert/strict";
import test from "node:test";
import { harmless } from "../../src/base/harmless.ts";
import { frame } from "../../src/cli/view/frame.ts";
import { width } from "../../src/cli/view/measures.ts";
import { plainPaint } from "../../src/cli/view/paint.ts";
import { LineWriter } from "../../src/cli/view/text_line.ts";
import { span } from "../../src/base/shown.ts";
import { ResultFold } from "../../src/model/result.ts";
import { report } from "../../src/cli/view/report.ts";
import type { AttemptResult } from "../../src/model/outcome.ts";
import { pictureAt, resultOf, runningSince, snapshotOf, START } from "./fake.ts";

const plain = { columns: 80, paint: plainPaint };

function attempt(more: Partial<AttemptResult> = {}): AttemptResult {
  return {
    iteration: 0,
    attempt: 1,
    outcome: "succeeded",
    startedAt: new Date(START).toISOString(),
    endedAt: new Date(START + 300).toISOString(),
    worker: 1,
    ...more,
  };
}

const skipped: AttemptResult = { iteration: 0, attempt: 0, outcome: "skipped", because: "cpu did not fail" };

test("the report of a small run has a row for every task", () => {
  const text = report(
    resultOf("succeeded", {
      cpu: [attempt({ value: { score: 1 } })],
      network: [attempt({ outcome: "failed" }), attempt({ attempt: 2, value: "ok" })],
      loop: [attempt(), attempt({ iteration: 1 }), attempt({ iteration: 2, value: new Uint8Array(3000) })],
      cool: [skipped],
    }),
    plain,
  );
  assert.equal(
    text,
    `✓ cpu      succeeded  300 ms  {"score":1}
✓ network  succeeded  300 ms  attempt 2 · "ok"
✓ loop     succeeded  300 ms  3 iterations · "<3,000 bytes>"
− cool     skipped            cpu did not fail

device-check succeeded in 1.2 s: 3 succeeded, 1 skipped
`,
  );
});

test("failures are told with their message, the top of their stack and their causes", () => {
  const error = {
    name: "DiskError",
    message: "no space\nleft at all",
    stack: "DiskError: no space\n    at a (x.ts:1:1)\n    at b\n    at c\n    at d\n    at e",
    cause: { name: "Error", message: "quota" },
  };
  const text = report(
    resultOf("failed", {
      disk: [attempt({ outcome: "failed" }), attempt({ attempt: 2, outcome: "failed", error })],
    }),
    plain,
  );
  assert.equal(
    text,
    `✗ disk  failed  300 ms  attempt 2 · DiskError: no space …

✗ disk failed after 2 attempts: DiskError: no space
    left at all
    at a (x.ts:1:1)
    at b
    at c
    at d
    caused by Error: quota

device-check failed in 1.2 s: 1 failed
`,
  );
});

test("failures are told with what they say of themselves and the errors behind them, in so many lines", () => {
  const inner = { name: "Error", message: "refused", code: "ECONNREFUSED", fields: { port: 443 } };
  const error = {
    name: "AggregateError",
    message: "all",
    errors: [inner, { name: "Odd", message: "\x1b[2J" }],
  };
  const text = report(resultOf("failed", { any: [attempt({ outcome: "failed", error })] }), {
    ...plain,
    quiet: true,
  });
  assert.equal(
    text,
    `✗ any failed: AggregateError: all
    error 1 of 2: Error: refused
      code ECONNREFUSED, port 443
    error 2 of 2: Odd: ${harmless("\x1b[2J")}

device-check failed in 1.2 s: 1 failed
`,
  );
  const many = { ...error, errors: Array(500).fill(inner) };
  const long = report(resultOf("failed", { any: [attempt({ outcome: "failed", error: many })] }), plain);
  assert.ok(long.split("\n").length < 50);
  assert.match(long, /… and more: the result as JSON has it/);
});

test("crashes, timeouts and cancels have their reasons", () => {
  const text = report(
    resultOf("cancelled", {
      a: [attempt({ outcome: "crashed", reason: "exit", code: 3 })],
      b: [attempt({ outcome: "timed_out", because: "it took longer than 250ms" })],
      c: [attempt({ outcome: "cancelled", because: "stopped by SIGINT" })],
      d: [
        attempt({ outcome: "timed_out", because: "it was quiet", error: { name: "E", message: "aborted" } }),
      ],
      e: [attempt({ outcome: "timed_out", error: { name: "E", message: "aborted" } })],
    }),
    { ...plain, quiet: true },
  );
  assert.equal(
    text,
    `✗ a crashed: it ended its worker with exit code 3

✗ b timed out: it took longer than 250ms

✗ d timed out: it was quiet
    E: aborted

✗ e timed out: E: aborted

device-check cancelled in 1.2 s: 3 timed out, 1 crashed, 1 cancelled
`,
  );
});

test("the report of a large run tells twenty failures and counts the rest", () => {
  const tasks = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, at) => [
      `t${at}`,
      [attempt(at % 100 === 0 ? { outcome: "failed", error: { name: "Error", message: `no ${at}` } } : {})],
    ]),
  );
  const lines = report(resultOf("failed", tasks), plain).split("\n");
  assert.equal(lines[0], "✗ t0 failed: Error: no 0");
  assert.equal(lines.filter((line) => line.startsWith("✗")).length, 20);
  assert.ok(lines.includes("… and 80 more failures; --json and --log have them all"));
  assert.equal(lines.at(-2), "device-check failed in 1.2 s: 9,900 succeeded, 100 failed");
  assert.ok(lines.length < 60);
});

test("no row is wider than the terminal, and values can't wreck it", () => {
  const text = report(
    resultOf("succeeded", {
      [`task ${"x".repeat(80)}`]: [attempt({ value: `\x1b[2J${"long ".repeat(500)}` })],
    }),
    { columns: 60, paint: plainPaint },
  );
  for (const line of text.split("\n").slice(0, 1)) assert.ok(width(line) <= 60, line);
  assert.ok(!text.includes("\x1b"));
});

test("a run of no tasks says so", () => {
  assert.equal(report(resultOf("succeeded", {}), plain), "device-check succeeded in 1.2 s: no tasks\n");
});

test("the live view shows how far the run is, what runs, and what comes next", () => {
  const snapshot = snapshotOf({
    tasks: 12,
    counts: { waiting: 3, ready: 1, running: 2, succeeded: 5, failed: 1 },
    running: [
      runningSince(1_000, "disk", { attempt: 2 }),
      runningSince(200, "cpu", { progress: { fraction: 0.455, text: "measuring" } }),
    ],
    next: ["net", "report"],
  });
  const lines = frame(pictureAt(START + 3_400, snapshot), { columns: 80, rows: 24, paint: plainPaint });
  assert.deepEqual(lines, [
    "device-check ━━━━━━━━━━━━──────────── 6 of 12 · 1 failed · 3.4 s",
    "⠼ cpu       3.2 s  ━━━━──────  45 %  measuring",
    "⠼ disk #2   2.4 s",
    "  next: net, report, then 2 more",
  ]);
});

test("the live view of a run that went on shows the time since then first", () => {
  const snapshot = { ...snapshotOf({ counts: { running: 1 } }), ranMs: 3_600_000, sinceResumeMs: 4_200 };
  const [head] = frame(snapshot, { columns: 80, rows: 24, paint: plainPaint });
  assert.match(head!, / · 4\.2 s \(1 h 00 min in all\)$/);
});

test("frame: at most three of the tasks that lack a resource, below those that run, however few lines there are", () => {
  const lacks = [{
    resource: "radio",
    amount: 1,
    capacity: 1,
    heldBy: [{ task: "scan", run: "r2", process: 77 }],
  }];
  const lacking = ["a", "b", "c", "d"].map((task) => ({ task, lacks }));
  const running = Array.from({ length: 9 }, (_, at) => runningSince(at, `t${at}`));
  const lines = frame(snapshotOf({ lacking, running, next: ["e"] }), {
    columns: 99,
    rows: 12,
    paint: plainPaint,
  });
  assert.equal(lines.length, 9);
  assert.deepEqual(lines.slice(-4), [
    ...["a", "b", "c"].map((name) => `  ${name} waits for radio, which scan of run r2 (process 77) has`),
    "  next: e",
  ]);
});

test("the live view has one line for a mapped task, with how far its items are", () => {
  const items = [7, 8, 9].map((item) => runningSince(item, "scan", { item }));
  const snapshot = snapshotOf({
    counts: { running: 3 },
    running: [...items, runningSince(0, "cpu")],
    mapped: [
      { task: "scan", items: { count: 2_000, running: 3, ended: { succeeded: 990, crashed: 10 } } },
      { task: "none", items: { count: 0, running: 0, ended: {} } },
    ],
  });
  const lines = frame(pictureAt(START + 2_000, snapshot), { columns: 80, rows: 24, paint: plainPaint });
  assert.deepEqual(lines.slice(1).map((line) => line.slice(2)), [
    "cpu    2.0 s",
    "scan   2.0 s  ━━━━━───── 1,000 of 2,000 items, 10 failed",
    "none   0.0 s  ────────── 0 of 0 items",
  ]);
});

test("the live view fits the terminal, however much runs", () => {
  const running = Array.from({ length: 64 }, (_, at) => runningSince(at, `task ${at} ${"x".repeat(40)}`));
  const snapshot = snapshotOf({
    tasks: 100_000,
    counts: {
      waiting: 90_000,
      running: 64,
      succeeded: 9_900,
      timed_out: 30,
      crashed: 6,
      skipped: 10,
      retrying: 2,
    },
    running,
    next: ["y".repeat(200)],
  });
  for (const [columns, rows] of [[80, 24], [120, 40], [40, 10], [20, 5], [10, 3], [1, 1]] as const) {
    const lines = frame(pictureAt(START + 60_000, snapshot), {
      columns,
      rows,
      paint: plainPaint,
      notice: "Stopping",
    });
    assert.ok(lines.length <= Math.max(1, rows - 1), `${lines.length} lines in ${rows} rows`);
    for (const line of lines) assert.ok(width(line) <= Math.max(1, columns - 1), `${columns}: ${line}`);
  }
  const wide = frame(pictureAt(START + 60_000, snapshot), { columns: 120, rows: 40, paint: plainPaint });
  assert.match(wide[0]!, /9,946 of 100,000 · 36 failed · 2 to try again · 10 skipped · 1 min 00 s$/);
  assert.equal(wide.length, 14);
  assert.equal(wide[12], "  … 53 more running");
});

test("progress beyond its bounds does no harm", () => {
  for (const fraction of [-1, 2, NaN, Infinity]) {
    const running = [runningSince(0, "cpu", { progress: { fraction } })];
    const [, line] = frame(snapshotOf({ running }), { columns: 80, rows: 24, paint: plainPaint });
    assert.match(line!, /[━─]{10} ( {2}0|100) %$/);
  }
});

const LONG = {
  "capture-traffic-of-eth0": [attempt({ value: { packets: 12_345 } })],
  "capture-traffic-of-eth1": [
    attempt({ outcome: "failed", error: { name: "NetworkError", message: "no such device: eth1" } }),
  ],
  "compare-the-captures": [
    { ...skipped, because: "capture-traffic-of-eth1 failed, and the pipeline stops on failure" },
  ],
};

test("on a narrow terminal the table keeps outcomes and reasons, and names are told apart", () => {
  const rows = (columns: number) =>
    report(resultOf("failed", LONG), { columns, paint: plainPaint }).split("\n\n")[0]!;
  assert.equal(
    rows(40),
    `✓ capture…f-eth0  succeeded  300 ms
✗ capture…f-eth1  failed     300 ms
    NetworkError: no such device: eth1
− compare…ptures  skipped
    capture-traffic-of-eth1 failed, and…`,
  );
  assert.equal(
    rows(80),
    `✓ capture…f-eth0  succeeded  300 ms  {"packets":12345}
✗ capture…f-eth1  failed     300 ms  NetworkError: no such device: eth1
− compare…ptures  skipped
    capture-traffic-of-eth1 failed, and the pipeline stops on failure`,
  );
  assert.match(
    rows(120),
    /^− compare-the-captures .* capture-traffic-of-eth1 failed, and the pipeline stops on failure$/m,
  );
  for (const columns of [20, 30, 40, 60, 79, 80, 100]) {
    for (const line of rows(columns).split("\n")) assert.ok(width(line) <= columns, `${columns}: ${line}`);
  }
});

test("the same duration is the same in the table, in a line and from what was rounded before", () => {
  for (
    const took of [0.4, 9.6, 9.95, 99.6, 999.4, 999.6, 1_049.6, 1_249.5, 59_949.6, 59_950.4, 3_599_499.6]
  ) {
    const fold = new ResultFold();
    const settled = {
      type: "attempt.settled",
      task: "a",
      iteration: 0,
      attempt: 1,
      outcome: "succeeded",
      startedAt: START + 0.7,
      endedAt: START + 0.7 + took,
    } as const;
    fold.add({ seq: 1, at: START, ...settled });
    const [row] = report(fold, plain).split("\n");
    const [, line] = new LineWriter(plainPaint, () => "").settled({ ...settled, at: START }).match(
      / in (.*)\n/,
    )!;
    assert.equal(row, `✓ a  succeeded  ${line}`);
    assert.equal(span(Math.round(took)), line);
  }
});

test("the live view keeps how far the run is on a narrow terminal, and names that are told apart", () => {
  const snapshot = snapshotOf({
    ...{
      pipeline: "a-pipeline-with-a-long-name",
      tasks: 12,
      counts: { running: 2, succeeded: 5, failed: 1 },
    },
    running: [
      runningSince(0, "capture-traffic-of-eth0", { progress: { fraction: 0.5 } }),
      runningSince(0, "capture-traffic-of-eth1"),
    ],
  });
  const lines = frame(pictureAt(START + 3_400, snapshot), { columns: 40, rows: 24, paint: plainPaint });
  assert.deepEqual(lines, [
    "a-pipe…-name 6 of 12 · 1 failed · 3.4 s",
    "⠼ captu…-eth0   3.4 s  ━━━━━─────  50 %",
    "⠼ captu…-eth1   3.4 s",
  ]);
});

test("the report of a run that went on says how long that took, and the whole beside it", () => {
  const fold = new ResultFold();
  const key = { run: "r", pipeline: "p", runtime: "node 24", plan: "" };
  fold.add({ seq: 1, at: START, type: "run.started", ...key });
  fold.add({ seq: 2, at: START + 3_600_000, type: "run.resumed", lost: 0 });
  fold.add({ seq: 3, at: START + 3_602_000, type: "run.ended", state: "succeeded", tookMs: 3_602_000 });
  assert.match(
    report(fold, plain),
    new RegExp(`p succeeded in ${span(2_000)} since it went on, ${span(3_602_000)} in all: `),
  );
});
