/**
 * Owns the report of one run: two lanes towards the gateway, or the whole at the end, and when it is done.
 * Must not know how a run goes, nor where the journal is kept.
 * Invariant: log records wait while state records do, and nothing but an acknowledgement makes a record count as sent.
 */
import type { CommandInbox } from "./commands.ts";
import type { Gateway } from "./dialect.ts";
import type { UplinkError } from "./errors.ts";
import { type BatchLimits, LaneSender } from "./lane.ts";
import type { Batch, BatchReply, Final, Parked, Rejected } from "./messages.ts";
import type { Clock, Lane, LaneNumbers, Numbered, Random, RecordSource } from "./port.ts";
import { reportWhole } from "./report_whole.ts";

/** Where the limits of batches stand if nothing else is said. */
export const BATCH_LIMITS: BatchLimits = {
  records: 500,
  bytes: 256 * 1024,
  lingerMs: 500,
  timeoutMs: 30_000,
};

/** What a report needs. */
export interface ReportOptions {
  readonly gateway: Gateway;
  readonly clock: Clock;
  readonly random: Random;
  readonly run: string;
  readonly source: RecordSource;
  readonly commands?: CommandInbox;
  /** What is known to have been acknowledged. Default 0: the first reply tells, so it need not be kept. */
  readonly from?: LaneNumbers;
  /** Sends nothing until the run is over. Default false. */
  readonly quiet?: boolean;
  readonly limits?: Partial<BatchLimits>;
  /** Bytes of log that are sent to a gateway that takes a run whole; older lines are dropped there. Default 4 MiB. */
  readonly wholeLogBytes?: number;
  /** The gateway has everything up to these numbers: the journal may forget log records up to there. */
  readonly onAcknowledged?: (numbers: LaneNumbers) => void;
  /** A record was refused and set aside. */
  readonly onParked?: (lane: Lane, parked: Parked) => void;
  /** Records that reached the gateway but could not be read there. */
  readonly onRejected?: (rejected: readonly Rejected[]) => void;
  readonly onError?: (error: UplinkError) => void;
}

/** How a run ended. */
export interface ReportEnd {
  readonly state: Final["state"];
  /** The result document as JSON has it, for a gateway that takes a run whole. */
  readonly result?: unknown;
}

/** Where a report stands. */
export interface ReportStatus {
  readonly acknowledged: LaneNumbers;
  /** Records that wait to be sent. */
  readonly pending: LaneNumbers;
  /** Records set aside because the gateway refused them. */
  readonly parked: number;
  readonly lastError: string | undefined;
}

/** A report that is going on. */
export interface Report {
  /** The run is over: sends what is left, then the end, without collecting any more. */
  end(end: ReportEnd): void;
  /** Resolves to `true` once the gateway has the end of the run, to `false` if the report was stopped before. */
  readonly final: Promise<boolean>;
  /** Resolves to `true` once the gateway has the end and all of the log, to `false` if the report was stopped before. */
  readonly drained: Promise<boolean>;
  status(): ReportStatus;
  /** Sends no more; what is left stays in the journal for the next start. */
  stop(): Promise<void>;
}

/** Starts to report a run: one that is going on, or one that an earlier process left behind. */
export function startReport(options: ReportOptions): Report {
  const { report } = options.gateway;
  if (report.kind === "whole") return reportWhole(options, (whole, limits) => report.send(whole, limits));
  return new RecordsReport(options, (batch, limits) => report.send(batch, limits));
}

type Send = (batch: Batch, limits: { timeoutMs: number; signal?: AbortSignal }) => Promise<BatchReply>;

class RecordsReport implements Report {
  readonly final: Promise<boolean>;
  readonly drained: Promise<boolean>;
  readonly #options: ReportOptions;
  readonly #abort = new AbortController();
  readonly #lanes: Readonly<Record<Lane, LaneSender>>;
  readonly #running: Promise<unknown>;
  readonly #unwatch: () => void;
  #end: ReportEnd | undefined;
  #finalTaken = false;
  #parked = 0;
  #lastError: string | undefined;
  #settleFinal: (taken: boolean) => void = () => {};
  #settleDrained: (drained: boolean) => void = () => {};

  constructor(options: ReportOptions, send: Send) {
    this.#options = options;
    const { source } = options;
    this.#lanes = {
      state: this.#lane("state", { send, read: (after, limit) => source.states(after, limit) }),
      log: this.#lane("log", { send, read: (after, limit) => source.logs(after, limit) }),
    };
    this.#unwatch = source.watch({
      state: (record) => this.#lanes.state.appended(record.seq),
      log: (record) => this.#lanes.log.appended(record.seq),
    });
    this.#running = Promise.all([this.#lanes.state.run(), this.#lanes.log.run()]);
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
      lastError: this.#lastError,
    };
  }

  async stop(): Promise<void> {
    this.#unwatch();
    this.#abort.abort();
    await this.#running;
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
    lane: Lane,
    { send, read }: { send: Send; read: (after: number, limit: number) => readonly Numbered[] },
  ): LaneSender {
    const { run, clock, random, source, from, limits } = this.#options;
    return new LaneSender({
      run,
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
      onReply: (reply) => this.#replied(reply),
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
  async #sent(sending: Promise<BatchReply>, other: Lane): Promise<BatchReply> {
    const lane = this.#lanes[other];
    const { moves, idle } = lane;
    const reply = await sending;
    if (idle && lane.moves === moves) lane.heard(reply.acknowledged[other]);
    return reply;
  }

  #ready(lane: Lane): boolean {
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
    this.#options.commands?.take(reply.commands);
    if (reply.rejected.length > 0) this.#options.onRejected?.(reply.rejected);
    this.#options.onAcknowledged?.({ state: state.acknowledged, log: log.acknowledged });
    if (this.#end && reply.final && !state.pending) {
      this.#finalTaken = true;
      this.#settleFinal(true);
    }
    if (this.#finalTaken && !log.pending) this.#settleDrained(true);
    if (!state.pending) log.wake();
  }
}
