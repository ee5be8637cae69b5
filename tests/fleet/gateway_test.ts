/**
 * Gateways of a fleet: several side by side, whose users see what devices told the servers, and reach the devices by them.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../src/base/bytes.ts";
import { systemClock } from "../../src/base/clock.ts";
import { dialNats } from "../../src/fleet/client.ts";
import { fleetStatus } from "../../src/fleet/status.ts";
import { FLEET_LIMITS, streamInfo } from "../../src/fleet/streams.ts";
import { packedValue } from "../../src/fleet/jetstream.ts";
import { FLEET_STREAMS, SUBJECTS } from "../../src/fleet/words.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import type { Stream } from "../../src/model/stream.ts";
import type { Heartbeat, RecordBatch } from "../../src/protocol/messages.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { FakeJournal } from "../uplink/rig.ts";
import { device, fleetAt, HEARTBEAT, joined, NatsServer, REAL, reported, testWithNats } from "./rig.ts";

/** What a device of the group says. */
const IN_LAB: Heartbeat = { ...HEARTBEAT, groups: ["lab"] };

/** A gateway as a user asks it. */
async function gatewayAt(url: string, db = ":memory:") {
  const { fleet, store, stop } = await joined(url, { db });
  const app = gatewayApp({ ...fleet, store, clock: systemClock });
  const ask = async (method: string, path: string, body?: BodyInit) => {
    const answer = await app.request(`http://localhost${path}`, {
      method,
      ...(body !== undefined && { body }),
    });
    const text = await answer.text();
    return { status: answer.status, text, json: () => JSON.parse(text) };
  };
  return {
    ask,
    store,
    app,
    /** Asks until what comes is as it is meant to be. */
    async until(
      path: string,
      is: (value: Record<string, unknown>) => boolean,
    ): Promise<Record<string, unknown>> {
      for (;;) {
        const { status, json } = await ask("GET", path);
        if (status === 200 && is(json())) return json();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    stop,
  };
}

testWithNats(
  "gateways side by side: a pipeline in at one, its run out at the other, cancelled at either",
  async () => {
    await using server = await NatsServer.start();
    const admin = await fleetAt(server.url);
    const [one, two] = [await gatewayAt(server.url), await gatewayAt(server.url)];
    const agent = device(server.url);
    await agent.beat(IN_LAB, REAL);
    await one.until("/v1/executors", ({ executors }) => (executors as unknown[]).length === 1);
    const bytes = new Uint8Array(600_000).fill(65);
    const submitted = await one.ask("POST", "/v1/bundles?to=d.1&name=p", bytes);
    assert.equal(submitted.status, 201, submitted.text);
    const { id } = submitted.json();
    const pulled = (await agent.pull(undefined, REAL))!;
    assert.deepEqual(pulled.bytes, bytes);
    const journal = new FakeJournal();
    const report = startReport({
      gateway: agent,
      clock: systemClock,
      random: () => 0.01,
      run: "r",
      source: journal,
      handout: pulled.tag,
    });
    journal.state({ type: "run.started", run: "r", pipeline: "p", runtime: "t 1", plan: "h" });
    journal.log("first");
    const going = await two.until(
      "/v1/runs/r",
      ({ handout, pipeline }) => handout === id && pipeline === "p",
    );
    assert.equal(going["state"], "running");
    await one.until("/v1/runs/r", ({ run }) => run === "r");
    // Followed at one gateway while the device goes on.
    const followed = one.ask("GET", "/v1/runs/r/logs?follow=1");
    assert.equal((await two.ask("POST", "/v1/runs/r/cancel")).status, 202);
    const { commands } = (await agent.beat({ ...IN_LAB, version: 2 }, REAL))!;
    assert.deepEqual(commands?.map((each) => [each.type, (each as { run?: unknown }).run]), [[
      "cancel",
      "r",
    ]]);
    journal.log("second");
    journal.state({ type: "run.ended", state: "cancelled" });
    report.end({ state: "cancelled" });
    assert.equal(await report.drained, true);
    for (const gateway of [one, two]) {
      await gateway.until("/v1/runs/r", ({ state, complete }) => state === "cancelled" && complete === true);
      assert.equal((await gateway.ask("GET", "/v1/runs/r/result")).json().state, "cancelled");
      const { handouts } = (await gateway.ask("GET", "/v1/handouts")).json();
      assert.deepEqual(handouts.map((each: Record<string, unknown>) => [each["id"], each["state"]]), [[
        id,
        "cancelled",
      ]]);
    }
    assert.deepEqual(
      (await followed).text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).text),
      ["first", "second"],
    );
    // Each shows the same on its page.
    for (const gateway of [one, two]) {
      const { total, counts, runs } = (await gateway.ask("GET", "/v1/overview")).json();
      assert.deepEqual([total, counts.lost, runs.cancelled], [1, 0, 1]);
      assert.match((await gateway.ask("GET", "/")).text, /<title>Outrider/);
    }
    assert.equal(
      (await two.ask("POST", "/v1/executors/d.1/heartbeat", "{}")).status,
      404,
      "devices report elsewhere",
    );
    await report.stop();
    await Promise.all([agent.close!(), one.stop(), two.stop(), admin.wire.close()]);
  },
);

testWithNats(
  "gateways side by side: what waits is replaced by the newest, and taken back for whoever has it",
  async () => {
    await using server = await NatsServer.start();
    const admin = await fleetAt(server.url);
    const [one, two] = [await gatewayAt(server.url), await gatewayAt(server.url)];
    const agent = device(server.url);
    await agent.beat(IN_LAB, REAL);
    await two.until("/v1/executors", ({ executors }) => (executors as unknown[]).length === 1);
    const put = async (gateway: typeof one, text: string) =>
      (await gateway.ask("POST", "/v1/bundles?to=group:lab", text)).json().id as string;
    const first = await put(one, "first");
    const second = await put(two, "second");
    const states = async (gateway: typeof one) =>
      ((await gateway.ask("GET", "/v1/handouts")).json().handouts as Record<string, unknown>[])
        .map((each) => [each["id"], each["state"]]);
    await one.until("/v1/handouts", ({ handouts }) => (handouts as unknown[]).length === 2);
    for (const gateway of [one, two]) {
      assert.deepEqual(await states(gateway), [[second, "waiting"], [
        first,
        "replaced",
      ]]);
    }
    const pulled = (await agent.pull(undefined, REAL))!;
    assert.equal(new TextDecoder().decode(pulled.bytes), "second");
    assert.equal((await one.ask("POST", `/v1/handouts/${second}/cancel`)).status, 202);
    assert.equal((await one.ask("POST", `/v1/handouts/${second}/cancel`)).status, 409);
    assert.equal(await agent.pull(undefined, REAL), undefined);
    const { commands } = (await agent.beat({ ...IN_LAB, version: 2 }, REAL))!;
    assert.deepEqual(commands?.map((each) => [each.type, (each as { handout?: unknown }).handout]), [[
      "withdraw",
      pulled.tag,
    ]]);
    await two.until(
      "/v1/handouts",
      ({ handouts }) => (handouts as { state: string }[])[0]?.state === "withdrawn",
    );
    await Promise.all([agent.close!(), one.stop(), two.stop(), admin.wire.close()]);
  },
);

testWithNats("a timetable is taken back when its hand-out is over, and what came since stays", async () => {
  await using server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  const one = await gatewayAt(server.url);
  const agent = device(server.url);
  const put = async (text: string) => (await one.ask("POST", "/v1/bundles?to=d.1", text)).json().id as string;
  const hourly = await put("hourly");
  const { tag } = (await agent.pull(undefined, REAL))!;
  await put("newer");
  assert.equal((await one.ask("POST", `/v1/handouts/${hourly}/cancel`)).status, 409);
  await agent.beat({ ...IN_LAB, timetable: { pipeline: "hourly", handout: tag } }, REAL);
  await one.until("/v1/executors", ({ executors }) => JSON.stringify(executors).includes(`${tag}`));
  const { status, text } = await one.ask("POST", `/v1/handouts/${hourly}/cancel`);
  assert.deepEqual([status, JSON.parse(text).taken], [202, ["d.1"]]);
  const { commands } = (await agent.beat({ ...IN_LAB, version: 2 }, REAL))!;
  assert.deepEqual(commands?.map((each) => [each.type, (each as { handout?: unknown }).handout]), [[
    "withdraw",
    tag,
  ]]);
  assert.equal(new TextDecoder().decode((await agent.pull(undefined, REAL))!.bytes), "newer");
  await Promise.all([agent.close!(), one.stop(), admin.wire.close()]);
});

testWithNats("a bundle that is submitted again after days is as young as its assignment", async () => {
  await using server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  const bytes = new TextEncoder().encode("the same");
  const hash = await sha256(bytes);
  const submit = async (days: number) => {
    const clock = { ...systemClock, now: () => systemClock.now() + days * 24 * 3600 * 1000 };
    const { fleet, stop } = await joined(server.url, { clock });
    await fleet.desk.submit({ target: "d.1", bytes, hash, pipeline: undefined, at: clock.now() }, false);
    await stop();
    return (await admin.last(FLEET_STREAMS.bundles, `o.bundle.${hash}.0`, REAL))!.seq;
  };
  assert.deepEqual([await submit(0), await submit(0), await submit(2)], [1, 1, 2]);
  await admin.wire.close();
});

testWithNats("a gateway stops while a server owes it an answer", async () => {
  await using server = await NatsServer.start();
  const admin = await fleetAt(server.url);
  let isSilent = false;
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const { stop } = await joined(server.url, {
    // The limit of a request is never over: only the end of the line ends it.
    clock: { ...systemClock, after: (ms, fn) => ms < 30_000 ? systemClock.after(ms, fn) : () => {} },
    dial: async (options) => {
      const connection = await dialNats(options);
      return {
        ...connection,
        publish: (...message) => isSilent ? resolve() : connection.publish(...message),
      };
    },
  });
  isSilent = true;
  await asked;
  await stop();
  await admin.wire.close();
});

testWithNats(
  "gateways side by side: flags are one, and a thousand increments are a thousand numbers",
  async () => {
    await using server = await NatsServer.start();
    const admin = await fleetAt(server.url);
    const [one, two] = [await gatewayAt(server.url), await gatewayAt(server.url)];
    const flag = "/v1/experiments/default/flags/n";
    assert.equal((await one.ask("PUT", flag, JSON.stringify({ value: 5 }))).status, 200);
    assert.deepEqual((await two.ask("GET", flag)).json(), { name: "n", value: 5, version: 1 });
    const agents = Array.from({ length: 20 }, (_, at) => device(server.url, { executor: `d${at}` }));
    const sums = await Promise.all(agents.flatMap(({ flags }, of) =>
      Array.from(
        { length: 50 },
        (_, at) => flags.change("n", { op: "increment", id: `${of}-${at}`, by: 1 }, REAL),
      )
    ));
    assert.equal(new Set(sums.map((reply) => reply.flag?.value)).size, 1_000);
    assert.equal((await one.ask("GET", flag)).json().value, 1_005);
    const waiting = two.ask("GET", `${flag}?after=1001&wait=30000`);
    await agents[0]!.flags.change("n", { op: "set", id: "s", value: "go" }, REAL);
    assert.equal((await waiting).json().value, "go");
    await assert.rejects(agents[0]!.flags.change("n", { op: "increment", id: "i", by: 1 }, REAL), {
      word: "FLAG_TYPE",
    });
    assert.deepEqual((await one.ask("GET", "/v1/experiments/default/flags")).json().flags.length, 1);
    await Promise.all([...agents.map((agent) => agent.close!()), one.stop(), two.stop(), admin.wire.close()]);
  },
);

testWithNats(
  "a gateway that was away reads on from where it stopped, each record once, and anew where the stream is another",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "outrider-fleet-gateway-"));
    const db = join(folder, "g.db");
    await using server = await NatsServer.start();
    let admin = await fleetAt(server.url);
    const agent = device(server.url);
    const journal = new FakeJournal();
    const report = startReport({
      gateway: agent,
      clock: systemClock,
      random: () => 0.01,
      run: "r",
      source: journal,
    });
    journal.state({ type: "run.started", run: "r", pipeline: "p", runtime: "t 1", plan: "h" });
    const first = await gatewayAt(server.url, db);
    await first.until("/v1/runs/r", ({ acknowledged }) => (acknowledged as { state: number }).state === 1);
    await first.stop();
    for (let at = 0; at < 300; at++) journal.log(`line ${at}`);
    journal.state({ type: "run.ended", state: "succeeded" });
    report.end({ state: "succeeded" });
    assert.equal(await report.drained, true);
    const again = await gatewayAt(server.url, db);
    await again.until("/v1/runs/r", ({ complete }) => complete === true);
    const lines = (await again.ask("GET", "/v1/runs/r/logs")).text.trim().split("\n").map((line) =>
      JSON.parse(line).seq
    );
    assert.deepEqual(lines, Array.from({ length: 300 }, (_, at) => at + 1));
    const info = await streamInfo(admin, FLEET_STREAMS.records, REAL);
    assert.deepEqual(await again.store.projected(FLEET_STREAMS.records), {
      stream: info?.created,
      seq: info?.state.last_seq,
    });
    const lag = async () => {
      const found = await fleetStatus(admin, { ...REAL, wanted: FLEET_LIMITS, now: systemClock.now() });
      return found.streams.find(({ name }) => name === FLEET_STREAMS.records)?.lag;
    };
    while (await lag() !== 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await admin.wire.close();
    await server.replace();
    admin = await fleetAt(server.url);
    const other = new FakeJournal();
    other.fill(2);
    const later = await reported(agent, "r2", other);
    await again.until("/v1/runs/r2", ({ complete }) => complete === true);
    await Promise.all([report.stop(), later.stop(), agent.close!(), again.stop(), admin.wire.close()]);
    rmSync(folder, { recursive: true, force: true });
  },
);

testWithNats(
  "records that aged out of the stream before a gateway had read them are missing, with the reason, and hold up nothing",
  async () => {
    await using server = await NatsServer.start();
    const admin = await fleetAt(server.url);
    // What is left of it on the server.
    const left = async (lane: Stream, batch: Partial<RecordBatch>) =>
      await admin.store(
        SUBJECTS.records("d.1", "r", lane),
        await packedValue({ run: "r", lane, records: [], ...batch }),
        REAL,
      );
    const line = { at: "2026-01-01T00:00:00Z", level: "info", from: "task", stream: "stdout", text: "line" };
    await left("log", { records: [6, 7, 8].map((seq) => ({ seq, ...line })) });
    await left("state", { final: { state: "succeeded", records: { state: 2, log: 8 } } });
    const agent = device(server.url);
    const journal = new FakeJournal();
    journal.fill(2);
    const report = await reported(agent, "s", journal);
    const one = await gatewayAt(server.url);
    const run = await one.until("/v1/runs/r", ({ complete }) => complete === true);
    const missing = run["missing"] as { lane: string; from: number; to: number; reason: string }[];
    const lines = (await one.ask("GET", "/v1/runs/r/logs")).text.trim().split("\n").length;
    const { state } = (await one.ask("GET", "/v1/runs/r/result")).json();
    const other = await one.until("/v1/runs/s", ({ complete }) => complete === true);
    await Promise.all([report.stop(), agent.close!(), one.stop(), admin.wire.close()]);
    assert.deepEqual(missing.map(({ lane, from, to }) => [lane, from, to]), [["log", 1, 5], ["state", 1, 2]]);
    for (const { reason } of missing) assert.match(reason, /^Lost on the fleet's servers: /);
    assert.deepEqual([run["state"], lines, state, other["missing"]], ["succeeded", 3, "succeeded", []]);
  },
);
