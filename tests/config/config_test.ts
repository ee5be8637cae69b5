/**
 * Holds the agent's configuration: what is read, every problem at once, secrets hidden, and the table in the docs.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { withConfigTable } from "../../docs/generate.ts";
import { type ConfigRead, readConfig } from "../../src/config/config.ts";
import { netunicornDialect } from "../../src/uplink/dialects/netunicorn/netunicorn.ts";
import { outriderDialect } from "../../src/uplink/dialects/outrider.ts";
import { SECRET_VARIABLES, secretsIn } from "../../src/config/serving.ts";
import { VARIABLES } from "../../src/config/variables.ts";
import { ROOT } from "../rig.ts";

function read(
  env: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
): Promise<ConfigRead> {
  return readConfig({
    env: (name) => env[name],
    readText: (path) =>
      path in files ? Promise.resolve(files[path]!) : Promise.reject(new Error("No such file")),
  });
}

test("without any variable the agent runs the pipeline beside it, and keeps nothing", async () => {
  const { config, problems } = await read({});
  assert.deepEqual(problems, []);
  assert.equal(config?.gateway, undefined);
  assert.equal(config?.stateDir, undefined);
  assert.equal(config?.heartbeatMs, 10_000);
  assert.equal(config?.spoolBytes, 67_108_864);
  assert.deepEqual(config?.keepAlive, { ms: Infinity, then: "finish" });
});

test("variables are read in their units, and an empty one is not set", async () => {
  const { config, problems } = await read({
    OUTRIDER_GATEWAY: "https://gateway.example:8443/base",
    OUTRIDER_EXECUTOR_ID: "pi-7",
    OUTRIDER_GROUPS: "lab, roof",
    OUTRIDER_TOKEN: "t0ken",
    OUTRIDER_HEARTBEAT: "2.5s",
    OUTRIDER_KEEP_ALIVE: "30m cancel",
    OUTRIDER_SPOOL_BYTES: "1 MiB",
    OUTRIDER_QUIET: "until-done",
    OUTRIDER_WORKERS: "2",
    OUTRIDER_STATE_DIR: "",
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(config?.gateway, {
    url: "https://gateway.example:8443/base",
    dialect: outriderDialect,
    token: "t0ken",
    settings: {},
  });
  assert.deepEqual(config?.groups, ["lab", "roof"]);
  assert.equal(config?.heartbeatMs, 2500);
  assert.deepEqual(config?.keepAlive, { ms: 1_800_000, then: "cancel" });
  assert.equal(config?.spoolBytes, 1_048_576);
  assert.equal(config?.quiet, true);
  assert.equal(config?.workers, 2);
  assert.equal(config?.stateDir, undefined);
});

test("a time to wait for the gateway without a word for what then means finish, as the documents say", async () => {
  assert.deepEqual((await read({ OUTRIDER_KEEP_ALIVE: "30m" })).config?.keepAlive, {
    ms: 1_800_000,
    then: "finish",
  });
  assert.match(VARIABLES.keepAlive.about, /a duration alone means `finish`/);
});

test("every problem is told at once, with the variable and what was received", async () => {
  const { config, problems } = await read({
    OUTRIDER_GATEWAY: "gateway.example",
    OUTRIDER_EXECUTOR_ID: "pi 7",
    OUTRIDER_GROUPS: "a b",
    OUTRIDER_HEARTBEAT: "10",
    OUTRIDER_KEEP_ALIVE: "30m explode",
    OUTRIDER_SPOOL_BYTES: "12",
    OUTRIDER_QUIET: "yes",
    OUTRIDER_LOG_LEVEL: "loud",
    OUTRIDER_WORKERS: "0",
    OUTRIDER_MAX_WORKERS: "many",
    OUTRIDER_TOKEN: "secret\nwith a break",
    OUTRIDER_STOP_GRACE: "-1s",
  });
  assert.equal(config, undefined);
  assert.deepEqual(problems.map((problem) => problem.split(":")[0]).sort(), [
    "OUTRIDER_EXECUTOR_ID",
    "OUTRIDER_GATEWAY",
    "OUTRIDER_GROUPS",
    "OUTRIDER_HEARTBEAT",
    "OUTRIDER_KEEP_ALIVE",
    "OUTRIDER_LOG_LEVEL",
    "OUTRIDER_MAX_WORKERS",
    "OUTRIDER_QUIET",
    "OUTRIDER_SPOOL_BYTES",
    "OUTRIDER_STOP_GRACE",
    "OUTRIDER_TOKEN",
    "OUTRIDER_WORKERS",
  ]);
  assert.ok(problems.some((problem) => problem.includes('received "pi 7"')));
  assert.ok(problems.every((problem) => !problem.includes("secret")), problems.join("\n"));
});

test("what contradicts itself is refused", async () => {
  const twice = await read({ OUTRIDER_TOKEN: "a", OUTRIDER_TOKEN_FILE: "/t" }, { "/t": "b" });
  assert.match(twice.problems.join(), /OUTRIDER_TOKEN_FILE is set too/);
  const workers = await read({ OUTRIDER_WORKERS: "9", OUTRIDER_MAX_WORKERS: "3" });
  assert.match(workers.problems.join(), /OUTRIDER_WORKERS: 9 is more than OUTRIDER_MAX_WORKERS 3/);
  const nameless = await read({ OUTRIDER_GATEWAY: "http://g", OUTRIDER_QUIET: "perhaps" });
  assert.match(nameless.problems.join("\n"), /OUTRIDER_EXECUTOR_ID: Missing/);
  assert.match(nameless.problems.join("\n"), /OUTRIDER_QUIET/);
});

test("a token comes from a file, without the line break at its end; one within is refused", async () => {
  const gateway = { OUTRIDER_GATEWAY: "http://g", OUTRIDER_EXECUTOR_ID: "e", OUTRIDER_TOKEN_FILE: "/t" };
  assert.equal((await read(gateway, { "/t": "abc\n" })).config?.gateway?.token, "abc");
  assert.match(
    (await read(gateway, { "/t": "abc\nsecret\n" })).problems.join(),
    /^OUTRIDER_TOKEN_FILE: .*a line break/,
  );
  assert.match((await read(gateway)).problems.join(), /^OUTRIDER_TOKEN_FILE: Can't read "\/t": No such file/);
});

test("netUnicorn's variables choose its dialect", async () => {
  const theirs = {
    NETUNICORN_GATEWAY_ENDPOINT: "http://gateway:26512",
    NETUNICORN_EXECUTOR_ID: "one",
    NETUNICORN_EXPERIMENT_ID: "two",
    NETUNICORN_EXECUTOR_HEARTBEAT_SECONDS: "30",
  };
  const { config, problems, settings } = await read(theirs);
  assert.deepEqual(problems, []);
  assert.deepEqual(config?.gateway, {
    url: "http://gateway:26512",
    dialect: netunicornDialect,
    token: undefined,
    settings: {},
  });
  assert.equal(config?.executor, "one");
  assert.equal(config?.experiment, "two");
  assert.equal(config?.heartbeatMs, 30_000);
  assert.equal(
    settings.find(({ name }) => name === "OUTRIDER_GATEWAY")?.origin,
    "NETUNICORN_GATEWAY_ENDPOINT",
  );
  const both = await read({ ...theirs, OUTRIDER_GATEWAY: "http://other" });
  assert.match(both.problems.join(), /NETUNICORN_GATEWAY_ENDPOINT is set too/);
  const least = await read({ NETUNICORN_GATEWAY_ENDPOINT: "http://g" });
  assert.deepEqual([least.problems, least.config?.executor, least.config?.experiment], [
    [],
    "Unknown",
    undefined,
  ]);
  const ours = await read({ NETUNICORN_GATEWAY_ENDPOINT: "http://g", OUTRIDER_EXECUTOR_ID: "mine" });
  assert.equal(ours.config?.executor, "mine");
  const alone = await read({ NETUNICORN_EXECUTOR_ID: "one" });
  assert.equal(alone.config?.executor, undefined);
});

test("netUnicorn's time between heartbeats is in seconds, and the hint says so", async () => {
  const SECONDS = "NETUNICORN_EXECUTOR_HEARTBEAT_SECONDS";
  const gateway = { NETUNICORN_GATEWAY_ENDPOINT: "http://g", NETUNICORN_EXECUTOR_ID: "e" };
  for (const text of ["30s", "1m", "0", "4000", "-1", "x"]) {
    const { problems } = await read({ ...gateway, [SECONDS]: text });
    assert.deepEqual(problems, [
      `${SECONDS}: Write a number of seconds from 1 to 3600, without a unit, such as 30; received "${text}"`,
    ]);
  }
  assert.equal((await read({ ...gateway, [SECONDS]: "2.5" })).config?.heartbeatMs, 2500);
});

test("settings tell each value and its origin, and hide the token", async () => {
  const { settings } = await read({
    OUTRIDER_TOKEN: "s3cret-token",
    OUTRIDER_HEARTBEAT: "5s",
    OUTRIDER_GATEWAY: "http://me:pass@host:1/x@y",
  });
  const of = (name: string) => settings.find((setting) => setting.name === name);
  assert.deepEqual(of("OUTRIDER_HEARTBEAT"), {
    name: "OUTRIDER_HEARTBEAT",
    value: "5s",
    origin: "environment",
  });
  assert.deepEqual(of("OUTRIDER_QUIET"), { name: "OUTRIDER_QUIET", value: "no", origin: "default" });
  assert.equal(of("OUTRIDER_TOKEN")?.value, "hidden, 12 characters");
  assert.equal(of("OUTRIDER_GATEWAY")?.value, "http://hidden@host:1/x@y");
});

test("where the end point is: any port, an address, a socket, or off", async () => {
  const serveOf = async (value: string) => (await read({ OUTRIDER_SERVE: value })).config?.serve;
  assert.equal((await read({})).config?.serve, "");
  assert.equal(await serveOf("127.0.0.1:8080"), "127.0.0.1:8080");
  assert.equal(await serveOf("unix:/run/outrider.sock"), "unix:/run/outrider.sock");
  const { config, problems } = await read({ OUTRIDER_SERVE: "off" });
  assert.deepEqual([problems, config !== undefined, config?.serve], [[], true, undefined]);
});

test("what is wrong with the end point's variables is told at once, and a token is not shown", async () => {
  const { problems } = await read({
    OUTRIDER_SERVE: "http://here",
    OUTRIDER_SERVE_TOKEN: "too-short",
    OUTRIDER_SERVE_HOSTS: "device.example, other:80",
    OUTRIDER_SECRETS: "MY_KEY=hunter2",
    OUTRIDER_WORKERS: "0",
  });
  assert.deepEqual(problems.map((problem) => problem.split(":")[0]), [
    "OUTRIDER_WORKERS",
    "OUTRIDER_SERVE",
    "OUTRIDER_SERVE_TOKEN",
    "OUTRIDER_SERVE_HOSTS",
    "OUTRIDER_SECRETS",
  ]);
  assert.match(
    problems[1]!,
    /HOST:PORT such as 127\.0\.0\.1:8080, unix:\/path\/to\/socket, or off; received/,
  );
  assert.match(problems[2]!, /Write 16 to 512 .*; received 9 characters$/);
  assert.ok(!problems.join("\n").includes("too-short"));
  assert.ok(!problems.join("\n").includes("hunter2"));
});

test("an address that others reach needs a token, and that is said beside other problems", async () => {
  const token = "an-operators-own-token";
  for (const address of ["0.0.0.0", "[::]:80", "device.example:8080"]) {
    const { problems } = await read({ OUTRIDER_SERVE: address, OUTRIDER_QUIET: "perhaps" });
    assert.equal(problems.length, 2, problems.join("\n"));
    assert.match(problems[1]!, /^OUTRIDER_SERVE: Others can reach .*: set OUTRIDER_SERVE_TOKEN/);
    assert.equal(
      (await read({ OUTRIDER_SERVE: address, OUTRIDER_SERVE_TOKEN: token })).config?.serve,
      address,
    );
  }
  const { settings } = await read({ OUTRIDER_SERVE_TOKEN: token });
  const setting = settings.find(({ name }) => name === "OUTRIDER_SERVE_TOKEN");
  assert.equal(setting?.value, "hidden, 22 characters");
});

test("what is secret are the values of variables, as they are set and as they are read, and the token of a file", async () => {
  const env: Readonly<Record<string, string>> = {
    OUTRIDER_SECRETS: "MY_KEY, NONE",
    OUTRIDER_SERVE_TOKEN: " an-operators-own-token ",
    OUTRIDER_GATEWAY: "http://g",
    OUTRIDER_EXECUTOR_ID: "e",
    OUTRIDER_TOKEN_FILE: "/t",
    MY_KEY: "from-the-environment",
  };
  const { config } = await read(env, { "/t": "from-the-file\n" });
  assert.deepEqual(config?.secrets, [
    "from-the-environment",
    " an-operators-own-token ",
    "an-operators-own-token",
    "from-the-file",
  ]);
  assert.deepEqual(secretsIn(() => undefined), []);
  const hidden = Object.values(VARIABLES).filter(({ secret }) => secret).map(({ name }) => name);
  assert.deepEqual(hidden, SECRET_VARIABLES);
});

test("keys that are trusted are read at the start, so that a wrong one is told there", async () => {
  const key = "RWS3MUrn5Y0cbmNXhefj9tkewnIzii/D0OBvBej7/j8822q4GoYL3mmz";
  assert.equal((await read({})).config?.trust, undefined);
  assert.equal((await read({ OUTRIDER_TRUST: key })).config?.trust, key);
  const files = { "a.pub": `untrusted comment: x\n${key}\n`, "none.pub": "untrusted comment: x\n" };
  assert.equal((await read({ OUTRIDER_TRUST: "a.pub" }, files)).config?.trust, "a.pub");
  const wrong: Readonly<Record<string, RegExp>> = {
    "b.pub": /^OUTRIDER_TRUST: "b\.pub" is no public key, no !ID, and no file that can be read/,
    "none.pub": /^OUTRIDER_TRUST: Nothing could be trusted, as there is no key/,
    [`${key},!6E1C8DE5E74A31B7`]: /^OUTRIDER_TRUST: Nothing could be trusted, as every key is revoked/,
    ",": /^OUTRIDER_TRUST: Nothing could be trusted/,
  };
  for (const [text, problem] of Object.entries(wrong)) {
    const { config, problems } = await read({ OUTRIDER_TRUST: text, OUTRIDER_WORKERS: "x" }, files);
    assert.equal(config, undefined);
    assert.match(problems.find((each) => each.startsWith("OUTRIDER_TRUST"))!, problem);
    assert.equal(problems.length, 2);
  }
});

test("every variable of the table is in the configuration, with its default as a person would write it", async () => {
  const { config } = await read({});
  const { address: _, token: __, tokenFile: ___, ...kept } = VARIABLES;
  for (const [field, { name, fallback }] of Object.entries(kept)) {
    assert.ok(field in config!, field);
    if (fallback === undefined || fallback === "") continue;
    const set = (await read({ [name]: fallback })).config as unknown as Record<string, unknown>;
    assert.deepEqual(set[field], (config as unknown as Record<string, unknown>)[field], name);
  }
});

test("the table in docs/configuration.md is that of the schema; npm run build:docs writes it", () => {
  const docs = readFileSync(join(ROOT, "docs/configuration.md"), "utf8");
  assert.equal(docs, withConfigTable(docs));
});
