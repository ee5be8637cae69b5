/** Programs of the device as tasks: what they are given, what they come to, and that nothing of them is left. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import type { RunOptions } from "../../src/run/execution.ts";
import type { Manifest, ManifestTask } from "../../src/pipeline/document/manifest.ts";
import { ROOT, startCli } from "../rig.ts";
import { HeldTimers, HOUR_MS, only, printed, see, start, withFolder, world } from "./rig.ts";

/** A pipeline of shell scripts: the shell is the program here, and the script its argument. */
function scripts(
  tasks: Readonly<Record<string, string | (Omit<ManifestTask, "run"> & { sh: string })>>,
): Manifest {
  return {
    outrider: 1,
    name: "scripts",
    onFailure: "continue",
    tasks: Object.fromEntries(
      Object.entries(tasks).map(([name, task]) => {
        const { sh, ...rest } = typeof task === "string" ? { sh: task } : task;
        return [name, { run: { command: ["sh", "-c", sh] }, ...rest }];
      }),
    ),
  };
}

async function runOne(sh: string, options: RunOptions & Omit<ManifestTask, "run"> = {}) {
  const { killGraceMs = 200, ...rest } = options;
  const seen = await see(scripts({ t: { sh, ...rest } }), { killGraceMs });
  return { attempt: only(seen.result, "t"), lines: printed(seen, "t"), logs: seen.logs };
}

/** Whether a process is there and no zombie. */
function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    try {
      process.kill(pid, 0);
      return !existsSync("/proc/self");
    } catch {
      return false;
    }
  }
}

test("command: a program gets inputs and parameters as JSON, and gives its value as JSON", async () => {
  const manifest: Manifest = {
    outrider: 1,
    name: "p",
    tasks: {
      first: {
        run: { command: ["sh", "-c", 'printf \'{"a":[1,{"$bytes":"AQI="}]}\' > "$OUTRIDER_OUTPUT"'] },
      },
      second: {
        needs: [{ task: "first", as: "before" }],
        params: { depth: 2 },
        run: {
          command: ["sh", "-c", 'cat "$OUTRIDER_INPUTS" "$OUTRIDER_PARAMS"; cat > "$OUTRIDER_OUTPUT"'],
          stdin: '"from stdin"',
        },
      },
    },
  };
  const seen = await see(manifest);
  assert.deepEqual(only(seen.result, "first").value, { a: [1, new Uint8Array([1, 2])] });
  assert.deepEqual(printed(seen, "second"), ['{"before":{"a":[1,{"$bytes":"AQI="}]}}', '{"depth":2}']);
  assert.equal(only(seen.result, "second").value, "from stdin");
});

test("command: a program knows whose attempt it is, has its own variables, and not the configuration", async () => {
  const variables: Readonly<Record<string, string | undefined>> = {
    PATH: world.runtime.env("PATH"),
    OUTRIDER_PROBE_SECRET: "hidden",
    NETUNICORN_PROBE_SECRET: "hidden",
    THEIRS: "theirs",
  };
  const runtime = {
    ...world.runtime,
    env: (name: string) => variables[name],
    envNames: () => Object.keys(variables),
  };
  const told = ["TASK", "ITERATION", "ATTEMPT", "PROBE_SECRET", "RUN"].map((name) => `$OUTRIDER_${name}`);
  const seen = await see({
    outrider: 1,
    name: "p",
    tasks: {
      "a task": {
        run: {
          command: ["sh", "-c", `echo "${told.join("|")}|$NETUNICORN_PROBE_SECRET|$MINE|$THEIRS"`],
          env: { MINE: "x y" },
        },
      },
    },
  }, { world: { ...world, runtime } });
  assert.deepEqual(printed(seen, "a task"), [`a task|0|1||${seen.result.run}||x y|theirs`]);
});

test("command: no shell is involved, and an argument arrives as it is", async () => {
  const odd = ["$HOME", "a b", "*", "`x`", '"', "", "ü\n"];
  const seen = await see({
    outrider: 1,
    name: "p",
    tasks: {
      t: { run: { command: ["sh", "-c", 'for each in "$@"; do printf "[%s]" "$each"; done', "sh", ...odd] } },
    },
  });
  assert.equal(printed(seen, "t").join("\n"), odd.map((each) => `[${each}]`).join(""));
});

test("command: it runs in the folder of its manifest, or in cwd", () =>
  withFolder(async (folder) => {
    const manifest = join(folder, "p.json");
    writeFileSync(join(folder, "probe.sh"), "#!/bin/sh\npwd\n", { mode: 0o755 });
    writeFileSync(
      manifest,
      JSON.stringify({
        outrider: 1,
        name: "p",
        tasks: {
          here: { run: { command: ["./probe.sh"] } },
          there: { run: { command: ["pwd"], cwd: "/" } },
        },
      }),
    );
    const seen = await see(manifest);
    assert.match(printed(seen, "here")[0]!, new RegExp(`${folder.split("/").at(-1)}$`));
    assert.deepEqual(printed(seen, "there"), ["/"]);
  }));

test("command: without a value, with none, and with a broken one", async () => {
  assert.equal((await runOne("true")).attempt.value, undefined);
  assert.equal((await runOne(': > "$OUTRIDER_OUTPUT"')).attempt.value, undefined);
  const broken = (await runOne('printf \'{\\n "a": tru }\' > "$OUTRIDER_OUTPUT"')).attempt;
  assert.equal(broken.outcome, "failed");
  assert.match(broken.error!.message, /OUTRIDER_OUTPUT.*line 2, column 7/);
  const twice = (await runOne('printf \'{"a":1,"a":2}\' > "$OUTRIDER_OUTPUT"')).attempt;
  assert.match(twice.error!.message, /a.*twice|Duplicate/i);
});

test("command: exit code and signal are in the outcome, and what it said last", async () => {
  const { attempt } = await runOne("echo out; echo 'no such device' >&2; exit 7");
  assert.equal(attempt.outcome, "failed");
  assert.equal(attempt.code, 7);
  assert.equal(attempt.error!.message, '"sh" ended with exit code 7: no such device');
  assert.ok(attempt.worker! > 0);
  const killed = (await runOne("kill -SEGV $$")).attempt;
  assert.equal(killed.error!.message, '"sh" was ended by SIGSEGV');
});

test("command: what can't be started fails with what to do", () =>
  withFolder(async (folder) => {
    writeFileSync(join(folder, "plain"), "x", { mode: 0o644 });
    const seen = await see({
      outrider: 1,
      name: "p",
      onFailure: "continue",
      tasks: {
        missing: { run: { command: ["no-such-program-here"] } },
        plain: { run: { command: [join(folder, "plain")] } },
        nowhere: { run: { command: ["true"], cwd: join(folder, "gone") } },
      },
    });
    assert.match(only(seen.result, "missing").error!.message, /no such program in PATH: install it/);
    assert.match(only(seen.result, "plain").error!.message, /may not be executed: chmod \+x/);
    assert.match(only(seen.result, "nowhere").error!.message, /there is no folder .*gone/);
  }));

test("command: every line is in the log, in order, whole, and of its attempt", async () => {
  const { lines, logs } = await runOne(
    "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; printf 'a\\r\\n\\nlast \\303\\274 \\377'; echo err >&2",
  );
  const out = lines.filter((line) => line !== "err");
  assert.deepEqual(out.slice(0, 2_000), Array.from({ length: 2_000 }, (_, at) => `line ${at}`));
  assert.deepEqual(out.slice(2_000), ["a", "", "last ü \uFFFD"]);
  const error = logs.find(({ text }) => text === "err")!;
  assert.deepEqual([error.stream, error.task, error.attempt], ["stderr", "t", 1]);
});

test("command: a long line is cut, and nothing of it is lost", async () => {
  const { lines } = await runOne("head -c 200000 /dev/zero | tr '\\0' x; echo; echo end");
  assert.equal(lines.at(-1), "end");
  assert.ok(lines.every((line) => line.length <= 65_536));
  assert.equal(lines.slice(0, -1).join("").length, 200_000);
});

/** The same for a script that says that it is up, and whose timeout comes then. */
async function runUntilUp(sh: string, killGraceMs: number) {
  const held = new HeldTimers(HOUR_MS);
  const going = start(scripts({ t: { sh, timeout: "1h" } }), { killGraceMs, world: held.world });
  await going.says("up");
  await held.comes(HOUR_MS);
  const seen = await going.seen;
  return { attempt: only(seen.result, "t"), lines: printed(seen, "t") };
}

test("command: a timeout asks the whole group to end, and counts when it is gone", async () => {
  const script = "trap 'echo asked; exit 0' TERM; echo up; sleep 100 & wait";
  const { attempt, lines } = await runUntilUp(script, 60_000);
  assert.equal(attempt.outcome, "timed_out");
  assert.equal(attempt.because, "it ran longer than its timeout of 3600 s");
  assert.deepEqual(lines, ["up", "asked"]);
});

test("command: what does not listen is killed with all that it has started, and proven gone", () =>
  withFolder(async (folder) => {
    const script = `trap '' TERM; (trap '' TERM; echo $$ > ${folder}/a; sleep 100; sleep 100) & ` +
      `sh -c "trap '' TERM; echo \\$\\$ > ${folder}/b; sleep 100; sleep 100" & ` +
      `until [ -s ${folder}/a ] && [ -s ${folder}/b ]; do sleep 0.01; done; echo up; wait; sleep 100`;
    const { attempt } = await runUntilUp(script, 100);
    assert.equal(attempt.outcome, "timed_out");
    for (const name of ["a", "b"]) {
      const pid = Number(readFileSync(join(folder, name), "utf8"));
      assert.ok(pid > 1);
      assert.equal(lives(pid), false, name);
    }
  }));

test("command: what it leaves behind is stopped, which the log says, and its value counts", () =>
  withFolder(async (folder) => {
    const { attempt, logs } = await runOne(
      `sleep 100 & echo $! > ${folder}/pid; echo '[1]' > "$OUTRIDER_OUTPUT"`,
    );
    assert.equal(attempt.outcome, "succeeded");
    assert.deepEqual(attempt.value, [1]);
    assert.equal(lives(Number(readFileSync(join(folder, "pid"), "utf8"))), false);
    assert.ok(logs.some(({ text, level }) => level === "warn" && /left processes behind/.test(text)));
  }));

test("command: what leaves its group is stopped when the run ends", () =>
  withFolder(async (folder) => {
    const { attempt } = await runOne(
      `setsid sh -c "trap '' TERM HUP; echo \\$\\$ > ${folder}/pid; sleep 100" > /dev/null 2>&1 & ` +
        `until [ -s ${folder}/pid ]; do sleep 0.01; done`,
    );
    assert.equal(attempt.outcome, "succeeded");
    const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
    assert.ok(pid > 1);
    assert.equal(lives(pid), process.platform !== "linux");
  }));

test("command: a cancel reaches a program, and a run that is over leaves none", async () => {
  const going = start(scripts({ t: "echo $$; sleep 100; sleep 100", after: { sh: "true", needs: ["t"] } }), {
    killGraceMs: 100,
  });
  const line = await going.until((event) => event.type === "log" && event.task === "t");
  going.execution.cancel("enough");
  const { result } = await going.seen;
  assert.equal(only(result, "t").outcome, "cancelled");
  assert.equal(only(result, "t").because, "enough");
  assert.equal(only(result, "after").outcome, "skipped");
  assert.equal(lives(Number((line as { text: string }).text)), false);
});

test("command: a failed program is tried again, with files of its own", async () => {
  const seen = await see(scripts({
    t: {
      sh:
        '[ ! -e "$OUTRIDER_OUTPUT" ] || exit 9; echo "$OUTRIDER_ATTEMPT" > "$OUTRIDER_OUTPUT"; [ "$OUTRIDER_ATTEMPT" = 2 ]',
      retry: { attempts: 3, delay: "1ms" },
    },
  }));
  const attempts = seen.result.tasks["t"]!;
  assert.deepEqual(attempts.map(({ outcome }) => outcome), ["failed", "succeeded"]);
  assert.equal(attempts[1]!.value, 2);
});

test("command: when a run is over, nothing is left of the folders of its programs", async () => {
  const sh = `printf '"%s"' "$(dirname "$OUTRIDER_INPUTS")" > "$OUTRIDER_OUTPUT"`;
  const seen = await see(scripts({ a: { sh }, b: { sh, needs: ["a"] }, c: { sh, needs: ["b"] } }));
  const folders = Object.values(seen.result.tasks).map(([attempt]) => String(attempt!.value));
  assert.equal(new Set(folders).size, 3);
  assert.deepEqual(folders.filter((folder) => existsSync(folder)), []);
});

test("command: programs and worker tasks run side by side, and hand each other values", async () => {
  const module = `data:text/javascript,${
    encodeURIComponent("export function twice({inputs}) { return inputs.program * 2 }")
  }`;
  const seen = await see({
    outrider: 1,
    name: "p",
    tasks: {
      program: { run: { command: ["sh", "-c", 'echo 21 > "$OUTRIDER_OUTPUT"'] } },
      worker: { needs: ["program"], run: { module, export: "twice" } },
      last: { needs: ["worker"], run: { command: ["sh", "-c", 'cat "$OUTRIDER_INPUTS"'] } },
    },
  });
  assert.equal(only(seen.result, "worker").value, 42);
  assert.deepEqual(printed(seen, "last"), ['{"worker":42}']);
});

test("command: one that prints without end makes no other late", async () => {
  const names = ["a", "b", "c", "d", "e"];
  const going = start(
    scripts({
      floods: "yes",
      ...Object.fromEntries(names.map((name) => [name, "echo 1 > $OUTRIDER_OUTPUT"])),
    }),
    { maxWorkers: 8 },
  );
  await Promise.all(
    names.map((name) => going.until((event) => event.type === "attempt.settled" && event.task === name)),
  );
  going.execution.cancel("enough");
  const { result } = await going.seen;
  assert.equal(only(result, "floods").outcome, "cancelled");
  for (const name of names) assert.equal(only(result, name).outcome, "succeeded", name);
});

test("command: at most as many programs as there may be workers run at a time, the others wait", () =>
  withFolder(async (folder) => {
    const sh = `echo + >> ${folder}/log; sleep 0.05; echo - >> ${folder}/log`;
    const names = ["a", "b", "c", "d", "e"];
    const seen = await see(scripts(Object.fromEntries(names.map((name) => [name, sh]))), {
      maxWorkers: 2,
      workers: 1,
    });
    assert.ok(names.every((name) => only(seen.result, name).outcome === "succeeded"));
    let running = 0;
    for (const sign of readFileSync(join(folder, "log"), "utf8").trim().split("\n")) {
      running += sign === "+" ? 1 : -1;
      assert.ok(running <= 2);
    }
  }));

test("command: programs do not outlive an executor that is killed", () =>
  withFolder(async (folder) => {
    const file = join(folder, "p.json");
    writeFileSync(file, JSON.stringify(scripts({ t: "echo pid=$$; sleep 100; sleep 100" })));
    const cli = startCli(["run", file]);
    await cli.says("pid=");
    cli.kill("SIGKILL");
    const ended = await cli.ended;
    const pid = Number(/pid=(\d+)/.exec(ended.stdout + ended.stderr)![1]);
    while (lives(pid)) await new Promise((later) => setTimeout(later, 10));
    assert.equal(ended.signal, "SIGKILL");
  }));

test("command: what is kept of programs that are gone does not grow, and those that are there do not outlive a kill", () =>
  withFolder(async (folder) => {
    const program = `import { guard } from ${JSON.stringify(join(ROOT, "src/runtime/guard.ts"))};
import { spawn } from "node:child_process";
const { pid } = spawn("sleep", ["100"], { detached: true, stdio: "ignore" });
guard.start();
guard.add(pid);
for (let group = 5_000_000; group < 5_005_000; group++) {
  guard.add(group);
  guard.remove(group);
}
console.log("pid=" + pid);
setInterval(() => {}, 1000);
`;
    const file = join(folder, "program.mjs");
    writeFileSync(file, program);
    const before = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    const child = spawn(process.execPath, [...before, file], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "close");
    const pid = Number(/pid=(\d+)/.exec(String((await once(child.stdout, "data"))[0]))![1]);
    const [guard] = readdirSync(folder).filter((name) => name.startsWith("outrider-guard-"));
    const { size } = statSync(join(folder, guard!, "groups"));
    assert.ok(size > 0 && size < 10_000, `${size} bytes`);
    assert.equal(lives(pid), true);
    child.kill("SIGKILL");
    await ended;
    while (lives(pid)) await new Promise((later) => setTimeout(later, 10));
    while (existsSync(join(folder, guard!))) await new Promise((later) => setTimeout(later, 10));
  }));
