/**
 * Owns what becomes of a run that was dropped when something is told or asked of it again.
 * Must not know why or when runs are dropped.
 * Invariant: a run is never there by half: one of which all had come stays dropped, whatever comes again, and its executor
 * hears that it has been taken; one that was dropped before is taken up from its first record that its executor still has.
 */
import { isoTime } from "../base/clock.ts";
import { Refuse } from "../base/web/refuse.ts";
import { ErrorReply, type RecordBatch } from "../protocol/messages.ts";
import type { StreamNumbers } from "../model/stream.ts";
import { newRun } from "./ingest.ts";
import type { GatewayStore, RunRow, Within } from "./store.ts";
import type { DroppedRun } from "./upkeep.ts";

/** What who asks for a run may be answered. */
export const GONE = {
  410: { what: "The run was dropped: when, and why", bodies: { "application/json": ErrorReply } },
} as const;

/** A run of which something is told: as it is known, or as it begins; `undefined` if it was dropped, and stays so. */
export async function runToldOf(
  store: Within,
  run: string,
  { executor, now }: { readonly executor: string; readonly now: number },
): Promise<RunRow | undefined> {
  const known = await store.run(run);
  if (known !== undefined) return known;
  const dropped = await store.upkeep.dropped(run);
  if (dropped === undefined) return newRun(run, { executor, now });
  // Whose it was, it is.
  if (dropped.executor !== executor) return newRun(run, { executor: dropped.executor, now });
  if (dropped.complete) return undefined;
  await store.upkeep.takeUp(run);
  return newRun(run, { executor, now });
}

/** Counts what came of a run that stays dropped; how far its executor is told that it was taken. */
export async function passedOver(
  store: Within,
  { run, lane, records, parked = [] }: RecordBatch,
): Promise<StreamNumbers> {
  const { acknowledged, came } = (await store.upkeep.dropped(run))!;
  let last = acknowledged[lane];
  for (const { seq } of records) last = Math.max(last, seq);
  for (const { to } of parked) last = Math.max(last, to);
  const after = { run, acknowledged: { ...acknowledged, [lane]: last }, came: came + records.length };
  if (last > acknowledged[lane] || records.length > 0) await store.upkeep.putDropped(after);
  return after.acknowledged;
}

/** A run that somebody asks for. @throws {Refuse} If there is no such run, or none any more. */
export async function requireRun(run: string, { store }: { readonly store: GatewayStore }): Promise<RunRow> {
  const row = await store.run(run);
  if (row !== undefined) return row;
  const dropped = await store.upkeep.dropped(run);
  if (dropped !== undefined) throw new Refuse(410, "RUN_DROPPED", { message: droppedWords(dropped) });
  throw new Refuse(404, "NO_RUN", { message: `There is no run ${run}: GET /v1/runs lists them` });
}

/** What became of a run, in words. */
export function droppedWords({ run, executor, at, because, complete, came }: DroppedRun): string {
  const since = came === 0 ? "" : `; ${came} records of it that came since were not kept`;
  const whole = complete ? "" : ", before all of it had come";
  return `Run ${run} of ${executor} was dropped on ${isoTime(at)}${whole}: ${because}${since}`;
}
