/**
 * Owns how a run's records go to their stream: one batch is one message on the lane's own subject, stored only right behind
 * the one that is known to be its last.
 * Must not know when a batch is sent, or what is done about failures.
 * Invariant: no number is stored twice, whatever became of messages that were not answered: in any doubt the last message of
 * the subject is looked at, and says where to go on.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { type JetStream, packedValue, type Stored } from "../../../fleet/jetstream.ts";
import { FINAL_HEADER, FLEET_STREAMS, LAST_HEADER, LIFE_HEADER, SUBJECTS } from "../../../fleet/words.ts";
import type { Stream } from "../../../model/stream.ts";
import type { BatchReply, RecordBatch } from "../../../protocol/messages.ts";
import type { CallOptions } from "../../gateway.ts";

const LANES: readonly Stream[] = ["state", "log"];
/** Runs of which it is remembered how far they are; of another it is asked again. */
const MAX_RUNS = 32;

/** A message that is not answered for so long has met a server that died: what is stored is looked up rather than waited for. Milliseconds. */
const ANSWER_MS = 8_000;
/** Slowest line on which a message still gets through: bytes a millisecond. */
const SLOWEST = 2;

/** What the last message of a subject says. */
interface Known {
  readonly seq: number;
  /** All records up to this number are stored. */
  readonly last: number;
  readonly final: boolean;
}

type Lanes = Partial<Record<Stream, Known>>;

/** What a report needs. */
export interface ReportsOptions {
  readonly jetstream: JetStream;
  readonly executor: string;
  readonly gzip?: ((bytes: Bytes) => Promise<Bytes>) | undefined;
}

/** Stores batches of one executor's runs. */
export class Reports {
  readonly #options: ReportsOptions;
  readonly #runs = new Map<string, Lanes>();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  async send(batch: RecordBatch, limits: CallOptions): Promise<Omit<BatchReply, "commands">> {
    const { run, lane, life } = batch;
    const name = `${run} ${life?.id}`;
    const lanes = await this.#known(name, batch, limits);
    const before = lanes[lane]!;
    const last = reached(batch, before.last);
    const isNew = last > before.last ||
      (batch.final !== undefined && !before.final && follows(batch, before));
    if (!isNew) return reply(lanes);
    this.#forget(name, lane);
    const data = await packedValue(batch, this.#options.gzip);
    const kept = await this.#options.jetstream.store(
      SUBJECTS.records(this.#options.executor, run, lane),
      data,
      { ...withinAnswer(limits, data.length), after: before.seq, headers: headersOf(batch, last) },
    );
    // Somebody stored there meanwhile, an earlier attempt of ours say: what is there now tells.
    if (kept === undefined) return reply(await this.#known(name, batch, limits));
    const now = { ...lanes, [lane]: { seq: kept.seq, last, final: batch.final !== undefined } };
    this.#runs.set(name, now);
    return reply(now);
  }

  /** How far both lanes are. */
  async #known(
    name: string,
    { run, life }: RecordBatch,
    limits: CallOptions,
  ): Promise<Record<Stream, Known>> {
    const { jetstream, executor } = this.#options;
    const lanes = this.#runs.get(name) ?? {};
    const all = await Promise.all(LANES.map(async (lane): Promise<[Stream, Known]> => {
      const known = lanes[lane];
      if (known !== undefined) return [lane, known];
      const subject = SUBJECTS.records(executor, run, lane);
      const stored = await jetstream.last(FLEET_STREAMS.records, subject, withinAnswer(limits, 0));
      return [lane, knownFrom(stored, { lane, life })];
    }));
    const found = Object.fromEntries(all) as Record<Stream, Known>;
    this.#runs.delete(name);
    this.#runs.set(name, found);
    for (const oldest of this.#runs.keys()) {
      if (this.#runs.size <= MAX_RUNS) break;
      this.#runs.delete(oldest);
    }
    return found;
  }

  /** What is known of the lane is in doubt until the message under way is answered. */
  #forget(name: string, lane: Stream): void {
    const { [lane]: _, ...rest } = this.#runs.get(name) ?? {};
    this.#runs.set(name, rest);
  }
}

function withinAnswer(limits: CallOptions, bytes: number): CallOptions {
  return { ...limits, timeoutMs: Math.min(limits.timeoutMs, ANSWER_MS + bytes / SLOWEST) };
}

function knownFrom(
  stored: Stored | undefined,
  { lane, life }: { readonly lane: Stream; readonly life: RecordBatch["life"] },
): Known {
  if (stored === undefined) return { seq: 0, last: 0, final: false };
  const last = Number(stored.header(LAST_HEADER));
  const known = {
    seq: stored.seq,
    last: Number.isSafeInteger(last) && last > 0 ? last : 0,
    final: stored.header(FINAL_HEADER) !== undefined,
  };
  const theirs = stored.header(LIFE_HEADER);
  const since = life?.since[lane] ?? Infinity;
  if (theirs === undefined || theirs === life?.id || known.last <= since) return known;
  // What another life of the run told beyond what this one began with counts no longer.
  return { ...known, last: since, final: false };
}

function headersOf(batch: RecordBatch, last: number): Record<string, string> {
  return {
    [LAST_HEADER]: `${last}`,
    ...(batch.final !== undefined && { [FINAL_HEADER]: batch.final.state }),
    ...(batch.life !== undefined && { [LIFE_HEADER]: batch.life.id }),
  };
}

/** The number that all up to are there with the batch, if all up to `from` are there without it. */
function reached({ records, parked = [] }: RecordBatch, from: number): number {
  // Some of it is there already: the rest is asked for from where the stream ends.
  if (records.some(({ seq }) => seq <= from)) return from;
  const pieces = [
    ...parked,
    ...records.map((record) => {
      const { count = 0 } = (record as { readonly dropped?: { readonly count?: number } }).dropped ?? {};
      return { from: record.seq - count, to: record.seq };
    }),
  ].sort((a, b) => a.to - b.to);
  let last = from;
  for (const piece of pieces) {
    if (piece.from > last + 1) return from;
    last = Math.max(last, piece.to);
  }
  return last;
}

/** Whether an end without records comes right behind what is there. */
function follows({ records, parked, final, lane }: RecordBatch, { last }: Known): boolean {
  return records.length === 0 && parked === undefined && final?.records[lane] === last;
}

function reply({ state, log }: Record<Stream, Known>): Omit<BatchReply, "commands"> {
  return { acknowledged: { state: state.last, log: log.last }, rejected: [], final: state.final };
}
