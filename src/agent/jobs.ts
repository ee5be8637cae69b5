/**
 * Owns what an agent is to run: what is left from before, then the file, then what the gateway hands out; and what becomes of
 * a run that can't be carried out.
 * Must not know how a run is carried out, nor how it is reported.
 * Invariant: a run that has ended is not run again; one that can't go on is told to the gateway as one that failed.
 */
import { messageOf } from "../base/message.ts";
import { within } from "../base/wait.ts";
import type { Config } from "../config/config.ts";
import { DEFAULT_PIPELINE } from "../config/variables.ts";
import { type KeptRun, lossOf, type Unread } from "../run/kept/kept_run.ts";
import type { Plan } from "../pipeline/plan/plan.ts";
import type { NotDue } from "../run/not_due.ts";
import { OtherPipelineError } from "../run/resume/replay.ts";
import { MAX_DEATHS } from "../run/resume/resume.ts";
import { recordFailure } from "./failed.ts";
import { handedText, type JobSource } from "./handed.ts";
import type { GatewayLink } from "./link.ts";
import type { AgentPort } from "./port.ts";
import type { Reporting } from "./reporting.ts";
import type { Ending } from "./run.ts";
import type { Timekeeper, Timetabled } from "./timekeeper.ts";
import type { Pulled } from "../uplink/gateway.ts";

/** There is nothing to run, and nobody to ask. */
export class NoPipelineError extends Error {
  readonly code = "OUTRIDER_NO_PIPELINE";
  override name = "NoPipelineError";
}

/** How long the gateway gets to say whether there is another pipeline, before a run that is due begins, milliseconds. */
const ASK_MS = 5_000;

/** Runs that are over are kept for a gateway that may be named later, the newest so many. */
const MAX_UNTAKEN = 20;

/** What is to be run. */
export interface Job {
  readonly source: JobSource;
  /** Where it is kept, if anything is. */
  readonly kept: KeptRun | undefined;
  readonly tag: string | undefined;
  /** The due time that it is for, if it is for one. */
  readonly scheduledFor?: number;
  /** An earlier process began it: until it is over, due times have passed at which nobody was there. */
  readonly goesOn?: boolean;
}

type Link = Pick<GatewayLink, "gateway" | "pull">;

/** What jobs are made of. */
export interface JobsOptions {
  readonly config: Config;
  readonly port: Pick<
    AgentPort,
    "clock" | "state" | "newId" | "note" | "runtime" | "carried" | "exists" | "readText"
  >;
  readonly link: Link | undefined;
  readonly reporting: Pick<Reporting, "left">;
  readonly keeper: Timekeeper;
  /** Whether the next pipeline is asked for after each run. */
  readonly follow: boolean;
  /** Aborted when nothing new is to be run. */
  readonly signal: AbortSignal;
}

/** Resolves once something was pulled; never if nothing was. */
function unlessNothing(asked: Promise<Pulled | undefined> = Promise.resolve(undefined)): Promise<undefined> {
  return new Promise((resolve, reject) => {
    asked.then((pulled) => {
      if (pulled !== undefined) resolve(undefined);
    }, reject);
  });
}

function textOf(source: JobSource): string | undefined {
  return typeof source === "string" ? undefined : source.text;
}

/** The jobs of an agent, one after the other. */
export class Jobs {
  readonly #options: JobsOptions;
  /** Tag of the last hand-out that is done. */
  #known: string | undefined;
  #fileTaken = false;
  /** Runs of processes before, which are to go on. */
  #begun: KeptRun[] = [];
  /** Whether there was ever a timetable: who does not follow ends with it. */
  #hadTimetable = false;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Starts to report what earlier processes left; the runs that are not over yet come first from then on. */
  async takeLeftOver(): Promise<void> {
    const { port: { state }, link, reporting, keeper } = this.#options;
    if (state === undefined) return;
    const untaken: KeptRun[] = [];
    for (const kept of await state.runs()) {
      const { tag, scheduledFor } = kept.origin;
      if (scheduledFor !== undefined) keeper.found(tag, scheduledFor);
      const lost = lossOf(kept);
      if (lost !== undefined) this.#sayLoss(kept, lost);
      if (this.#isAnothers(kept)) continue;
      if (!state.isClosed(kept)) this.#begun.push(kept);
      else if (state.isReported(kept)) await state.remove(kept);
      else if (link === undefined) untaken.push(kept);
      else reporting.left(kept);
    }
    this.#known = state.known;
    await keeper.remember();
    for (const kept of untaken.slice(0, -MAX_UNTAKEN)) await state.remove(kept);
    for (const unread of state.unread) await this.#sayUnread(unread);
  }

  /** What to do next; `undefined` if that is to end. */
  async next(): Promise<Job | undefined> {
    for (let kept = this.#begun.shift(); kept !== undefined; kept = this.#begun.shift()) {
      const job = await this.#again(kept);
      if (job !== undefined) return job;
    }
    const { link, signal, keeper, follow } = this.#options;
    if (signal.aborted) return undefined;
    if (keeper.kept !== undefined) {
      this.#hadTimetable = true;
      const job = await this.#timetabled(keeper.kept);
      if (job !== undefined || signal.aborted) return job;
    }
    if (this.#hadTimetable && !follow) return undefined;
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
    return await this.#handed(await this.#pull(link, { signal }));
  }

  /** The pipeline of a run is sound and has begun: whatever was kept to before, it says what is kept to from now on. */
  async begun({ source, tag, scheduledFor }: Job, { name, schedule }: Plan): Promise<void> {
    const { keeper } = this.#options;
    if (schedule !== undefined && (scheduledFor !== undefined || tag === undefined)) {
      return await this.#keepTo({ source, tag, pipeline: name, schedule });
    }
    if (schedule === undefined && scheduledFor !== undefined) await keeper.end("its file has none any more");
    else if (tag !== undefined && tag !== keeper.kept?.tag) await keeper.end(`${name} was handed out`);
  }

  /** A pipeline has been read that is to be run when it is due. */
  async held({ source, tag, kept }: Job, { pipeline, schedule }: NotDue): Promise<void> {
    this.#known = tag ?? this.#known;
    await this.#keepTo({ source, tag, pipeline, schedule });
    // Only now: until the timetable is kept, this is what the next start would begin with.
    if (kept !== undefined) await this.#options.port.state!.remove(kept);
  }

  /** A job has come to its end: only what is newer than its hand-out is asked for. */
  done({ tag, scheduledFor, goesOn }: Job): void {
    // A timetable's hand-out was known as it was taken, and another may have been handed out since.
    if (scheduledFor === undefined) this.#known = tag ?? this.#known;
    if (goesOn !== true) this.#options.keeper.ranOn();
  }

  /** Where there is no gateway, only the newest runs beside the last are kept for one that may be named later. */
  async letGo(): Promise<void> {
    const { port: { state }, link } = this.#options;
    if (state === undefined || link !== undefined) return;
    for (const kept of state.over.slice(0, -MAX_UNTAKEN - 1)) await state.remove(kept);
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
    const { tag, scheduledFor } = kept.origin;
    const begun = { kept, tag, goesOn: true, ...(scheduledFor !== undefined && { scheduledFor }) };
    if (tag === undefined) {
      this.#fileTaken = true;
      return { source: await this.#file() ?? config.pipeline ?? DEFAULT_PIPELINE, ...begun };
    }
    try {
      return { source: { text: await port.readText(kept.bundle) }, ...begun };
    } catch (error) {
      await this.spoil(kept, `${kept.bundle} can't be read any more (${messageOf(error)})`);
      return undefined;
    }
  }

  async #keepTo(timetabled: Timetabled): Promise<void> {
    this.#hadTimetable = true;
    await this.#options.keeper.take(timetabled);
  }

  /** The next run of a timetable, or what was handed out to take its place; nothing if neither is to come any more. */
  async #timetabled({ source, tag }: Timetabled): Promise<Job | undefined> {
    const { link, keeper, follow, signal, port: { clock } } = this.#options;
    const over = new AbortController();
    const end = (): void => over.abort();
    signal.addEventListener("abort", end, { once: true });
    const answer = Promise.withResolvers<void>();
    const asked = link !== undefined && (follow || tag !== undefined)
      ? this.#pull(link, { signal: over.signal, answered: answer.resolve })
      : undefined;
    if (asked === undefined) answer.resolve();
    const coming = keeper.due(over.signal);
    let due: number | undefined;
    try {
      due = await Promise.race([coming, unlessNothing(asked)]);
      // Where one run follows the other, the gateway is asked between them all the same.
      if (due !== undefined) {
        await within(clock, ASK_MS, Promise.race([answer.promise, unlessNothing(asked)]));
      }
    } finally {
      signal.removeEventListener("abort", end);
      end();
    }
    const pulled = await asked;
    if (pulled !== undefined) {
      due ??= await coming;
      // What was handed out comes first, and may turn out not to be sound.
      if (due !== undefined) keeper.giveBack(due);
      return await this.#handed(pulled);
    }
    if (due === undefined || signal.aborted) return undefined;
    const kept = await this.#begin({ tag, text: textOf(source), scheduledFor: due });
    await keeper.began(due);
    return { source, kept, tag, scheduledFor: due };
  }

  /** Asks for the next pipeline. @param answered Called as soon as the gateway has said anything, or that it can't be asked. */
  #pull(
    link: Link,
    { signal, answered }: { readonly signal: AbortSignal; readonly answered?: () => void },
  ): Promise<Pulled | undefined> {
    const { state } = this.#options.port;
    return link.pull(this.#known, {
      isDone: ({ tag, unique }) => Promise.resolve(unique === true && state?.wasClosed(tag) === true),
      signal,
      ...(answered !== undefined && { answered }),
    });
  }

  async #handed(pulled: Pulled | undefined): Promise<Job | undefined> {
    if (pulled === undefined) return undefined;
    const { tag } = pulled;
    const text = handedText(pulled.bytes);
    return { source: { text }, kept: await this.#begin({ tag, text }), tag };
  }

  /** A disk that takes nothing keeps nothing, and stops nothing. */
  async #begin(
    { tag, text, scheduledFor }: {
      readonly tag?: string | undefined;
      readonly text?: string | undefined;
      readonly scheduledFor?: number;
    } = {},
  ): Promise<KeptRun | undefined> {
    const { config: { executor }, port: { state, note } } = this.#options;
    if (state === undefined) return undefined;
    const origin = {
      ...(tag !== undefined && { tag }),
      ...(executor !== undefined && { executor }),
      ...(scheduledFor !== undefined && { scheduledFor }),
    };
    const kept = await state.begin(origin, tag === undefined ? undefined : text);
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
      ...(kept.origin.scheduledFor !== undefined && { scheduledFor: kept.origin.scheduledFor }),
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
