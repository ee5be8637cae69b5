/** The environment that a process was started in: where it is found, what it changes, and that nothing of a broken one holds. */
import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { environmentFile, layBeneath, missingSecrets } from "../../src/config/early.ts";
import { carriedText } from "../../src/environment/carried_environment.ts";
import { readHere } from "../../src/environment/here.ts";
import { runtime } from "../../src/runtime/runtime.ts";
import { runCli, withFiles } from "../rig.ts";

const DOCUMENT = { outriderEnvironment: 1, name: "probe", targets: ["linux-x64"] } as const;

/** An executable with a text inside, and no files. */
function inside(text: string | undefined) {
  return {
    inside: () => Promise.resolve(text),
    readText: () => Promise.reject(new Error("There is no such file")),
  };
}

/** Variables in memory. */
function variables(all: Record<string, string>) {
  return {
    env: (name: string) => all[name],
    setEnv: (name: string, value: string) => void (all[name] = value),
    all,
  };
}

test("an environment is found inside, or in the file that is named, which wins", async () => {
  const text = carriedText({ ...DOCUMENT, version: "2", env: { A: "1" }, secrets: ["S"] }, undefined);
  assert.deepEqual(await readHere(inside(text), undefined), JSON.parse(text));
  assert.equal(await readHere(inside(undefined), undefined), undefined);
  await withFiles({ "e.json": text }, async (folder) => {
    const both = { inside: () => Promise.resolve("broken"), readText: runtime.readText };
    assert.equal((await readHere(both, join(folder, "e.json")))?.version, "2");
  });
  assert.equal(environmentFile(variables({ OUTRIDER_ENVIRONMENT: "" })), undefined);
  assert.equal(environmentFile(variables({ OUTRIDER_ENVIRONMENT: "x" })), "x");
});

test("an environment that is not whole is refused, with all that is wrong", async () => {
  const wrong = {
    outriderCarried: 2,
    name: 1,
    env: { "A B": "x", C: 1 },
    secrets: ["a=b"],
    pipeline: 5,
    more: 1,
  };
  await assert.rejects(
    readHere(inside(JSON.stringify(wrong)), undefined),
    /^EnvironmentError: The environment in this executable has 7 problems:\n {2}outriderCarried: /,
  );
  await assert.rejects(
    readHere(inside(undefined), "gone.json"),
    /OUTRIDER_ENVIRONMENT: Can't read "gone\.json": /,
  );
  await assert.rejects(readHere(inside("{"), undefined), /Not JSON/);
});

test("variables of an environment lie beneath the device's, and secrets are kept out of what is told", () => {
  const own = variables({ A: "mine", B: "", OUTRIDER_SECRETS: "X" });
  layBeneath(own, { A: "built in", B: "built in", C: "built in" }, ["S", "T"]);
  assert.deepEqual(own.all, { A: "mine", B: "", C: "built in", OUTRIDER_SECRETS: "X,S,T" });
  const none = variables({});
  layBeneath(none, {}, []);
  assert.deepEqual(none.all, {});
});

test("secrets that the device has not brought are told; a token may lie in a file", () => {
  const own = variables({ S: "x", T: "", OUTRIDER_TOKEN_FILE: "/run/token" });
  assert.deepEqual(missingSecrets(own, ["S", "T", "U", "OUTRIDER_TOKEN"]), ["T", "U"]);
});

test("started without arguments in an environment, its pipeline runs with its variables; secrets are told if missing", () =>
  withFiles({
    "t.mjs":
      "export const told = () => console.log('It says ' + process.env.GREETING + ' and ' + process.env.S);",
    "p.json": {
      outrider: 1,
      name: "told",
      tasks: { told: { run: { module: "./t.mjs", export: "told" } } },
    },
  }, async (cwd) => {
    const bundled = await runCli(["bundle", "p.json", "-o", "b.json"], { cwd });
    assert.equal(bundled.code, 0, bundled.stderr);
    const bundle = JSON.parse(await runtime.readText(join(cwd, "b.json")));
    const carried = JSON.stringify({
      ...JSON.parse(carriedText({ ...DOCUMENT, env: { GREETING: "hello" }, secrets: ["S"] }, undefined)),
      pipeline: bundle,
    });
    await runtime.writeText(join(cwd, "here.json"), carried);
    const env = { OUTRIDER_ENVIRONMENT: "here.json", OUTRIDER_SERVE: "off" };
    const missing = await runCli([], { cwd, env });
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /S: Missing: the environment probe needs this secret/);
    const { code, stderr } = await runCli([], { cwd, env: { ...env, S: "hunter222" } });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /It says hello and /);
    assert.doesNotMatch(stderr, /hunter222/);
    const tampered = carried.replace("It says", "It lies");
    await runtime.writeText(join(cwd, "here.json"), tampered);
    const refused = await runCli([], { cwd, env: { ...env, S: "hunter222" } });
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /was changed or damaged/);
  }));
