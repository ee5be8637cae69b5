/**
 * Owns how a fleet's servers stand: streams and their room, what has not been read of them, devices by state, and what is
 * wrong with settings.
 * Must not know how any of it is shown.
 * Invariant: nothing is changed by looking; what can't be seen is said to be so.
 */
import * as v from "valibot";
import type { Heartbeat } from "../protocol/messages.ts";
import { Heartbeat as HeartbeatSchema } from "../protocol/messages.ts";
import { HEARTBEAT_MS, LEASE_MS, MISSED_BEATS } from "../defaults.ts";
import { type JetStream, unpackedValue } from "./jetstream.ts";
import {
  differences,
  type FleetLimits,
  type StreamConfig,
  type StreamInfo,
  streamInfo,
  streamsFor,
} from "./streams.ts";
import type { NatsWire, RequestLimits } from "./wire.ts";
import { ANY, FLEET_STREAMS, idOf, SUBJECTS } from "./words.ts";

/** Least version of the servers. */
const LEAST_VERSION: readonly [number, number] = [2, 15];
/** Least `max_payload`: a batch of records, or a piece of a bundle. Bytes. */
const LEAST_PAYLOAD: number = 768 * 1024;
/** A gateway that was silent for so long is gone, milliseconds. */
const GONE_MS = 24 * 3_600_000;
/** A stream that is fuller than this is told of. */
const NEARLY_FULL = 0.8;

/** A stream as an operator sees it. */
export interface StreamStatus {
  readonly name: string;
  readonly messages: number;
  readonly bytes: number;
  /** Bytes that it may come to; -1 for as many as there is room for. */
  readonly maxBytes: number;
  readonly replicas: number;
  /** Messages that the slowest gateway has not read; absent where there is none. */
  readonly lag?: number;
}

/** A device as its last heartbeat tells. */
export interface DeviceStatus {
  readonly executor: string;
  readonly state: Heartbeat["state"] | "lost";
  /** ISO 8601 in UTC, by the server's clock. */
  readonly lastSeenAt: string;
  readonly run?: string;
}

/** All of it. */
export interface FleetStatus {
  readonly server: { readonly name: string; readonly version: string; readonly cluster?: string };
  readonly streams: readonly StreamStatus[];
  readonly devices: readonly DeviceStatus[];
  /** What is wrong, in words that say what to do. */
  readonly problems: readonly string[];
  /** What can't be seen from here, likewise. */
  readonly unseen: readonly string[];
}

/** How it is looked. */
export interface LookOptions extends RequestLimits {
  readonly wanted: FleetLimits;
  /** A line to the servers' own account, if there is one. */
  readonly system?: NatsWire | undefined;
  /** Wall time now, milliseconds since the epoch. */
  readonly now: number;
}

/** What the servers say of themselves and of each stream. */
interface Looked {
  readonly about: Awaited<ReturnType<NatsWire["about"]>>;
  readonly infos: readonly (StreamInfo | undefined)[];
}

/** Looks at all of it. */
export async function fleetStatus(jetstream: JetStream, options: LookOptions): Promise<FleetStatus> {
  const { wanted, now, system: _, ...limits } = options;
  const looked = await look(jetstream, wanted, limits);
  const { about, infos } = looked;
  const hasHeartbeats = infos.some((info) => info?.config.name === FLEET_STREAMS.heartbeats);
  const reads = hasHeartbeats ? await readBy(jetstream, now, limits) : [];
  const streams = infos.flatMap((info) => info === undefined ? [] : [streamStatus(info, reads)]);
  // How many replicas there are to be is what the streams were made with.
  const replicas = Math.max(1, ...streams.map((stream) => stream.replicas));
  return {
    server: { name: about.name, version: about.version, ...(about.cluster && { cluster: about.cluster }) },
    streams,
    devices: hasHeartbeats ? await devices(jetstream, now, limits) : [],
    ...await problemsOf(looked, { ...options, wanted: { ...wanted, replicas } }),
  };
}

/** What is wrong, or can't be seen, in words that say what to do. */
export async function fleetProblems(
  jetstream: JetStream,
  options: Omit<LookOptions, "now">,
): Promise<Pick<FleetStatus, "problems" | "unseen">> {
  const { wanted, system: _, ...limits } = options;
  return await problemsOf(await look(jetstream, wanted, limits), options);
}

async function look(jetstream: JetStream, wanted: FleetLimits, limits: RequestLimits): Promise<Looked> {
  const names = streamsFor(wanted).map(({ name }) => name);
  return {
    about: await jetstream.wire.about(limits),
    infos: await Promise.all(names.map((name) => streamInfo(jetstream, name, limits))),
  };
}

async function problemsOf(
  { about, infos }: Looked,
  { wanted, system, ...limits }: Omit<LookOptions, "now">,
): Promise<Pick<FleetStatus, "problems" | "unseen">> {
  return {
    problems: [
      ...serverProblems(about, wanted),
      ...system === undefined ? [] : await syncProblems(system, wanted, limits),
      ...streamsFor(wanted).flatMap((config, at) => streamProblems(config, infos[at])),
    ],
    unseen: system === undefined && wanted.replicas === 1 ? [SYNC_UNSEEN] : [],
  };
}

const SYNC_UNSEEN =
  "Whether sync_interval is set can't be seen from here: give --keys DIR, or see to it that jetstream {} has sync_interval: always, since else a power cut takes two minutes of acknowledged records";

/** What is wrong with what a server says of itself. */
export function serverProblems(
  { version, maxPayload, cluster }: Awaited<ReturnType<NatsWire["about"]>>,
  { replicas }: FleetLimits,
): string[] {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const old = major < LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor < LEAST_VERSION[1]);
  const problems: string[] = [];
  if (old) {
    problems.push(`The server is of version ${version}: ${LEAST_VERSION.join(".")} or newer is needed`);
  }
  if (maxPayload < LEAST_PAYLOAD) {
    problems.push(
      `max_payload is ${maxPayload} bytes: set it to ${LEAST_PAYLOAD} or more (the server's default is 1048576), since a piece of a bundle has 512 KiB`,
    );
  }
  if (replicas > 1 && cluster === undefined) {
    problems.push(
      `${replicas} replicas are asked for, and the server is in no cluster: give it one, or ask for 1`,
    );
  }
  return problems;
}

const Jsz = v.looseObject({
  server: v.looseObject({ name: v.string() }),
  data: v.looseObject({
    disabled: v.optional(v.boolean(), false),
    config: v.optional(
      v.looseObject({
        sync_interval: v.optional(v.number(), 0),
        sync_always: v.optional(v.boolean(), false),
      }),
    ),
  }),
});

/** What is acknowledged has to be on the disk, or on other servers. */
async function syncProblems(
  system: NatsWire,
  { replicas }: FleetLimits,
  limits: RequestLimits,
): Promise<string[]> {
  if (replicas > 1) return [];
  const answer = await system.request(
    "$SYS.REQ.SERVER.PING.JSZ",
    new TextEncoder().encode(JSON.stringify({ config: true })),
    limits,
  );
  const read = v.safeParse(Jsz, await unpackedValue(new Uint8Array(answer.data)));
  if (!read.success) return ["The servers do not tell of their JetStream: look at jetstream {} yourself"];
  const { server: { name }, data: { config, disabled } } = read.output;
  if (disabled || config === undefined) return [`Server ${name} has no JetStream: give it jetstream {}`];
  if (config.sync_always) return [];
  const seconds = config.sync_interval / 1e9;
  return [
    `sync_interval of server ${name} is ${seconds} s: set it to always in jetstream {}, since a power cut takes what was acknowledged for so long`,
  ];
}

function streamProblems(wanted: StreamConfig, info: StreamInfo | undefined): string[] {
  const { name } = wanted;
  if (info === undefined) return [`Stream ${name} is not there: run outrider fleet init`];
  const config = info.config as Readonly<Record<string, unknown>>;
  // Limits are an operator's to choose; what devices and readers rely on is not.
  const off = differences(info, wanted).filter((key) => FIXED.has(key));
  const problems = off.map((key) =>
    `Stream ${name} has ${key} ${JSON.stringify(config[key])}, and needs ${
      JSON.stringify((wanted as unknown as Readonly<Record<string, unknown>>)[key])
    }: run outrider fleet init`
  );
  const most = Number(config["max_bytes"] ?? -1);
  const { bytes } = info.state;
  if (most > 0 && bytes > most * NEARLY_FULL && wanted.discard === "new") {
    problems.push(
      `Stream ${name} holds ${bytes} of ${most} bytes: when it is full, devices keep what they have; give it more room`,
    );
  }
  const late = info.cluster?.replicas?.filter(({ current }) => !current) ?? [];
  if (late.length > 0) {
    problems.push(`Stream ${name} is not whole on ${late.map((each) => each.name).join(", ")}`);
  }
  return problems;
}

/** What a stream has to be like, whatever its limits. */
const FIXED: ReadonlySet<string> = new Set([
  "subjects",
  "retention",
  "discard",
  "allow_direct",
  "deny_delete",
  "deny_purge",
  "max_msgs_per_subject",
  "num_replicas",
]);

function streamStatus({ config, state }: StreamInfo, reads: readonly number[]): StreamStatus {
  const { name, num_replicas: replicas } = config;
  const isRead = name === FLEET_STREAMS.records && reads.length > 0;
  return {
    name,
    messages: state.messages,
    bytes: state.bytes,
    maxBytes: Number((config as Readonly<Record<string, unknown>>)["max_bytes"] ?? -1),
    replicas,
    ...(isRead && { lag: Math.max(0, state.last_seq - Math.min(...reads)) }),
  };
}

const Read = v.looseObject({ read: v.number() });

/** How far each gateway that was heard within a day has read the records. */
async function readBy(jetstream: JetStream, now: number, limits: RequestLimits): Promise<number[]> {
  const found = new Map<string, number>();
  const all = { ...limits, subject: SUBJECTS.read(ANY), from: 1 };
  for await (const page of jetstream.pages(FLEET_STREAMS.heartbeats, all)) {
    for (const { subject, at, data } of page) {
      const value = await unpackedValue(data);
      if (v.is(Read, value) && now < at + GONE_MS) found.set(subject, value.read);
    }
  }
  return [...found.values()];
}

/** The devices that were heard, by name. */
async function devices(jetstream: JetStream, now: number, limits: RequestLimits): Promise<DeviceStatus[]> {
  const found: DeviceStatus[] = [];
  for await (
    const page of jetstream.pages(FLEET_STREAMS.heartbeats, {
      ...limits,
      subject: SUBJECTS.heartbeat(ANY),
      from: 1,
    })
  ) {
    for (const stored of page) {
      const read = v.safeParse(HeartbeatSchema, await unpackedValue(stored.data));
      if (read.success) found.push(deviceIn(read.output, { ...stored, now }));
    }
  }
  return found.sort((a, b) => a.executor < b.executor ? -1 : 1);
}

function deviceIn(
  { state, intervalMs = HEARTBEAT_MS, quiet, run }: Heartbeat,
  { subject, at, now }: { readonly subject: string; readonly at: number; readonly now: number },
): DeviceStatus {
  const isLost = !quiet && now > at + Math.max(LEASE_MS, MISSED_BEATS * intervalMs);
  return {
    executor: idOf(subject.split(".")[2] ?? ""),
    state: isLost ? "lost" : state,
    lastSeenAt: new Date(at).toISOString(),
    ...(run !== undefined && { run: run.id }),
  };
}
