/**
 * Owns the report of one run: two streams and its files towards the gateway, or the whole at the end, and when it is done.
 * Must not know how a run goes, nor where the journal is kept.
 * Invariant: log records wait while state records do, files wait while either does, and nothing but an acknowledgement makes a record count as sent.
 */
import { FileSender } from "./files.ts";
import { StreamSender } from "./stream.ts";
import type { BatchReply, Final, RecordBatch } from "../../protocol/messages.ts";
import { SourceError } from "../errors.ts";
import type { Numbered } from "../port.ts";
import type { Stream } from "../../model/stream.ts";
import {
  BATCH_LIMITS,
  type Report,
  type ReportEnd,
  type ReportStatus,
  type RunReportOptions,
} from "./reporting.ts";
import { reportWhole } from "./whole.ts";

export type { Report, ReportEnd, ReportStatus, RunReportOptions } from "./reporting.ts";

/** Starts to report a run: one that is going on, or one that an earlier process left behind. */
export function startReport(options: RunReportOptions): Report {
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

/** Whether the gateway has the end of a run, and whether all of it: `false` where it never will from here. */
class Told {
  readonly final: PromiseWithResolvers<boolean> = Promise.withResolvers();
  readonly drained: PromiseWithResolvers<boolean> = Promise.withResolvers();
  /** The gateway has the end. */
  taken = false;

  /** Nothing more will be told. */
  never(): void {
    this.final.resolve(false);
    this.drained.resolve(false);
  }
}

class RecordsReport implements Report {
  readonly final: Promise<boolean>;
  readonly drained: Promise<boolean>;
  readonly #options: RunReportOptions;
  readonly #abort = new AbortController();
  readonly #streams: Readonly<Record<Stream, StreamSender>>;
  readonly #files: FileSender | undefined;
  readonly #running: Promise<unknown>;
  readonly #told = new Told();
  readonly #trouble = { parked: 0, files: 0, leftOut: 0, lastError: undefined as string | undefined };
  #end: ReportEnd | undefined;

  constructor(options: RunReportOptions, send: Send) {
    this.#options = options;
    const { source } = options;
    this.#streams = {
      state: this.#sender("state", { send, read: reading((after, limit) => source.states(after, limit)) }),
      log: this.#sender("log", { send, read: reading((after, limit) => source.logs(after, limit)) }),
    };
    this.#files = this.#fileSender();
    const unwatch = source.watch({
      state: (record) => {
        this.#streams.state.appended(record.seq);
        this.#files?.appended(record);
      },
      log: (record) => this.#streams.log.appended(record.seq),
    });
    this.#abort.signal.addEventListener("abort", unwatch);
    this.#running = Promise.all([this.#run("state"), this.#run("log"), this.#files?.run()]);
    this.final = this.#orDefect(this.#told.final.promise);
    this.drained = this.#orDefect(this.#told.drained.promise);
  }

  end(end: ReportEnd): void {
    this.#end ??= end;
    this.#streams.state.hurry();
    this.#streams.log.hurry();
    this.#files?.wake();
  }

  status(): ReportStatus {
    const { state, log } = this.#streams;
    const { files, ...trouble } = this.#trouble;
    return {
      acknowledged: { state: state.acknowledged, log: log.acknowledged },
      pending: { state: state.last - state.acknowledged, log: log.last - log.acknowledged },
      ...trouble,
      files: { pending: this.#files?.pending ?? 0, parked: files },
      unreadable: state.unreadable ?? log.unreadable,
    };
  }

  online(): void {
    this.#streams.state.online();
    this.#streams.log.online();
    this.#files?.online();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#told.never();
  }

  /** A stream that ends before it is told to can't read its records: the gateway will not have all of them from here. */
  async #run(stream: Stream): Promise<void> {
    await this.#streams[stream].run();
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#told.never();
  }

  /** A defect in a stream must not leave anyone waiting. */
  #orDefect(promise: Promise<boolean>): Promise<boolean> {
    const either = Promise.race([promise, this.#running.then(() => promise)]);
    either.catch(() => {});
    return either;
  }

  #sender(
    stream: Stream,
    { send, read }: { send: Send; read: (after: number, limit: number) => readonly Numbered[] },
  ): StreamSender {
    const { run, life, clock, random, source, from, limits, heard = () => Infinity } = this.#options;
    return new StreamSender({
      run,
      life,
      stream,
      from: from?.[stream] ?? 0,
      read,
      flush: () => source.flush?.() ?? Promise.resolve(),
      send: (batch, options) => this.#sent(send(batch, options), stream === "state" ? "log" : "state"),
      clock,
      random,
      signal: this.#abort.signal,
      limits: { ...BATCH_LIMITS, ...limits },
      ready: () => this.#ready(stream),
      final: () => stream === "state" ? this.#final() : undefined,
      heard,
      onReply: (reply) => this.#replied(reply),
      onLeftOut: ({ seq }, reason) => {
        this.#trouble.leftOut++;
        this.#options.onLeftOut?.(`Record ${seq} of the ${stream} goes without its value: ${reason}`);
      },
      onParked: (parked) => {
        this.#trouble.parked += parked.to - parked.from + 1;
        this.#options.onParked?.(stream, parked);
      },
      onError: (error) => {
        this.#trouble.lastError = error.message;
        this.#options.onError?.(error);
      },
    });
  }

  #fileSender(): FileSender | undefined {
    const { run, gateway: { files: line }, files: source, source: records, clock, random, limits } =
      this.#options;
    if (line === undefined || source === undefined) return undefined;
    const { unreadable, last } = this.#streams.state;
    return new FileSender({
      ...{ run, line, source, clock, random },
      records: { states: reading((after, limit) => records.states(after, limit)) },
      upTo: unreadable === undefined ? last : Infinity,
      signal: this.#abort.signal,
      timeoutMs: limits?.timeoutMs ?? BATCH_LIMITS.timeoutMs,
      ready: () => this.#ready("log") && !this.#streams.log.pending,
      onMoved: () => this.#lookIfDrained(),
      onParked: (file, reason) => {
        this.#trouble.files++;
        this.#options.onFileParked?.(file, reason);
      },
      onError: (error) => {
        this.#trouble.lastError = error.message;
        this.#options.onError?.(error);
      },
    });
  }

  /** Whether all is there that will be. */
  #lookIfDrained(): void {
    if (!this.#told.taken || this.#streams.log.pending) return;
    if ((this.#files?.pending ?? 0) === 0) this.#told.drained.resolve(true);
    else this.#files?.wake();
  }

  /** A reply tells of both streams; what it says of the other counts if nothing of that stream was under way meanwhile. */
  async #sent(sending: Promise<BatchReply>, other: Stream): Promise<BatchReply> {
    const sender = this.#streams[other];
    const { moves, idle } = sender;
    const reply = await sending;
    if (idle && sender.moves === moves) sender.heard(reply.acknowledged[other]);
    return reply;
  }

  #ready(stream: Stream): boolean {
    if (this.#options.quiet && !this.#end) return false;
    return stream === "state" || !(this.#streams.state.pending || this.#final());
  }

  /** What is still to be said of the end. */
  #final(): Final | undefined {
    if (!this.#end || this.#told.taken) return undefined;
    const { state, log } = this.#streams;
    return { state: this.#end.state, records: { state: state.last, log: log.last } };
  }

  #replied(reply: BatchReply): void {
    const { state, log } = this.#streams;
    this.#options.commands?.take(reply.commands, reply.storage);
    if (reply.rejected.length > 0) {
      this.#trouble.parked += reply.rejected.length;
      this.#options.onRejected?.(reply.rejected);
    }
    this.#options.onAcknowledged?.({ state: state.acknowledged, log: log.acknowledged });
    if (this.#end && reply.final && !state.pending) {
      this.#told.taken = true;
      this.#told.final.resolve(true);
    }
    this.#lookIfDrained();
    if (!state.pending) log.wake();
    if (!log.pending) this.#files?.wake();
  }
}
