/** The end point's routes: status, result, pipeline, cancel, metrics, and what it says to what it does not know. */
import assert from "node:assert/strict";
import test from "node:test";
import { HandRun, TOKEN, world } from "./rig.ts";

const STARTED = { type: "run.started", run: "run-1", pipeline: "hand", runtime: "test 1", plan: "" } as const;

test("http: the status says how executor and run stand, who waits for what and why one was skipped", async () => {
  const { ask } = world({
    gateway: () => ({
      url: "https://g.example",
      spool: { state: 1, log: 2 },
      heartbeatFailures: 3,
      lastContactAt: 0,
    }),
    conditions: () => [{ code: "disk_full", message: "The disk is full" }],
  });
  const answer = await ask("/status", { token: null });
  assert.equal(answer.status, 200);
  const status = await answer.json() as Record<string, unknown>;
  const { uptimeMs, startedAt: _, at, run, ...rest } = status;
  assert.ok(uptimeMs as number < 60_000);
  assert.ok(Math.abs(Date.parse(at as string) - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    executor: "device",
    version: "0.0.0",
    runtime: "test 1",
    able: true,
    conditions: [{ code: "disk_full", message: "The disk is full" }],
    gateway: {
      url: "https://g.example",
      lastContactAt: "1970-01-01T00:00:00.000Z",
      heartbeatFailures: 3,
      spool: { state: 1, log: 2 },
    },
  });
  const { running, waiting, skipped, counts, id, state } = run as Record<string, unknown>;
  assert.deepEqual({ id, state }, { id: "run-1", state: "running" });
  assert.deepEqual(waiting, [{ task: "second", waitsFor: [{ task: "first", on: "success" }], more: 0 }]);
  assert.deepEqual(skipped, [{ task: "third", because: "first did not fail" }]);
  assert.equal((counts as Record<string, number>)["running"], 1);
  const [first] = running as Record<string, unknown>[];
  assert.deepEqual(first!["progress"], { fraction: 0.5, text: "half way" });
  assert.ok(first!["ranMs"] as number >= 50);
});

test("http: an executor that can't work says so with 503, and is alive all the same", async () => {
  let unable: string | undefined = "the state directory is gone";
  const { ask } = world({ unable: () => unable });
  const status = await ask("/status", { token: null });
  assert.equal(status.status, 503);
  assert.equal((await status.json() as { unable: string }).unable, unable);
  assert.equal((await ask("/readyz", { token: null })).status, 503);
  assert.equal((await ask("/livez", { token: null })).status, 200);
  unable = undefined;
  assert.equal((await ask("/readyz", { token: null })).status, 200);
});

test("http: routes are such that Hono's fastest router takes them", async () => {
  const { ask, app } = world();
  await ask("/status");
  assert.equal(app.router.name, "SmartRouter + RegExpRouter");
});

test("http: HEAD is answered as GET is, without a body", async () => {
  const { ask, run } = world();
  run.store.set("k", "1");
  for (const path of ["/status", "/livez", "/store/k", "/metrics"]) {
    const answer = await ask(path, { method: "HEAD" });
    assert.equal(answer.status, 200, path);
    assert.equal(await answer.text(), "", path);
  }
});

test("http: without a run, what is asked of it is refused in words, and the status still answers", async () => {
  const { ask, refused } = world({ run: () => undefined });
  assert.equal((await ask("/status")).status, 200);
  assert.equal((await ask("/metrics")).status, 200);
  for (
    const path of ["/store/k", "/store", "/events", "/logs", "/result", "/pipeline", "/tasks", "/records"]
  ) {
    assert.equal(await refused(path), "404 NO_RUN", path);
  }
  assert.equal(await refused("/cancel", { method: "POST" }), "404 NO_RUN");
});

test("http: the pipeline, where its tasks stand, and the result so far", async () => {
  const { ask, run } = world();
  run.journal.append(STARTED, 1_000);
  run.journal.append({
    type: "attempt.settled",
    task: "first",
    iteration: 0,
    attempt: 1,
    outcome: "succeeded",
    value: '{"a":1}',
    startedAt: 1_000,
    endedAt: 2_000,
    worker: 1,
  }, 2_000);
  const pipeline = await (await ask("/pipeline")).json() as { tasks: { name: string; kind: string }[] };
  assert.deepEqual(pipeline.tasks.map(({ name, kind }) => `${name} ${kind}`).sort(), [
    "first task",
    "second sync",
    "third sync",
  ]);
  const page = await (await ask("/tasks?offset=1&limit=1")).json() as {
    total: number;
    tasks: { task: string }[];
  };
  assert.equal(page.total, 3);
  assert.deepEqual(page.tasks.map(({ task }) => task), ["second"]);
  const result = await (await ask("/result")).json() as {
    state: string;
    tasks: Record<string, { value: unknown }[]>;
  };
  assert.equal(result.state, "running");
  assert.deepEqual(result.tasks["first"]![0]!.value, { a: 1 });
});

test("http: a run is cancelled once, with a reason, and not when it is over", async () => {
  const { ask, refused, run } = world();
  const answer = await ask("/cancel", { method: "POST", body: JSON.stringify({ because: "enough" }) });
  assert.equal(answer.status, 202);
  assert.deepEqual(await answer.json(), { run: "run-1", state: "cancelling" });
  assert.equal((await ask("/cancel", { method: "POST" })).status, 202);
  assert.deepEqual(run.cancelled, ["enough", "cancelled over HTTP"]);
  assert.equal(await refused("/cancel", { method: "POST", body: '{"because":7}' }), "422 SHAPE");
  assert.equal(await refused("/cancel", { method: "POST", body: '{"why":"x"}' }), "422 SHAPE");
  assert.equal(await refused("/cancel", { method: "POST", body: "{" }), "400 JSON");
  run.end();
  assert.equal(await refused("/cancel", { method: "POST" }), "409 RUN_OVER");
  assert.equal(run.cancelled.length, 2);
});

test("http: what is not there, and what is not for a path, is said so", async () => {
  const { ask, refused } = world();
  assert.equal(await refused("/nothing"), "404 NO_ROUTE");
  assert.equal(await refused("/status", { method: "DELETE" }), "405 METHOD");
  const answer = await ask("/store/k", { method: "PATCH" });
  assert.equal(answer.status, 405);
  assert.equal(answer.headers.get("allow"), "GET, PUT, DELETE, HEAD");
  assert.equal(await refused("/logs?sinze=1"), "400 QUERY");
  assert.equal(await refused("/logs?since=-1"), "400 QUERY");
  assert.equal(await refused("/logs?since=1&since=2"), "400 QUERY");
  assert.equal(await refused("/logs?level=loud"), "400 QUERY");
  assert.equal(await refused("/store?limit=0"), "400 QUERY");
});

test("http: a defect is told to the executor and not to the client", async () => {
  const run = new HandRun();
  run.resultJson = () => {
    throw new Error("secret inner thing");
  };
  const { ask, defects } = world({}, run);
  const answer = await ask("/result");
  assert.equal(answer.status, 500);
  assert.doesNotMatch(await answer.text(), /secret/);
  assert.equal(defects.length, 1);
});

test("http: metrics count attempts by outcome and time them, over runs", async () => {
  const runs = [new HandRun(), new HandRun()];
  let current = runs[0]!;
  const { ask } = world({
    run: () => current,
    gateway: () => ({ url: "x", spool: { state: 4, log: 5 }, heartbeatFailures: 6 }),
  });
  const settle = (run: HandRun, outcome: "succeeded" | "failed", startedAt: number, endedAt: number) =>
    run.journal.append(
      {
        type: "attempt.settled",
        task: "first",
        iteration: 0,
        attempt: 1,
        outcome,
        startedAt,
        endedAt,
        worker: 1,
      },
      endedAt,
    );
  settle(runs[0]!, "succeeded", 1_000, 1_004);
  settle(runs[0]!, "failed", 1_004.003, 1_100);
  const first = await (await ask("/metrics")).text();
  assert.match(first, /^outrider_attempts_total\{outcome="succeeded"\} 1$/m);
  assert.match(first, /^outrider_attempt_duration_seconds_bucket\{le="0.005"\} 1$/m);
  assert.match(first, /^outrider_attempt_duration_seconds_count 2$/m);
  assert.match(first, /^outrider_between_attempts_seconds_bucket\{le="0.000005"\} 1$/m);
  assert.match(first, /^outrider_spool_records\{lane="log"\} 5$/m);
  assert.match(first, /^outrider_heartbeat_failures_total 6$/m);
  settle(runs[0]!, "succeeded", 2_000, 2_001);
  current = runs[1]!;
  settle(current, "succeeded", 1, 2);
  const second = await (await ask("/metrics")).text();
  assert.match(second, /^outrider_attempts_total\{outcome="succeeded"\} 3$/m);
  assert.match(second, /^outrider_runs_total 2$/m);
  for (const line of second.trimEnd().split("\n")) {
    assert.match(
      line,
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [\d.e+-]+)$/,
    );
  }
});

test("http: a page is served as it is, to anyone, and lets nothing in from elsewhere", async () => {
  const { ask } = world({ page: { html: "<!doctype html><title>x</title>" } });
  const answer = await ask("/", { token: null });
  assert.equal(await answer.text(), "<!doctype html><title>x</title>");
  assert.match(answer.headers.get("content-security-policy")!, /default-src 'none'.*frame-ancestors 'none'/);
  assert.equal((await world().ask("/")).status, 404);
  assert.ok(TOKEN.length >= 32);
});
