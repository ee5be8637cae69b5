/**
 * How a fleet's gateway reads the streams: from where it was, no more than there is, and what it says when it can't.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { gzip, sha256 } from "../../src/base/bytes.ts";
import { dialNats } from "../../src/fleet/client.ts";
import type { Dial } from "../../src/fleet/connection.ts";
import { FleetFlags } from "../../src/fleet/flags.ts";
import { type JetStream, packedValue, unpackedLength, unpackedValue } from "../../src/fleet/jetstream.ts";
import { streamInfo } from "../../src/fleet/streams.ts";
import { FLEET_STREAMS } from "../../src/fleet/words.ts";
import { joinFleet } from "../../src/gateway/fleet/fleet.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import {
  device,
  fleetAt,
  HEARTBEAT,
  joined,
  jsonBytes,
  lineTo,
  NatsServer,
  REAL,
  testWithNats,
} from "./rig.ts";

/** Time between two looks at the streams, which a test lets pass. */
class Looks {
  #next = Promise.withResolvers<() => void>();
  readonly clock: Clock = {
    ...systemClock,
    after: (ms, fn) => {
      if (ms !== 100 && ms !== 2_000) return systemClock.after(ms, fn);
      this.#next.resolve(fn);
      return () => {};
    },
  };

  /** Lets one look happen, and resolves when it is over. */
  async once(): Promise<void> {
    const look = await this.#next.promise;
    this.#next = Promise.withResolvers();
    look();
    await this.#next.promise;
  }
}

/** Connections whose subjects are noted. */
function noting(): { readonly dial: Dial; readonly asked: string[] } {
  const asked: string[] = [];
  const dial: Dial = async (options) => {
    const connection = await dialNats(options);
    return {
      ...connection,
      publish: (subject, data, outgoing) => {
        asked.push(subject);
        connection.publish(subject, data, outgoing);
      },
    };
  };
  return { dial, asked };
}

testWithNats("a look at streams that have nothing new is three requests", async () => {
  await using server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  await admin.store("o.hb.d1", jsonBytes(HEARTBEAT), REAL);
  const [looks, { dial, asked }] = [new Looks(), noting()];
  const { stop } = await joined(server.url, { dial, clock: looks.clock });
  await looks.once();
  asked.length = 0;
  await looks.once();
  assert.deepEqual(asked, ["O_ASSIGN", "O_HB", "O_REC"].map((name) => `$JS.API.STREAM.INFO.${name}`));
  await stop();
  await admin.wire.close();
});

testWithNats(
  "another stream of heartbeats is read whole, also where it has got further meanwhile",
  async () => {
    await using server = await NatsServer.start();
    const admin = await fleetAt(server.url);
    const beat = (executor: string) => admin.store(`o.hb.${executor}`, jsonBytes(HEARTBEAT), REAL);
    await beat("d1");
    const looks = new Looks();
    const { store, stop } = await joined(server.url, { clock: looks.clock });
    await looks.once();
    assert.deepEqual((await store.executors()).map(({ id }) => id), ["d1"]);
    const made = (await streamInfo(admin, FLEET_STREAMS.heartbeats, REAL))!;
    await admin.api(`STREAM.DELETE.${FLEET_STREAMS.heartbeats}`, undefined, REAL);
    await admin.api(`STREAM.CREATE.${FLEET_STREAMS.heartbeats}`, made.config, REAL);
    for (const each of ["d2", "d3", "d4"]) await beat(each);
    await looks.once();
    assert.deepEqual((await store.executors()).map(({ id }) => id), ["d1", "d2", "d3", "d4"]);
    await stop();
    await admin.wire.close();
  },
);

testWithNats("a hand-out that was forgotten is not taken for new when the gateway starts again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrider-hearing-"));
  await using server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  const db = join(folder, "g.db");
  const first = await joined(server.url, { db });
  const submitted = async (text: string) => {
    const bytes = jsonBytes(text);
    const handout = { target: "d1", bytes, hash: await sha256(bytes), pipeline: text, at: 0 };
    return (await first.fleet.desk.submit(handout, false)).row.id;
  };
  const [old, present] = [await submitted("old"), await submitted("present")];
  assert.equal((await first.store.handout(old))?.ended?.how, "replaced");
  await first.stop();
  // As it goes when a thousand more have ended.
  const rows = new DatabaseSync(db);
  rows.prepare("DELETE FROM handouts WHERE id = ?").run(old);
  rows.close();
  const again = await joined(server.url, { db });
  assert.equal(await again.store.handout(old), undefined);
  assert.equal((await again.store.handout(present))?.ended, undefined);
  const info = await streamInfo(admin, FLEET_STREAMS.assignments, REAL);
  assert.deepEqual(await again.store.projected(FLEET_STREAMS.assignments), { stream: info?.created, seq: 2 });
  await again.stop();
  await admin.wire.close();
  rmSync(folder, { recursive: true, force: true });
});

testWithNats("what is none of the servers' doing is not taken for that, and tried again", async () => {
  await using server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  const looks = new Looks();
  const store = sqliteGatewayStore(":memory:");
  const [told, troubles]: [unknown[], unknown[]] = [[], []];
  let broken = false;
  const fleet = await joinFleet({
    url: server.url,
    store: Object.assign(Object.create(store) as typeof store, {
      atomically: (...args: Parameters<typeof store.atomically>) =>
        broken ? Promise.reject(new Error("disk full")) : store.atomically(...args),
    }),
    clock: looks.clock,
    random: Math.random,
    onTrouble: (error) => troubles.push(error),
    onDefect: (error) => told.push(error),
  });
  await looks.once();
  await admin.store("o.hb.d1", jsonBytes(HEARTBEAT), REAL);
  broken = true;
  await looks.once();
  assert.deepEqual([told.map(String), troubles.filter(Boolean)], [["Error: disk full"], []]);
  broken = false;
  await looks.once();
  assert.deepEqual((await store.executors()).map(({ id }) => id), ["d1"]);
  await fleet.stop();
  store.close();
  await admin.wire.close();
});

test("a stream of which something else is told than a server tells is an answer that is none", async () => {
  const jetstream = { api: () => Promise.resolve({ config: 1 }) } as unknown as JetStream;
  await assert.rejects(streamInfo(jetstream, "O_REC", REAL), { code: "OUTRIDER_GATEWAY_ANSWER" });
});

test("what is packed holds nothing where it comes to more than it says", async () => {
  const packed = await packedValue({ text: "a".repeat(5000) });
  assert.equal(unpackedLength(packed), 5011);
  assert.deepEqual(await unpackedValue(packed), { text: "a".repeat(5000) });
  new DataView(packed.buffer).setUint32(packed.length - 4, 100, true);
  assert.equal(await unpackedValue(packed), undefined);
  const large = await gzip(new Uint8Array(10));
  new DataView(large.buffer).setUint32(large.length - 4, 0xffff_ffff, true);
  assert.equal(await unpackedValue(large), undefined);
  assert.equal(unpackedLength(jsonBytes({ a: 1 })), 7);
});

testWithNats(
  "flags: a change behind one's own needs no look, and one behind another's is right all the same",
  async () => {
    await using server = await NatsServer.start();
    const admin = await fleetAt(server.url);
    const { dial, asked } = noting();
    const jetstream = lineTo(server.url, { dial });
    const world = { clock: systemClock, random: () => 0 };
    const [mine, others] = [new FleetFlags(jetstream, world), new FleetFlags(admin, world)];
    const flag = { experiment: "e", name: "n" };
    const once = { ...REAL, again: false };
    const add = async (flags: FleetFlags, id: string) =>
      (await flags.change(flag, { op: "increment", id, by: 1 }, once)).flag?.value;
    assert.equal(await add(mine, "a"), 1);
    asked.length = 0;
    assert.equal(await add(mine, "b"), 2);
    assert.deepEqual(asked, ["o.flag.e.n"]);
    assert.equal(await add(others, "c"), 3);
    assert.equal(await add(mine, "d"), 4);
    assert.equal(await add(others, "e"), 5);
    // That nothing is done is told of what is there now.
    const compare = { op: "compare", id: "f", expected: 5, value: "go" } as const;
    assert.equal((await mine.change(flag, compare, once)).done, true);
    const again = { ...REAL, again: true };
    assert.deepEqual(await mine.change(flag, compare, again), {
      flag: { name: "n", value: "go", version: 6 },
      done: true,
    });
    assert.deepEqual(await others.all("e", REAL), [{ name: "n", value: "go", version: 6 }]);
    // A thousand large values would be too much to remember.
    for (const id of ["g", "h"]) {
      asked.length = 0;
      await mine.change(flag, { op: "set", id, value: "x".repeat(1_000) }, once);
    }
    assert.deepEqual(asked, ["$JS.API.DIRECT.GET.O_FLAG.o.flag.e.n", "o.flag.e.n"]);
    await Promise.all([jetstream.wire.close(), admin.wire.close()]);
  },
);

testWithNats("flags: who may read the last value alone hears of its own operation all the same", async () => {
  await using server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  const refusing: Dial = async (options) => {
    const connection = await dialNats(options);
    return {
      ...connection,
      publish: (subject, data, outgoing) => {
        if (subject === "$JS.API.DIRECT.GET.O_FLAG") return options.denied(subject);
        connection.publish(subject, data, outgoing);
      },
    };
  };
  const agent = device(server.url, { dial: refusing });
  const add = { op: "increment", id: "a", by: 1 } as const;
  const reply = await agent.flags.change("f", add, REAL);
  const line = lineTo(server.url, { dial: refusing });
  const own = new FleetFlags(line, { clock: systemClock, random: () => 0 });
  const flag = { experiment: "default", name: "f" };
  const again = { ...REAL, again: true };
  assert.deepEqual(await own.change(flag, add, again), reply);
  await admin.store("o.flag.default.f", jsonBytes({ value: 7, version: 2 }), REAL);
  await assert.rejects(own.change(flag, add, again), { code: "OUTRIDER_FLAG" });
  await Promise.all([agent.close!(), line.wire.close(), admin.wire.close()]);
});

testWithNats(
  "flags: an operation that is asked for again while it waits is done once, and answered alike",
  async () => {
    await using server = await NatsServer.start();
    const admin = await fleetAt(server.url);
    const { stop } = await joined(server.url);
    const { wire } = admin;
    const asked = async (operation: unknown) => {
      const { data } = await wire.request("o.do.flag.e.n", jsonBytes({ operation, again: false }), REAL);
      return await unpackedValue(new Uint8Array(data)) as Record<string, unknown>;
    };
    while ((await wire.request("o.do.flag.e.m", jsonBytes({}), REAL)).status !== 0);
    const wrong = { op: "increment", id: "x", by: 1 };
    await admin.store("o.flag.e.n", jsonBytes({ value: "text", version: 1 }), REAL);
    assert.match(JSON.stringify(await asked(wrong)), /FLAG_TYPE/);
    await asked({ op: "set", id: "s", value: 0 });
    const add = { op: "increment", id: "a", by: 1 };
    const answers = await Promise.all([asked(add), asked({ ...add, id: "b" }), asked(add), asked(add)]);
    assert.deepEqual(answers.map(({ flag }) => (flag as { value: unknown }).value), [1, 2, 1, 1]);
    const before = (await streamInfo(admin, FLEET_STREAMS.flags, REAL))?.state.last_seq;
    assert.deepEqual(await asked(add), answers[0]);
    // What failed is done when it is asked for again.
    assert.equal(((await asked(wrong))["flag"] as { value: unknown }).value, 3);
    assert.equal((await streamInfo(admin, FLEET_STREAMS.flags, REAL))?.state.last_seq, before! + 1);
    assert.match(JSON.stringify(await asked({ op: "none" })), /no operation/);
    await stop();
    await wire.close();
  },
);
