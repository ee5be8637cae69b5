/**
 * Owns what the streams of a fleet are like, and making or changing them until they are.
 * Must not know what is stored in them, beyond what that asks of a stream.
 * Invariant: nothing that is stored is deleted: a stream is made or its limits are set, never taken away.
 */
import * as v from "valibot";
import { GatewayAnswerError, GatewayRefusedError } from "../uplink/errors.ts";
import type { JetStream } from "./jetstream.ts";
import type { RequestLimits } from "./wire.ts";
import { FLEET_STREAMS } from "./words.ts";

const MIB: number = 1024 * 1024;
const DAY_NS: number = 24 * 3600 * 1e9;
const HOUR_NS: number = 3600 * 1e9;

/** What an operator may set. */
export interface FleetLimits {
  /** Servers that each message is stored on. */
  readonly replicas: number;
  /** What records may come to, bytes: when they do, devices keep theirs. */
  readonly recordsBytes: number;
  /** How long records are kept, days. */
  readonly recordsDays: number;
  /** What bundles may come to, bytes. */
  readonly bundlesBytes: number;
}

/** Where nothing else is said. */
export const FLEET_LIMITS: FleetLimits = {
  replicas: 1,
  recordsBytes: 4096 * MIB,
  recordsDays: 14,
  bundlesBytes: 2048 * MIB,
};

/** What of a stream's configuration is ours to say, as the server calls it. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly storage: "file";
  readonly num_replicas: number;
  readonly retention: "limits";
  readonly discard: "old" | "new";
  readonly allow_direct: true;
  /** What is stored ends by the limits alone: no request takes a message away, whoever had it sent. */
  readonly deny_delete: true;
  readonly deny_purge: true;
  readonly max_bytes: number;
  readonly max_age: number;
  readonly max_msgs_per_subject: number;
  readonly duplicate_window?: number;
  /** Only where a message that is lost is soon sent again. */
  readonly persist_mode?: "async";
}

/** What the streams of a fleet are to be like. */
export function streamsFor(
  { replicas, recordsBytes, recordsDays, bundlesBytes }: FleetLimits,
): StreamConfig[] {
  const stream = (name: string, more: Partial<StreamConfig>): StreamConfig => ({
    name,
    subjects: [`${name.toLowerCase().replace("_", ".")}.>`],
    storage: "file",
    num_replicas: replicas,
    retention: "limits",
    discard: "old",
    allow_direct: true,
    deny_delete: true,
    deny_purge: true,
    max_bytes: 256 * MIB,
    max_age: 0,
    max_msgs_per_subject: -1,
    ...more,
  });
  return [
    // A full server refuses, and devices keep what they have.
    stream(FLEET_STREAMS.records, { discard: "new", max_bytes: recordsBytes, max_age: recordsDays * DAY_NS }),
    stream(FLEET_STREAMS.heartbeats, {
      max_msgs_per_subject: 1,
      max_age: 30 * DAY_NS,
      ...(replicas === 1 && { persist_mode: "async" as const }),
    }),
    stream(FLEET_STREAMS.instructions, { max_msgs_per_subject: 1000, max_age: 7 * DAY_NS }),
    // The last one counts; those before it are for gateways, which tell users what became of each.
    stream(FLEET_STREAMS.assignments, { max_msgs_per_subject: 100, max_age: 90 * DAY_NS }),
    stream(FLEET_STREAMS.bundles, {
      discard: "new",
      max_msgs_per_subject: 1,
      max_bytes: bundlesBytes,
      max_age: 90 * DAY_NS,
    }),
    // An answer that got lost is asked for again for minutes at most.
    stream(FLEET_STREAMS.flags, { discard: "new", max_msgs_per_subject: 1024, duplicate_window: HOUR_NS }),
  ];
}

const Problem = v.looseObject({
  error: v.looseObject({
    code: v.number(),
    err_code: v.optional(v.number(), 0),
    description: v.optional(v.string(), ""),
  }),
});

/** A stream as the server tells of it. */
export const StreamInfo = v.looseObject({
  config: v.looseObject({ name: v.string(), num_replicas: v.optional(v.number(), 1) }),
  created: v.optional(v.string()),
  state: v.looseObject({
    messages: v.number(),
    bytes: v.number(),
    first_seq: v.number(),
    last_seq: v.number(),
    num_subjects: v.optional(v.number(), 0),
    consumer_count: v.optional(v.number(), 0),
  }),
  cluster: v.optional(
    v.looseObject({
      leader: v.optional(v.string()),
      replicas: v.optional(
        v.array(v.looseObject({ name: v.string(), current: v.optional(v.boolean(), false) })),
      ),
    }),
  ),
});
export type StreamInfo = v.InferOutput<typeof StreamInfo>;

/** What there is of a stream; `undefined` if it is not there. */
export async function streamInfo(
  jetstream: JetStream,
  name: string,
  limits: RequestLimits,
): Promise<StreamInfo | undefined> {
  const answer = await jetstream.api(`STREAM.INFO.${name}`, undefined, limits);
  const problem = v.safeParse(Problem, answer);
  if (problem.success && problem.output.error.code === 404) return undefined;
  const read = v.safeParse(StreamInfo, answered(`stream ${name}`, answer));
  if (read.success) return read.output;
  throw new GatewayAnswerError(
    `What was told of stream ${name} is not as a NATS server tells it: check that it is one with JetStream`,
  );
}

/** What was done to a stream. */
export interface StreamMade {
  readonly name: string;
  readonly did: "made" | "changed" | "nothing";
}

/** Makes the streams, or sets their limits. @throws {GatewayRefusedError} If the server refuses one. */
export async function makeStreams(
  jetstream: JetStream,
  configs: readonly StreamConfig[],
  limits: RequestLimits,
): Promise<StreamMade[]> {
  const made: StreamMade[] = [];
  for (const config of configs) {
    const { name } = config;
    const info = await streamInfo(jetstream, name, limits);
    const did = info === undefined ? "made" : differences(info, config).length > 0 ? "changed" : "nothing";
    if (did !== "nothing") {
      const what = did === "made" ? "CREATE" : "UPDATE";
      const all = { ...info?.config, ...config };
      answered(`stream ${name}`, await jetstream.api(`STREAM.${what}.${name}`, all, limits));
    }
    made.push({ name, did });
  }
  return made;
}

/** Settings of a stream that are not as they are to be. */
export function differences({ config }: StreamInfo, wanted: StreamConfig): string[] {
  return Object.entries(wanted).filter(([key, value]) => {
    const is = (config as Readonly<Record<string, unknown>>)[key];
    return JSON.stringify(is) !== JSON.stringify(value);
  }).map(([key]) => key);
}

/** @throws {GatewayRefusedError} If the answer says that it was not done. */
export function answered(what: string, answer: unknown): unknown {
  const problem = v.safeParse(Problem, answer);
  if (!problem.success) return answer;
  const { code, description } = problem.output.error;
  throw new GatewayRefusedError(`The server refuses what was asked of ${what}: ${description}`, {
    status: code,
    reason: description,
    own: true,
    retryAfterMs: undefined,
  });
}
