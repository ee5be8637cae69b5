/**
 * Owns what an agent is to run: what is left from before, then the file, then what the gateway hands out; and what becomes of
 * a run that can't be carried out.
 * Must not know how a run is carried out, nor how it is reported.
 * Invariant: a run that has ended is not run again; one that can't go on is told to the gateway as one that failed.
 */
import { messageOf } from "../base/message.ts";
import type { Config } from "../config/config.ts";
import { DEFAULT_PIPELINE } from "../config/variables.ts";
import { type KeptRun, lossOf, type Unread } from "../run/kept/kept_run.ts";
import { OtherPipelineError } from "../run/resume/replay.ts";
import { MAX_DEATHS } from "../run/resume/resume.ts";
import { recordFailure } from "./failed.ts";
import { handedText, type JobSource } from "./handed.ts";
import type { GatewayLink } from "./link.ts";
import type { AgentPort } from "./port.ts";
import type { Reporting } from "./reporting.ts";
import type { Ending } from "./run.ts";

/** There is nothing to run, and nobody to ask. */
export class NoPipelineError extends Error {
  readonly code = "OUTRIDER_NO_PIPELINE";
  override name = "NoPipelineError";
}

/** Runs that are over are kept for a gateway that may be named later, the newest so many. */
const MAX_UNTAKEN = 20;

/** What is to be run. */
export interface Job {
  readonly source: JobSource;
  /** Where it is kept, if anything is. */
  readonly kept: KeptRun | undefined;
  readonly tag: string | undefined;
}

/** What jobs are made of. */
export interface JobsOptions {
  readonly config: Config;
  readonly port: AgentPort;
  readonly link: GatewayLink | undefined;
  readonly reporting: Reporting;
  /** Aborted when nothing new is to be run. */
  readonly signal: AbortSignal;
}

/** The jobs of an agent, one after the other. */
export class Jobs {
  readonly #options: JobsOptions;
  /** Tag of the last hand-out that is done. */
  #known: string | undefined;
  #fileTaken = false;
  /** Runs of processes before, which are to go on. */
  #begun: KeptRun[] = [];

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Starts to report what earlier processes left; the runs that are not over yet come first from then on. */
  async takeLeftOver(): Promise<void> {
    const { port: { state }, link, reporting } = this.#options;
    if (state === undefined) return;
    const untaken: KeptRun[] = [];
    for (const kept of await state.runs()) {
      const lost = lossOf(kept);
      if (lost !== undefined) this.#sayLoss(kept, lost);
      if (this.#isAnothers(kept)) continue;
      if (!state.isClosed(kept)) this.#begun.push(kept);
      else if (state.isReported(kept)) await state.remove(kept);
      else if (link === undefined) untaken.push(kept);
      else reporting.left(kept);
    }
    this.#known = state.known;
    for (const kept of untaken.slice(0, -MAX_UNTAKEN)) await state.remove(kept);
    for (const unread of state.unread) await this.#sayUnread(unread);
  }

  /** What to do next; `undefined` if that is to end. */
  async next(): Promise<Job | undefined> {
    for (let kept = this.#begun.shift(); kept !== undefined; kept = this.#begun.shift()) {
      const job = await this.#again(kept);
      if (job !== undefined) return job;
    }
    const { port: { state }, link, signal } = this.#options;
    if (signal.aborted) return undefined;
    const file = this.#fileTaken ? undefined : await this.#file();
    if (file !== undefined) {
      this.#fileTaken = true;
      return { source: file, kept: await this.#begin(), tag: undefined };
    }
    if (link === undefined) {
      if (this.#fileTaken) return undefined;
      throw new NoPipelineError(
        `There is nothing to run: no file ${DEFAULT_PIPELINE} here, and no gateway to ask; set OUTRIDER_PIPELINE or OUTRIDER_GATEWAY`,
      );
    }
    const pulled = await link.pull(this.#known, {
      isDone: ({ tag, unique }) => Promise.resolve(unique === true && state?.wasClosed(tag) === true),
      signal,
    });
    if (pulled === undefined) return undefined;
    const text = handedText(pulled.bytes);
    return { source: { text }, kept: await this.#begin(pulled.tag, text), tag: pulled.tag };
  }

  /** A job has come to its end: only what is newer than its hand-out is asked for. */
  done({ tag }: Job): void {
    this.#known = tag ?? this.#known;
  }

  /** Counts the start of a run, before anything of its pipeline is read: that may be what ends the process, every time. */
  async isGivenUp(kept: KeptRun): Promise<boolean> {
    const deaths = await this.#options.port.state!.starting(kept);
    if (deaths < MAX_DEATHS) return false;
    const because = `its process has ended ${deaths} times in a row while it read the pipeline`;
    await this.#fail(kept, `The run in ${kept.folder} is given up: ${because}`);
    return true;
  }

  /** A run of an earlier process can't go on. */
  async spoil(kept: KeptRun, because: string): Promise<void> {
    const { port: { state }, link } = this.#options;
    state!.spoil(kept);
    await this.#fail(kept, `The run in ${kept.folder} can't go on: ${because}`);
    if (link === undefined) await state!.remove(kept);
  }

  /**
   * A run that was begun by an earlier process, and whose pipeline is another now, or has problems; resolves to the exit
   * code, or to nothing if the next is due.
   *
   * @throws What is wrong with the file: whoever writes it can put it right, and the run goes on then.
   */
  async cannotGoOn(kept: KeptRun, { error, state }: Ending): Promise<number | undefined> {
    if (state === "cancelled") {
      await this.#fail(kept, messageOf(error), state);
      return 1;
    }
    const isFile = kept.origin.tag === undefined;
    if (isFile && !(error instanceof OtherPipelineError)) throw error;
    this.#fileTaken &&= !isFile;
    await this.spoil(kept, messageOf(error));
    return undefined;
  }

  /** A run that an earlier process began, with its pipeline; nothing if that can't be had any more. */
  async #again(kept: KeptRun): Promise<Job | undefined> {
    const { config, port } = this.#options;
    const { tag } = kept.origin;
    if (tag === undefined) {
      this.#fileTaken = true;
      return { source: await this.#file() ?? config.pipeline ?? DEFAULT_PIPELINE, kept, tag };
    }
    try {
      return { source: { text: await port.readText(kept.bundle) }, kept, tag };
    } catch (error) {
      await this.spoil(kept, `${kept.bundle} can't be read any more (${messageOf(error)})`);
      return undefined;
    }
  }

  /** A disk that takes nothing keeps nothing, and stops nothing. */
  async #begin(tag?: string, bundle?: string): Promise<KeptRun | undefined> {
    const { config: { executor }, port: { state, note } } = this.#options;
    if (state === undefined) return undefined;
    const origin = { ...(tag !== undefined && { tag }), ...(executor !== undefined && { executor }) };
    const kept = await state.begin(origin, bundle);
    if (kept === undefined) note(`${state.trouble}. This run is kept in memory only`);
    return kept;
  }

  /** What is to be run without a gateway: the file that is named, what came with the environment, or the file that is there. */
  async #file(): Promise<Job["source"] | undefined> {
    const { config: { pipeline }, port } = this.#options;
    return pipeline ?? port.carried ?? (await port.exists(DEFAULT_PIPELINE) ? DEFAULT_PIPELINE : undefined);
  }

  #sayLoss({ journal }: KeptRun, lost: string): void {
    const { clock, note } = this.#options.port;
    note(lost);
    journal.log({ at: clock.now(), level: "error", from: "executor", stream: "log", text: lost });
  }

  /** What was a run once is told to the gateway as one that failed: nobody can say what became of it. */
  async #sayUnread({ folder, because, setAside, origin }: Unread): Promise<void> {
    const { port: { note, state }, link } = this.#options;
    if (!setAside) return note(`${folder} is left as it is: ${because}`);
    const text = `A run could not be read (${because}). It is kept as ${folder}`;
    if (link === undefined) return note(text);
    const kept = await state!.begin(origin);
    if (kept === undefined) return note(text);
    await this.#fail(kept, text);
  }

  /** A run can't be carried out: it is over, and the gateway is told as of one that failed. */
  async #fail(kept: KeptRun, because: string, state: "failed" | "cancelled" = "failed"): Promise<void> {
    const { port, reporting } = this.#options;
    port.note(because);
    await recordFailure(kept.journal, {
      run: port.newId(),
      runtime: port.runtime,
      at: port.clock.now(),
      because,
      state,
    });
    await port.state!.close(kept);
    this.#known = port.state!.known;
    reporting.left(kept);
  }

  /** Where a gateway knows executors and no runs, one that is begun by another executor would be taken for ours. */
  #isAnothers({ folder, origin: { executor } }: KeptRun): boolean {
    const { config: { executor: ours }, port: { note }, link } = this.#options;
    if (executor === undefined || executor === ours) return false;
    if (link?.gateway.report.kind !== "whole") return false;
    note(
      `The run in ${folder} is of executor ${executor}, and this one is ${ours}: it is left alone; start with that id to go on with it, or remove the folder`,
    );
    return true;
  }
}
