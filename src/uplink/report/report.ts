/**
 * Owns the report of one run: two lanes towards the gateway, or the whole at the end, and when it is done.
 * Must not know how a run goes, nor where the journal is kept.
 * Invariant: log records wait while state records do, and nothing but an acknowledgement makes a record count as sent.
 */
import { LaneSender } from "./stream.ts";
import type { BatchReply, Final, RecordBatch } from "../../protocol/messages.ts";
import { SourceError } from "../errors.ts";
import type { Numbered } from "../port.ts";
import type { Stream } from "../../model/stream.ts";
import {
  BATCH_LIMITS,
  type Report,
  type ReportEnd,
  type ReportOptions,
  type ReportStatus,
} from "./reporting.ts";
import { reportWhole } from "./whole.ts";

export type { Report, ReportEnd, ReportOptions, ReportStatus } from "./reporting.ts";

/** Starts to report a run: one that is going on, or one that an earlier process left behind. */
export function startReport(options: ReportOptions): Report {
  const { report } = options.gateway;
  if (report.kind === "whole") return reportWhole(options, (whole, limits) => report.send(whole, limits));
  const more = options.handout === undefined ? {} : { handout: options.handout };
  return new RecordsReport(options, (batch, limits) => report.send({ ...batch, ...more }, limits));
}

/** Reads as the source does; what its disk refuses is an error of the uplink's. */
function reading(read: (after: number, limit: number) => readonly Numbered[]): typeof read {
  return (after, limit) => {
    try {
      return read(after, limit);
    } catch (error) {
      if (!(error instanceof Error && error.name === "JournalError")) throw error;
      throw new SourceError(error.message, { cause: error });
    }
  };
}

type Send = (batch: RecordBatch, limits: { timeoutMs: number; signal?: AbortSignal }) => Promise<BatchReply>;

class RecordsReport implements Report {
  readonly final: Promise<boolean>;
  readonly drained: Promise<boolean>;
  readonly #options: ReportOptions;
  readonly #abort = new AbortController();
  readonly #lanes: Readonly<Record<Stream, LaneSender>>;
  readonly #running: Promise<unknown>;
  readonly #unwatch: () => void;
  #end: ReportEnd | undefined;
  #finalTaken = false;
  #parked = 0;
  #leftOut = 0;
  #lastError: string | undefined;
  #settleFinal: (taken: boolean) => void = () => {};
  #settleDrained: (drained: boolean) => void = () => {};

  constructor(options: ReportOptions, send: Send) {
    this.#options = options;
    const { source } = options;
    this.#lanes = {
      state: this.#lane("state", { send, read: reading((after, limit) => source.states(after, limit)) }),
      log: this.#lane("log", { send, read: reading((after, limit) => source.logs(after, limit)) }),
    };
    this.#unwatch = source.watch({
      state: (record) => this.#lanes.state.appended(record.seq),
      log: (record) => this.#lanes.log.appended(record.seq),
    });
    this.#running = Promise.all([this.#run("state"), this.#run("log")]);
    this.final = this.#orDefect(new Promise((resolve) => this.#settleFinal = resolve));
    this.drained = this.#orDefect(new Promise((resolve) => this.#settleDrained = resolve));
  }

  end(end: ReportEnd): void {
    this.#end ??= end;
    this.#lanes.state.hurry();
    this.#lanes.log.hurry();
  }

  status(): ReportStatus {
    const { state, log } = this.#lanes;
    return {
      acknowledged: { state: state.acknowledged, log: log.acknowledged },
      pending: { state: state.last - state.acknowledged, log: log.last - log.acknowledged },
      parked: this.#parked,
      leftOut: this.#leftOut,
      unreadable: state.unreadable ?? log.unreadable,
      lastError: this.#lastError,
    };
  }

  online(): void {
    this.#lanes.state.online();
    this.#lanes.log.online();
  }

  async stop(): Promise<void> {
    this.#unwatch();
    this.#abort.abort();
    await this.#running;
    this.#settleFinal(false);
    this.#settleDrained(false);
  }

  /** A lane that ends before it is told to can't read its records: the gateway will not have all of them from here. */
  async #run(lane: Stream): Promise<void> {
    await this.#lanes[lane].run();
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#settleFinal(false);
    this.#settleDrained(false);
  }

  /** A defect in a lane must not leave anyone waiting. */
  #orDefect(promise: Promise<boolean>): Promise<boolean> {
    const either = Promise.race([promise, this.#running.then(() => promise)]);
    either.catch(() => {});
    return either;
  }

  #lane(
    lane: Stream,
    { send, read }: { send: Send; read: (after: number, limit: number) => readonly Numbered[] },
  ): LaneSender {
    const { run, life, clock, random, source, from, limits, heard = () => Infinity } = this.#options;
    return new LaneSender({
      run,
      life,
      lane,
      from: from?.[lane] ?? 0,
      read,
      flush: () => source.flush?.() ?? Promise.resolve(),
      send: (batch, options) => this.#sent(send(batch, options), lane === "state" ? "log" : "state"),
      clock,
      random,
      signal: this.#abort.signal,
      limits: { ...BATCH_LIMITS, ...limits },
      ready: () => this.#ready(lane),
      final: () => lane === "state" ? this.#final() : undefined,
      heard,
      onReply: (reply) => this.#replied(reply),
      onLeftOut: ({ seq }, reason) => {
        this.#leftOut++;
        this.#options.onLeftOut?.(`Record ${seq} of the ${lane} goes without its value: ${reason}`);
      },
      onParked: (parked) => {
        this.#parked += parked.to - parked.from + 1;
        this.#options.onParked?.(lane, parked);
      },
      onError: (error) => {
        this.#lastError = error.message;
        this.#options.onError?.(error);
      },
    });
  }

  /** A reply tells of both lanes; what it says of the other counts if nothing of that lane was under way meanwhile. */
  async #sent(sending: Promise<BatchReply>, other: Stream): Promise<BatchReply> {
    const lane = this.#lanes[other];
    const { moves, idle } = lane;
    const reply = await sending;
    if (idle && lane.moves === moves) lane.heard(reply.acknowledged[other]);
    return reply;
  }

  #ready(lane: Stream): boolean {
    if (this.#options.quiet && !this.#end) return false;
    return lane === "state" || !(this.#lanes.state.pending || this.#final());
  }

  /** What is still to be said of the end. */
  #final(): Final | undefined {
    if (!this.#end || this.#finalTaken) return undefined;
    const { state, log } = this.#lanes;
    return { state: this.#end.state, records: { state: state.last, log: log.last } };
  }

  #replied(reply: BatchReply): void {
    const { state, log } = this.#lanes;
    this.#options.commands?.take(reply.commands, reply.storage);
    if (reply.rejected.length > 0) {
      this.#parked += reply.rejected.length;
      this.#options.onRejected?.(reply.rejected);
    }
    this.#options.onAcknowledged?.({ state: state.acknowledged, log: log.acknowledged });
    if (this.#end && reply.final && !state.pending) {
      this.#finalTaken = true;
      this.#settleFinal(true);
    }
    if (this.#finalTaken && !log.pending) this.#settleDrained(true);
    if (!state.pending) log.wake();
  }
}
