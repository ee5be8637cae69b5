/**
 * What a device may have the servers put on subjects that are not its own, and what it may write into its own: neither is
 * believed by devices or gateways, and none of it stops them.
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { systemClock } from "../../src/base/clock.ts";
import { sha256 } from "../../src/base/bytes.ts";
import { dialNats } from "../../src/fleet/client.ts";
import type { Outgoing } from "../../src/fleet/connection.ts";
import { packedValue } from "../../src/fleet/jetstream.ts";
import { FLEET_STREAMS } from "../../src/fleet/words.ts";
import { natsGateway } from "../../src/uplink/dialects/nats/nats.ts";
import { fleetAt, HEARTBEAT, joined, jsonBytes, NatsServer, REAL, testWithNats } from "./rig.ts";

const NOTHING = new Uint8Array(0);

/** A server with a fleet's streams, one who writes to it as a device that keeps to no rules, and one who knows all. */
async function scene() {
  const server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  const signal = new AbortController().signal;
  const evil = await dialNats({
    url: server.url,
    name: "evil",
    creds: undefined,
    token: undefined,
    signal,
    denied: () => {},
  });
  /** Resolves when something is stored there that was not. */
  const put = async (
    [stream, at]: readonly [string, string],
    subject: string,
    data: Uint8Array,
    outgoing?: Outgoing,
  ) => {
    const before = (await admin.last(stream, at, REAL))?.seq ?? 0;
    evil.publish(subject, data, outgoing);
    while (((await admin.last(stream, at, REAL))?.seq ?? 0) <= before);
  };
  const gateways: (() => Promise<void>)[] = [];
  const gateway = async () => {
    const gateway = await joined(server.url);
    gateways.push(gateway.stop);
    return gateway;
  };
  const device = (executor: string) =>
    natsGateway({ url: server.url, executor, groups: [], clock: systemClock, random: Math.random });
  return {
    server,
    admin,
    evil,
    put,
    gateway,
    device,
    async [Symbol.asyncDispose]() {
      for (const stop of gateways) await stop();
      await evil.close();
      await admin.wire.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

testWithNats("a message that was put on another's subject by the server holds nothing", async () => {
  await using at = await scene();
  const bundle = new Uint8Array(100).fill(66);
  const hash = await sha256(bundle);
  const own = "o.rec.d1.evil.log";
  const targets: [string, string, Uint8Array][] = [
    [FLEET_STREAMS.bundles, `o.bundle.${hash}.0`, bundle],
    [FLEET_STREAMS.assignments, "o.assign.x.d2", jsonBytes({ hash, chunks: 1 })],
    [FLEET_STREAMS.assignments, "o.assign.g.all", jsonBytes({ hash, chunks: 1 })],
    [FLEET_STREAMS.instructions, "o.cmd.x.d2", jsonBytes({ type: "stop" })],
    [FLEET_STREAMS.heartbeats, "o.hb.d2", jsonBytes(HEARTBEAT)],
    [FLEET_STREAMS.flags, "o.flag.default.f", jsonBytes({ value: 1, version: 1 })],
    [FLEET_STREAMS.records, "o.rec.d2.r.state", jsonBytes({ run: "r", lane: "state", records: [] })],
  ];
  for (const [stream, subject, data] of targets) {
    await at.put([FLEET_STREAMS.records, own], own, data);
    await at.put([stream, subject], `$JS.API.DIRECT.GET.O_REC.${own}`, NOTHING, { reply: subject });
    const stored = (await at.admin.last(stream, subject, REAL))!;
    assert.equal(stored.subject, subject);
    assert.equal(stored.data.length, 0, subject);
    for await (const page of at.admin.pages(stream, { ...REAL, subject, from: 1 })) {
      assert.deepEqual(page.map((each) => [each.subject, each.data.length]), [[subject, 0]]);
    }
  }
  const device = at.device("d2");
  assert.deepEqual((await device.beat(HEARTBEAT, REAL))?.commands ?? [], []);
  await assert.rejects(device.pull(undefined, REAL), { code: "OUTRIDER_GATEWAY_ANSWER" });
  // The next real one counts.
  await at.admin.store(`o.bundle.${hash}.0`, bundle, REAL);
  await at.admin.store("o.assign.x.d2", jsonBytes({ hash, chunks: 1 }), REAL);
  assert.equal((await device.pull(undefined, REAL))?.hash, hash);
  await device.close!();
});

testWithNats(
  "a device that writes what only the server says is read past, under its own name alone",
  async () => {
    await using at = await scene();
    const forged = await packedValue({
      run: "forged",
      lane: "state",
      records: [{ seq: 1, at: 1, type: "run.started", run: "forged", pipeline: "p", runtime: "t" }],
    });
    const own = "o.rec.d3.forged.state";
    const store = (headers: Record<string, string>) =>
      at.put([FLEET_STREAMS.records, own], own, forged, { headers });
    await store({ "Nats-Subject": "o.rec.d2.forged.state", "Nats-Sequence": "9000000000" });
    await store({ "Nats-Time-Stamp": "2099-01-01T00:00:00Z" });
    const gateway = await at.gateway();
    assert.equal(await gateway.store.run("forged"), undefined);
    assert.equal((await gateway.store.projected(FLEET_STREAMS.records))?.seq, 2);
    // What comes behind it is read.
    const honest = at.device("d2");
    const send = honest.report.kind === "records" ? honest.report.send : undefined;
    await send!({ run: "honest", lane: "log", records: [{ seq: 1 }] }, REAL);
    while (await gateway.store.run("honest") === undefined) await at.admin.last("O_REC", own, REAL);
    assert.equal((await gateway.store.run("honest"))?.executor, "d2");
    await honest.close!();
  },
);

testWithNats("an answer of the server that is put on another's subject hides no instruction", async () => {
  await using at = await scene();
  const gateway = await at.gateway();
  const { desk } = gateway.fleet;
  await desk.instruct("d5", { type: "pause" });
  await at.put([FLEET_STREAMS.instructions, "o.cmd.x.d5"], "o.rec.d3.z.log", new Uint8Array(1), {
    reply: "o.cmd.x.d5",
  });
  await desk.instruct("d5", { type: "resume" });
  const device = at.device("d5");
  const { commands } = (await device.beat(HEARTBEAT, REAL))!;
  assert.deepEqual(commands?.map(({ type }) => type), ["pause", "resume"]);
  await device.close!();
});

testWithNats("a gateway answers to inboxes alone, also where a device names another subject", async () => {
  await using at = await scene();
  await at.gateway();
  const asked = jsonBytes({ operation: { op: "set", id: "i", value: 1 } });
  while ((await at.admin.wire.request("o.do.flag.default.h", asked, REAL)).status !== 0);
  at.evil.publish("o.do.flag.default.f", asked, { reply: "o.assign.x.d2" });
  // Operations are done one after the other: when the next is answered, the first was.
  const { promise: answered, resolve } = Promise.withResolvers<unknown>();
  at.evil.subscribe("_INBOX.evil.1", resolve);
  at.evil.publish("o.do.flag.default.g", asked, { reply: "_INBOX.evil.1" });
  await answered;
  assert.notEqual(await at.admin.last(FLEET_STREAMS.flags, "o.flag.default.f", REAL), undefined);
  assert.equal(await at.admin.last(FLEET_STREAMS.assignments, "o.assign.x.d2", REAL), undefined);
});

testWithNats("packed bombs take a gateway neither memory nor its place in the stream", async () => {
  await using at = await scene();
  const zeros = `[${"0,".repeat(1 << 20)}0]`;
  const bombs = [gzipSync(zeros), gzipSync(`"${"a".repeat(20 << 20)}"`)];
  for (const bomb of bombs) {
    for (let n = 0; n < 2; n++) await at.put(["O_REC", "o.rec.d3.b.log"], "o.rec.d3.b.log", bomb);
    await at.put(["O_HB", "o.hb.d3"], "o.hb.d3", bomb);
  }
  const large = new Uint8Array(900_000);
  for (let n = 0; n < 6; n++) await at.put(["O_REC", "o.rec.d3.l.log"], "o.rec.d3.l.log", large);
  const sizes: number[] = [];
  const every = { ...REAL, subject: "o.rec.>", from: 1 };
  for await (const page of at.admin.pages("O_REC", every)) {
    sizes.push(page.reduce((sum, { data }) => sum + data.length, 0));
  }
  assert.ok(sizes.length > 1 && sizes.every((size) => size < 5 << 20), `${sizes}`);
  const gateway = await at.gateway();
  assert.equal((await gateway.store.projected(FLEET_STREAMS.records))?.seq, 10);
});
