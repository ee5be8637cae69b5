/**
 * Owns the devices of a fleet that is measured, many in a process of its own: real connections and the real uplink, from
 * heartbeats to reports. `node bench/fleet_load.ts JSON`; each line on stdin asks for something ({@linkcode Asked}), each on
 * stdout answers it, in order.
 * Must not know what is made of the answers.
 * Invariant: times are of one process's clock; no device waits for another.
 */
import { Agent, request } from "node:http";
import process from "node:process";
import { createInterface } from "node:readline";
import { GatewayLink } from "../src/agent/link.ts";
import { systemClock } from "../src/base/clock.ts";
import { deviceCreds, type FleetKey } from "../src/fleet/keys.ts";
import { ANY } from "../src/fleet/words.ts";
import type { Gateway } from "../src/uplink/gateway.ts";
import { natsGateway } from "../src/uplink/dialects/nats/nats.ts";
import { outriderGateway } from "../src/uplink/dialects/outrider.ts";
import { FakeJournal } from "../tests/uplink/rig.ts";
import { badLine } from "./bad_line.ts";
import { randomFrom } from "./random.ts";
import { heartbeat } from "./uplink_matter.ts";

/** Whom the devices of a process are. */
export interface Devices {
  /** Of the servers, or of the gateway. */
  readonly port: number;
  /** The key of the devices' account, on NATS. */
  readonly key?: FleetKey;
  /** By HTTP, and for who asks. */
  readonly token: string;
  /** Where users ask. */
  readonly users: string;
  readonly from: number;
  readonly count: number;
  readonly intervalMs: number;
  /** Shares of devices that are in a run with logs, and on a bad line. */
  readonly running: number;
  readonly bad: number;
}

/** What can be asked of them. */
export type Asked =
  /** Forgets what was measured so far. */
  | { readonly ask: "begin" }
  /** How long each heartbeat since took, milliseconds; those on a bad line by themselves. */
  | { readonly ask: "beats" }
  /** How long it takes from now until each has been answered once more, milliseconds; `null` for those who are not within so long. */
  | { readonly ask: "heard"; readonly withinMs: number }
  /** How long each instruction takes from a user's request to the device, milliseconds. */
  | { readonly ask: "instruct"; readonly count: number }
  /** How long all of so many increments at once take, and how many values came of them. */
  | { readonly ask: "increment"; readonly count: number }
  /** Writes so many lines into the log of each run at once. */
  | { readonly ask: "fill"; readonly lines: number }
  /** Resolves when all that was written is at the servers; to the runs, and how many lines each has. */
  | { readonly ask: "sent" };

/** What answers `beats`. */
export interface Beats {
  readonly good: readonly number[];
  readonly bad: readonly number[];
  readonly failed: number;
}

const DEVICE_LOG_MS = 100;
/** Devices that connect at the same time. */
const AT_ONCE = 30;
const WORLD = { clock: systemClock, random: Math.random } as const;
const BAD = { lateMs: 120, lost: 0.02, againMs: 1_500, cutMs: 60_000 } as const;

/** One device. */
class Device {
  readonly id: string;
  readonly isBad: boolean;
  readonly link: GatewayLink;
  readonly gateway: Gateway;
  readonly run: { readonly id: string; readonly journal: FakeJournal } | undefined;
  readonly times: number[] = [];
  failed = 0;
  heard: () => void = () => {};
  told: () => void = () => {};
  #beats = 0;

  constructor(devices: Devices, gateway: Gateway, about: Pick<Device, "id" | "isBad"> & { runs: boolean }) {
    this.id = about.id;
    this.isBad = about.isBad;
    this.gateway = Object.assign(Object.create(gateway) as Gateway, {
      beat: async (...[beat, limits]: Parameters<Gateway["beat"]>) => {
        const from = performance.now();
        try {
          const reply = await gateway.beat(beat, limits);
          this.times.push(performance.now() - from);
          this.heard();
          return reply;
        } catch (error) {
          this.failed++;
          throw error;
        }
      },
    });
    this.run = about.runs ? { id: `run-${about.id}`, journal: new FakeJournal() } : undefined;
    this.link = new GatewayLink({
      ...WORLD,
      gateway: this.gateway,
      session: crypto.randomUUID(),
      heartbeatMs: devices.intervalMs,
      quiet: false,
      snapshot: () => {
        const { session: _, version: __, intervalMs: ___, sentBytes: ____, seen: _____, ...rest } = heartbeat(
          "",
          ++this.#beats,
        );
        return rest;
      },
      onCommand: () => this.told(),
      note: () => {},
      onReach: () => {},
    });
    if (this.run === undefined) return;
    const { id, journal } = this.run;
    this.link.report(id, journal);
    journal.state({ type: "run.started", run: id, pipeline: "bench", runtime: "bench", plan: "" });
    setInterval(
      () => journal.log("a line that a program of the device has written, as they are"),
      DEVICE_LOG_MS,
    );
  }
}

/** The way of one device to a gateway by HTTP: a connection of its own. */
function httpGateway({ token }: Devices, { executor, port }: { executor: string; port: number }): Gateway {
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  const fetch = (url: string, { method = "GET", headers, body, signal }: RequestInit) =>
    new Promise<Response>((resolve, reject) => {
      const about = { method, agent, headers: { ...headers as Record<string, string> } };
      const asked = request(url, { ...about, ...(signal && { signal }) }, (answer) => {
        const chunks: Uint8Array[] = [];
        answer.on("data", (chunk: Uint8Array) => chunks.push(chunk)).on("error", reject).on("end", () => {
          const { statusCode: status = 0, headers } = answer;
          resolve(
            new Response(Buffer.concat(chunks), { status, headers: headers as Record<string, string> }),
          );
        });
      });
      asked.on("error", reject);
      asked.end(body as Uint8Array | undefined);
    });
  return outriderGateway({
    url: `http://127.0.0.1:${port}`,
    executor,
    experiment: "bench",
    token,
    fetch,
    clock: systemClock,
  });
}

/**
 * What lets all devices of a process in. In earnest each has its own: but making ten thousand takes minutes of signing, and
 * what a server does with them is the same.
 */
async function credsOf({ key }: Devices): Promise<string | undefined> {
  if (key === undefined) return undefined;
  const scope = { executor: ANY, groups: [], experiment: "bench" };
  return (await deviceCreds(key, { scope, now: Date.now() / 1000 })).text;
}

function gatewayOf(
  devices: Devices,
  { executor, port, creds }: { executor: string; port: number; creds: string | undefined },
): Gateway {
  if (creds === undefined) return httpGateway(devices, { executor, port });
  return natsGateway({
    ...WORLD,
    url: `nats://127.0.0.1:${port}`,
    executor,
    experiment: "bench",
    readCreds: () => Promise.resolve(creds),
  });
}

async function connected(devices: Devices): Promise<Device[]> {
  const { from, count, running, bad, port } = devices;
  const line = await badLine({ ...BAD, port, random: randomFrom(from + 1) });
  const creds = await credsOf(devices);
  const made: Device[] = [];
  for (let at = 0; at < count; at += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - at) }, (_, each) => at + each);
    await Promise.all(some.map(async (each) => {
      const id = `device-${from + each}`;
      const isBad = each % Math.round(1 / bad) === 1;
      const gateway = gatewayOf(devices, { executor: id, port: isBad ? line.port : port, creds });
      const device = new Device(devices, gateway, { id, isBad, runs: each % Math.round(1 / running) === 0 });
      made.push(device);
      // Those on a bad line come when they do.
      if (!isBad) await new Promise<void>((heard) => device.heard = heard);
    }));
  }
  return made;
}

async function instructed(
  devices: Device[],
  { token, users, intervalMs }: Devices,
  count: number,
): Promise<number[]> {
  const times: number[] = [];
  const good = devices.filter(({ isBad }) => !isBad);
  for (let at = 0; at < count; at++) {
    const device = good[Math.floor(at * good.length / count)]!;
    const told = new Promise<void>((resolve) => device.told = resolve);
    const from = performance.now();
    const answer = await fetch(`${users}/v1/executors/${device.id}/commands`, {
      method: "POST",
      headers: { "authorization": `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ type: "interval", ms: intervalMs }),
    });
    if (!answer.ok) throw new Error(`An instruction was answered ${answer.status}: ${await answer.text()}`);
    await told;
    times.push(performance.now() - from);
  }
  return times;
}

async function incremented(devices: Device[], count: number): Promise<{ ms: number; values: unknown[] }> {
  const good = devices.filter(({ isBad }) => !isBad);
  const from = performance.now();
  const replies = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const { flags } = good[at % good.length]!.gateway;
      const operation = { op: "increment", id: crypto.randomUUID(), by: 1 } as const;
      for (let tries = 0;; tries++) {
        try {
          return (await flags!.change("counter", operation, { timeoutMs: 10_000 })).flag?.value;
        } catch (error) {
          if (tries > 10) throw error;
          await new Promise((later) => setTimeout(later, 200 * Math.random()));
        }
      }
    }),
  );
  return { ms: performance.now() - from, values: replies };
}

async function answer(devices: Device[], about: Devices, asked: Asked): Promise<unknown> {
  switch (asked.ask) {
    case "begin":
      for (const device of devices) [device.times.length, device.failed] = [0, 0];
      return {};
    case "beats": {
      const of = (isBad: boolean) =>
        devices.filter((each) => each.isBad === isBad).flatMap(({ times }) => times);
      const failed = devices.reduce((sum, each) => sum + each.failed, 0);
      return { good: of(false), bad: of(true), failed } satisfies Beats;
    }
    case "heard": {
      const from = performance.now();
      const late = new Promise<undefined>((over) => setTimeout(over, asked.withinMs));
      const good = devices.filter(({ isBad }) => !isBad);
      return await Promise.all(good.map((device) => {
        const heard = new Promise<void>((resolve) => device.heard = resolve);
        return Promise.race([heard.then(() => performance.now() - from), late.then(() => Infinity)]);
      }));
    }
    case "instruct":
      return await instructed(devices, about, asked.count);
    case "increment":
      return await incremented(devices, asked.count);
    case "fill":
      for (const { run } of devices) {
        for (let at = 0; at < asked.lines; at++) run?.journal.log(`line ${at} of many that came at once`);
      }
      return {};
    case "sent": {
      const runs = devices.flatMap(({ run, link }) => run === undefined ? [] : [{ ...run, link }]);
      const lines = runs.map(({ id, journal }) => ({ run: id, log: journal.lanes.log.length }));
      for (let at = 0; at < runs.length; at++) {
        // What is written meanwhile is sent too: it is enough that less than that waits.
        const { link, journal } = runs[at]!;
        while (link.spool.log > journal.lanes.log.length - lines[at]!.log) {
          await new Promise((later) => setTimeout(later, 20));
        }
      }
      return lines;
    }
  }
}

if (import.meta.main) {
  const about = JSON.parse(process.argv[2]!) as Devices;
  const devices = await connected(about);
  process.stdout.write(`${JSON.stringify({ connected: devices.length })}\n`);
  for await (const text of createInterface(process.stdin)) {
    process.stdout.write(`${JSON.stringify(await answer(devices, about, JSON.parse(text) as Asked))}\n`);
  }
  process.exit(0);
}
