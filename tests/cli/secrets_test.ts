/** Secrets of the command line's own: what of them gets into messages, tasks, programs, and what the system shows. */
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { concealedAddress, concealedArguments } from "../../src/base/concealed.ts";
import { tell } from "../../src/cli/line/errors.ts";
import { readConfig } from "../../src/config/config.ts";
import type { RunResult } from "../../src/model/result.ts";
import { givenTo, valuesOf } from "../../src/runtime/process_memory.ts";
import { runCli, withFiles } from "../rig.ts";

const SECRET = "hunter2-hunter2-hunter2";

test("secrets: a defect's text has the names of options, and of no value", () => {
  const where = { runtime: { name: "node" as const, version: "1" } };
  const error = new Error(`Found ${SECRET} and k=${SECRET}`);
  for (
    const args of [
      ["run", "p.json", "--param", `k=${SECRET}`, "-p", `k=${SECRET}`, `--param=k=${SECRET}`],
      ["results", "--token", SECRET, "--json"],
      ["results", `--token=${SECRET}`],
      ["store", "set", "key", SECRET],
    ]
  ) {
    const { text, code } = tell(error, { ...where, args });
    assert.equal(code, 70);
    assert.ok(!text.includes(SECRET), text);
    assert.ok(text.includes(`command: outrider ${args[0]}`), text);
  }
  const { text } = concealedArguments([
    "run",
    "p.json",
    "--param",
    "k=v",
    "--token=t",
    "-p",
    "a=b",
    "--json",
  ]);
  assert.equal(text, "run p.json --param … --token=… -p … --json");
  const problems = Object.assign(new Error("x"), {
    code: "OUTRIDER_PIPELINE",
    problems: [{ place: "", message: "m" }],
  });
  assert.ok(
    !tell(problems, { ...where, args: ["run", `--param=k=${SECRET}`, "p.json"] }).text.includes(SECRET),
  );
});

test("secrets: an address is shown without what stands before its host, also where it is malformed", async () => {
  for (
    const [address, shown] of [
      ["https://gateway:8080/x", "https://gateway:8080/x"],
      [`https://u:${SECRET}@gateway`, "https://hidden@gateway"],
      [`https://u:a/b@${SECRET}@[x`, "https://hidden@[x"],
      [`http//u:${SECRET}@h`, "hidden@h"],
      [`${SECRET}@h`, "hidden@h"],
      [`https://h?token=${SECRET}`, "https://h?hidden"],
    ] as const
  ) {
    assert.equal(concealedAddress(address), shown);
  }
  for (
    const address of [`http://u:${SECRET}@[x`, `http//u:${SECRET}@h`, `ftp://u:${SECRET}@h`, `u:${SECRET}@h`]
  ) {
    const env: Record<string, string> = { OUTRIDER_GATEWAY: address, OUTRIDER_EXECUTOR_ID: "e" };
    const { problems, settings } = await readConfig({
      env: (name) => env[name],
      readText: () => Promise.reject(new Error("none")),
    });
    assert.ok(problems.length > 0);
    assert.ok(!JSON.stringify([problems, settings]).includes(SECRET), JSON.stringify(problems));
    const { stderr, stdout, code } = await runCli(["results", "--gateway", address]);
    assert.equal(code, 2);
    assert.ok(!(stderr + stdout).includes(SECRET), stderr);
  }
});

test("secrets: what is wrong with an option or a file of parameters is told without its value", () =>
  withFiles({ "params.json": `{"key": "${SECRET}` }, async (folder) => {
    for (
      const args of [
        ["run", "p.json", "--params", join(folder, "params.json")],
        ["run", "p.json", "--param", `=${SECRET}`],
        ["run", "p.json", "--param", `key:${SECRET}`],
        ["results", "--token", SECRET, "--token", SECRET],
        ["results", "--gateway", `http://u:${SECRET}@h`, "--gateway", `http://h?token=${SECRET}`],
        ["status", "--url", "http://h", `http://u:${SECRET}@h`],
        ["run", join(folder, "params.json"), "--serve", `http://u:${SECRET}@h`],
      ]
    ) {
      const { code, stdout, stderr } = await runCli(args);
      assert.equal(code, 2, stderr);
      assert.ok(!(stdout + stderr).includes(SECRET), stderr);
    }
  }));

test("secrets: the values of variables and arguments are found where they are", () => {
  const environ = "A=1\0TOKEN=abc\0NOT_TOKEN=x\0TOKEN2=y\0EMPTY\0";
  assert.deepEqual([...valuesOf(environ, ["TOKEN"])].map(([at, length]) => environ.slice(at, at + length)), [
    "abc",
  ]);
  const cmdline = "p\0--token\0abc\0--token=def\0--tokens\0x\0--token\0--token\0";
  assert.deepEqual(
    [...givenTo(cmdline, "--token")].map(([at, length]) => cmdline.slice(at, at + length)),
    ["abc", "def", "--token"],
  );
});

/** A task that looks for secrets wherever a task can look; and a program that does. */
const LOOK = `data:text/javascript,${
  encodeURIComponent(`
    import { readFileSync } from "node:fs";
    import { execFileSync } from "node:child_process";
    import process from "node:process";
    const look = (path) => { try { return readFileSync(path, "latin1"); } catch { return ""; } };
    export const t = () => [
      JSON.stringify(process.env),
      "Deno" in globalThis ? JSON.stringify(Deno.env.toObject()) : "",
      execFileSync("sh", ["-c", "env; tr '\\\\0' '\\\\n' < /proc/$PPID/environ 2> /dev/null || true"], { encoding: "utf8" }),
      look("/proc/self/environ"),
    ];
  `)
}`;

test("secrets: neither tasks, nor their programs, nor the system's own list show the gateway's token", () =>
  withFiles({
    "look.json": {
      outrider: 1,
      name: "look",
      tasks: {
        t: { run: { module: LOOK, export: "t" } },
        p: {
          run: {
            command: [
              "sh",
              "-c",
              `(env; cat /proc/$PPID/environ 2> /dev/null) | grep -c ${
                SECRET.slice(0, 10)
              } > "$OUTRIDER_OUTPUT"; true`,
            ],
          },
        },
      },
    },
  }, async (folder) => {
    const env = { OUTRIDER_TOKEN: SECRET, OUTRIDER_SERVE_TOKEN: `${SECRET}2`, OUTRIDER_SERVE: "off" };
    const { code, stdout, stderr } = await runCli(["run", join(folder, "look.json"), "--json"], { env });
    assert.equal(code, 0, stderr);
    const { tasks } = JSON.parse(stdout) as RunResult;
    const [inEnv, inDeno, inProgram, inSystem] = tasks["t"]![0]!.value as string[];
    assert.ok(inEnv!.includes("PATH"));
    for (const seen of [inEnv!, inDeno!, inProgram!, inSystem!]) assert.ok(!seen.includes("hunter2"), seen);
    if (process.platform === "linux") assert.match(inSystem!, /OUTRIDER_TOKEN=x{23}\0/);
    assert.equal(tasks["p"]![0]!.value, 0);
  }));

test("secrets: a supervised agent gets the token all the same, and an agent without an end point gives it to no task", () =>
  withFiles({
    "look.json": { outrider: 1, name: "look", tasks: { t: { run: { module: LOOK, export: "t" } } } },
  }, async (folder) => {
    const env = {
      OUTRIDER_SERVE: "off",
      OUTRIDER_PIPELINE: join(folder, "look.json"),
      OUTRIDER_TOKEN: SECRET,
      OUTRIDER_LOG_LEVEL: "info",
    };
    const config = await runCli(["agent", "--print-config"], { env });
    assert.match(config.stdout, /OUTRIDER_TOKEN +hidden, 23 characters +\(environment\)/);
    const { code, stdout, stderr } = await runCli(["agent", "--supervise"], { env });
    assert.equal(code, 0, stderr);
    assert.ok(!(stdout + stderr).includes("hunter2"), stderr);
  }));
