/**
 * What the operator of a fleet does: keys, streams, what is wrong with servers, devices let in and no more, and what a device
 * may do.
 */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { deviceCreds, permissions } from "../../src/fleet/keys.ts";
import { FLEET_LIMITS } from "../../src/fleet/streams.ts";
import { serverProblems } from "../../src/fleet/status.ts";
import { natsGateway } from "../../src/uplink/dialects/nats/nats.ts";
import { runCli, withFiles } from "../rig.ts";
import {
  accountsOf,
  fleetOn,
  HEARTBEAT,
  jsonBytes,
  lineTo,
  NatsServer,
  newKeys,
  operatorsLine,
  REAL,
  testWithNats,
} from "./rig.ts";

test("settings: what is wrong with a server is said with what to do", () => {
  const good = { name: "s", version: "2.15.1", cluster: undefined, maxPayload: 1 << 20 };
  assert.deepEqual(serverProblems(good, FLEET_LIMITS), []);
  assert.match(serverProblems({ ...good, version: "2.9.10" }, FLEET_LIMITS)[0]!, /2\.15 or newer/);
  assert.deepEqual(serverProblems({ ...good, version: "3.0.0" }, FLEET_LIMITS), []);
  assert.match(serverProblems({ ...good, maxPayload: 65_536 }, FLEET_LIMITS)[0]!, /max_payload is 65536/);
  assert.match(serverProblems(good, { ...FLEET_LIMITS, replicas: 3 })[0]!, /in no cluster/);
  assert.deepEqual(serverProblems({ ...good, cluster: "C" }, { ...FLEET_LIMITS, replicas: 3 }), []);
});

test("permissions: no device may use a subject with a place for another's, or ask by a sequence", () => {
  const { pub, sub } = permissions({ executor: "d.1", groups: ["lab"], experiment: undefined });
  assert.ok(
    pub.allow.includes("o.rec.d~1.*.*") && sub.allow.includes("o.cmd.g.lab") &&
      sub.allow.includes("o.cmd.g.all"),
  );
  for (const subject of [...pub.allow, ...sub.allow]) {
    assert.match(subject, /d~1|\.g\.(?:lab|all)$|o\.bundle\.\*\.\*$|o\.(?:do\.)?flag\.default\.\*$/, subject);
  }
  assert.ok(!pub.allow.some((subject) => /^o\.(?:cmd|assign|bundle)\./.test(subject)));
});

testWithNats("operator: without keys the streams are made, and what can't be seen is said", async () => {
  await using server = await NatsServer.start({ more: "max_payload: 65536" });
  const made = await runCli([
    "fleet",
    "init",
    "--nats",
    server.url,
    "--records",
    "64MiB",
    "--bundles",
    "64MiB",
  ]);
  assert.match(made.stdout, /O_REC made\n/);
  assert.match(made.stderr, /sync_interval.*\n/);
  assert.match(made.stderr, /max_payload is 65536 bytes/);
  assert.equal(made.code, 1);
  const status = await runCli(["fleet", "status", "--nats", server.url, "--json"]);
  const { streams, problems, devices } = JSON.parse(status.stdout);
  assert.deepEqual([streams.length, devices.length, problems.length], [6, 0, 1]);
  assert.match((await runCli(["fleet", "status"])).stderr, /give --nats URL/);
  assert.match((await runCli(["fleet", "status", "--nats", "http://x"])).stderr, /tls:\/\/HOST:PORT/);
});

testWithNats(
  "operator: keys are made once, a device is added, heard, and let in no more",
  () =>
    withFiles({}, async (cwd) => {
      const run = (...args: string[]) => runCli(["fleet", ...args], { cwd });
      assert.equal((await run("keys", "ours")).code, 0);
      assert.match((await run("keys", "ours")).stderr, /none is overwritten/);
      for (const name of ["operator.seed", "gateway.creds"]) {
        assert.equal(statSync(join(cwd, "ours", name)).mode & 0o777, 0o600, name);
      }
      const config = readFileSync(join(cwd, "ours/server.conf"), "utf8");
      await using server = await NatsServer.start({ more: accountsOf(config, cwd), jetstream: "" });
      const where = ["--nats", server.url, "--keys", "ours"];
      const made = await run("init", ...where, "--records", "64MiB", "--bundles", "64MiB");
      assert.match(made.stderr, /sync_interval of server \S+ is 120 s: set it to always/);
      assert.equal((await run("add", "d.1", "--keys", "ours", "--group", "lab", "-o", "d1.creds")).code, 0);
      assert.match((await run("add", "d.1", "--keys", "ours", "-o", "d1.creds")).stderr, /is there already/);
      const creds = readFileSync(join(cwd, "d1.creds"), "utf8");
      const gateway = natsGateway({
        url: server.url,
        executor: "d.1",
        groups: ["lab"],
        clock: systemClock,
        random: Math.random,
        readCreds: () => Promise.resolve(creds),
      });
      await gateway.beat(HEARTBEAT, REAL);
      const { devices, problems } = JSON.parse((await run("status", ...where, "--json")).stdout);
      assert.deepEqual(devices.map(({ executor, state }: Record<string, unknown>) => [executor, state]), [[
        "d.1",
        "idle",
      ]]);
      assert.match(problems.join("\n"), /sync_interval/);
      assert.match((await run("status", ...where)).stdout, /1 devices: 1 idle\n\nDEVICE/);
      const mine = config.replace("port: 4222", "host: 10.0.0.1\nport: 5222\ntls { cert_file: mine.pem }");
      writeFileSync(join(cwd, "ours/server.conf"), mine);
      assert.equal((await run("revoke", "d.1", ...where)).stdout, "d.1 is let in no more\n");
      // The server ends the connection when it has taken it, and may do so before it is heard why.
      let refused: unknown;
      while ((refused as { readonly status?: unknown })?.status !== 403) {
        await gateway.beat(HEARTBEAT, REAL).catch((error) => refused = error);
      }
      assert.equal((refused as { readonly code?: unknown }).code, "OUTRIDER_GATEWAY_REFUSED");
      assert.match((await run("revoke", "d.2", ...where)).stderr, /No credentials of d\.2/);
      await gateway.close!();
      // Servers that are started anew have it too.
      const kept = readFileSync(join(cwd, "ours/server.conf"), "utf8").split("\n");
      const changed = kept.filter((line, at) => line !== mine.split("\n")[at]);
      assert.equal(kept.length, mine.split("\n").length);
      assert.match(changed.join("\n"), /^ {2}A\w+: \S+$/);
      for (const name of ["outrider-gateway", "outrider-fleet"]) {
        assert.match((await run("add", name, "--keys", "ours")).stderr, /is what .* are called/);
      }
    }),
);

test("operator: an address that is none and a spoiled file are told, before any server is asked", () =>
  withFiles({}, async (cwd) => {
    const run = (...args: string[]) => runCli(["fleet", ...args], { cwd });
    const told = async (words: RegExp, ...args: string[]) => {
      const { code, stderr } = await run(...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, words);
    };
    for (const url of ["http://x", ","]) await told(/server can't be read: .*tls:/, "status", "--nats", url);
    await run("keys", "ours");
    await run("add", "d", "--keys", "ours");
    const revoke = ["revoke", "d", "--keys", "ours", "--nats", "nats://127.0.0.1:1"];
    for (const text of ["{", '{"U": "then"}']) {
      writeFileSync(join(cwd, "ours/revoked.json"), text);
      await told(/^ours\/revoked\.json can't be read: /, ...revoke);
      assert.equal(readFileSync(join(cwd, "ours/revoked.json"), "utf8"), text);
    }
  }));

testWithNats(
  "device 1's credentials: own things go, and nothing of device 2 is read, written or deleted",
  () =>
    withFiles({}, async (folder) => {
      const { keys, now, config } = await newKeys();
      await using server = await NatsServer.start({ more: accountsOf(config, folder) });
      const admin = await operatorsLine(server.url, keys);
      await fleetOn(admin);
      const scope = (executor: string) => ({ executor, groups: ["lab"], experiment: undefined });
      const creds = (await deviceCreds(keys.devices, { scope: scope("d1"), now })).text;
      writeFileSync(join(folder, "d1.creds"), creds);
      const own = natsGateway({
        url: server.url,
        executor: "d1",
        groups: ["lab"],
        clock: systemClock,
        random: Math.random,
        readCreds: () => Promise.resolve(creds),
      });
      await admin.store("o.cmd.x.d1", jsonBytes({ type: "pause" }), REAL);
      await admin.store("o.cmd.g.lab", jsonBytes({ type: "resume", before: [] }), REAL);
      await admin.store("o.cmd.x.d2", jsonBytes({ type: "stop" }), REAL);
      await admin.store("o.assign.x.d2", jsonBytes({ hash: "0".repeat(64), chunks: 0 }), REAL);
      await admin.store("o.hb.d2", jsonBytes(HEARTBEAT), REAL);
      const { commands } = (await own.beat(HEARTBEAT, REAL))!;
      assert.deepEqual(commands?.map(({ type }) => type).sort(), ["pause", "resume"]);
      assert.equal(await own.pull(undefined, REAL), undefined);
      const send = own.report.kind === "records" ? own.report.send : undefined;
      assert.equal((await send!({ run: "r", lane: "log", records: [{ seq: 1 }] }, REAL)).acknowledged.log, 1);
      assert.equal((await own.flags.change("f", { op: "increment", id: "i", by: 1 }, REAL)).flag?.value, 1);
      assert.equal((await own.flags.read("f", REAL))?.value, 1);

      const thief = lineTo(server.url, { name: "d1", readCreds: () => Promise.resolve(creds) });
      const body = jsonBytes({ type: "stop" });
      for (
        const subject of [
          "o.rec.d2.r.state",
          "o.hb.d2",
          "o.cmd.x.d2",
          "o.cmd.x.d1",
          "o.cmd.g.lab",
          "o.assign.x.d2",
          "o.assign.g.all",
          "o.bundle.x.0",
          "o.flag.other.f",
          "$JS.API.DIRECT.GET.O_CMD.o.cmd.x.d2",
          "$JS.API.DIRECT.GET.O_ASSIGN.o.assign.x.d2",
          "$JS.API.DIRECT.GET.O_HB.o.hb.d2",
          "$JS.API.DIRECT.GET.O_CMD",
          "$JS.API.DIRECT.GET.O_REC",
          "$JS.API.STREAM.MSG.GET.O_REC",
          "$JS.API.STREAM.MSG.DELETE.O_REC",
          "$JS.API.STREAM.PURGE.O_REC",
          "$JS.API.STREAM.DELETE.O_REC",
          "$JS.API.STREAM.UPDATE.O_REC",
          "$JS.API.CONSUMER.CREATE.O_CMD",
        ]
      ) {
        await assert.rejects(thief.wire.request(subject, body, REAL), { status: 403 }, subject);
      }
      // A body that names a sequence changes nothing of what a subject of one's own gives.
      const last = await thief.wire.request(
        "$JS.API.DIRECT.GET.O_CMD.o.cmd.x.d1",
        jsonBytes({ seq: 3 }),
        REAL,
      );
      assert.notEqual(last.header("Nats-Subject"), "o.cmd.x.d2");
      const overheard: string[] = [];
      const leave = ["o.cmd.x.d2", "o.rec.>", "_INBOX.admin.>"].map((subject) =>
        thief.wire.listen(subject, (message) => void overheard.push(message.subject))
      );
      await thief.wire.request("o.hb.d1", jsonBytes(HEARTBEAT), REAL);
      await admin.store("o.cmd.x.d2", body, REAL);
      await thief.wire.request("o.hb.d1", jsonBytes(HEARTBEAT), REAL);
      assert.deepEqual(overheard, []);
      for (const each of leave) each();
      await Promise.all([own.close!(), thief.wire.close(), admin.wire.close()]);
    }),
);
