/**
 * Owns the agent's line to the gateway: heartbeat, commands, the reports under way, and whether the gateway is in reach.
 * Must not know how a run is carried out, nor where journals are kept.
 * Invariant: once stopped, it has no request, timer or listener left.
 */
import type { HttpCondition, HttpGateway } from "../serving/serving.ts";
import { Reach } from "./reach.ts";
import { CommandInbox } from "../uplink/instructions.ts";
import type { LogRecord } from "../model/record.ts";
import type { Gateway, Pulled } from "../uplink/gateway.ts";
import { SourceError } from "../uplink/errors.ts";
import { type HeartbeatLoop, type HeartbeatSnapshot, startHeartbeat } from "../uplink/heartbeat.ts";
import type { Instruction } from "../protocol/messages.ts";
import type { Life } from "../model/stream.ts";
import type { Clock } from "../base/clock.ts";
import type { RecordSource } from "../uplink/port.ts";
import type { StreamNumbers } from "../model/stream.ts";
import type { Random } from "../base/random.ts";
import { type PullOptions, pullPipeline } from "../uplink/pull.ts";
import type { FileSource } from "../uplink/report/files.ts";
import { type Report, startReport } from "../uplink/report/report.ts";
import { sleep } from "../base/wait.ts";

/** Longest wait for the reply to the last heartbeat, milliseconds. */
const LAST_BEAT_MS = 2_000;
/** What is said while another session speaks as this executor. */
const TWICE =
  "Another device speaks to the gateway as this executor: what is for one may be run by either, or by both; give each an OUTRIDER_EXECUTOR_ID of its own";

/** What a link is made of. */
export interface LinkOptions {
  readonly gateway: Gateway;
  readonly clock: Clock;
  readonly random: Random;
  /** Names this life of the process. */
  readonly session: string;
  readonly heartbeatMs: number;
  readonly quiet: boolean;
  readonly snapshot: () => Omit<HeartbeatSnapshot, "spool">;
  readonly onCommand: (command: Instruction) => void | Promise<void>;
  /** Tells a person. */
  readonly note: (text: string) => void;
  /** Told whether the gateway is in reach, once that is known and each time that it is otherwise. */
  readonly onReach: (reached: boolean) => void;
}

/** What is heard: instructions, and the gateway's bell, which is answered with a heartbeat whose reply brings what there is. */
class Ears {
  readonly #unlisten: () => void;
  readonly #bell: { readonly gateway: Gateway; readonly rung: () => void };
  #deaf: (() => void) | undefined;

  constructor(unlisten: () => void, bell: { readonly gateway: Gateway; readonly rung: () => void }) {
    this.#unlisten = unlisten;
    this.#bell = bell;
  }

  /** Whether the bell is heard: what keeps silent holds no line open for it. */
  open(on: boolean): void {
    if (on === (this.#deaf !== undefined)) return;
    this.#deaf?.();
    this.#deaf = on ? this.#bell.gateway.listen?.(this.#bell.rung) : undefined;
  }

  close(): void {
    this.open(false);
    this.#unlisten();
  }
}

/** The line to one gateway. */
export class GatewayLink {
  readonly #options: LinkOptions;
  readonly #reach: Reach;
  readonly #inbox: CommandInbox = new CommandInbox(() => this.#heartbeat.beat());
  readonly #heartbeat: HeartbeatLoop;
  readonly #reports: Map<Report, RecordSource> = new Map();
  readonly #ears: Ears;
  /** Whether it is to keep silent, which has to wait while the executor is paused. */
  #silent: boolean;
  #paused = false;
  /** Another session that speaks as this executor, by the last reply. */
  #rival: string | undefined;
  /** Resolves the farewell, once a heartbeat that was made after it was asked for has been replied to. */
  #farewell: { made: boolean; readonly done: () => void } | undefined;

  constructor(options: LinkOptions) {
    const { gateway, clock, random, session, quiet, heartbeatMs, note, onReach } = options;
    this.#options = options;
    this.#reach = new Reach({ clock, note, url: gateway.url, changed: onReach });
    this.#silent = quiet;
    this.#ears = new Ears(this.#inbox.listen(options.onCommand), {
      gateway,
      rung: () => this.#heartbeat.beat(),
    });
    this.#heartbeat = startHeartbeat({
      gateway,
      clock,
      random,
      session,
      snapshot: () => {
        if (this.#farewell !== undefined) this.#farewell.made = true;
        const rival = this.#rival === undefined ? {} : { rival: this.#rival };
        return { ...options.snapshot(), spool: this.spool, ...rival };
      },
      commands: this.#inbox,
      intervalMs: heartbeatMs,
      quiet,
      onReply: ({ rival }) => {
        this.#reach.heard("heartbeat");
        this.#heardOfRival(rival);
        if (this.#farewell?.made) this.#farewell.done();
        for (const report of this.#reports.keys()) report.online();
      },
      onUnsent: () => {
        if (this.#farewell?.made) this.#farewell.done();
      },
      onError: (error) => this.#reach.failed("heartbeat", error),
    });
    this.#ears.open(!quiet);
  }

  get gateway(): Gateway {
    return this.#options.gateway;
  }

  /** Records that wait to be sent. */
  get spool(): StreamNumbers {
    const spool = { state: 0, log: 0 };
    for (const report of this.#reports.keys()) {
      const { pending } = report.status();
      spool.state += pending.state;
      spool.log += pending.log;
    }
    return spool;
  }

  /** How long the gateway has been out of reach, milliseconds; 0 while nothing has failed. */
  get outOfReachMs(): number {
    return this.#reach.outMs;
  }

  /** What an end point tells of the gateway. */
  told(): HttpGateway {
    const { lastContactAt, missedBeats } = this.#reach;
    return {
      url: this.gateway.url,
      ...(lastContactAt !== undefined && { lastContactAt }),
      spool: this.spool,
      heartbeatFailures: missedBeats,
    };
  }

  /** What is not as it should be between here and the gateway. */
  get conditions(): readonly HttpCondition[] {
    const found: HttpCondition[] = [];
    const { lastError } = this.#reach;
    if (lastError !== undefined) {
      const seconds = Math.round(this.outOfReachMs / 1000);
      found.push({
        code: "gateway_out_of_reach",
        message: `The gateway has been out of reach for ${seconds} s: ${lastError}`,
      });
    }
    if (this.#rival !== undefined) found.push({ code: "executor_twice", message: TWICE });
    for (const [report, source] of this.#reports) {
      const { acknowledged, parked, leftOut, unreadable, files } = report.status();
      if (unreadable !== undefined) found.push({ code: "journal_unreadable", message: unreadable });
      const [first] = source.logs(acknowledged.log, 1) as readonly Partial<LogRecord>[];
      if (first?.dropped !== undefined) {
        const lines = first.seq! - acknowledged.log;
        found.push({
          code: "log_dropped",
          message:
            `The log outgrew OUTRIDER_SPOOL_BYTES as it waited for the gateway: its oldest ${lines} lines were dropped`,
        });
      }
      if (parked > 0) {
        const message = `The gateway refused ${parked} records, which are set aside: why is on stderr`;
        found.push({ code: "records_refused", message });
      }
      if (files.parked > 0) {
        const message = `${files.parked} files are not sent to the gateway: why is on stderr`;
        found.push({ code: "files_refused", message });
      }
      if (leftOut > 0) {
        const message = `${leftOut} values are too large for the way to the gateway: why is on stderr`;
        found.push({ code: "values_left_out", message });
      }
    }
    return found;
  }

  /** Tells the gateway at once how things stand. */
  beat(): void {
    this.#heartbeat.beat();
  }

  /** Keeps silent, or breaks the silence. */
  quiet(on: boolean): void {
    this.#silent = on;
    this.#heartbeat.quiet(on && !this.#paused);
    this.#ears.open(!(on && !this.#paused));
  }

  /** Who keeps silent hears nothing, and would never be told to go on: a pause breaks the silence. */
  pause(on: boolean): void {
    this.#paused = on;
    this.quiet(this.#silent);
  }

  /** Asks for the pipeline after `known` until there is one that is not done, or the signal is aborted. */
  async pull(
    known: string | undefined,
    { isDone, signal, answered }: Pick<PullOptions, "isDone" | "signal"> & {
      /** Called as soon as the gateway has said anything, or that it can't be asked. Then a person is not told that it has nothing. */
      readonly answered?: () => void;
    },
  ): Promise<Pulled | undefined> {
    const { gateway, clock, random, note } = this.#options;
    let told = false;
    const pulled = await pullPipeline({
      gateway,
      clock,
      random,
      signal,
      ...(isDone && { isDone }),
      ...(known === undefined ? {} : { known }),
      onNone: () => {
        this.#reach.heard("pull");
        if (answered !== undefined) return answered();
        if (!told) note(`The gateway ${gateway.url} has no pipeline yet: waiting for one`);
        told = true;
      },
      onError: (error) => {
        this.#reach.failed("pull", error);
        answered?.();
      },
    });
    if (pulled === undefined) this.#reach.forget("pull");
    else this.#reach.heard("pull");
    return pulled;
  }

  /** Starts to report a run. @param about `handout`: tag of what it carries out; `life`: which of its histories this is, if it is kept; `onMissing`: the gateway will not have all of it. */
  report(
    run: string,
    source: RecordSource,
    { quiet = false, handout, life, files, onMissing = () => {} }: {
      /** Where its files are read. */
      readonly files?: FileSource | undefined;
      readonly quiet?: boolean;
      readonly onMissing?: () => void;
      readonly handout?: string | undefined;
      readonly life?: Life | undefined;
    } = {},
  ): Report {
    const { gateway, clock, random, note } = this.#options;
    const report: Report = startReport({
      gateway,
      clock,
      random,
      run,
      source,
      commands: this.#inbox,
      quiet,
      ...(handout === undefined ? {} : { handout }),
      heard: () => this.#heartbeat.heard,
      onAcknowledged: () => this.#reach.heard(report),
      onLeftOut: (what) => {
        onMissing();
        note(what);
      },
      ...(life === undefined ? {} : { life }),
      ...(files === undefined ? {} : { files }),
      onFileParked: ({ name }, reason) => {
        onMissing();
        note(`File ${JSON.stringify(name)} of run ${run} is not sent: ${reason}`);
      },
      onParked: (stream, { from, to, reason }) => {
        onMissing();
        note(`Records ${from} to ${to} of the ${stream} are set aside: ${reason}`);
      },
      onRejected: (rejected) => {
        onMissing();
        note(`The gateway could not read ${rejected.length} records: ${rejected[0]?.reason}`);
      },
      onError: (error) =>
        error instanceof SourceError ? this.#reach.say(error) : this.#reach.failed(report, error),
    });
    this.#reports.set(report, source);
    return report;
  }

  /** Ends a report; what it has not sent stays in its journal. */
  async drop(report: Report): Promise<void> {
    this.#reports.delete(report);
    this.#reach.forget(report);
    await report.stop();
  }

  /** Tells the gateway a last time how things stand, if it is in reach. */
  async farewell(): Promise<void> {
    if (this.#reach.failing) return;
    const over = new AbortController();
    this.#farewell = { made: false, done: () => over.abort() };
    this.#heartbeat.beat();
    await sleep(this.#options.clock, LAST_BEAT_MS, over.signal);
  }

  async stop(): Promise<void> {
    this.#ears.close();
    await Promise.all([
      this.#heartbeat.stop(),
      ...[...this.#reports.keys()].map((report) => this.drop(report)),
    ]);
    await this.gateway.close?.();
  }

  /** Tells of it, and at once tells it back: only who lives now can. */
  #heardOfRival(rival: string | undefined): void {
    if (rival !== undefined && this.#rival === undefined) {
      this.#options.note(TWICE);
      // In a later turn, since the reply that brought it is still being read.
      queueMicrotask(() => this.#heartbeat.beat());
    }
    this.#rival = rival;
  }
}
