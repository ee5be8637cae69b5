/**
 * Dialects: a made-up one is a file and a line, and each of them carries heartbeats, runs, pipelines and instructions alike:
 * one suite, over all of them.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { GatewayLink } from "../../src/agent/link.ts";
import { readConfig } from "../../src/config/config.ts";
import { configTable, dialectTable } from "../../src/config/tables.ts";
import { VARIABLES } from "../../src/config/variables.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { Heartbeat } from "../../src/protocol/messages.ts";
import { DIALECTS } from "../../src/uplink/dialects/list.ts";
import { netunicornGateway } from "../../src/uplink/dialects/netunicorn/netunicorn.ts";
import { outriderGateway } from "../../src/uplink/dialects/outrider.ts";
import type { Gateway } from "../../src/uplink/gateway.ts";
import type { HeartbeatSnapshot } from "../../src/uplink/heartbeat.ts";
import type { Fetch } from "../../src/uplink/port.ts";
import { pullPipeline } from "../../src/uplink/pull.ts";
import { startReport } from "../../src/uplink/report/report.ts";
import { sha256 } from "../../src/base/bytes.ts";
import { natsGateway } from "../../src/uplink/dialects/nats/nats.ts";
import { CutDial, fleetOn, lineTo, natsProgram, NatsServer, REAL, testWithNats } from "../fleet/rig.ts";
import { Loft, LOFTS, pigeon, withDialect } from "../fixtures/dialects/pigeon.ts";
import { NetunicornGateway } from "./netunicorn_rig.ts";
import { Activity, drive, FakeJournal, HandClock, pass, seeded } from "./rig.ts";

/** A gateway of some dialect, with what a test does to it. */
interface World {
  readonly clock: HandClock;
  readonly activity: Activity;
  readonly gateway: Gateway;
  /** From now on nothing gets through, or everything. */
  away(on: boolean): void;
  /** Requests that set out. */
  sent(): number;
  handOut(bytes: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /** Whether it has the end of the run. */
  ended(): boolean | Promise<boolean>;
  /** Asks for an end of a run; `undefined` where the dialect brings no instructions. */
  readonly cancel: ((run: string) => void | Promise<void>) | undefined;
  close(): void | Promise<void>;
}

/** What a dialect over HTTP is given: a network that can be cut. */
function network(app: (request: Request) => Response | Promise<Response>) {
  const clock = new HandClock();
  const activity = new Activity();
  const state = { away: false, sent: 0 };
  const fetch: Fetch = (url, { signal: _, ...init }) => {
    state.sent++;
    if (state.away) return Promise.reject(new TypeError("network is unreachable"));
    return activity.during(Promise.resolve(app(new Request(url, init))));
  };
  return {
    clock,
    activity,
    options: { url: "http://localhost", executor: "e", fetch, clock },
    away: (on: boolean) => void (state.away = on),
    sent: () => state.sent,
  };
}

function outriderWorld(): World {
  const clock = new HandClock();
  const store = sqliteGatewayStore(":memory:");
  const app = gatewayApp({ store, clock });
  const there = network((request) => app.fetch(request));
  const ask = async (path: string, body: Uint8Array<ArrayBuffer> | string) => {
    const answer = await app.request(`http://localhost${path}`, { method: "POST", body });
    assert.ok(answer.ok, await answer.text());
  };
  return {
    ...there,
    gateway: outriderGateway({ ...there.options, gzip: there.activity.gzip }),
    handOut: (bytes) => ask("/v1/bundles?to=e", bytes),
    ended: () => store.rows.run("r")?.state === "succeeded",
    cancel: (run) => ask(`/v1/executors/e/commands`, JSON.stringify({ type: "cancel", run })),
    close: () => store.close(),
  };
}

function netunicornWorld(): World {
  const there = new NetunicornGateway();
  there.put("e", null);
  const cut = network(there.fetch);
  return {
    ...cut,
    gateway: netunicornGateway(cut.options),
    handOut: (bytes) => there.put("e", bytes),
    ended: () => there.executors.get("e")?.state === 3,
    cancel: undefined,
    close: () => {},
  };
}

function pigeonWorld(): World {
  const loft = new Loft();
  LOFTS.set("loft", loft);
  const clock = new HandClock();
  const gateway = pigeon.connect({
    url: "pigeon://loft",
    executor: "e",
    experiment: undefined,
    groups: [],
    token: undefined,
    renewToken: undefined,
    settings: {},
    clock,
    random: seeded(1),
    environment: { env: () => undefined, setEnv: () => {} },
    readSecret: () => Promise.reject(new Error("No such file")),
  });
  return {
    clock,
    activity: new Activity(),
    gateway,
    away: (on) => void (loft.away = on),
    sent: () => loft.flights,
    handOut: (bytes) => void loft.handouts.push({ bytes, hash: "h", tag: `${loft.handouts.length}` }),
    ended: () => loft.ended,
    cancel: (run) => loft.command({ type: "cancel", run }),
    close: () => void LOFTS.delete("loft"),
  };
}

/** A real server, and its network, which can be cut. The clock stands still while an answer is under way. */
async function natsWorld(): Promise<World> {
  const server = await NatsServer.start();
  const admin = lineTo(server.url);
  await fleetOn(admin);
  const clock = new HandClock();
  const activity = new Activity();
  const cut = new CutDial(activity);
  const gateway = natsGateway({
    url: server.url,
    executor: "e",
    clock,
    random: seeded(1),
    dial: cut.dial,
    gzip: activity.gzip,
  });
  const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  return {
    clock,
    activity,
    gateway,
    away: (on) => cut.away(on),
    sent: () => cut.sent,
    async handOut(bytes) {
      const hash = await sha256(bytes);
      await admin.store(`o.bundle.${hash}.0`, bytes, REAL);
      await admin.store("o.assign.x.e", text({ hash, chunks: 1 }), REAL);
    },
    ended: async () =>
      (await admin.last("O_REC", "o.rec.e.r.state", REAL))?.header("O-Final") === "succeeded",
    cancel: async (run) => void await admin.store("o.cmd.x.e", text({ type: "cancel", run }), REAL),
    async close() {
      await Promise.all([gateway.close!(), admin.wire.close()]);
      await server[Symbol.asyncDispose]();
    },
  };
}

const WORLDS: Readonly<Record<string, () => World | Promise<World>>> = {
  outrider: outriderWorld,
  netunicorn: netunicornWorld,
  pigeon: pigeonWorld,
  ...(natsProgram() !== undefined && { nats: natsWorld }),
};

testWithNats("dialects: NATS is among those that are held to the suite", () => {
  assert.ok("nats" in WORLDS);
  return Promise.resolve();
});

const RUN: NonNullable<Heartbeat["run"]> = {
  id: "r",
  pipeline: "p",
  state: "running",
  tasks: 1,
  counts: { succeeded: 0 },
  running: 1,
  names: ["t"],
};

function snapshot(): Omit<HeartbeatSnapshot, "spool"> {
  return { outrider: "0", runtime: "t 1", state: "running", run: RUN };
}

/** An agent's line to the gateway, with what came by it. */
function linked(w: World, { quiet = false }: { readonly quiet?: boolean } = {}) {
  const instructions: { readonly type: string; readonly run?: string }[] = [];
  const notes: string[] = [];
  const link = new GatewayLink({
    onReach: () => {},
    gateway: w.gateway,
    clock: w.clock,
    random: seeded(3),
    session: "s",
    heartbeatMs: 10_000,
    quiet,
    snapshot,
    onCommand: (command) => void instructions.push(command),
    note: (text) => void notes.push(text),
  });
  return { link, instructions, notes };
}

/** Does something with each dialect; afterwards nothing may be timed any more. */
async function inEach(act: (w: World, name: string) => Promise<void>): Promise<void> {
  for (const [name, made] of Object.entries(WORLDS)) {
    const w = await made();
    try {
      await act(w, name);
      await w.gateway.close?.();
      assert.equal(w.clock.timers, 0, `${name}: timers are left`);
    } catch (error) {
      throw new Error(`${name}: ${error instanceof Error ? error.message : error}`, { cause: error });
    } finally {
      await w.close();
    }
  }
}

test("dialects: names are unique, each has a scheme, and stands for variables that there are", () => {
  assert.equal(new Set(DIALECTS.map(({ name }) => name)).size, DIALECTS.length);
  const ours = new Set(Object.values(VARIABLES).map(({ name }) => name));
  const chosenByScheme = DIALECTS.filter(({ variables }) =>
    !variables.some(({ standsFor }) => standsFor === "OUTRIDER_GATEWAY")
  );
  const schemes = chosenByScheme.flatMap((dialect) => dialect.schemes);
  assert.equal(new Set(schemes).size, schemes.length, "two dialects for one scheme");
  for (const { name, schemes, variables } of DIALECTS) {
    assert.ok(schemes.length > 0 && schemes.every((scheme) => /^[a-z][a-z0-9+.-]*:$/.test(scheme)), name);
    for (const own of variables) {
      assert.ok(!ours.has(own.name), own.name);
      if (own.standsFor !== undefined) assert.ok(ours.has(own.standsFor), own.standsFor);
      if (own.secret) {
        assert.match(own.name, /^OUTRIDER_(\w+_)?TOKEN$/, "else it is not taken out of the environment");
      }
    }
  }
});

test("dialects: one more is chosen by its scheme, its variables are read by their schemas, and all is told", () =>
  withDialect(pigeon, async () => {
    const read = (env: Readonly<Record<string, string>>) =>
      readConfig({ env: (name) => env[name], readText: () => Promise.reject(new Error("No such file")) });
    const env = {
      OUTRIDER_GATEWAY: "pigeon://loft/9",
      OUTRIDER_EXECUTOR_ID: "e",
      OUTRIDER_PIGEON_RINGS: "7",
      OUTRIDER_PIGEON_TOKEN: "coo-coo-coo",
    };
    const { config, problems, settings } = await read(env);
    assert.deepEqual(problems, []);
    assert.equal(config?.gateway?.dialect, pigeon);
    assert.deepEqual(config?.gateway?.settings, {
      OUTRIDER_PIGEON_RINGS: 7,
      OUTRIDER_PIGEON_TOKEN: "coo-coo-coo",
    });
    assert.ok(config?.secrets.includes("coo-coo-coo"));
    assert.deepEqual(settings.slice(-2).map(({ name, value }) => [name, value]), [
      ["OUTRIDER_PIGEON_RINGS", "7"],
      ["OUTRIDER_PIGEON_TOKEN", "hidden, 11 characters"],
    ]);
    const wrong = await read({ ...env, OUTRIDER_PIGEON_RINGS: "ten" });
    assert.deepEqual(wrong.problems, [
      'OUTRIDER_PIGEON_RINGS: Write a number from 1 to 9; received "ten"',
    ]);
    const http = await read({ ...env, OUTRIDER_GATEWAY: "http://g", OUTRIDER_PIGEON_RINGS: "ten" });
    assert.deepEqual([http.problems, http.config?.gateway?.settings], [[], {}]);
    assert.match((await read({ ...env, OUTRIDER_GATEWAY: "ftp://g" })).problems[0]!, /pigeon:\/\/HOST:PORT/);
    assert.match(dialectTable(), /OUTRIDER_PIGEON_RINGS` +\| pigeon/);
    assert.doesNotMatch(configTable(), /PIGEON/);
  }));

test("dialects: a heartbeat comes at once, and then every 10 s ± 20 %", () =>
  inEach(async (w) => {
    const { link } = linked(w);
    await pass(100_000, w);
    assert.ok(w.sent() >= 9 && w.sent() <= 13, `${w.sent()} heartbeats`);
    assert.equal(link.told().heartbeatFailures, 0);
    await link.stop();
  }));

test("dialects: a pipeline is asked for until there is one, and what is known is not given again", () =>
  inEach(async (w) => {
    const bytes = new TextEncoder().encode('{"outrider":1}');
    let none = 0;
    const over = new AbortController();
    // What is pulled is hashed on another thread, outside of any request: that counts as under way, too.
    const gateway: Gateway = {
      ...w.gateway,
      pull: (...asked) => w.activity.during(w.gateway.pull(...asked)),
    };
    const ask = (known?: string) =>
      pullPipeline({
        gateway,
        clock: w.clock,
        random: seeded(5),
        signal: over.signal,
        onNone: () => void none++,
        ...(known !== undefined && { known }),
      });
    const pulling = ask();
    await pass(30_000, w);
    assert.ok(none > 2, `${none}`);
    await w.handOut(bytes);
    const pulled = await drive(pulling, w);
    assert.deepEqual(pulled?.bytes, bytes);
    const before = none;
    const again = ask(pulled!.tag);
    // A hash is made on another thread, which no clock of ours knows of.
    for (let round = 0; none === before && round < 1_000; round++) await pass(10_000, w);
    assert.ok(none > before);
    over.abort();
    assert.equal(await again, undefined);
  }));

test("dialects: while the gateway is out of reach records wait, attempts are few, and all come afterwards", () =>
  inEach(async (w) => {
    const { link, notes } = linked(w);
    const journal = new FakeJournal();
    const report = link.report("r", journal);
    await pass(1_000, w);
    w.away(true);
    journal.fill(20);
    report.end({ state: "succeeded", result: { tasks: {} } });
    await pass(600_000, w);
    const before = w.sent();
    await pass(3_600_000, w);
    // Heartbeats go on as they are; two streams or one result are tried again once a minute at the most.
    assert.ok(w.sent() - before < 360 * 1.3 + 2 * 200, `${w.sent() - before} attempts in an hour`);
    assert.equal(await w.ended(), false);
    assert.ok(report.status().pending.state > 0 && link.spool.state > 0);
    assert.ok(link.outOfReachMs > 4_000_000, `${link.outOfReachMs}`);
    assert.equal(link.conditions[0]?.code, "gateway_out_of_reach");
    w.away(false);
    assert.equal(await drive(report.drained, w), true);
    assert.equal(await w.ended(), true);
    assert.equal(link.outOfReachMs, 0);
    assert.deepEqual(link.spool, { state: 0, log: 0 });
    assert.match(notes.at(-1)!, /is back$/);
    await link.stop();
  }));

test("dialects: a report that is to be quiet sends nothing before the end, and then everything", () =>
  inEach(async (w) => {
    const journal = new FakeJournal();
    const report = startReport({
      gateway: w.gateway,
      clock: w.clock,
      random: seeded(4),
      run: "r",
      source: journal,
      quiet: true,
    });
    journal.fill(30);
    await pass(600_000, w);
    assert.equal(w.sent(), 0);
    report.end({ state: "succeeded", result: { tasks: {} } });
    assert.equal(await drive(report.drained, w), true);
    assert.equal(await w.ended(), true);
    await report.stop();
  }));

test("dialects: an agent that keeps silent says so once, and is heard again when the silence is broken", () =>
  inEach(async (w) => {
    const { link } = linked(w, { quiet: true });
    await pass(300_000, w);
    assert.equal(w.sent(), 1);
    link.quiet(false);
    await pass(60_000, w);
    assert.ok(w.sent() >= 5, `${w.sent()}`);
    await link.stop();
  }));

test("dialects: an instruction is handed on once, with the run that it is about", () =>
  inEach(async (w, name) => {
    const { link, instructions } = linked(w);
    await pass(1_000, w);
    await w.cancel?.("another");
    await w.cancel?.("r");
    await pass(60_000, w);
    assert.deepEqual(
      instructions.map(({ type, run }) => [type, run]),
      name === "netunicorn" ? [] : [["cancel", "another"], ["cancel", "r"]],
    );
    await link.stop();
  }));
