/**
 * What a device can do by naming where an answer is to go: servers hold the subject that is written to permissions, and never
 * that one. With the credentials that an operator makes, answers end in the devices' own account, and nothing comes of it.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { dialNats } from "../../src/fleet/client.ts";
import type { NatsConnection, NatsMessage } from "../../src/fleet/connection.ts";
import { sha256 } from "../../src/base/bytes.ts";
import type { JetStream } from "../../src/fleet/jetstream.ts";
import { adminCreds, deviceCreds } from "../../src/fleet/keys.ts";
import { streamInfo } from "../../src/fleet/streams.ts";
import { FLEET_STREAMS } from "../../src/fleet/words.ts";
import { natsGateway } from "../../src/uplink/dialects/nats/nats.ts";
import { withFiles } from "../rig.ts";
import { FakeJournal } from "../uplink/rig.ts";
import {
  accountsOf,
  fleetAt,
  fleetOn,
  freePort,
  HEARTBEAT,
  hubFound,
  joined,
  jsonBytes,
  NatsServer,
  newKeys,
  operatorsLine,
  REAL,
  reported,
  type ServerOptions,
  testWithNats,
} from "./rig.ts";

/** What a device asks that it may. */
const OWN = [
  ["o.hb.d1", jsonBytes(HEARTBEAT)],
  ["o.rec.d1.r.log", jsonBytes({ seq: 1, filter: ">" })],
  ["o.flag.default.f", jsonBytes({ value: 1, version: 1 })],
  ["o.do.flag.default.g", jsonBytes({ operation: { op: "set", id: "i", value: 1 } })],
  ["$JS.API.DIRECT.GET.O_HB.o.hb.d1", new Uint8Array(0)],
  ["$JS.API.DIRECT.GET.O_REC.o.rec.d1.r.log", new Uint8Array(0)],
] as const;

/** Where it has the answer sent. */
const ELSEWHERE = [
  ...Object.values(FLEET_STREAMS).flatMap((stream) => [
    `$JS.API.STREAM.PURGE.${stream}`,
    `$JS.API.STREAM.DELETE.${stream}`,
    `$JS.API.STREAM.MSG.DELETE.${stream}`,
    `$JS.API.STREAM.UPDATE.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
  ]),
  "$JS.API.STREAM.CREATE.O_MORE",
  "$JS.API.DIRECT.GET.O_CMD.o.cmd.x.d2",
  "o.rec.d2.r.log",
  "o.rec.d1.r.state",
  "o.hb.d2",
  "o.hb.d2.where",
  "o.hb.gateway.read",
  "o.cmd.x.d2",
  "o.cmd.g.all",
  "o.assign.x.d2",
  "o.assign.g.all",
  "o.bundle.x.0",
  "o.flag.other.f",
  "o.flag.default.h",
  "o.do.flag.default.h",
  "o.do.flag.other.f",
  "$SYS.REQ.CLAIMS.UPDATE",
  "anything",
];

/** A server with a fleet's accounts and streams, in which something lies for d2. */
async function scene(folder: string, { more = "", ...options }: ServerOptions = {}) {
  const { keys, now, config } = await newKeys();
  const server = await NatsServer.start({ ...options, more: `${more}\n${accountsOf(config, folder)}` });
  const ends: (() => Promise<void>)[] = [() => server[Symbol.asyncDispose]()];
  const admin = await operatorsLine(server.url, keys);
  ends.unshift(() => admin.wire.close());
  await fleetOn(admin);
  for (const whom of ["x.d2", "g.all"]) {
    await admin.store(`o.cmd.${whom}`, jsonBytes({ type: "pause", before: [] }), REAL);
    await admin.store(`o.assign.${whom}`, jsonBytes({ withdrawn: "q-1x1" }), REAL);
  }
  await admin.store("o.rec.d2.r.log", jsonBytes({ run: "r", lane: "log", records: [] }), REAL);
  await admin.store("o.hb.d2", jsonBytes(HEARTBEAT), REAL);
  await admin.store("o.bundle.x.0", new Uint8Array(9), REAL);
  await admin.store("o.flag.other.f", jsonBytes({ value: 1, version: 1 }), REAL);
  const creds = async (executor: string, groups: readonly string[] = []) =>
    (await deviceCreds(keys.devices, { scope: { executor, groups, experiment: undefined }, now })).text;
  return {
    url: server.url,
    admin,
    creds,
    gatewayCreds: () => adminCreds(keys.account, { name: "gateway", now }),
    /** A connection that keeps to no rules of ours. */
    async dialled(name: string, text: string): Promise<NatsConnection> {
      const signal = new AbortController().signal;
      const denied = () => {};
      const connection = await dialNats({
        url: server.url,
        name,
        creds: text,
        token: undefined,
        signal,
        denied,
      });
      ends.unshift(() => connection.close());
      return connection;
    },
    async [Symbol.asyncDispose]() {
      for (const end of ends) await end();
    },
  };
}

/** How often in a row nothing else must be heard between a word and its coming, before what was said earlier is past. */
const QUIET = 5;

/** All that is said in the fleet's account, beside answers to whom the server names itself; it does a gateway's service. */
async function overhearing(at: Awaited<ReturnType<typeof scene>>) {
  const connection = await at.dialled("ears", await at.gatewayCreds());
  const heard = new Set<string>();
  connection.subscribe(">", ({ subject, reply = "" }) => {
    if (!/^(?:_R_|_INBOX)\./.test(subject)) heard.add(subject);
    if (subject.startsWith("o.do.") && reply !== "") connection.publish(reply, jsonBytes({ done: true }));
  });
  return {
    heard,
    /** What was said until now is heard and forgotten; the server tells of requests to its streams a while after it answers. */
    async forget() {
      for (let quiet = 0; quiet < QUIET;) {
        heard.clear();
        const word = `word.${crypto.randomUUID()}`;
        connection.publish(word, new Uint8Array());
        while (!heard.has(word)) await new Promise((later) => setTimeout(later, 1));
        quiet = heard.size === 1 ? quiet + 1 : 0;
      }
      heard.clear();
    },
  };
}

/** Number and extent of what each stream holds. */
async function held(admin: JetStream) {
  const all = await Promise.all(
    Object.values(FLEET_STREAMS).map((name) => streamInfo(admin, name, REAL)),
  );
  return new Map(all.map((info) => [info?.config.name, info && { ...info.state, created: info.created }]));
}

/** Asks each, and resolves when all that was asked on this connection was answered. */
async function askedAll(on: NatsConnection): Promise<void> {
  for (const [subject, data] of OWN) {
    const reply = `_INBOX.d1.${crypto.randomUUID()}`;
    const { promise, resolve } = Promise.withResolvers<NatsMessage>();
    const leave = on.subscribe(reply, resolve);
    on.publish(subject, data, { reply });
    await promise;
    leave();
  }
}

testWithNats(
  "replies: nothing is purged, deleted, read or written by where a device has an answer sent",
  () =>
    withFiles({}, async (folder) => {
      await using at = await scene(folder);
      const { heard, forget } = await overhearing(at);
      const evil = await at.dialled("d1", await at.creds("d1"));
      await askedAll(evil);
      const before = await held(at.admin);
      await forget();
      for (const [subject, data] of OWN) {
        for (const reply of ELSEWHERE) evil.publish(subject, data, { reply });
      }
      await askedAll(evil);
      const own: string[] = OWN.map(([subject]) => subject);
      assert.deepEqual([...heard].filter((subject) => !own.includes(subject)), []);
      const after = await held(at.admin);
      for (const [name, then] of before) {
        const isOwn = own.some((subject) => subject.startsWith(name!.toLowerCase().replace("_", ".")));
        const { last_seq, num_subjects, created } = after.get(name)!;
        const more = isOwn ? ELSEWHERE.length + 1 : 0;
        assert.deepEqual(
          [last_seq, num_subjects, created],
          [then!.last_seq + more, then!.num_subjects, then!.created],
          `${name}`,
        );
      }
    }),
);

testWithNats(
  "replies: a device and a gateway of two accounts have all that they had in one",
  () =>
    withFiles({}, async (folder) => {
      await using at = await scene(folder);
      const readCreds = (text: string) => () => Promise.resolve(text);
      const world = { url: at.url, clock: systemClock, random: Math.random };
      const device = natsGateway({
        ...world,
        executor: "d1",
        groups: ["lab"],
        readCreds: readCreds(await at.creds("d1", ["lab"])),
      });
      let ring = Promise.withResolvers<void>();
      const deaf = device.listen!(() => ring.resolve());
      assert.deepEqual((await device.beat(HEARTBEAT, REAL))?.commands?.map(({ id }) => id), [2]);
      // Where no gateway is, the device changes flags itself.
      const add = (id: string) => device.flags.change("f", { op: "increment", id, by: 1 }, REAL);
      assert.equal((await add("a")).flag?.value, 1);
      const { fleet, store, stop } = await joined(at.url, { readCreds: readCreds(await at.gatewayCreds()) });
      const { value } = (await add("b")).flag!;
      assert.equal(value, 2);
      const waited = device.flags.read("f", { ...REAL, after: 2, waitMs: 30_000 });
      await fleet.desk.changeFlag({ experiment: "default", name: "f" }, { op: "set", id: "c", value: 9 });
      assert.equal((await waited)?.value, 9);
      ring = Promise.withResolvers();
      await fleet.desk.instruct("d1", { type: "resume" });
      await ring.promise;
      assert.deepEqual(
        (await device.beat({ ...HEARTBEAT, seen: 2 }, REAL))?.commands?.map(({ type }) => type),
        [
          "resume",
        ],
      );
      const bytes = jsonBytes({ outrider: 1 });
      const hash = await sha256(bytes);
      await fleet.desk.submit({ target: "group:lab", bytes, hash, pipeline: "p", at: 0 }, false);
      assert.deepEqual((await device.pull(undefined, REAL))?.bytes, bytes);
      const journal = new FakeJournal();
      journal.fill(10);
      const report = await reported(device, "r1", journal);
      while ((await store.run("r1"))?.final === undefined) await at.admin.last("O_HB", "o.hb.d1", REAL);
      assert.equal((await store.run("r1"))?.executor, "d1");
      deaf();
      await report.stop();
      await device.close!();
      await stop();
    }),
);

testWithNats(
  "replies: behind a leaf with a device's credentials likewise, also flags where no gateway is",
  () =>
    withFiles({}, async (folder) => {
      const port = await freePort();
      await using at = await scene(folder, {
        jetstream: "sync_interval: always, domain: hub",
        more: `leafnodes { host: 127.0.0.1, port: ${port} }`,
      });
      writeFileSync(join(folder, "d1.creds"), await at.creds("d1", ["lab"]));
      await using leaf = await NatsServer.start({
        jetstream: undefined,
        more: `leafnodes { reconnect: "100ms", remotes: [{ url: "nats://127.0.0.1:${port}", credentials: ${
          JSON.stringify(join(folder, "d1.creds"))
        } }] }`,
      });
      const world = { clock: systemClock, random: Math.random };
      const device = natsGateway({ ...world, url: leaf.url, executor: "d1", groups: ["lab"] });
      await hubFound(device);
      const { promise: rung, resolve: ring } = Promise.withResolvers<void>();
      const deaf = device.listen!(ring);
      const { commands } = (await device.beat(HEARTBEAT, REAL))!;
      assert.deepEqual(commands?.map(({ type, id }) => [type, id]), [["pause", 2]]);
      await at.admin.store("o.cmd.g.lab", jsonBytes({ type: "resume", before: [] }), REAL);
      await rung;
      const add = { op: "increment", id: "i", by: 3 } as const;
      assert.equal((await device.flags.change("f", add, { timeoutMs: 2_500 })).flag?.value, 3);
      deaf();
      await device.close!();
    }),
);

testWithNats("replies: where no keys are, streams let nobody purge them or delete a message", async () => {
  await using server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  await admin.store("o.rec.d2.r.log", jsonBytes({}), REAL);
  const { denied, signal } = { denied: () => {}, signal: new AbortController().signal };
  const evil = await dialNats({
    url: server.url,
    name: "d1",
    creds: undefined,
    token: undefined,
    signal,
    denied,
  });
  evil.publish("o.hb.d1", jsonBytes(HEARTBEAT), { reply: "$JS.API.STREAM.PURGE.O_REC" });
  evil.publish("o.hb.d1", jsonBytes(HEARTBEAT), { reply: "$JS.API.STREAM.MSG.DELETE.O_REC" });
  await askedAll(evil);
  assert.equal((await streamInfo(admin, FLEET_STREAMS.records, REAL))?.state.messages, 2);
  assert.match(JSON.stringify(await admin.api("STREAM.PURGE.O_REC", undefined, REAL)), /"error"/);
  await Promise.all([evil.close(), admin.wire.close()]);
});
