/**
 * Owns the replication of one stream of one run: which records go next, and what a reply or a failure changes.
 * Must not know of the other stream, of HTTP, or of what records hold.
 * Invariant: the cursor only moves to what the gateway has acknowledged; records are sent from it, in order, one batch at
 * a time.
 *
 * | what comes back | what happens |
 * |---|---|
 * | acknowledged more | the cursor moves, batches grow again, the back-off is reset |
 * | acknowledged less | the gateway has lost records: the cursor goes back, after a back-off |
 * | acknowledged the same | nothing was taken: back-off |
 * | 408, 429, 5xx, 401, 403, 404, 405, 407, no answer | back-off, `Retry-After` honoured; a timeout halves the batch |
 * | any status with a body that is no gateway's refusal | back-off likewise: it says nothing of the records |
 * | 413 to many records, whoever says it | halved |
 * | any other 4xx of the gateway's own, many records | halved, to find the one that is meant |
 * | a 4xx of the gateway's own, one record | set aside: told in the next batch, never sent again; at a 413 its value first |
 * | 413 of another's, one record | the same, once two heartbeats were answered since: all else gets through |
 * | nothing, since the records can't be read | back-off; after so many in a row the stream is given up |
 * | any of them while heartbeats get no answer | back-off: nothing is set aside on the word of what stands between |
 */
import { Backoff } from "../../base/backoff.ts";
import type { CallOptions } from "../gateway.ts";
import {
  GatewayAnswerError,
  GatewayRefusedError,
  GatewayTimeoutError,
  SourceError,
  UnreachableError,
  UplinkError,
} from "../errors.ts";
import { Pauses } from "./pauses.ts";
import { SetAside } from "./set_aside.ts";
import type { BatchReply, Final, Parked, RecordBatch } from "../../protocol/messages.ts";
import type { Life } from "../../model/stream.ts";
import type { Clock } from "../../base/clock.ts";
import type { Numbered } from "../port.ts";
import type { Stream } from "../../model/stream.ts";
import type { Random } from "../../base/random.ts";
import { sleep } from "../../base/wait.ts";

/** Records read from the journal at a time. */
const READ = 64;
/** Slowest line on which a batch still gets through: bytes a millisecond. */
const SLOWEST = 2;
/** Pause after a refusal, so that a run of bad records is no storm of requests, milliseconds. */
const REFUSED_PAUSE_MS = 100;

/** Readings in a row that fail before the records count as unreadable: some minutes. */
const MAX_UNREAD = 10;

/** Limits of a batch. */
export interface BatchLimits {
  readonly records: number;
  /** Length of the records' JSON. One record may be longer. */
  readonly bytes: number;
  /** How long records are collected before they are sent, milliseconds. */
  readonly lingerMs: number;
  /** Limit for a request, to which 1 ms is added for every 2 bytes, milliseconds. */
  readonly timeoutMs: number;
}

/** What the sender of a stream needs. */
export interface StreamSenderOptions {
  readonly run: string;
  readonly life: Life | undefined;
  readonly stream: Stream;
  readonly from: number;
  /** @throws {SourceError} If that can't be read now. */
  read(after: number, limit: number): readonly Numbered[];
  flush(): Promise<void>;
  send(batch: RecordBatch, options: CallOptions): Promise<BatchReply>;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly limits: BatchLimits;
  /** Whether this stream may send now. */
  ready(): boolean;
  /** What is sent once all records are, until it is taken. */
  final(): Final | undefined;
  /** Heartbeats that were answered so far; 0 while the last one was not. */
  heard(): number;
  onReply(reply: BatchReply): void;
  /** A record goes without its value. */
  onLeftOut(record: Numbered, reason: string): void;
  onParked(parked: Parked): void;
  onError(error: UplinkError): void;
}

interface Taken {
  readonly batch: RecordBatch;
  readonly bytes: number;
  /** There may be more. */
  readonly full: boolean;
}

/** Sends one stream. */
export class StreamSender {
  readonly #options: StreamSenderOptions;
  readonly #backoff: Backoff;
  readonly #pauses: Pauses;
  readonly #aside = new SetAside();
  #acknowledged: number;
  /** `undefined` as long as nobody could read what there is. */
  #last: number | undefined;
  /** Why the records can't be read, and how often in a row that was. */
  #unread: { readonly because: string; readonly times: number } | undefined;
  #maxRecords: number;
  #moves = 0;
  #idle = true;

  constructor(options: StreamSenderOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options);
    this.#pauses = new Pauses(options);
    this.#acknowledged = options.from;
    this.#maxRecords = options.limits.records;
    this.#reading(() => this.#last = lastOf(options.read, options.from));
  }

  /** All records up to this number have been taken. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Number of the journal's last record. */
  get last(): number {
    return this.#last ?? this.#acknowledged;
  }

  /** Whether records wait to be sent. */
  get pending(): boolean {
    return this.#last === undefined || this.#last > this.#acknowledged;
  }

  /** Why the records can't be read at the moment, in words. */
  get unreadable(): string | undefined {
    return this.#unread?.because;
  }

  /** Batches that have set out. */
  get moves(): number {
    return this.#moves;
  }

  /** Whether no batch is under way. */
  get idle(): boolean {
    return this.#idle;
  }

  /** Another stream's reply told how far this one is; only less than is known here is news: the gateway has lost records. */
  heard(acknowledged: number): void {
    if (acknowledged >= this.#acknowledged) return;
    this.#acknowledged = acknowledged;
    this.#pauses.wake();
  }

  /** A record was appended. */
  appended(seq: number): void {
    if (this.#last !== undefined) this.#last = Math.max(this.#last, seq);
    this.#pauses.wake();
  }

  /** Something has changed: looks whether there is something to send. */
  wake(): void {
    this.#pauses.wake();
  }

  /** From now on records are not collected but sent as they come. */
  hurry(): void {
    this.#pauses.hurry();
  }

  /** The gateway was just heard: a pause that the network was to blame for is over. */
  online(): void {
    this.#pauses.online();
  }

  /** Sends until the signal is aborted, or the records can't be read for too long: then `unreadable` says why. */
  async run(): Promise<void> {
    const { clock, limits, signal } = this.#options;
    while (!signal.aborted) {
      const taken = this.#options.ready() ? this.#reading(() => this.#take()) : undefined;
      if (this.#unread !== undefined) {
        if (this.#unread.times >= MAX_UNREAD) return;
        await sleep(clock, this.#backoff.next(), signal);
        continue;
      }
      if (taken === undefined) {
        await this.#pauses.news();
        await this.#pauses.collect(limits.lingerMs);
        continue;
      }
      const ok = await this.#attempt(taken);
      if (ok && !taken.full) await this.#pauses.collect(limits.lingerMs);
    }
  }

  /** What a disk may refuse to read now, and give again. */
  #reading<T>(read: () => T): T | undefined {
    try {
      const found = read();
      this.#unread = undefined;
      return found;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      this.#unread = { because: error.message, times: 1 + (this.#unread?.times ?? 0) };
      this.#options.onError(error);
      return undefined;
    }
  }

  /** The next batch, or `undefined` if there is nothing to say. */
  #take(): Taken | undefined {
    const { run, life, stream, limits, read, from } = this.#options;
    this.#last ??= lastOf(read, from);
    const records: Numbered[] = [];
    let bytes = 0;
    let after = this.#acknowledged;
    let full = false;
    while (!full) {
      const chunk = this.#options.read(after, Math.min(READ, this.#maxRecords - records.length));
      if (chunk.length === 0) break;
      for (const whole of chunk) {
        const record = this.#aside.lean(whole);
        const size = JSON.stringify(record).length;
        full = records.length >= this.#maxRecords || (records.length > 0 && bytes + size > limits.bytes);
        if (full) break;
        const first = firstOf(record);
        this.#expect(after + 1, first);
        after = record.seq;
        if (this.#aside.has(record)) continue;
        records.push(record);
        bytes += size;
      }
      full ||= records.length >= this.#maxRecords;
    }
    const parked = this.#aside.after(this.#acknowledged);
    const final = full || records.length > 0 ? undefined : this.#options.final();
    if (records.length === 0 && parked.length === 0 && final === undefined) return undefined;
    const batch = {
      run,
      lane: stream,
      ...(life === undefined ? {} : { life }),
      records,
      ...(parked.length > 0 ? { parked } : {}),
      ...(final ? { final } : {}),
    };
    return { batch, bytes, full };
  }

  /** Numbers that the journal no longer has and has no gap record for will never come; the gateway has to know. */
  #expect(next: number, first: number): void {
    if (first > next) this.#aside.add({ from: next, to: first - 1, reason: "No longer in the journal" });
  }

  async #attempt({ batch, bytes }: Taken): Promise<boolean> {
    const { limits, signal } = this.#options;
    const timeoutMs = limits.timeoutMs + Math.ceil(bytes / SLOWEST);
    this.#moves++;
    this.#idle = false;
    try {
      await this.#options.flush();
      this.#taken(batch, await this.#options.send(batch, { timeoutMs, signal }));
      return true;
    } catch (error) {
      if (!(error instanceof UplinkError)) throw error;
      this.#idle = true;
      if (!signal.aborted) await this.#failed(batch, error);
      return false;
    } finally {
      this.#idle = true;
    }
  }

  #taken(batch: RecordBatch, reply: BatchReply): void {
    const before = this.#acknowledged;
    const named = reply.acknowledged[batch.lane];
    const now = Math.min(named, this.last);
    this.#acknowledged = now;
    this.#aside.taken(now);
    this.#options.onReply(reply);
    if (now > before || (batch.final && reply.final)) {
      this.#backoff.reset();
      this.#maxRecords = Math.min(this.#options.limits.records, this.#maxRecords * 2);
      return;
    }
    const what = now < before
      ? `only ${now} of ${before} ${batch.lane} records any more`
      : "none of what was sent";
    throw new GatewayAnswerError(
      `The gateway has ${what} of run ${batch.run}: its storage may have been replaced; will be sent again`,
    );
  }

  async #failed(batch: RecordBatch, error: UplinkError): Promise<void> {
    const { clock, signal } = this.#options;
    this.#options.onError(error);
    const count = batch.records.length;
    const refused = error instanceof GatewayRefusedError && (!error.transient || error.tooLarge) && count > 0;
    if (refused || error instanceof GatewayTimeoutError) {
      this.#maxRecords = Math.max(1, Math.floor(count / 2));
    }
    if (error instanceof UnreachableError || error instanceof GatewayTimeoutError) {
      return await this.#pauses.network(this.#backoff.next());
    }
    const [record] = batch.records;
    const goesOn = refused && (count > 1 || this.#aside.isToBlame(record!, error, this.#options.heard()));
    if (!goesOn) return await sleep(clock, this.#backoff.next(error.retryAfterMs), signal);
    if (count === 1) this.#setAside(record!, error);
    await sleep(clock, REFUSED_PAUSE_MS, signal);
  }

  #setAside(record: Numbered, error: GatewayRefusedError): void {
    const { stream, onLeftOut, onParked } = this.#options;
    const by = error.own ? "the gateway" : "what stands before the gateway";
    const reason = `Refused by ${by}: ${error.reason}`.slice(0, 500);
    if (error.tooLarge && stream === "state" && this.#aside.leaveOut(record)) {
      return onLeftOut(record, reason);
    }
    const range = { from: firstOf(record), to: record.seq, status: error.status, reason };
    this.#aside.add(range);
    onParked(range);
  }
}

/** The first number that a record stands for. */
function firstOf(record: Numbered): number {
  return record.seq - (record.dropped?.count ?? 0);
}

/** The number of the last record, found with few reads: doubling, then halving. */
function lastOf(read: StreamSenderOptions["read"], from: number): number {
  let low = from;
  let step = 1;
  for (;;) {
    const [record] = read(low + step - 1, 1);
    if (!record) break;
    low = record.seq;
    step *= 2;
  }
  while (step > 1) {
    step = Math.floor(step / 2);
    const [record] = read(low + step - 1, 1);
    if (record) low = record.seq;
  }
  return low;
}
