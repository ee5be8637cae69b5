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
import type { Config } from "../config/config.ts";
import type { ExecutorState, HeartbeatRun, HeartbeatTimetable, Instruction } from "../protocol/messages.ts";
import type { KeptRun } from "../run/kept/kept_run.ts";
import type { HttpTimetable } from "../serving/serving.ts";
import type { HeartbeatSnapshot } from "../uplink/heartbeat.ts";
import { type Job, Jobs } from "./jobs.ts";
import { GatewayLink } from "./link.ts";
import { Load } from "./load.ts";
import { lookOut } from "./lookout.ts";
import { Orders } from "./orders.ts";
import type { Agent, AgentPort } from "./port.ts";
import { Reporting } from "./reporting.ts";
import { AgentRun, type Ending } from "./run.ts";
import type { AgentEndPoint, AgentView } from "./serving.ts";
import { stateConditions } from "./state.ts";
import { AgentStopping } from "./stopping.ts";
import { ANOTHER_WAITS } from "./supervise.ts";

export { NoPipelineError } from "./jobs.ts";

/** How an agent works, beside its configuration. */
export interface AgentOptions {
  /** Asks for the next pipeline after each run, until it is told to stop. Default: one run. */
  readonly follow?: boolean;
}

/** Starts an agent. */
export function startAgent(config: Config, port: AgentPort, options: AgentOptions = {}): Agent {
  return new AgentAtWork({ config, port, load: new Load(port), follow: options.follow === true });
}

interface AgentSetup {
  readonly config: Config;
  readonly port: AgentPort;
  readonly load: Load;
  readonly follow: boolean;
}

/** What runs that wait for the gateway may take of the disk: so many of the largest logs, and the files of one run. */
const WAITING_LOGS = 4;

class AgentAtWork implements Agent {
  readonly ended: Promise<number>;
  readonly #setup: AgentSetup;
  readonly #link: GatewayLink | undefined;
  readonly #stopping: AgentStopping;
  readonly #reporting: Reporting;
  readonly #jobs: Jobs;
  readonly #orders: Orders;
  #endPoint: AgentEndPoint | undefined;
  #run: AgentRun | undefined;
  #runs = 0;

  constructor(setup: AgentSetup) {
    const { config, port } = this.#setup = setup;
    const { gateway, clock, random, newId } = port;
    this.#stopping = new AgentStopping(clock);
    this.#orders = new Orders({
      port,
      changed: () => queueMicrotask(() => this.#link?.beat()),
      environmentWaits: () => {
        if (this.#run === undefined) this.#makeWay();
      },
      executor: config.executor,
      level: config.logLevel,
      run: () => this.#run,
      stop: (because) => this.stop(because),
      paused: (on) => this.#link?.pause(on),
    });
    this.#link = gateway && new GatewayLink({
      gateway,
      clock,
      random,
      session: newId(),
      heartbeatMs: config.heartbeatMs,
      quiet: config.quiet,
      snapshot: () => this.#snapshot(),
      onCommand: (command) => this.#obey(command),
      note: (text) => port.note(text),
      onReach: (reached) => void port.state?.reached(reached),
    });
    const link = this.#link;
    const reporting = this.#reporting = new Reporting({
      port,
      link,
      stopping: this.#stopping,
      waitingBytes: WAITING_LOGS * config.spoolBytes + config.maxFilesBytes,
    });
    const { follow } = setup;
    this.#jobs = new Jobs({
      config,
      port,
      link,
      reporting,
      keeper: this.#orders.keeper,
      follow,
      signal: this.#stopping.signal,
    });
    this.ended = this.#work();
  }

  stop(because: string, exitCode?: number): void {
    if (this.#stopping.asked) {
      this.#run?.cancel(because);
      return this.#stopping.now();
    }
    this.#stopping.ask(because, exitCode);
    if (this.#run === undefined) this.#stopping.within(this.#setup.config.stopGraceMs);
    else this.#run.stop(because);
    this.#link?.beat();
  }

  async #work(): Promise<number> {
    const { port, config: { keepAlive } } = this.#setup;
    const stopping = this.#stopping;
    const cancelLook = lookOut({
      port,
      keepAliveMs: keepAlive.ms,
      outOfReachMs: () => this.#link?.outOfReachMs ?? 0,
      look: () => this.#run?.lookAtDisk(),
      giveUp: () => this.#giveUp(),
    });
    try {
      // Only then is the state directory this agent's, and its http.json with it.
      await this.#jobs.takeLeftOver();
      this.#orders.remember();
      await this.#orders.renewal.remember();
      this.#endPoint = await port.serve(this.#view());
      let code: number | undefined;
      for (let job = await this.#jobs.next(); job !== undefined; job = await this.#jobs.next()) {
        code = await this.#carryOut(job) ?? code;
        if (this.#follows && this.#orders.renewal.isWaiting) this.#makeWay();
        if (code === undefined || this.#goesOn) continue;
        break;
      }
      await Promise.race([this.#reporting.settled(), stopping.over]);
      stopping.now();
      if (stopping.exitCode === ANOTHER_WAITS) return ANOTHER_WAITS;
      if (this.#reporting.incomplete) return code || 1;
      return code ?? (stopping.givenUp === undefined ? stopping.exitCode ?? 0 : 1);
    } finally {
      cancelLook();
      this.#orders.renewal.stop();
      await this.#close();
    }
  }

  /** Whether there is more to do than one run. */
  get #follows(): boolean {
    return this.#setup.follow || this.#orders.keeper.kept !== undefined;
  }

  get #goesOn(): boolean {
    return this.#follows && !this.#stopping.asked && this.#stopping.givenUp === undefined;
  }

  /** Ends for an environment that is to be tried, unless it ends for another reason already. */
  #makeWay(): void {
    if (this.#stopping.asked) return;
    this.stop("another environment is to be tried", ANOTHER_WAITS);
  }

  async #close(): Promise<void> {
    const { port } = this.#setup;
    await this.#link?.farewell();
    await this.#link?.stop();
    // Also where it ends by an error: nobody waits for the grace period then.
    this.#stopping.now();
    await this.#reporting.settled();
    await this.#endPoint?.close();
    await port.state?.end();
    this.#sayTraffic();
  }

  /** Runs a job to its end, and reports it; returns the exit code, or nothing if it could not go on and the next is due. */
  async #carryOut(job: Job): Promise<number | undefined> {
    const { kept } = job;
    const { port: { state }, config } = this.#setup;
    const stopping = this.#stopping;
    if (kept !== undefined && await this.#jobs.isGivenUp(kept)) return 1;
    const run = await this.#start(job);
    if (run === undefined) return undefined;
    const ending = await run.ended;
    this.#run = undefined;
    if (ending.held !== undefined) {
      await this.#jobs.held(job, ending.held);
      return undefined;
    }
    if (ending.keep && kept !== undefined) return await this.#cannotGoOn(kept, ending);
    this.#jobs.done(job);
    if (stopping.givenUp !== undefined) stopping.now();
    if (stopping.asked) stopping.within(config.stopGraceMs);
    const reported = this.#reporting.whole(run, kept).finally(() => run.dropFiles());
    // Who goes on asks for the next pipeline meanwhile; all others wait until the gateway has everything.
    const goesOn = this.#goesOn;
    if (goesOn) this.#reporting.inBackground(reported);
    else await reported;
    if (kept !== undefined) await state?.close(kept);
    await this.#jobs.letGo();
    if (ending.error !== undefined && !goesOn) throw ending.error;
    return this.#codeOf(ending);
  }

  /** Begins a run; nothing if its journal makes no sense. */
  async #start(job: Job): Promise<AgentRun | undefined> {
    const { source, kept, tag, scheduledFor } = job;
    const { config, port } = this.#setup;
    if (this.#runs++ > 0) await this.#endPoint!.renew();
    try {
      const run = this.#run = new AgentRun(source, {
        config,
        port,
        link: this.#link,
        endPoint: this.#endPoint!,
        kept,
        handout: tag,
        scheduledFor,
        begun: (plan) => this.#jobs.begun(job, plan),
        level: () => this.#orders.level,
      });
      this.#orders.apply(run);
      if (this.#stopping.asked) run.stop(this.#stopping.because);
      return run;
    } catch (error) {
      // What is in a journal without checksums may make no sense.
      if (kept === undefined || kept.journal.states(0, 1).length === 0) throw error;
      await this.#jobs.spoil(kept, `its journal makes no sense (${messageOf(error)})`);
      return undefined;
    }
  }

  async #cannotGoOn(kept: KeptRun, ending: Ending): Promise<number | undefined> {
    if (this.#stopping.asked) return this.#stopping.exitCode ?? 1;
    return await this.#jobs.cannotGoOn(kept, ending);
  }

  #codeOf({ state }: Ending): number {
    if (state === "succeeded") return 0;
    return state === "cancelled" && this.#stopping.asked ? this.#stopping.exitCode ?? 1 : 1;
  }

  #obey(instruction: Instruction): void | Promise<void> {
    const kept = this.#orders.obey(instruction);
    // In a later turn, since the reply that brought it is still being read; what is kept first is told when it is.
    if (kept === undefined) queueMicrotask(() => this.#link?.beat());
    return kept;
  }

  #snapshot(): Omit<HeartbeatSnapshot, "spool"> {
    const { port: { runtime, version }, config: { experiment, groups }, load } = this.#setup;
    const run = this.#run?.told();
    const environment = this.#orders.renewal.told;
    const timetable = this.#orders.keeper.told();
    return {
      outrider: version,
      runtime,
      ...(experiment === undefined ? {} : { experiment }),
      ...(groups.length === 0 ? {} : { groups }),
      state: this.#state(run),
      ...(run === undefined ? {} : { run }),
      ...(environment === undefined ? {} : { environment }),
      ...(timetable === undefined ? {} : { timetable: heartbeatOf(timetable) }),
      load: load.read(),
    };
  }

  /** What the end point tells of the agent, whether a run goes on or not. */
  #view(): AgentView {
    const stopping = this.#stopping;
    return {
      state: () => this.#state(this.#run?.told()),
      unable: () => {
        if (stopping.givenUp !== undefined) return `It takes on nothing more: ${stopping.givenUp}`;
        return stopping.asked ? `It is stopping: ${stopping.because}` : undefined;
      },
      conditions: () => [
        ...this.#link?.conditions ?? [],
        ...stateConditions(this.#setup.port.state),
        ...this.#reporting.conditions,
        ...this.#run?.conditions ?? [],
      ],
      gateway: () => this.#link?.told(),
      timetable: () => this.#orders.keeper.told(),
    };
  }

  #state(run: HeartbeatRun | undefined): ExecutorState {
    if (this.#stopping.asked) return "stopping";
    if (this.#orders.paused) return "paused";
    return run === undefined ? "idle" : "running";
  }

  #giveUp(): void {
    const { port, config: { keepAlive: { ms, then } } } = this.#setup;
    const because = `the gateway has been out of reach for ${Math.round(ms / 1000)} s (OUTRIDER_KEEP_ALIVE)`;
    port.note(`Ending: ${because}`);
    this.#stopping.giveUp(because);
    const run = this.#run;
    if (run === undefined || then !== "finish") this.stop(because);
    if (run === undefined) this.#stopping.now();
    else if (then === "cancel") run.cancel(because);
  }

  #sayTraffic(): void {
    const { gateway, note } = this.#setup.port;
    if (gateway === undefined) return;
    const { sentBytes, receivedBytes, requests } = gateway.traffic;
    note(`Sent ${sentBytes} bytes to ${gateway.url} in ${requests} requests, received ${receivedBytes}`);
  }
}

/** What a heartbeat says of the timetable: the rest is in the pipeline. */
function heartbeatOf({ pipeline, handout, next, last }: HttpTimetable): HeartbeatTimetable {
  return {
    pipeline,
    ...(handout !== undefined && { handout }),
    ...(next !== undefined && { next }),
    ...(last !== undefined && { last }),
  };
}
