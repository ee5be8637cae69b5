/**
 * Owns the report of a run to a gateway that takes it whole, at its end.
 * Must not know which dialect that is.
 * Invariant: at most `wholeLogBytes` of the log are held; what is left out is said in a gap record, and beside an outcome
 * without its value. What is too large for the way goes without log first, then without its largest values.
 */
import { isoTime } from "../../base/clock.ts";
import { pagesOf } from "../../model/record.ts";
import { Backoff } from "../../base/backoff.ts";
import type { CallOptions, Whole } from "../gateway.ts";
import { GatewayRefusedError, GatewayTimeoutError, UnreachableError, UplinkError } from "../errors.ts";
import { type Lean, leanResult } from "./lean.ts";
import type { Numbered } from "../port.ts";
import type { Report, ReportEnd, ReportStatus, RunReportOptions } from "./reporting.ts";
import { Bell, sleep } from "../../base/wait.ts";

const READ = 256;
/** Bytes of log that are sent where nothing else is said. */
export const WHOLE_LOG_BYTES: number = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

type Send = (whole: Whole, limits: CallOptions) => Promise<void>;

/** Starts a report that sends nothing until the run is over. */
export function reportWhole(options: RunReportOptions, send: Send): Report {
  return new WholeReport(options, send);
}

class WholeReport implements Report {
  readonly #options: RunReportOptions;
  readonly #send: Send;
  readonly #abort = new AbortController();
  readonly #online = new Bell();
  readonly #over: PromiseWithResolvers<boolean> = Promise.withResolvers();
  #running: Promise<void> | undefined;
  #taken = false;
  #leftOut = 0;
  #lastError: string | undefined;

  constructor(options: RunReportOptions, send: Send) {
    this.#options = options;
    this.#send = send;
    this.#over.promise.catch(() => {});
  }

  get final(): Promise<boolean> {
    return this.#over.promise;
  }

  /** The log goes with the end. */
  get drained(): Promise<boolean> {
    return this.#over.promise;
  }

  end(end: ReportEnd): void {
    this.#running ??= this.#deliver(end).catch(this.#over.reject);
  }

  status(): ReportStatus {
    const left = this.#taken ? 0 : 1;
    const numbers = { state: 1 - left, log: 0 };
    return {
      acknowledged: numbers,
      pending: { state: left, log: 0 },
      parked: 0,
      // Such a gateway takes none.
      files: { pending: 0, parked: 0 },
      leftOut: this.#leftOut,
      unreadable: undefined,
      lastError: this.#lastError,
    };
  }

  online(): void {
    this.#online.ring();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#over.resolve(false);
  }

  async #deliver(end: ReportEnd): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#abort;
    const backoff = new Backoff({ random });
    let size: Size = { log: this.#options.wholeLogBytes ?? WHOLE_LOG_BYTES, result: Infinity };
    while (!signal.aborted) {
      const whole = this.#whole(end, size);
      try {
        await this.#send(whole.content, { timeoutMs: TIMEOUT_MS + Math.ceil(whole.length / 2), signal });
        return this.#delivered(whole);
      } catch (error) {
        if (!(error instanceof UplinkError)) throw error;
        if (signal.aborted) return;
        this.#lastError = error.message;
        this.#options.onError?.(error);
        const refused = error instanceof GatewayRefusedError && (!error.transient || error.tooLarge);
        if (refused && (error.own || whole.length > FITS)) size = smaller(whole);
        const ms = backoff.next(error.retryAfterMs);
        // Only the network's pauses are over when the gateway is heard: what it refuses, it refuses again.
        const network = error instanceof UnreachableError || error instanceof GatewayTimeoutError;
        if (network) await this.#online.wait(signal, { clock, ms });
        else await sleep(clock, ms, signal);
      }
    }
  }

  #whole({ result = null }: ReportEnd, size: Size): Sized {
    const { run, source } = this.#options;
    const log = lastRecords((after) => source.logs(after, READ), size.log);
    const lean = leanResult(result, size.result);
    const resultLength = JSON.stringify(lean.result).length;
    const length = resultLength + JSON.stringify(log).length;
    return { content: { run, result: lean.result, log }, lean, size, length, resultLength };
  }

  #delivered({ content, lean: { leftOut } }: Sized): void {
    this.#taken = true;
    this.#leftOut = leftOut;
    if (leftOut > 0) {
      this.#options.onLeftOut?.(
        `The result of run ${content.run} went without ${leftOut} values, since it was too large: ${this.#lastError}`,
      );
    }
    this.#options.onAcknowledged?.({ state: 0, log: 0 });
    this.#over.resolve(true);
  }
}

/** What is no longer fits everywhere, in characters: who says otherwise and is no gateway does not mean the size. */
const FITS = 16_384;

/** Longest JSON of the parts, characters. */
interface Size {
  readonly log: number;
  readonly result: number;
}

/** What was made to be sent. */
interface Sized {
  readonly content: Whole;
  readonly lean: Lean;
  readonly size: Size;
  readonly length: number;
  readonly resultLength: number;
}

/** Half of what was refused: of the log as long as there is some, then of the result by its values. */
function smaller({ length, resultLength, content }: Sized): Size {
  const half = Math.floor(length / 2);
  if (content.log.length > 1) return { log: Math.max(0, half - resultLength), result: Infinity };
  return { log: 0, result: half };
}

/** The last records of a log whose JSON fits, with a gap record for those before them. */
function lastRecords(read: (after: number) => readonly Numbered[], maxBytes: number): Numbered[] {
  const kept: { record: Numbered; size: number }[] = [];
  let bytes = 0;
  let first = 0;
  let dropped = 0;
  let last = 0;
  for (const page of pagesOf(read)) {
    for (const record of page) {
      const size = JSON.stringify(record).length;
      kept.push({ record, size });
      bytes += size;
      last = record.seq;
    }
    while (bytes > maxBytes && first < kept.length) {
      bytes -= kept[first]!.size;
      dropped += kept[first]!.size;
      first++;
    }
    if (first > READ) kept.splice(0, first), first = 0;
  }
  const records = kept.slice(first).map(({ record }) => record);
  return dropped === 0 ? records : [gapBefore(records[0], { last, bytes: dropped }), ...records];
}

/** @param last The number of the log's last record, which goes too where no record is left. */
function gapBefore(
  next: Numbered | undefined,
  { last, bytes }: { readonly last: number; readonly bytes: number },
): Numbered {
  const seq = next === undefined ? last : next.seq - 1;
  const at = (next as { at?: unknown } | undefined)?.at;
  const gap = {
    seq,
    at: typeof at === "string" ? at : isoTime(0),
    level: "warn",
    from: "executor",
    stream: "log",
    text: `${seq} earlier records were left out, since this gateway takes a run in one piece`,
    dropped: { count: seq - 1, bytes },
  };
  return gap;
}
