/**
 * Owns the report of a run to a gateway that takes it whole, at its end.
 * Must not know which dialect that is.
 * Invariant: at most `wholeLogBytes` of the log are held; what is left out is said in a gap record.
 */
import { Backoff } from "./backoff.ts";
import type { CallOptions, Whole } from "./dialect.ts";
import { GatewayRefusedError, UplinkError } from "./errors.ts";
import type { Numbered } from "./port.ts";
import type { Report, ReportEnd, ReportOptions, ReportStatus } from "./reporting.ts";
import { Bell, sleep } from "./wait.ts";

const READ = 256;
/** Bytes of log that are sent where nothing else is said. */
export const WHOLE_LOG_BYTES: number = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

type Send = (whole: Whole, limits: CallOptions) => Promise<void>;

/** Starts a report that sends nothing until the run is over. */
export function reportWhole(options: ReportOptions, send: Send): Report {
  return new WholeReport(options, send);
}

class WholeReport implements Report {
  readonly final: Promise<boolean>;
  readonly drained: Promise<boolean>;
  readonly #options: ReportOptions;
  readonly #send: Send;
  readonly #abort = new AbortController();
  readonly #online = new Bell();
  #running: Promise<void> | undefined;
  #settle: (taken: boolean) => void = () => {};
  #fail: (error: unknown) => void = () => {};
  #taken = false;
  #lastError: string | undefined;

  constructor(options: ReportOptions, send: Send) {
    this.#options = options;
    this.#send = send;
    this.final = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    this.final.catch(() => {});
    this.drained = this.final;
  }

  end(end: ReportEnd): void {
    this.#running ??= this.#deliver(end).catch((error) => this.#fail(error));
  }

  status(): ReportStatus {
    const left = this.#taken ? 0 : 1;
    const numbers = { state: 1 - left, log: 0 };
    return {
      acknowledged: numbers,
      pending: { state: left, log: 0 },
      parked: 0,
      lastError: this.#lastError,
    };
  }

  online(): void {
    this.#online.ring();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#settle(false);
  }

  async #deliver(end: ReportEnd): Promise<void> {
    const { clock, random, run, source } = this.#options;
    const { signal } = this.#abort;
    const backoff = new Backoff({ random });
    let logBytes = this.#options.wholeLogBytes ?? WHOLE_LOG_BYTES;
    while (!signal.aborted) {
      try {
        const log = lastRecords((after) => source.logs(after, READ), logBytes);
        const size = logBytes + (JSON.stringify(end.result) ?? "").length;
        await this.#send({ run, result: end.result ?? null, log }, {
          timeoutMs: TIMEOUT_MS + Math.ceil(size / 2),
          signal,
        });
        this.#taken = true;
        return this.#settle(true);
      } catch (error) {
        if (!(error instanceof UplinkError)) throw error;
        if (signal.aborted) return;
        this.#lastError = error.message;
        this.#options.onError?.(error);
        if (error instanceof GatewayRefusedError && !error.transient) logBytes = Math.floor(logBytes / 2);
        const ms = backoff.next(error.retryAfterMs);
        if (error.retryAfterMs === undefined) await this.#online.wait(signal, { clock, ms });
        else await sleep(clock, ms, signal);
      }
    }
  }
}

/** The last records of a log whose JSON fits, with a gap record for those before them. */
function lastRecords(read: (after: number) => readonly Numbered[], maxBytes: number): Numbered[] {
  const kept: { record: Numbered; size: number }[] = [];
  let bytes = 0;
  let first = 0;
  let dropped = 0;
  for (let after = 0;;) {
    const chunk = read(after);
    if (chunk.length === 0) break;
    for (const record of chunk) {
      after = record.seq;
      const size = JSON.stringify(record).length;
      kept.push({ record, size });
      bytes += size;
    }
    while (bytes > maxBytes && first < kept.length) {
      bytes -= kept[first]!.size;
      dropped += kept[first]!.size;
      first++;
    }
    if (first > READ) kept.splice(0, first), first = 0;
  }
  const records = kept.slice(first).map(({ record }) => record);
  return dropped === 0 ? records : [gapBefore(records[0], { kept, bytes: dropped }), ...records];
}

function gapBefore(
  next: Numbered | undefined,
  { kept, bytes }: { readonly kept: readonly { record: Numbered }[]; readonly bytes: number },
): Numbered {
  const seq = (next?.seq ?? (kept.at(-1)?.record.seq ?? 0) + 1) - 1;
  const at = (next as { at?: unknown } | undefined)?.at;
  const gap = {
    seq,
    at: typeof at === "string" ? at : new Date(0).toISOString(),
    level: "warn",
    from: "executor",
    stream: "log",
    text: `${seq} earlier records were left out, since this gateway takes a run in one piece`,
    dropped: { count: seq - 1, bytes },
  };
  return gap;
}
