/**
 * Owns how what the database holds is read again.
 * Must not know how it is kept.
 * Invariant: reading never throws, so that one bad row fails no list: what can't be read of a row, or is none of what the
 * gateway takes today, counts as not known. A run of which nothing is known is sent anew by its executor.
 */
import * as v from "valibot";
import {
  Final,
  Heartbeat,
  Instruction,
  Missing,
  type ReportedRun,
  type SharedFlag,
} from "../protocol/messages.ts";
import { Count, ExecutorId, Id, LaneCounts, Name, Seq, Stamp, StateOfRun, Text } from "../protocol/words.ts";
import { newRun } from "./ingest.ts";
import type {
  DeliveryRow,
  ExecutorRow,
  FlagAnswer,
  HandoutEnd,
  HandoutRow,
  RunRow,
  TokenRow,
} from "./store.ts";

/** A row as the database gives it. */
export type Row = Record<string, unknown>;

function known<T>(schema: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T | undefined> {
  return v.fallback(v.optional(schema), undefined);
}

const KeptRun = v.object({
  pipeline: known(Name),
  runtime: known(Text(128)),
  state: StateOfRun,
  version: Seq,
  startedAt: known(Stamp),
  scheduledFor: v.exactOptional(Stamp),
  endedAt: known(Stamp),
  quiet: v.boolean(),
  acknowledged: LaneCounts,
  final: known(Final),
  handout: v.exactOptional(Id),
  lives: v.fallback(v.array(Id), []),
});
const HandoutEnded: v.GenericSchema<unknown, HandoutEnd["how"] | null> = v.nullable(
  v.picklist(["done", "withdrawn", "replaced"]),
);
const KeptToken = v.object({
  kind: v.picklist(["user", "executor", "both"]),
  executor: v.nullable(Id),
  experiment: v.nullable(Id),
});
const KeptRival = v.object({ session: Id, at: Stamp });

/** A run; one under a name that nobody can ask for counts as none. */
export function runOf(row: Row): RunRow | undefined {
  if (!v.is(Id, row["run"]) || !v.is(Id, row["executor"])) return undefined;
  const [run, executor, now] = [String(row["run"]), String(row["executor"]), stampOf(row["seen"])];
  const kept = v.safeParse(KeptRun, parsedOr(row["row"], undefined), { abortEarly: true });
  const none = newRun(run, { executor, now });
  return kept.success ? { ...none, ...kept.output } : none;
}

/** An executor; one under a name that nobody can ask for counts as none. */
export function executorOf(row: Row): ExecutorRow | undefined {
  if (!v.is(ExecutorId, row["id"])) return undefined;
  const heartbeat = v.safeParse(Heartbeat, parsedOr(row["heartbeat"], undefined), { abortEarly: true });
  const over = v.safeParse(v.array(Id), parsedOr(row["over"], undefined), { abortEarly: true });
  const rival = v.safeParse(KeptRival, parsedOr(row["rival"], undefined), { abortEarly: true });
  return {
    id: String(row["id"]),
    firstSeenAt: stampOf(row["first_seen"]),
    lastSeenAt: stampOf(row["last_seen"]),
    heartbeat: heartbeat.success ? heartbeat.output : undefined,
    over: over.success ? over.output : [],
    rival: rival.success ? rival.output : undefined,
  };
}

/** A hand-out; one that can't be listed counts as none. */
export function handoutOf(row: Row): HandoutRow | undefined {
  const how = v.safeParse(HandoutEnded, row["ended"]);
  if (!v.is(Id, row["id"]) || !v.is(Seq, row["version"]) || !how.success) return undefined;
  const end = how.output;
  return {
    id: String(row["id"]),
    version: numberOf(row["version"]),
    target: String(row["target"]),
    hash: String(row["hash"]),
    pipeline: textOf(row["pipeline"]),
    at: stampOf(row["at"]),
    ended: end === null
      ? undefined
      : { how: end, at: stampOf(row["ended_at"]), because: textOf(row["because"]) },
  };
}

/** What an executor was given. */
export function deliveryOf(row: Row): DeliveryRow {
  return {
    executor: String(row["executor"]),
    version: numberOf(row["version"]),
    run: textOf(row["run"]),
    closed: row["closed"] === 1,
  };
}

/** A flag. */
export function flagOf(row: Row): SharedFlag {
  return {
    name: String(row["name"]),
    value: parsedOr(row["value"], null),
    version: Math.max(1, numberOf(row["version"])),
  };
}

/** The answer to an operation on a flag. */
export function answerOf(row: Row): FlagAnswer | undefined {
  return parsedOr(row["answer"], undefined) as FlagAnswer | undefined;
}

/** A command. */
export function commandOf(row: Row): Instruction | undefined {
  const command = parsedOr(row["command"], undefined);
  if (typeof command !== "object" || command === null) return undefined;
  const kept = v.safeParse(Instruction, { ...command, id: row["id"] }, { abortEarly: true });
  return kept.success ? kept.output : undefined;
}

/** What is missing of a run. */
export function missingOf(row: Row): ReportedRun["missing"][number] | undefined {
  const { lane, first, last, status, reason } = row;
  const told = { lane, from: first, to: last, reason, ...(status === null ? {} : { status }) };
  const kept = v.safeParse(Missing, told, { abortEarly: true });
  return kept.success ? kept.output : undefined;
}

/** A token. One that does not say what it is for opens nothing: no text has its hash. */
export function tokenOf(row: Row): TokenRow {
  const kept = v.safeParse(KeptToken, row, { abortEarly: true });
  const groups = v.safeParse(v.array(Id), parsedOr(row["executor_groups"], undefined), { abortEarly: true });
  return {
    name: String(row["name"]),
    kind: kept.success ? kept.output.kind : "executor",
    executor: kept.success ? kept.output.executor ?? undefined : undefined,
    experiment: kept.success ? kept.output.experiment ?? undefined : undefined,
    groups: groups.success ? groups.output : [],
    hash: kept.success ? String(row["hash"]) : "",
  };
}

/** What a JSON text holds; `otherwise` if it is none. */
export function parsedOr(text: unknown, otherwise: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return otherwise;
  }
}

function textOf(value: unknown): string | undefined {
  return value === null ? undefined : String(value);
}

function stampOf(value: unknown): number {
  return v.is(Stamp, value) ? Number(value) : 0;
}

function numberOf(value: unknown): number {
  return v.is(Count, value) ? Number(value) : 0;
}
