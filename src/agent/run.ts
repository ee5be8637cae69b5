/**
 * Owns one run of an agent: the execution over its journal, and the report of it.
 * Must not know where the pipeline came from, nor what is done after the run.
 * Invariant: `ended` settles once and never rejects but for a defect; a run that could not begin is reported as failed.
 */
import { messageOf } from "../base/message.ts";
import type { AgentPort } from "./port.ts";
import type { AgentEndPoint } from "./serving.ts";
import type { GatewayLink } from "./link.ts";
import { recordFailure } from "./failed.ts";
import { finishedOf } from "./finished.ts";
import { handedOut, type JobSource } from "./handed.ts";
import { PipelineError } from "../model/problem.ts";
import type { Config } from "../config/config.ts";
import { flagCalls, noFlagCalls } from "../run/flags.ts";
import type { HttpCondition } from "../serving/serving.ts";
import type { InspectedExecution } from "../run/inspection.ts";
import { JournalError } from "../journal/errors.ts";
import { type Journal, journalBefore } from "../journal/journal.ts";
import { type Level, LEVELS } from "../model/record.ts";
import { memoryJournal } from "../journal/memory/memory.ts";
import type { RunState } from "../model/outcome.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import type { Source } from "../pipeline/load/load.ts";
import { toldOf } from "../secrets/journal.ts";
import type { Redactor } from "../secrets/redactor.ts";
import { NotDue } from "../run/not_due.ts";
import { filesOf, type KeptRun, lossOf } from "../run/kept/kept_run.ts";
import { createFlags } from "../uplink/flags.ts";
import type { HeartbeatRun } from "../protocol/messages.ts";
import type { Report } from "../uplink/report/report.ts";

/** How a run ended. */
export interface Ending {
  readonly state: RunState;
  /** Why it could not begin. */
  readonly error?: unknown;
  /** It can't go on in this process, but perhaps in another: it is left as it is. */
  readonly keep?: true;
  /** It was not due, and nothing has run. */
  readonly held?: NotDue;
}

/** What a run is made of. */
export interface AgentRunOptions {
  readonly config: Config;
  readonly port: AgentPort;
  readonly link: GatewayLink | undefined;
  readonly endPoint: AgentEndPoint;
  readonly kept: KeptRun | undefined;
  /** Tag of the gateway's hand-out that it carries out. */
  readonly handout: string | undefined;
  /** The due time that it is for, if it is for one. */
  readonly scheduledFor: number | undefined;
  /** The pipeline is sound, and has begun; what it returns is waited for. */
  readonly begun: (plan: Plan) => Promise<void>;
  /** Least level of log records that are kept. */
  readonly level: () => Level;
}

/** A run of an agent. */
export class AgentRun {
  readonly ended: Promise<Ending>;
  readonly #options: AgentRunOptions;
  readonly #journal: Journal;
  readonly #execution: InspectedExecution;
  readonly #over: AbortController = new AbortController();
  readonly #redactor: Redactor;
  #report: Report | undefined;
  #unreadable: string | undefined;
  #trouble: string | undefined;

  constructor(from: JobSource, options: AgentRunOptions) {
    const { config, port, link, kept, endPoint } = this.#options = options;
    this.#journal = endPoint.journal(kept?.journal ?? memoryJournal({ logBytes: config.spoolBytes }));
    const { workers, maxWorkers, workerMemoryMiB, stopGraceMs, killGraceMs } = config;
    const { gateway, clock, random, newId } = port;
    const flags = gateway && createFlags({ gateway, clock, random, newId });
    const source = typeof from === "string" ? from : handedOut(from.text);
    const wrong = source instanceof PipelineError ? source : undefined;
    const admit = wrong === undefined ? port.admit : () => Promise.reject(wrong);
    this.#execution = endPoint.attach(port.startRun(wrong === undefined ? source as Source : {}, {
      journal: withLevel(this.#journal, options.level),
      environment: () => endPoint.environment(),
      // Where nothing is kept, its files are there until they are reported.
      files: {
        ...(kept === undefined ? { stay: true } : { folder: () => Promise.resolve(filesOf(kept)) }),
        maxFileBytes: config.maxFileBytes,
        maxBytes: config.maxFilesBytes,
      },
      stopGraceMs,
      killGraceMs,
      ...(options.scheduledFor === undefined
        ? { holds: isNew(kept) }
        : { scheduledFor: options.scheduledFor }),
      ...(admit === undefined ? {} : { admit }),
      ...(port.requires === undefined ? {} : { requires: port.requires }),
      ...(workers === undefined ? {} : { workers }),
      ...(maxWorkers === undefined ? {} : { maxWorkers }),
      ...(workerMemoryMiB === undefined ? {} : { workerMemoryMiB }),
      services: { ...(flags === undefined ? noFlagCalls() : flagCalls(flags, this.#over.signal)) },
    }));
    this.#redactor = endPoint.redactor;
    const hide = port.show(this.#execution, this.#redactor);
    this.ended = this.#carryOut(link).finally(() => {
      this.#over.abort();
      hide();
    });
  }

  /** Tag of the hand-out that it carries out. */
  get handout(): string | undefined {
    return this.#options.handout;
  }

  get id(): string {
    return this.#execution.run;
  }

  /** The report of the run, once it has begun or could not begin. */
  get report(): Report | undefined {
    return this.#report;
  }

  /** Why its result could not be read, in words: then the report ends without it. */
  get unreadable(): string | undefined {
    return this.#unreadable;
  }

  /** Nobody wants its files any more that has no folder to keep them in. */
  dropFiles(): Promise<void> {
    return this.#execution.files.drop();
  }

  stop(because: string): void {
    this.#execution.stop(because);
  }

  cancel(because: string): void {
    this.#execution.cancel(because);
  }

  pause(): void {
    this.#execution.pause();
  }

  resume(): void {
    this.#execution.resume();
  }

  /** What a heartbeat says of it, once it has begun. */
  told(): HeartbeatRun | undefined {
    if (this.#execution.plan === undefined) return undefined;
    const { run: id, pipeline, scheduledFor, state, tasks, counts, running } = this.#execution.snapshot(0);
    const { handout } = this;
    return {
      id,
      pipeline,
      ...(handout === undefined ? {} : { handout }),
      ...(scheduledFor === undefined ? {} : { scheduledFor }),
      state,
      tasks,
      counts,
      running: running.length,
      names: running.map(({ task }) => task),
    };
  }

  /** What is not as it should be, although the run goes on. */
  get conditions(): readonly HttpCondition[] {
    const { kept, config } = this.#options;
    if (kept === undefined) {
      return config.stateDir === undefined ? [] : [{
        code: "not_kept",
        message: `${config.stateDir} took nothing more as this run began: it is in memory only`,
      }];
    }
    const { degraded } = kept.journal;
    const lost = lossOf(kept);
    return [
      ...degraded === undefined ? [] : [{ code: "disk", message: degraded }],
      ...lost === undefined ? [] : [{ code: "journal_damaged", message: lost }],
    ];
  }

  /** Tells when the disk begins to refuse what is written, and when it takes it again. */
  lookAtDisk(): void {
    const trouble = this.#options.kept?.journal.degraded;
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    const text = trouble ?? "The disk takes the journal again";
    this.#options.port.note(text);
    this.#execution.note("warn", text);
  }

  async #carryOut(link: GatewayLink | undefined): Promise<Ending> {
    try {
      const plan = await this.#execution.begun;
      const { report } = plan;
      if (this.#options.kept !== undefined) this.#options.port.state?.begun(this.#options.kept);
      this.#sayLastEnd();
      await this.#options.begun(plan);
      const quiet = this.#options.config.quiet || !report;
      link?.quiet(quiet);
      if (link !== undefined) {
        const { withGraph } = await import("../serving/graph.ts");
        const told = toldOf(withGraph(this.#journal, plan), this.#redactor);
        this.#report = link.report(this.id, told, { quiet, ...this.#origin });
        link.beat();
      }
    } catch (error) {
      return await this.#notBegun(error, link);
    }
    try {
      const { state } = await this.#execution;
      return await this.#end(state, link);
    } finally {
      link?.quiet(false);
    }
  }

  async #end(state: RunState, link: GatewayLink | undefined): Promise<Ending> {
    try {
      this.#sayUnsent(link);
      this.#report?.end({ state, ...this.#wholeResult(link) });
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      this.#unreadable = error.message;
      await this.#report?.stop();
    }
    return { state };
  }

  /** Not every gateway takes files; they go with their run then. */
  #sayUnsent(link: GatewayLink | undefined): void {
    const count = this.#execution.files.list().length;
    if (link === undefined || link.gateway.files !== undefined || count === 0) return;
    this.#execution.note(
      "warn",
      `The ${count} files of this run are not reported, as this gateway takes none: they go when the run is let go of`,
    );
  }

  /** What a report is told of where the run comes from and is kept. */
  get #origin(): NonNullable<Parameters<GatewayLink["report"]>[2]> {
    const { kept, port } = this.#options;
    const files = {
      open: async (sha256: string) => await port.openFile(await this.#execution.files.stored(sha256), "read"),
    };
    if (kept === undefined) return { handout: this.handout, files };
    return { handout: this.handout, files, life: kept.life, onMissing: () => port.state?.keepRefused(kept) };
  }

  /** What the gateway gets of the journal. */
  get #told(): Journal {
    return toldOf(this.#journal, this.#redactor);
  }

  /** Only a gateway that takes a run whole wants the document; it may be large. */
  #wholeResult(link: GatewayLink | undefined): { result?: unknown } {
    if (link?.gateway.report.kind !== "whole") return {};
    return { result: this.#redactor.value(JSON.parse([...this.#execution.resultJson()].join(""))) };
  }

  #sayLastEnd(): void {
    const { lastEnd } = this.#options.port;
    if (lastEnd !== undefined) this.#execution.note("error", `The process before this one ended: ${lastEnd}`);
  }

  /** A pipeline that can't be read, or another one than the journal's: the gateway is told as of a run that failed. */
  async #notBegun(error: unknown, link: GatewayLink | undefined): Promise<Ending> {
    const { port, kept, scheduledFor } = this.#options;
    if (error instanceof NotDue) {
      link?.quiet(false);
      return { state: "running", held: error };
    }
    if (kept !== undefined) port.state?.begun(kept);
    link?.quiet(false);
    // It may have been cancelled as it was being loaded.
    const state = this.#execution.snapshot(0).state === "cancelled" ? "cancelled" : "failed";
    if (this.#journal.states(0, 1).length > 0 && finishedOf(this.#journal) === undefined) {
      return { state, error, keep: true };
    }
    const because = messageOf(error);
    const { runtime, clock } = port;
    const due = scheduledFor === undefined ? {} : { scheduledFor };
    await recordFailure(this.#journal, { run: this.id, runtime, at: clock.now(), because, state, ...due });
    this.#report = link?.report(this.id, this.#told, this.#origin);
    const left = finishedOf(this.#told, link?.gateway.report.kind);
    if (left !== undefined) this.#report?.end(left.end);
    if (kept?.origin.tag !== undefined || scheduledFor !== undefined) port.note(because);
    return { state, error };
  }
}

/** Whether nothing of a run was ever begun. */
function isNew(kept: KeptRun | undefined): boolean {
  return kept === undefined || kept.journal.states(0, 1).length === 0;
}

/** The journal, without log records below a level that may change. */
function withLevel(journal: Journal, level: () => Level): Journal {
  let last = 0;
  return journalBefore(journal, {
    log: (entry) => LEVELS.indexOf(entry.level) < LEVELS.indexOf(level()) ? last : last = journal.log(entry),
  });
}
