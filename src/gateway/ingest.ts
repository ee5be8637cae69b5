/**
 * Owns what a batch changes: which of its records are new, and what they make of the run. Pure.
 * Must not know how batches come or where records are kept.
 * Invariant: within one life of the run, the acknowledged number of a lane never falls and never passes a hole, and what is
 * below it changes nothing; the records of two lives are never mixed.
 */
import type { Parked, RecordBatch, Rejected } from "../protocol/messages.ts";
import { MAX_REASON } from "../protocol/words.ts";
import { type ReadState, readState, wrongWithLog } from "./records.ts";
import type { StreamNumbers } from "../model/stream.ts";
import { attemptKeyOf } from "../model/record.ts";
import type { FileChange, Ingested, RecordRow, RunRow } from "./store.ts";

/** What came of a batch. */
export interface IngestResult {
  readonly row: RunRow;
  readonly ingested: Ingested;
  readonly rejected: readonly Rejected[];
  /** Whether anything is new. */
  readonly changed: boolean;
}

/** A run of which nothing is known yet. */
export function newRun(
  run: string,
  { executor, now }: { readonly executor: string; readonly now: number },
): RunRow {
  return {
    run,
    executor,
    pipeline: undefined,
    runtime: undefined,
    state: "running",
    version: 1,
    startedAt: undefined,
    endedAt: undefined,
    lastSeenAt: now,
    quiet: false,
    acknowledged: { state: 0, log: 0 },
    final: undefined,
    lives: [],
  };
}

interface Piece {
  readonly from: number;
  readonly to: number;
  readonly record?: { readonly seq: number };
  readonly parked?: Parked;
}

/** Lives of a run that are remembered: what comes late of one of them changes nothing. */
const MAX_LIVES = 20;

/** The run as a batch's life takes it up; `undefined` if that life is over. */
function inLife(row: RunRow, { life }: RecordBatch): { row: RunRow; since?: StreamNumbers } | undefined {
  const [present, ...over] = row.lives;
  if (life === undefined || life.id === present) return { row };
  if (over.includes(life.id)) return undefined;
  const lives = [life.id, ...row.lives].slice(0, MAX_LIVES);
  const { since } = life;
  const { state, log } = row.acknowledged;
  if (state <= since.state && log <= since.log) return { row: { ...row, lives } };
  const acknowledged = { state: Math.min(state, since.state), log: Math.min(log, since.log) };
  // Whether it had ended in the life before is no longer known, unless the records say so.
  const again = state > since.state ? { state: "running" as const, endedAt: undefined } : {};
  return { row: { ...row, ...again, lives, acknowledged, final: undefined }, since };
}

/** Takes a batch in. */
export function ingest(
  known: RunRow,
  { batch, now, lost }: {
    readonly batch: RecordBatch;
    readonly now: number;
    /** Why a hole before a record is never filled, in words. Default: its executor sends again what it has not been told is here. */
    readonly lost?: string;
  },
): IngestResult {
  const { lane } = batch;
  const lived = inLife(known, batch);
  if (lived === undefined) {
    return {
      row: known,
      ingested: { lane, records: [], missing: [], files: [] },
      rejected: [],
      changed: false,
    };
  }
  const { row: before, since } = lived;
  const records: RecordRow[] = [];
  const missing: Parked[] = [];
  const files: FileChange[] = [];
  const rejected: Rejected[] = [];
  let row: RunRow = { ...before, lastSeenAt: now };
  let acknowledged = before.acknowledged[lane];
  for (const piece of piecesOf(batch)) {
    if (piece.to <= acknowledged) continue;
    if (piece.from > acknowledged + 1) {
      if (lost === undefined) break;
      missing.push({ from: acknowledged + 1, to: piece.from - 1, reason: lost });
    }
    acknowledged = piece.to;
    if (piece.parked) missing.push(piece.parked);
    if (!piece.record) continue;
    const read = lane === "state"
      ? readState(piece.record)
      : wrongWithLog(piece.record) ?? { type: "other" as const };
    if (typeof read === "string") {
      const reason = `Could not be read: ${read}`.slice(0, MAX_REASON);
      rejected.push({ lane, seq: piece.to, reason });
      missing.push({ from: piece.to, to: piece.to, reason });
      continue;
    }
    if (read.type === "attempt.settled" && read.record.valueLeftOut !== undefined) {
      const reason = `A value of ${read.record.valueLeftOut}`.slice(0, MAX_REASON);
      missing.push({ from: piece.to, to: piece.to, reason });
    }
    records.push({ seq: piece.to, text: JSON.stringify(piece.record) });
    if (read.type === "file.kept") {
      const { name, sha256, bytes } = read.record;
      files.push({ seq: piece.to, ...attemptKeyOf(read.record), name, digest: `sha256:${sha256}`, bytes });
    } else if (read.type === "run.resumed" && read.record.again !== undefined) {
      const { again, missing = [] } = read.record;
      files.push({ seq: piece.to, again, missing });
    }
    row = after(row, read);
  }
  // The end is told behind all records of its lane.
  const last = batch.final?.records[lane] ?? 0;
  if (lost !== undefined && lane === "state" && acknowledged < last) {
    missing.push({ from: acknowledged + 1, to: last, reason: lost });
    acknowledged = last;
  }
  row = { ...row, acknowledged: { ...before.acknowledged, [lane]: acknowledged } };
  const ended = withFinal(row, batch);
  const changed = acknowledged > before.acknowledged[lane] || ended !== row || before !== known;
  const version = changed ? before.version + 1 : before.version;
  const ingested = { lane, records, missing, files, ...(since === undefined ? {} : { since }) };
  return { row: { ...ended, version }, ingested, rejected, changed };
}

function piecesOf(batch: RecordBatch): Piece[] {
  const pieces: Piece[] = (batch.parked ?? []).map((parked) => ({
    from: parked.from,
    to: parked.to,
    parked,
  }));
  for (const record of batch.records) {
    const dropped = (record as { dropped?: { count?: unknown } }).dropped?.count;
    const whole = typeof dropped === "number" && Number.isSafeInteger(dropped) && dropped > 0;
    const count = whole && dropped < record.seq ? dropped : 0;
    pieces.push({ from: record.seq - count, to: record.seq, record });
  }
  return pieces.sort((a, b) => a.to - b.to);
}

/** What a state record makes of a run. */
function after(row: RunRow, read: ReadState): RunRow {
  switch (read.type) {
    case "run.started":
      return {
        ...row,
        pipeline: read.record.pipeline,
        runtime: read.record.runtime,
        startedAt: read.record.at,
        ...(read.record.scheduledFor !== undefined && { scheduledFor: read.record.scheduledFor }),
      };
    case "run.resumed":
      return { ...row, state: "running", endedAt: undefined, final: undefined };
    case "run.ended":
      return { ...row, state: read.record.state, endedAt: read.record.at };
    default:
      return row;
  }
}

/** A run that went on after its end has more records than a late message of that end knows of. */
function withFinal(row: RunRow, { final }: RecordBatch): RunRow {
  if (!final || row.final || final.records.state < row.acknowledged.state) return row;
  const state = row.state === "running" ? final.state : row.state;
  return { ...row, final, state, endedAt: row.endedAt ?? row.lastSeenAt };
}

/** Whether all records of a run are here. */
export function isComplete({ final, acknowledged }: RunRow): boolean {
  if (!final) return false;
  return acknowledged.state >= final.records.state && acknowledged.log >= final.records.log;
}
