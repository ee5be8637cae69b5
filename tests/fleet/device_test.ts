/**
 * What a device does with a fleet's real servers when they are killed, full, replaced, or behind a leaf.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { sha256 } from "../../src/base/bytes.ts";
import { GatewayLink } from "../../src/agent/link.ts";
import { streamInfo } from "../../src/fleet/streams.ts";
import { FLEET_STREAMS, SUBJECTS } from "../../src/fleet/words.ts";
import type { Heartbeat, Instruction } from "../../src/protocol/messages.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { FakeJournal } from "../uplink/rig.ts";
import {
  device,
  fleetAt,
  fleetOn,
  freePort,
  HEARTBEAT,
  hubFound,
  jsonBytes,
  lineTo,
  NatsServer,
  REAL,
  reported,
  storedRecords,
  testWithNats,
} from "./rig.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1);

/** Quick to try again, since a test waits for it. */
const soon = () => 0.01;

testWithNats(
  "device: the server is killed twice while 80,000 records go out, and each number is there once",
  async () => {
    await using server = await NatsServer.start();
    const admin = await fleetAt(server.url);
    const gateway = device(server.url);
    const journal = new FakeJournal();
    journal.fill(19_998, { logs: 60_000 });
    const marks = [5_000, 40_000].map((at) => ({ at, reached: Promise.withResolvers<void>() }));
    const report = startReport({
      gateway,
      clock: systemClock,
      random: soon,
      run: "r",
      source: journal,
      limits: { records: 500 },
      onAcknowledged: ({ state, log }) => {
        for (const { at, reached } of marks) if (state + log >= at) reached.resolve();
      },
    });
    report.end({ state: "succeeded" });
    for (const { reached } of marks) {
      await reached.promise;
      await server.kill();
      await server.restart();
    }
    assert.equal(await report.drained, true);
    const stored = await storedRecords(admin);
    assert.deepEqual(stored.state, numbers(20_000));
    assert.deepEqual(stored.log, numbers(60_000));
    assert.deepEqual(stored.finals, ["succeeded"]);
    const info = await streamInfo(admin, FLEET_STREAMS.records, REAL);
    assert.equal(info?.state.consumer_count, 0, "a device has no consumer");
    await report.stop();
    await Promise.all([gateway.close!(), admin.wire.close()]);
  },
);

testWithNats(
  "device: a full stream refuses, nothing is lost, and it goes on when there is room",
  async () => {
    await using server = await NatsServer.start();
    const admin = await fleetAt(server.url, { recordsBytes: 2_000 });
    const gateway = device(server.url);
    const journal = new FakeJournal();
    journal.fill(200);
    const full = Promise.withResolvers<string>();
    const report = startReport({
      gateway,
      clock: systemClock,
      random: soon,
      run: "r",
      source: journal,
      limits: { records: 20 },
      onError: ({ message }) => full.resolve(message),
    });
    report.end({ state: "succeeded" });
    assert.match(await full.promise, /Stream O_REC .* it is full.*outrider fleet status/);
    assert.equal(report.status().parked, 0);
    assert.ok(report.status().pending.state > 0);
    await fleetOn(admin, { recordsBytes: 64 << 20 });
    assert.equal(await report.drained, true);
    assert.deepEqual((await storedRecords(admin)).state, numbers(202));
    await report.stop();
    await Promise.all([gateway.close!(), admin.wire.close()]);
  },
);

testWithNats("device: what an empty server in the place of the first one lacks is sent again", async () => {
  await using server = await NatsServer.start();
  let admin = await fleetAt(server.url);
  const gateway = device(server.url);
  const journal = new FakeJournal();
  journal.fill(50);
  const first = Promise.withResolvers<void>();
  const report = startReport({
    gateway,
    clock: systemClock,
    random: soon,
    run: "r",
    source: journal,
    onAcknowledged: ({ state, log }) => {
      if (state === 52 && log === 50) first.resolve();
    },
  });
  await first.promise;
  await admin.wire.close();
  await server.replace();
  admin = await fleetAt(server.url);
  journal.log("after it");
  report.end({ state: "succeeded" });
  assert.equal(await report.drained, true);
  const stored = await storedRecords(admin);
  assert.deepEqual([stored.state, stored.log], [numbers(52), numbers(51)]);
  await report.stop();
  await Promise.all([gateway.close!(), admin.wire.close()]);
});

testWithNats("device: by a leaf without JetStream all goes to the hub and comes from there", async () => {
  const port = await freePort();
  await using hub = await NatsServer.start({
    jetstream: "sync_interval: always, domain: hub",
    more: `leafnodes { host: 127.0.0.1, port: ${port} }`,
  });
  await using leaf = await NatsServer.start({
    jetstream: undefined,
    more: `leafnodes { remotes: [{ url: "nats://127.0.0.1:${port}" }], reconnect: "100ms" }`,
  });
  const admin = lineTo(hub.url);
  await fleetOn(admin);
  const gateway = device(leaf.url);
  await hubFound(gateway);
  await admin.store(SUBJECTS.instructions({ group: "lab" }), jsonBytes({ type: "pause" }), REAL);
  const { commands } = (await gateway.beat(HEARTBEAT, REAL))!;
  assert.deepEqual(commands?.map(({ type }) => type), ["pause"]);
  const bytes = jsonBytes({ outrider: 1 });
  const hash = await sha256(bytes);
  await admin.store(SUBJECTS.bundle(hash, 0), bytes, REAL);
  await admin.store(SUBJECTS.assignment({ group: "all" }), jsonBytes({ hash, chunks: 1 }), REAL);
  assert.deepEqual((await gateway.pull(undefined, REAL))?.bytes, bytes);
  const operation = { op: "increment", id: "i", by: 3 } as const;
  assert.equal((await gateway.flags.change("f", operation, REAL)).flag?.value, 3);
  assert.equal((await gateway.flags.read("f", REAL))?.value, 3);
  const journal = new FakeJournal();
  journal.fill(10);
  const report = await reported(gateway, "r", journal);
  assert.deepEqual((await storedRecords(admin)).state, numbers(12));
  await report.stop();
  await Promise.all([gateway.close!(), admin.wire.close()]);
});

testWithNats(
  "device: an instruction rings, is given once, also to the next process, and a storage that numbers anew begins anew",
  async () => {
    await using server = await NatsServer.start();
    let admin = await fleetAt(server.url);
    const heard: Instruction[] = [];
    const started = (session: string) => {
      const gateway = device(server.url);
      const link = new GatewayLink({
        gateway,
        clock: systemClock,
        random: soon,
        session,
        heartbeatMs: 3_600_000,
        quiet: false,
        snapshot: () => ({ outrider: "0", runtime: "t 1", state: "idle" }),
        onCommand: (command) => {
          heard.push(command);
          bell.resolve();
        },
        note: () => {},
        onReach: () => reached.resolve(),
      });
      const reached = Promise.withResolvers<void>();
      return { link, reached: reached.promise };
    };
    let bell = Promise.withResolvers<void>();
    const first = started("s1");
    await first.reached;
    // Two at once, and one for a group: the interval between heartbeats is an hour.
    await Promise.all([
      admin.store("o.cmd.x.d~1", jsonBytes({ type: "pause" }), REAL),
      admin.store("o.cmd.x.d~1", jsonBytes({ type: "resume" }), REAL),
    ]);
    while (heard.length < 2) {
      await bell.promise;
      bell = Promise.withResolvers();
    }
    assert.deepEqual(heard.map(({ type }) => type).sort(), ["pause", "resume"]);
    // What was seen is told with the next heartbeat, and the process after it goes on from there.
    first.link.beat();
    while ((await seenBy(admin)) < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    await first.link.stop();
    const second = started("s2");
    await second.reached;
    await admin.store("o.cmd.g.lab", jsonBytes({ type: "stop", before: [] }), REAL);
    await bell.promise;
    assert.deepEqual(heard.slice(2).map(({ type, id }) => [type, id]), [["stop", 3]]);
    await admin.wire.close();
    await server.replace();
    admin = await fleetAt(server.url);
    bell = Promise.withResolvers();
    await admin.store("o.cmd.x.d~1", jsonBytes({ type: "resume" }), REAL);
    // Where the line has to be dialled again, the bell is not heard: the next heartbeat brings it.
    second.link.beat();
    await bell.promise;
    assert.deepEqual(heard.slice(3).map(({ type, id }) => [type, id]), [["resume", 1]]);
    await second.link.stop();
    await admin.wire.close();
  },
);

async function seenBy(admin: ReturnType<typeof lineTo>): Promise<number> {
  const stored = await admin.last(FLEET_STREAMS.heartbeats, SUBJECTS.heartbeat("d.1"), REAL);
  return stored === undefined ? 0 : (await import("../../src/fleet/jetstream.ts")).unpackedValue(stored.data)
    .then((value) => (value as Heartbeat).seen);
}

testWithNats("device: two sessions of one executor hear of each other, a restart does not", async () => {
  await using server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  const [one, two] = [device(server.url), device(server.url)];
  assert.equal((await one.beat(HEARTBEAT, REAL))?.rival, undefined);
  assert.equal((await two.beat({ ...HEARTBEAT, session: "s2" }, REAL))?.rival, undefined, "a restart");
  assert.equal((await one.beat(HEARTBEAT, REAL))?.rival, "s2");
  assert.equal((await two.beat({ ...HEARTBEAT, session: "s2" }, REAL))?.rival, "s1");
  await Promise.all([one.close!(), two.close!(), admin.wire.close()]);
});
