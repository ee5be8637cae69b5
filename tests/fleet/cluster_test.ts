/**
 * A cluster of three: whichever of its servers is killed, each record is there once.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { streamInfo } from "../../src/fleet/streams.ts";
import { FLEET_STREAMS } from "../../src/fleet/words.ts";
import { natsGateway } from "../../src/uplink/dialects/nats/nats.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { FakeJournal } from "../uplink/rig.ts";
import { fleetOn, freePort, lineTo, NatsServer, storedRecords, testWithNats } from "./rig.ts";

/** Until it goes, since a cluster needs a while to find a leader. */
async function inTheEnd<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0;; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries > 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

testWithNats(
  "a cluster: the leader is killed twice while records go out, and each number is there once",
  async () => {
    const routes = await Promise.all([freePort(), freePort(), freePort()]);
    const all = routes.map((port) => `nats://127.0.0.1:${port}`).join(", ");
    const servers = await Promise.all(
      routes.map((port) =>
        NatsServer.start({ more: `cluster { name: C, host: 127.0.0.1, port: ${port}, routes: [${all}] }` })
      ),
    );
    try {
      const url = servers.map((server) => server.url).join(",");
      const admin = lineTo(url);
      const QUICK = { timeoutMs: 2_000 };
      await inTheEnd(() => fleetOn(admin, { replicas: 3 }, QUICK));
      const gateway = natsGateway({ url, executor: "d.1", clock: systemClock, random: Math.random });
      const journal = new FakeJournal();
      journal.fill(10_000, { logs: 30_000 });
      const marks = [2_000, 20_000].map((at) => ({ at, reached: Promise.withResolvers<void>() }));
      const report = startReport({
        gateway,
        clock: systemClock,
        random: () => 0.05,
        run: "r",
        source: journal,
        limits: { records: 250 },
        onAcknowledged: ({ state, log }) => {
          for (const { at, reached } of marks) if (state + log >= at) reached.resolve();
        },
      });
      report.end({ state: "succeeded" });
      for (const { reached } of marks) {
        await reached.promise;
        const info = await inTheEnd(() => streamInfo(admin, FLEET_STREAMS.records, QUICK));
        const leader = servers.find((server) => server.name === info?.cluster?.leader)!;
        await leader.kill();
        await leader.restart();
      }
      assert.equal(await report.drained, true);
      const stored = await inTheEnd(() => storedRecords(admin));
      assert.deepEqual(stored.state, Array.from({ length: 10_002 }, (_, at) => at + 1));
      assert.deepEqual(stored.log, Array.from({ length: 30_000 }, (_, at) => at + 1));
      assert.deepEqual(stored.finals, ["succeeded"]);
      await report.stop();
      await Promise.all([gateway.close!(), admin.wire.close()]);
    } finally {
      for (const server of servers) await server[Symbol.asyncDispose]();
    }
  },
);
