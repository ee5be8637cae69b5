/** Variables of the environment that look like ours and are none. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { commandLine } from "../../src/cli/line/command_line.ts";
import { misspelt } from "../../src/config/known.ts";
import { VARIABLES } from "../../src/config/variables.ts";
import { FakeRuntime } from "../cli/fake.ts";
import { ROOT } from "../rig.ts";

test("known: a misspelt variable is told with the nearest there is, of the same program", async () => {
  assert.deepEqual(
    await misspelt(["OUTRIDER_HEARTBEET", "outrider_quiet", "NETUNICORN_EXECUTER_ID", "OUTRIDER_TOKEN_FIEL"]),
    [
      'OUTRIDER_HEARTBEET: There is no such variable: did you mean "OUTRIDER_HEARTBEAT"?',
      'outrider_quiet: There is no such variable: did you mean "OUTRIDER_QUIET"?',
      'NETUNICORN_EXECUTER_ID: There is no such variable: did you mean "NETUNICORN_EXECUTOR_ID"?',
      'OUTRIDER_TOKEN_FIEL: There is no such variable: did you mean "OUTRIDER_TOKEN_FILE"?',
    ],
  );
});

test("known: nothing is said of those that there are, of others' own, and of what Kubernetes sets", async () => {
  assert.deepEqual(await misspelt(Object.values(VARIABLES).map(({ name }) => name)), []);
  const others = [
    "OUTRIDER_TEST_SEED",
    "OUTRIDER_GREETING_OF_MINE",
    "OUTRIDER_SERVICE_HOST",
    "OUTRIDER_SERVICE_PORT_HTTP",
    "OUTRIDER_PORT",
    "OUTRIDER_PORT_8080_TCP_ADDR",
  ];
  assert.deepEqual(await misspelt(others), []);
});

test("known: every variable that the sources read or set by name is one of them", async () => {
  const files = (readdirSync(join(ROOT, "src"), { recursive: true }) as string[]).filter((file) =>
    file.endsWith(".ts") && !file.endsWith("_code.ts")
  );
  const read = new Set<string>();
  for (const file of files) {
    const text = readFileSync(join(ROOT, "src", file), "utf8");
    for (
      const [, name] of text.matchAll(
        /\benv\(\s*"(OUTRIDER_\w+)"|^(?:export )?const [A-Z_]+ = "(OUTRIDER_\w+)"|^ {4,}(OUTRIDER_\w+): /gm,
      )
    ) {
      if (name !== undefined) read.add(name);
    }
  }
  assert.ok(read.size > 5, [...read].join());
  assert.deepEqual(await misspelt([...read]), []);
});

test("known: each command says so on stderr, and goes on", async () => {
  const runtime = new FakeRuntime({ env: { OUTRIDER_STATEDIR: "state", HOME: "/" } });
  assert.equal(await commandLine(["check", "gone.json"], runtime), 2);
  assert.match(
    runtime.stderr.text,
    /^outrider · OUTRIDER_STATEDIR: There is no such variable: did you mean "OUTRIDER_STATE_DIR"\?\nThere is no file "gone.json"/,
  );
});
