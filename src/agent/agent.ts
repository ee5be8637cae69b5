/**
 * Owns the life of an agent: what is left from before, then a pipeline, its run, its report; then the next, or the end.
 * Must not know how any of it is done, nor which runtime it is on.
 * Invariant: a run that has ended is not run again, and is not let go of before the gateway has it or it is kept for the
 * next start.
 *
 *   runs that are closed but not reported ──▶ reported beside all else
 *   a run that was begun ──▶ gone on with ┐
 *   the file, if there is one ────────────┼─▶ run ─▶ report ─▶ close ─▶ exit code, or the next one
 *   the gateway, asked until there is one ┘
 */
import { messageOf } from "../base/message.ts";
import { Link } from "./link.ts";
import type { Agent, AgentPort } from "./port.ts";
import { AgentRun, type Ending } from "./run.ts";
import type { Config } from "../config/config.ts";
import { DEFAULT_PIPELINE } from "../config/schema.ts";
import { finishedOf } from "./finished.ts";
import type { AgentEndPoint, AgentView } from "./serving.ts";
import { JournalError } from "../journal/errors.ts";
import type { Level } from "../model/record.ts";
import type { Source } from "../pipeline/load/load.ts";
import { toldOf } from "../secrets/journal.ts";
import { recordFailure } from "./failed.ts";
import { stateConditions } from "./state.ts";
import { OtherPipelineError } from "../run/resume/replay.ts";
import { MAX_DEATHS } from "../run/resume/resume.ts";
import { type KeptRun, lossOf, type Unread } from "../run/kept/kept_run.ts";
import type { Report } from "../uplink/report/report.ts";
import type { HeartbeatSnapshot } from "../uplink/heartbeat.ts";
import type { ExecutorState, HeartbeatRun, Instruction } from "../protocol/messages.ts";

/** There is nothing to run, and nobody to ask. */
export class NoPipelineError extends Error {
  readonly code = "OUTRIDER_NO_PIPELINE";
  override name = "NoPipelineError";
}

/** How often it is looked whether the gateway is in reach and the disk takes what is written, milliseconds. */
const LOOK_MS = 5_000;
/** Runs that are over are kept for a gateway that may be named later, the newest so many. */
const MAX_UNTAKEN = 20;
/** Hand-outs that were withdrawn and may yet arrive are remembered, the newest so many. */
const MAX_WITHDRAWN = 100;

/** How an agent works, beside its configuration. */
export interface AgentOptions {
  /** Asks for the next pipeline after each run, until it is told to stop. Default: one run. */
  readonly follow?: boolean;
}

/** Starts an agent. */
export function startAgent(config: Config, port: AgentPort, options: AgentOptions = {}): Agent {
  return new AgentAtWork(config, port, options);
}

/** What is to be run. */
interface Job {
  /** A file, or the text of what a gateway handed out. */
  readonly source: string | { readonly text: string };
  /** Where it is kept, if anything is. */
  readonly kept: KeptRun | undefined;
  readonly tag: string | undefined;
}

class AgentAtWork implements Agent {
  readonly ended: Promise<number>;
  readonly #config: Config;
  readonly #port: AgentPort;
  readonly #options: AgentOptions;
  readonly #link: Link | undefined;
  /** Aborted by the first request to end. */
  readonly #stopping: AbortController = new AbortController();
  /** Resolves when nothing is waited for any more. */
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #background: Set<Promise<void>> = new Set();
  #because = "";
  #exitCode: number | undefined;
  #endPoint: AgentEndPoint | undefined;
  /** Whether the gateway will never have something of what was reported. */
  #incomplete = false;
  /** Why the gateway has been given up: nothing more is asked of it. */
  #givenUp: string | undefined;
  #runs = 0;
  #run: AgentRun | undefined;
  #paused = false;
  #level: Level;
  #known: string | undefined;
  /** Tags of hand-outs that are not to be run, and why. */
  readonly #withdrawn: Map<string, string> = new Map();
  #fileTaken = false;
  /** What a person was told last of the state directory. */
  #trouble: string | undefined;
  /** Runs of processes before, which are to go on. */
  #begun: KeptRun[] = [];
  #cancelLook: () => void = () => {};
  /** Processor time, and the monotonic time at which it was read. */
  #cpu: { readonly tick: number; readonly ms: number };

  constructor(config: Config, port: AgentPort, options: AgentOptions) {
    this.#config = config;
    this.#port = port;
    this.#options = options;
    this.#level = config.logLevel;
    this.#cpu = { tick: port.clock.monotonic(), ms: port.cpuMs() };
    const { gateway, clock, random } = port;
    this.#link = gateway && new Link({
      gateway,
      clock,
      random,
      heartbeatMs: config.heartbeatMs,
      quiet: config.quiet,
      snapshot: () => this.#snapshot(),
      onCommand: (command) => this.#obey(command),
      note: (text) => port.note(text),
    });
    this.#look();
    this.ended = this.#work();
  }

  stop(because: string, exitCode?: number): void {
    if (this.#stopping.signal.aborted) {
      this.#run?.cancel(because);
      return this.#over.resolve();
    }
    this.#because = because;
    this.#exitCode = exitCode;
    this.#stopping.abort();
    if (this.#run === undefined) this.#endWithin(this.#config.stopGraceMs);
    else this.#run.stop(because);
    this.#link?.beat();
  }

  async #work(): Promise<number> {
    try {
      // Only then is the state directory this agent's, and its http.json with it.
      this.#begun = await this.#leftOver();
      this.#endPoint = await this.#port.serve(this.#view());
      let code: number | undefined;
      for (let job = await this.#next(); job !== undefined; job = await this.#next()) {
        code = await this.#carryOut(job) ?? code;
        if (code === undefined) continue;
        if (!this.#options.follow || this.#stopping.signal.aborted || this.#givenUp !== undefined) break;
      }
      await Promise.race([Promise.all(this.#background), this.#over.promise]);
      this.#over.resolve();
      if (this.#incomplete) return code || 1;
      return code ?? (this.#givenUp === undefined ? this.#exitCode ?? 0 : 1);
    } finally {
      this.#cancelLook();
      await this.#link?.farewell();
      await this.#link?.stop();
      await Promise.all(this.#background);
      await this.#endPoint?.close();
      await this.#port.state?.end();
      this.#sayTraffic();
    }
  }

  /** Starts to report what earlier processes left; returns the runs that are not over yet. */
  async #leftOver(): Promise<KeptRun[]> {
    const { state } = this.#port;
    if (state === undefined) return [];
    const [open, untaken]: [KeptRun[], KeptRun[]] = [[], []];
    for (const kept of await state.runs()) {
      const lost = lossOf(kept);
      if (lost !== undefined) this.#sayLoss(kept, lost);
      if (this.#isAnothers(kept)) continue;
      if (!state.isClosed(kept)) open.push(kept);
      else if (state.isReported(kept)) await state.remove(kept);
      else if (this.#link === undefined) untaken.push(kept);
      else this.#inBackground(this.#reportLeft(kept));
    }
    this.#known = state.known;
    this.#paused = state.paused;
    if (this.#paused) {
      this.#link?.pause(true);
      this.#port.note(
        "Paused, as before it was started anew: nothing new starts until the gateway resumes it",
      );
    }
    for (const kept of untaken.slice(0, -MAX_UNTAKEN)) await state.remove(kept);
    for (const unread of state.unread) await this.#sayUnread(unread);
    return open;
  }

  #sayLoss({ journal }: KeptRun, lost: string): void {
    this.#port.note(lost);
    const at = this.#port.clock.now();
    journal.log({ at, level: "error", from: "executor", stream: "log", text: lost });
  }

  /** What was a run once is told to the gateway as one that failed: nobody can say what became of it. */
  async #sayUnread({ folder, because, setAside, origin }: Unread): Promise<void> {
    const { note, state } = this.#port;
    if (!setAside) return note(`${folder} is left as it is: ${because}`);
    const text = `A run could not be read (${because}). It is kept as ${folder}`;
    if (this.#link === undefined) return note(text);
    const kept = await state!.begin(origin);
    if (kept === undefined) return note(text);
    await this.#fail(kept, text);
  }

  /** A run can't be carried out: it is over, and the gateway is told as of one that failed. */
  async #fail(kept: KeptRun, because: string, state: "failed" | "cancelled" = "failed"): Promise<void> {
    const { clock, runtime, note } = this.#port;
    note(because);
    await recordFailure(kept.journal, { run: crypto.randomUUID(), runtime, at: clock.now(), because, state });
    await this.#port.state!.close(kept);
    this.#known = this.#port.state!.known;
    if (this.#link !== undefined) this.#inBackground(this.#reportLeft(kept));
  }

  /** Where a gateway knows executors and no runs, one that is begun by another executor would be taken for ours. */
  #isAnothers({ folder, origin: { executor } }: KeptRun): boolean {
    const { executor: ours } = this.#config;
    if (executor === undefined || executor === ours) return false;
    if (this.#link?.gateway.report.kind !== "whole") return false;
    this.#port.note(
      `The run in ${folder} is of executor ${executor}, and this one is ${ours}: it is left alone; start with that id to go on with it, or remove the folder`,
    );
    return true;
  }

  #inBackground(work: Promise<void>): void {
    const done = work.finally(() => this.#background.delete(done));
    this.#background.add(done);
  }

  /** Reports a run that is over, beside whatever else there is to do. */
  async #reportLeft(kept: KeptRun): Promise<void> {
    const journal = toldOf(kept.journal, this.#port.redactor);
    let left;
    try {
      left = finishedOf(journal, this.#link!.gateway.report.kind);
    } catch (error) {
      return this.#sayUnreadable(kept.folder, unreadableOf(error));
    }
    if (left === undefined) return await this.#port.state!.remove(kept);
    const report = this.#link!.report(left.run, journal, {
      handout: kept.origin.tag,
      life: kept.life,
      onMissing: () => this.#port.state!.keepRefused(kept),
    });
    report.end(left.end);
    const drained = await Promise.race([report.drained, this.#over.promise.then(() => false)]);
    await this.#link!.drop(report);
    this.#sayMissing(left.run, report, kept);
    const { unreadable } = report.status();
    if (unreadable !== undefined) this.#sayUnreadable(kept.folder, unreadable);
    if (!drained) return;
    this.#port.state!.reported(kept);
    await this.#port.state!.remove(kept);
  }

  /** What to do next; `undefined` if that is to end. */
  async #next(): Promise<Job | undefined> {
    for (let kept = this.#begun.shift(); kept !== undefined; kept = this.#begun.shift()) {
      const job = await this.#again(kept);
      if (job !== undefined) return job;
    }
    if (this.#stopping.signal.aborted) return undefined;
    const file = this.#fileTaken ? undefined : await this.#file();
    if (file !== undefined) {
      this.#fileTaken = true;
      return { source: file, kept: await this.#begin(), tag: undefined };
    }
    if (this.#link === undefined) {
      if (this.#fileTaken) return undefined;
      throw new NoPipelineError(
        `There is nothing to run: no file ${DEFAULT_PIPELINE} here, and no gateway to ask; set OUTRIDER_PIPELINE or OUTRIDER_GATEWAY`,
      );
    }
    const pulled = await this.#link.pull(this.#known, {
      isDone: ({ tag, unique }) =>
        Promise.resolve(unique === true && this.#port.state?.wasClosed(tag) === true),
      signal: this.#stopping.signal,
    });
    if (pulled === undefined) return undefined;
    const text = new TextDecoder().decode(pulled.bytes);
    return { source: { text }, kept: await this.#begin(pulled.tag, text), tag: pulled.tag };
  }

  /** A run that an earlier process began, with its pipeline; nothing if that can't be had any more. */
  async #again(kept: KeptRun): Promise<Job | undefined> {
    const { tag } = kept.origin;
    if (tag === undefined) {
      this.#fileTaken = true;
      return { source: await this.#file() ?? this.#config.pipeline ?? DEFAULT_PIPELINE, kept, tag };
    }
    try {
      return { source: { text: await this.#port.readText(kept.bundle) }, kept, tag };
    } catch (error) {
      await this.#spoil(kept, `${kept.bundle} can't be read any more (${messageOf(error)})`);
      return undefined;
    }
  }

  /** A run of an earlier process can't go on. */
  async #spoil(kept: KeptRun, because: string): Promise<void> {
    this.#port.state!.spoil(kept);
    await this.#fail(kept, `The run in ${kept.folder} can't go on: ${because}`);
    if (this.#link === undefined) await this.#port.state!.remove(kept);
  }

  /** A disk that takes nothing keeps nothing, and stops nothing. */
  async #begin(tag?: string, bundle?: string): Promise<KeptRun | undefined> {
    const { state, note } = this.#port;
    if (state === undefined) return undefined;
    const { executor } = this.#config;
    const origin = { ...(tag !== undefined && { tag }), ...(executor !== undefined && { executor }) };
    const kept = await state.begin(origin, bundle);
    if (kept === undefined) note(`${state.trouble}. This run is kept in memory only`);
    return kept;
  }

  /** The file that is to be run, if there is one. */
  async #file(): Promise<string | undefined> {
    const { pipeline } = this.#config;
    return pipeline ?? (await this.#port.exists(DEFAULT_PIPELINE) ? DEFAULT_PIPELINE : undefined);
  }

  /** Runs a job to its end, and reports it; returns the exit code, or nothing if it could not go on and the next is due. */
  async #carryOut(job: Job): Promise<number | undefined> {
    const { kept, tag } = job;
    const { state } = this.#port;
    if (kept !== undefined && await this.#isGivenUp(kept)) return 1;
    const run = await this.#start(job);
    if (run === undefined) return undefined;
    const ending = await run.ended;
    this.#run = undefined;
    if (ending.keep && kept !== undefined) return await this.#cannotGoOn(kept, ending);
    this.#known = tag ?? this.#known;
    if (this.#givenUp !== undefined) this.#over.resolve();
    if (this.#stopping.signal.aborted) this.#endWithin(this.#config.stopGraceMs);
    const reported = this.#report(run, kept);
    // Who goes on asks for the next pipeline meanwhile; all others wait until the gateway has everything.
    const goesOn = this.#options.follow === true && !this.#stopping.signal.aborted &&
      this.#givenUp === undefined;
    if (goesOn) this.#inBackground(reported);
    else await reported;
    if (kept !== undefined) await state?.close(kept);
    if (ending.error !== undefined && !goesOn) throw ending.error;
    return this.#codeOf(ending);
  }

  /** Counts the start of a run, before anything of its pipeline is read: that may be what ends the process, every time. */
  async #isGivenUp(kept: KeptRun): Promise<boolean> {
    const deaths = await this.#port.state!.starting(kept);
    if (deaths < MAX_DEATHS) return false;
    const because = `its process has ended ${deaths} times in a row while it read the pipeline`;
    await this.#fail(kept, `The run in ${kept.folder} is given up: ${because}`);
    return true;
  }

  /** Begins a run; nothing if its journal makes no sense. */
  async #start({ source, kept, tag }: Job): Promise<AgentRun | undefined> {
    if (this.#runs++ > 0) await this.#endPoint!.renew();
    try {
      const run = this.#run = new AgentRun(typeof source === "string" ? source : parsed(source.text), {
        config: this.#config,
        port: this.#port,
        link: this.#link,
        endPoint: this.#endPoint!,
        kept,
        handout: tag,
        level: () => this.#level,
      });
      if (this.#paused) run.pause();
      const withdrawn = tag === undefined ? undefined : this.#withdrawn.get(tag);
      if (withdrawn !== undefined) run.cancel(withdrawn);
      if (this.#stopping.signal.aborted) run.stop(this.#because);
      return run;
    } catch (error) {
      // What is in a journal without checksums may make no sense.
      if (kept === undefined || kept.journal.states(0, 1).length === 0) throw error;
      await this.#spoil(kept, `its journal makes no sense (${messageOf(error)})`);
      return undefined;
    }
  }

  /** A run that was begun by an earlier process, and whose pipeline is another now or has problems. */
  async #cannotGoOn(kept: KeptRun, { error, state }: Ending): Promise<number | undefined> {
    if (this.#stopping.signal.aborted) return this.#exitCode ?? 1;
    if (state === "cancelled") {
      await this.#fail(kept, messageOf(error), state);
      return 1;
    }
    const isFile = kept.origin.tag === undefined;
    // Whoever writes the file can put it right, and the run goes on then.
    if (isFile && !(error instanceof OtherPipelineError)) throw error;
    this.#fileTaken &&= !isFile;
    await this.#spoil(kept, messageOf(error));
    return undefined;
  }

  async #report(run: AgentRun, kept: KeptRun | undefined): Promise<void> {
    const { report } = run;
    if (this.#link === undefined || report === undefined) return;
    const drained = await Promise.race([report.drained, this.#over.promise.then(() => false)]);
    if (!drained) this.#sayLeft(report.status().pending, kept);
    await this.#link.drop(report);
    this.#sayMissing(run.id, report, kept);
    const unreadable = report.status().unreadable ?? run.unreadable;
    if (unreadable !== undefined) this.#sayUnreadable(kept?.folder ?? `run ${run.id}`, unreadable);
    if (drained && kept !== undefined) this.#port.state?.reported(kept);
  }

  /** The disk may give it back: the next start tries again. */
  #sayUnreadable(what: string, because: string): void {
    this.#incomplete = true;
    this.#port.note(`Of ${what} the gateway has not all, since it could not be read: ${because}`);
  }

  /** What was set aside is lost to the gateway: no run of which something is missing passes for a good one. */
  #sayMissing(run: string, report: Report, kept: KeptRun | undefined): void {
    const { parked, leftOut } = report.status();
    const before = kept !== undefined && this.#port.state?.isRefused(kept) === true;
    if (parked + leftOut === 0 && !before) return;
    this.#incomplete = true;
    const what = parked + leftOut > 0
      ? `${parked} records were set aside, ${leftOut} values left out; why is said above`
      : "it refused something that a process before sent";
    const where = kept === undefined ? "" : ", and its folder is kept as .refused";
    this.#port.note(
      `The gateway will not have all of run ${run}: ${what}. The exit code says so too${where}`,
    );
  }

  #sayLeft(pending: { readonly state: number; readonly log: number }, kept: KeptRun | undefined): void {
    const what = `${pending.state} state records and ${pending.log} of the log have not reached the gateway`;
    this.#port.note(
      kept === undefined
        ? `${what} and are lost: with OUTRIDER_STATE_DIR the next start would send them`
        : `${what}: they stay in ${kept.folder}, and the next start sends them`,
    );
  }

  #codeOf({ state }: Ending): number {
    if (state === "succeeded") return 0;
    return state === "cancelled" && this.#stopping.signal.aborted ? this.#exitCode ?? 1 : 1;
  }

  /** Nothing is waited for any longer than this. */
  #endWithin(ms: number): void {
    const cancel = this.#port.clock.after(ms, () => this.#over.resolve());
    void this.#over.promise.then(cancel);
    void this.ended?.then(cancel, cancel);
  }

  #obey(command: Instruction): void {
    const run = this.#run;
    switch (command.type) {
      case "cancel":
        if (command.run === run?.id) run.cancel(command.because ?? "cancelled at the gateway");
        break;
      case "stop":
        this.stop(command.because ?? "stopped at the gateway");
        break;
      case "withdraw":
        this.#withdraw(command.handout, command.because ?? "withdrawn at the gateway");
        break;
      case "pause":
        this.#pause(true);
        run?.pause();
        break;
      case "resume":
        this.#pause(false);
        run?.resume();
        break;
      case "logLevel":
        this.#level = command.level;
    }
    // In a later turn, since the reply that brought it is still being read.
    queueMicrotask(() => this.#link?.beat());
  }

  /** It may be running, or still on its way here. */
  #withdraw(handout: string, because: string): void {
    if (this.#run?.handout === handout) return this.#run.cancel(because);
    this.#withdrawn.set(handout, because);
    const [oldest] = this.#withdrawn.keys();
    if (this.#withdrawn.size > MAX_WITHDRAWN) this.#withdrawn.delete(oldest!);
  }

  /** Kept before the gateway is told that the command was seen, so that it outlives this process. */
  #pause(on: boolean): void {
    this.#paused = on;
    this.#link?.pause(on);
    void this.#port.state?.pause(on);
  }

  #snapshot(): Omit<HeartbeatSnapshot, "spool"> {
    const { runtime, version, cores, clock, memoryBytes, cpuMs } = this.#port;
    const { experiment, groups } = this.#config;
    const now = { tick: clock.monotonic(), ms: cpuMs() };
    const passed = now.tick - this.#cpu.tick;
    const cpu = passed > 0 ? Math.max(0, (now.ms - this.#cpu.ms) / passed / cores) : undefined;
    if (passed > 0) this.#cpu = now;
    const run = this.#run?.told();
    const memory = memoryBytes();
    return {
      outrider: version,
      runtime,
      ...(experiment === undefined ? {} : { experiment }),
      ...(groups.length === 0 ? {} : { groups }),
      state: this.#state(run),
      ...(run === undefined ? {} : { run }),
      load: {
        ...(memory === undefined ? {} : { memoryBytes: memory }),
        ...(cpu === undefined ? {} : { cpu: Math.round(cpu * 1000) / 1000 }),
      },
    };
  }

  /** What the end point tells of the agent, whether a run goes on or not. */
  #view(): AgentView {
    return {
      state: () => this.#state(this.#run?.told()),
      unable: () => {
        if (this.#givenUp !== undefined) return `It takes on nothing more: ${this.#givenUp}`;
        return this.#stopping.signal.aborted ? `It is stopping: ${this.#because}` : undefined;
      },
      conditions: () => [
        ...this.#link?.conditions ?? [],
        ...stateConditions(this.#port.state),
        ...this.#run?.conditions ?? [],
      ],
      gateway: () => this.#link?.told(),
    };
  }

  #state(run: HeartbeatRun | undefined): ExecutorState {
    if (this.#stopping.signal.aborted) return "stopping";
    if (this.#paused) return "paused";
    return run === undefined ? "idle" : "running";
  }

  /** Looks now and then whether the gateway has been out of reach for too long, and what the disk says. */
  #look(): void {
    const { keepAlive } = this.#config;
    this.#cancelLook = this.#port.clock.after(Math.min(LOOK_MS, Math.max(100, keepAlive.ms / 4)), () => {
      this.#run?.lookAtDisk();
      void this.#lookAtState();
      if ((this.#link?.outOfReachMs ?? 0) >= keepAlive.ms) this.#giveUp();
      else this.#look();
    });
  }

  /** Writes what the disk has refused beside the journals, and tells when that begins and ends. */
  async #lookAtState(): Promise<void> {
    const { state, note } = this.#port;
    await state?.makeGood();
    const trouble = state?.trouble;
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    note(trouble ?? "The disk takes what is kept of the agent again");
  }

  #giveUp(): void {
    const { ms, then } = this.#config.keepAlive;
    const because = `the gateway has been out of reach for ${Math.round(ms / 1000)} s (OUTRIDER_KEEP_ALIVE)`;
    this.#port.note(`Ending: ${because}`);
    this.#givenUp = because;
    const run = this.#run;
    if (run === undefined || then !== "finish") this.stop(because);
    if (run === undefined) this.#over.resolve();
    else if (then === "cancel") run.cancel(because);
  }

  #sayTraffic(): void {
    const { gateway, note } = this.#port;
    if (gateway === undefined) return;
    const { sentBytes, receivedBytes, requests } = gateway.traffic;
    note(`Sent ${sentBytes} bytes to ${gateway.url} in ${requests} requests, received ${receivedBytes}`);
  }
}

/** Why a journal can't be read, in words; all else is a defect. */
function unreadableOf(error: unknown): string {
  if (error instanceof JournalError) return error.message;
  throw error;
}

/** A bundle or manifest as an object; what can't be read is left to the loader, which says what is wrong. */
function parsed(text: string): Source {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Source;
  } catch {
    // Said below.
  }
  return { "the gateway's answer is no bundle": text.slice(0, 40) };
}
