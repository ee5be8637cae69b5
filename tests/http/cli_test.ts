/** The end point from the command line: `run --serve`, and the commands that ask a run on this machine. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import type { RunResult } from "../../src/model/result.ts";
import { runCli, startCli } from "../rig.ts";
import { withFolder } from "../run/rig.ts";
import { testWith } from "../system.ts";

/** A run that waits until the store says go, served with a state directory. */
async function withRun(
  use: (ask: (...args: string[]) => ReturnType<typeof runCli>, folder: string) => Promise<void>,
  place: (folder: string) => readonly string[] = () => [],
): Promise<{ readonly stdout: string; readonly code: number | null }> {
  let ended: Awaited<ReturnType<typeof runCli>>;
  await withFolder(async (folder) => {
    const module = `data:text/javascript,${
      encodeURIComponent(
        'export async function wait({ store, log }) { log.info("up"); return await store.waitFor("go") }',
      )
    }`;
    writeFileSync(
      join(folder, "p.json"),
      JSON.stringify({
        outrider: 1,
        name: "cli",
        tasks: { wait: { run: { module, export: "wait" } }, after: { needs: ["wait"] } },
      }),
    );
    const state = join(folder, "state");
    const run = startCli([
      "run",
      join(folder, "p.json"),
      "--serve",
      ...place(folder),
      "--state-dir",
      state,
      "--trace",
      join(folder, "trace.json"),
      "--json",
      "--kill-grace",
      "100ms",
    ]);
    await run.says("up");
    try {
      await use((...args) => runCli([...args, "--state-dir", state]), folder);
    } finally {
      if (run.child.exitCode === null) await runCli(["cancel", "--state-dir", state]).catch(() => {});
      ended = await run.ended;
    }
    assert.ok(!existsSync(join(state, "http.json")));
  });
  return ended!;
}

test("cli: status, store and logs of a run on this machine", async () => {
  const { stdout, code } = await withRun(async (ask) => {
    const status = await ask("status");
    assert.equal(status.code, 0, status.stderr);
    assert.match(status.stdout, /^tasks +2: 1 waiting, 1 running$/m);
    assert.match(status.stdout, /^waiting +after for wait$/m);
    const document = JSON.parse((await ask("status", "--json")).stdout);
    assert.equal(document.run.pipeline, "cli");
    assert.equal((await ask("store", "get", "none")).code, 1);
    assert.equal((await ask("store", "set", "a/b c", '{"x":[1]}')).code, 0);
    assert.equal((await ask("store", "get", "a/b c")).stdout, '{"x":[1]}\n');
    assert.equal((await ask("store", "set", "text", "hello", "--text")).code, 0);
    assert.equal((await ask("store", "get", "text", "--raw")).stdout, "hello");
    const conflict = await ask("store", "set", "text", "1", "--if-version", "7");
    assert.deepEqual([conflict.code, /has version 1/.test(conflict.stderr)], [1, true]);
    assert.equal((await ask("store", "delete", "text")).code, 0);
    assert.equal((await ask("store", "delete", "text")).code, 1);
    assert.equal((await ask("store", "keys")).stdout, "a/b c\n");
    assert.equal((await ask("store", "keys", "--json")).stdout, '["a/b c"]\n');
    assert.equal((await ask("store", "keys", "none", "--json")).stdout, "[]\n");
    const bad = await ask("store", "set", "k", "{oops");
    assert.deepEqual([bad.code, /line 1, column 2/.test(bad.stderr)], [2, true]);
    assert.match((await ask("logs")).stdout, / wait │ up$/m);
    assert.equal((await ask("store", "set", "go", "42")).code, 0);
  });
  assert.equal(code, 0);
  assert.equal((JSON.parse(stdout) as RunResult).tasks["wait"]![0]!.value, 42);
});

test("cli: a watch and a followed log end with the run, a trace is written, a cancel reaches it", async () => {
  let trace = "";
  const { stdout, code } = await withRun(async (ask, folder) => {
    const state = ["--state-dir", join(folder, "state")];
    const watch = startCli(["store", "watch", ...state]);
    const logs = startCli(["logs", "--follow", "--json", ...state]);
    await logs.says('"up"');
    await ask("store", "set", "seen", "true");
    await watch.says('"seen"');
    const cancelled = await ask("cancel", "--because", "had enough");
    assert.match(cancelled.stdout, /is being cancelled/);
    const [watched, logged] = await Promise.all([watch.ended, logs.ended]);
    assert.equal(watched.code, 0, watched.stderr);
    assert.equal(logged.code, 0, logged.stderr);
    assert.match(logged.stdout, /had enough/);
    while (!trace.endsWith("]}\n")) {
      await new Promise((later) => setTimeout(later, 20));
      trace = readFileSync(join(folder, "trace.json"), "utf8");
    }
  });
  assert.equal(code, 1);
  const result = JSON.parse(stdout) as RunResult;
  assert.deepEqual([result.state, result.tasks["wait"]![0]!.because], ["cancelled", "had enough"]);
  const { traceEvents } = JSON.parse(trace) as {
    traceEvents: { ph: string; name: string; cat?: string; dur?: number }[];
  };
  const bar = traceEvents.find(({ ph, name }) => ph === "X" && name === "wait")!;
  assert.equal(bar.cat, "cancelled");
  assert.ok(bar.dur! > 0);
});

test("cli: tasks get the token of their run on every worker, and never that of the environment around it", () =>
  withFolder(async (folder) => {
    const code = `import process from "node:process";
import { execFileSync } from "node:child_process";
const print = 'printf "%s %s" "$OUTRIDER_TOKEN" "$OUTRIDER_URL"';
const told = async () => {
  const texts = [execFileSync("sh", ["-c", print], { encoding: "utf8" })];
  if (!("Deno" in globalThis)) return texts;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", print] }).output();
  return [...texts, new TextDecoder().decode(stdout), Deno.env.get("OUTRIDER_TOKEN") + " " + process.env.OUTRIDER_URL];
};
export const tell = async ({ store }) => {
  await store.increment("here");
  for (let here = 0; here < 3;) here = await store.get("here");
  const [child, ...others] = await told();
  return [process.env.OUTRIDER_TOKEN, process.env.OUTRIDER_URL, process.env.OUTRIDER_SOCKET, child, others];
};`;
    const run = { module: `data:text/javascript,${encodeURIComponent(code)}`, export: "tell" };
    const tasks = { a: { run }, b: { run }, c: { run } };
    writeFileSync(join(folder, "p.json"), JSON.stringify({ outrider: 1, name: "env", tasks }));
    const env = { OUTRIDER_TOKEN: "the-operators-own", OUTRIDER_SOCKET: "/another/runs/socket" };
    const { stdout, stderr } = await runCli(["run", join(folder, "p.json"), "--serve", "--json"], { env });
    const told = Object.values((JSON.parse(stdout) as RunResult).tasks).map(([attempt]) => attempt!.value);
    assert.equal(told.length, 3, stderr);
    assert.equal(new Set(told.map((each) => JSON.stringify(each))).size, 1, stdout);
    const [token, url, socket, child, others] = told[0] as [string, string, string, string, string[]];
    assert.equal(child, `${token} ${url}`);
    for (const other of others) assert.equal(other, child);
    assert.match(url!, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.ok(token !== "the-operators-own" && token!.length > 20);
    assert.equal(socket, "");
  }));

test("cli: a run that serves at a Unix socket is found, followed and cancelled there too", async () => {
  const { stdout, code } = await withRun(async (ask, folder) => {
    const socket = join(folder, "s");
    assert.match((await ask("status")).stdout, /^waiting +after for wait$/m);
    assert.match((await runCli(["status", "--url", `unix:${socket}`])).stdout, /^tasks +2/m);
    assert.equal((await ask("store", "set", "k", '"über"')).code, 0);
    assert.equal((await ask("store", "get", "k", "--raw")).stdout, "über");
    const watch = startCli(["store", "watch", "--state-dir", join(folder, "state")]);
    await watch.says('"key":"k"');
    const refused = await runCli(["store", "get", "k", "--url", `unix:${socket}`, "--token", "wrong"]);
    assert.deepEqual([refused.code, refused.stdout], [2, ""]);
    const env = { OUTRIDER_URL: "http://localhost", OUTRIDER_SOCKET: socket };
    assert.match((await runCli(["status"], { env })).stdout, /^tasks +2/m);
    assert.equal((await ask("cancel")).code, 0);
    await watch.ended;
    const gone = await runCli(["status", "--url", `unix:${socket}`]);
    assert.equal(gone.stderr, `Nothing answers at unix:${socket}: the executor may have ended\n`);
  }, (folder) => [`unix:${join(folder, "s")}`]);
  assert.equal((JSON.parse(stdout) as RunResult).state, "cancelled");
  assert.equal(code, 1);
});

test("cli: where nobody answers, or nobody is named, the words say what to do", () =>
  withFolder(async (folder) => {
    const none = await runCli(["status"], { env: { OUTRIDER_STATE_DIR: "", OUTRIDER_URL: "" } });
    assert.deepEqual([none.code, none.stderr], [
      2,
      "It is not said which executor to ask: give --url URL, or --state-dir DIR of one that serves\n",
    ]);
    const empty = await runCli(["status", "--state-dir", folder]);
    assert.equal(empty.code, 2);
    assert.match(empty.stderr, /No executor serves with the state directory/);
    const closed = await runCli(["store", "get", "k", "--url", "http://127.0.0.1:1"]);
    assert.equal(closed.code, 2);
    assert.match(
      closed.stderr,
      /^Nothing answers at http:\/\/127\.0\.0\.1:1: the executor may have ended\n$/,
    );
    assert.equal((await runCli(["status", "--url", "ftp://x"])).code, 2);
  }));

test("cli: an address that others reach is refused before anything runs", () =>
  withFolder(async (folder) => {
    const file = join(folder, "p.json");
    writeFileSync(file, JSON.stringify({ outrider: 1, name: "p", tasks: { a: {} } }));
    const refused = await runCli(["run", file, "--serve", "0.0.0.0:0"], {
      env: { OUTRIDER_SERVE_TOKEN: "" },
    });
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /^Others can reach 0\.0\.0\.0: set OUTRIDER_SERVE_TOKEN/);
    assert.doesNotMatch(refused.stdout, /succeeded/);
  }));

test("cli: secrets that the configuration names are not in what is shown, with or without an end point", () =>
  withFolder(async (folder) => {
    const file = join(folder, "p.json");
    const command = ["sh", "-c", 'echo "it is $MY_KEY"; printf %s "$MY_KEY" | base64'];
    writeFileSync(file, JSON.stringify({ outrider: 1, name: "p", tasks: { a: { run: { command } } } }));
    for (const more of [[], ["--serve"]]) {
      const log = join(folder, "log");
      const { stdout, stderr, code } = await runCli(["run", file, "--log", log, ...more], {
        env: { OUTRIDER_SECRETS: "MY_KEY, OTHER", MY_KEY: "open-sesame" },
      });
      assert.equal(code, 0, stderr);
      assert.match(stdout + stderr, /it is \[secret\]/);
      assert.doesNotMatch(stdout + stderr + readFileSync(log, "utf8"), /open-sesame|b3Blbi1zZXNhbW/);
    }
  }));

test("cli: secrets are in nothing that is shown or written but the result that was asked for, with or without an end point", () =>
  withFolder(async (folder) => {
    const file = join(folder, "p.json");
    const secret = "open-sesame-4711";
    const module = join(folder, "t.mjs");
    writeFileSync(
      module,
      `const key = process.env.MY_KEY;
       export const value = async ({ store, events, progress }) => {
         await store.set("k", { key }); await events.emit("e", key); progress(0.5, "with " + key); return [key, 1];
       };
       export const fails = () => { throw new Error("no entry with " + key); };`,
    );
    const run = (name: string) => ({ run: { module, export: name } });
    writeFileSync(
      file,
      JSON.stringify({
        outrider: 1,
        name: "p",
        onFailure: "continue",
        tasks: { value: run("value"), fails: run("fails") },
      }),
    );
    const [report, trace] = [join(folder, "report.html"), join(folder, "trace.json")];
    for (
      const [variables, more] of [
        [{ OUTRIDER_SECRETS: "MY_KEY" }, []],
        [{ OUTRIDER_SECRETS: "MY_KEY" }, ["--serve"]],
        [{ OUTRIDER_TOKEN: secret }, []],
      ] as const
    ) {
      const env = { ...variables, MY_KEY: secret };
      const args = ["run", file, "--report", report, "--trace", trace, ...more];
      const { stdout, stderr, code } = await runCli(args, { env });
      assert.equal(code, 1, stderr);
      assert.match(stdout + stderr, /no entry with \[secret\]/);
      assert.match(readFileSync(trace, "utf8"), /no entry with \[secret\]/);
      const all = stdout + stderr + readFileSync(report, "utf8") + readFileSync(trace, "utf8");
      assert.doesNotMatch(all, /open-sesame/);
    }
    const { stdout } = await runCli(["run", file, "--json"], {
      env: { OUTRIDER_SECRETS: "MY_KEY", MY_KEY: secret },
    });
    assert.deepEqual((JSON.parse(stdout) as RunResult).tasks["value"]![0]!.value, [secret, 1]);
  }));

testWith(["curl"], "example: a shell script with curl meets a worker task through the store", async () => {
  const { stdout, code, stderr } = await runCli(["run", "examples/shell/pipeline.json", "--serve", "--json"]);
  assert.equal(code, 0, stderr);
  const { tasks } = JSON.parse(stdout) as RunResult;
  const { disks } = tasks["disks"]![0]!.value as { disks: number };
  const found = tasks["watch"]![0]!.value as Record<string, number>;
  assert.equal(Object.keys(found).length, disks);
  assert.ok(found["/"]! >= 0);
});

testWith(
  ["python3"],
  "example: Python's standard library is enough to share events and the store",
  async () => {
    const { stdout, code, stderr } = await runCli([
      "run",
      "examples/python/pipeline.ts",
      "--serve",
      "--json",
    ]);
    assert.equal(code, 0, stderr);
    const { tasks } = JSON.parse(stdout) as RunResult;
    assert.equal((tasks["report"]![0]!.value as { seen: number }).seen, 5);
    assert.ok((tasks["probe"]![0]!.value as { samples: number[] }).samples.length >= 5);
  },
);
