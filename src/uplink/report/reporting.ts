/**
 * Owns what a report is to those who start one: its options, its end, where it stands. Types, and the default limits.
 * Must not know how records go out.
 * Invariant: it is the same whether a gateway takes numbered records or a run whole.
 */
import type { CommandInbox } from "../instructions.ts";
import type { Gateway } from "../gateway.ts";
import type { UplinkError } from "../errors.ts";
import type { KeptFile } from "../../model/file.ts";
import type { FileSource } from "./files.ts";
import type { BatchLimits } from "./stream.ts";
import type { Final, Parked, Rejected } from "../../protocol/messages.ts";
import type { Life } from "../../model/stream.ts";
import type { Clock } from "../../base/clock.ts";
import type { RecordSource } from "../port.ts";
import type { Stream, StreamNumbers } from "../../model/stream.ts";
import type { Random } from "../../base/random.ts";

/** Where the limits of batches stand if nothing else is said. */
export const BATCH_LIMITS: BatchLimits = {
  records: 500,
  bytes: 256 * 1024,
  lingerMs: 500,
  timeoutMs: 30_000,
};

/** What a report needs. */
export interface RunReportOptions {
  readonly gateway: Gateway;
  readonly clock: Clock;
  readonly random: Random;
  readonly run: string;
  /** Tag of the hand-out that the run carries out. */
  readonly handout?: string;
  /** Which of the run's histories the records are of. */
  readonly life?: Life;
  readonly source: RecordSource;
  /** Where the run's files are read, which go after everything else. Default: they are not reported. */
  readonly files?: FileSource;
  readonly commands?: CommandInbox;
  /** What is known to have been acknowledged. Default 0: the first reply tells, so it need not be kept. */
  readonly from?: StreamNumbers;
  /** Sends nothing until the run is over. Default false. */
  readonly quiet?: boolean;
  readonly limits?: Partial<BatchLimits>;
  /** Bytes of log that are sent to a gateway that takes a run whole; older lines are dropped there. Default 4 MiB. */
  readonly wholeLogBytes?: number;
  /** The gateway has everything up to these numbers: the journal may forget log records up to there. */
  readonly onAcknowledged?: (numbers: StreamNumbers) => void;
  /** Heartbeats that the gateway has answered, 0 while it did not answer the last: then nothing is set aside. Default: it is always heard. */
  readonly heard?: () => number;
  /** Values go without saying more than that there were some, since they are too large for the way. In words. */
  readonly onLeftOut?: (what: string) => void;
  /** A record was refused and set aside. */
  readonly onParked?: (stream: Stream, parked: Parked) => void;
  /** Records that reached the gateway but could not be read there. */
  readonly onRejected?: (rejected: readonly Rejected[]) => void;
  /** A file was set aside: it stays where it is. */
  readonly onFileParked?: (file: KeptFile, reason: string) => void;
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
  readonly acknowledged: StreamNumbers;
  /** Records that wait to be sent. */
  readonly pending: StreamNumbers;
  /** Records set aside because they were refused, or could not be read at the gateway. */
  readonly parked: number;
  /** Files that wait to be sent, and those that were set aside. */
  readonly files: { readonly pending: number; readonly parked: number };
  /** Values left out because they were too large for the way. */
  readonly leftOut: number;
  /** Why the records can't be read at the moment, in words. */
  readonly unreadable: string | undefined;
  readonly lastError: string | undefined;
}

/** A report that is going on. */
export interface Report {
  /** The run is over: sends what is left, then the end, without collecting any more. */
  end(end: ReportEnd): void;
  /** Resolves to `true` once the gateway has the end of the run, to `false` if the report was stopped before, or its records can't be read. */
  readonly final: Promise<boolean>;
  /** Resolves to `true` once the gateway has the end and all of the log, to `false` likewise. */
  readonly drained: Promise<boolean>;
  status(): ReportStatus;
  /** The gateway was just heard, by a heartbeat say: does not wait out a pause that the network was to blame for. */
  online(): void;
  /** Sends no more; what is left stays in the journal for the next start. */
  stop(): Promise<void>;
}
