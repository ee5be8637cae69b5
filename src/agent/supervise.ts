/**
 * Owns the supervision of the agent's process: it is started again, with a back-off, when it ends as no agent should; and the
 * trial of another environment, which has to be well or the one before is started again.
 * Must not know what the agent does, nor where environments lie.
 * Invariant: at most one child at a time, and none is left when the promise settles, or when this process is killed.
 *
 * | the child ended                                  | what follows                           |
 * |--------------------------------------------------|----------------------------------------|
 * | in its trial, unless it may end and does with 0  | what was there before is started       |
 * | with 75: another environment waits               | that is started                        |
 * | with 0, 1 or 2: done, failed, wrongly configured | the supervisor ends with the same code |
 * | after we were told to stop                       | likewise                               |
 * | by a signal, with 70, or any other code          | it is started again                    |
 */
import type { Child, ChildEnd } from "../runtime/port.ts";
import { Backoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/message.ts";
import type { Environment } from "../base/no_proxy.ts";
import type { Random } from "../base/random.ts";
import { sleep } from "../base/wait.ts";

/** Variable in which the child finds why the one before it ended. */
const LAST_END = "OUTRIDER_LAST_END";

/** Variable that tells a child that it is one: it waits for its state directory, and ends with its supervisor. */
const SUPERVISED = "OUTRIDER_SUPERVISED";

/** The variables of a child. @param lastEnd Why the one before it ended. */
export function childVariables(lastEnd: string | undefined): Readonly<Record<string, string>> {
  return { [SUPERVISED]: "1", [LAST_END]: lastEnd ?? "" };
}

/** What a supervisor tells this process, if it is one's child; what tasks start is none's. */
export function supervision(
  { env, setEnv }: Environment,
): { readonly supervised: boolean; readonly lastEnd: string | undefined } {
  const supervised = env(SUPERVISED) === "1";
  if (supervised) setEnv(SUPERVISED, "");
  return { supervised, lastEnd: env(LAST_END) || undefined };
}

/** A child that lived so long makes the next back-off short again, milliseconds. */
const LONG_LIFE_MS = 60_000;
const FIRST_MS = 1_000;
const MAX_MS = 60_000;

/** The code with which an agent ends that has put another environment on trial. */
export const ANOTHER_WAITS = 75;

/** How long a child in its trial may take to end once it was told to, milliseconds. */
const TRIAL_END_MS = 10_000;

/** An environment that is on trial. */
export interface Trial {
  /** How it is called, for a person. */
  readonly name: string;
  /** Whether it is found well; settles at the latest when the signal is aborted, since it is over then. */
  isWell(child: Child, signal: AbortSignal): Promise<boolean>;
  /** Whether it may be over: with the code 0 it is well then. */
  readonly mayEnd: boolean;
  /** Whether it has reached the gateway, if it has to. Never rejects. */
  reached(): Promise<boolean>;
  /** It is started from now on. */
  keep(): Promise<void>;
  /** What was there before it is. */
  giveUp(): Promise<void>;
}

/** What was started. */
export interface StartedAgent {
  readonly child: Child;
  readonly trial?: Trial;
  /** Where it could not be started, something else is from now on. Default: then nothing can be, and that is an error. */
  readonly forget?: () => Promise<void>;
}

/** What a supervisor needs. */
export interface SuperviseOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Starts the agent. @param lastEnd Why the one before it ended. */
  start(lastEnd: string | undefined): Promise<StartedAgent>;
  /** Calls the listener with each signal, until the returned function is called. */
  onSignal(listener: (signal: "SIGINT" | "SIGTERM") => void): () => void;
  /** Whether a signal has reached the child too: those of a terminal do. */
  reachesChild(signal: "SIGINT" | "SIGTERM"): boolean;
  note(text: string): void;
}

/** Keeps an agent going; resolves to the exit code. */
export async function supervise(options: SuperviseOptions): Promise<number> {
  const { clock, random, start, note } = options;
  const backoff = new Backoff({ random, firstMs: FIRST_MS, maxMs: MAX_MS });
  const stopping = new AbortController();
  let stoppedBy: "SIGINT" | "SIGTERM" | undefined;
  let child: Child | undefined;
  const unlisten = options.onSignal((signal) => {
    stoppedBy ??= signal;
    stopping.abort();
    if (!options.reachesChild(signal)) child?.kill(signal);
  });
  try {
    let lastEnd: string | undefined;
    for (;;) {
      const startedAt = clock.monotonic();
      const started = await start(lastEnd);
      child = started.child;
      if (stoppedBy !== undefined) child.kill(stoppedBy);
      const failed = await tried(started, { clock, note, stopped: () => stoppedBy !== undefined });
      const end = await child.ended;
      if (failed !== undefined && stoppedBy === undefined) {
        note(lastEnd = failed);
        continue;
      }
      if (end.code === ANOTHER_WAITS && stoppedBy === undefined) {
        note(lastEnd = "ended since another environment is to be tried");
        backoff.reset();
        continue;
      }
      if (end.error !== undefined && started.forget !== undefined) {
        note(lastEnd = `${wordsOf(end)}: what was there before is started`);
        await started.forget();
        continue;
      }
      const code = codeOf(end, stoppedBy);
      if (code !== undefined) return code;
      if (clock.monotonic() - startedAt >= LONG_LIFE_MS) backoff.reset();
      lastEnd = wordsOf(end);
      const ms = Math.max(FIRST_MS, backoff.next());
      note(`The agent ${lastEnd}: it is started again in ${(ms / 1000).toFixed(1)} s`);
      await sleep(clock, ms, stopping.signal);
      if (stoppedBy !== undefined) return signalCode(stoppedBy);
    }
  } finally {
    unlisten();
  }
}

/**
 * Sees what is on trial through it.
 *
 * @returns Why what was there before is to be started, in words; nothing if there was no trial, or all is well. A trial that
 * is cut off because we are told to stop stays as it is: the next start gives it up.
 */
async function tried(
  { child, trial }: StartedAgent,
  { clock, note, stopped }: Pick<SuperviseOptions, "clock" | "note"> & { readonly stopped: () => boolean },
): Promise<string | undefined> {
  if (trial === undefined) return undefined;
  const over = new AbortController();
  const ended = child.ended.then((end) => {
    over.abort();
    return end;
  });
  note(`The environment ${trial.name} is on trial`);
  const endedWell = async () =>
    trial.mayEnd && over.signal.aborted && (await ended).code === 0 && await trial.reached();
  const well = await trial.isWell(child, over.signal);
  if (stopped()) return undefined;
  if (well || await endedWell()) {
    await settled(trial.keep(), note);
    note(`The environment ${trial.name} is well, and stays`);
    return undefined;
  }
  await settled(trial.giveUp(), note);
  const reached = await trial.reached();
  const end = over.signal.aborted ? await ended : undefined;
  const words = end !== undefined && (reached || end.code !== 0)
    ? wordsOf(end)
    : reached
    ? "was not well in time"
    : "has not reached the gateway, which what was there before did";
  child.kill("SIGTERM");
  const timer = clock.after(TRIAL_END_MS, () => child.kill("SIGKILL"));
  await ended;
  timer();
  return `The environment ${trial.name} ${words}: what was there before is started again`;
}

/** What a disk does not take changes nothing now: the next start goes by what is on it. */
async function settled(work: Promise<void>, note: (text: string) => void): Promise<void> {
  try {
    await work;
  } catch (error) {
    note(messageOf(error));
  }
}

/** The code to end with; `undefined`: start it again. */
function codeOf(end: ChildEnd, stoppedBy: "SIGINT" | "SIGTERM" | undefined): number | undefined {
  if (end.error !== undefined) throw end.error;
  if (end.code !== undefined && end.code <= 2) return end.code;
  if (stoppedBy === undefined) return undefined;
  return end.code ?? signalCode(stoppedBy);
}

function signalCode(signal: "SIGINT" | "SIGTERM"): number {
  return signal === "SIGINT" ? 130 : 143;
}

/** Why a process ended, in words. */
function wordsOf({ code, signal, error }: ChildEnd): string {
  if (error !== undefined) return `could not be started (${messageOf(error)})`;
  if (signal === undefined) {
    return code === 133 || code === 134
      ? `ended with code ${code}, as a runtime does whose memory is exhausted`
      : `ended with code ${code}`;
  }
  const hint = HINTS[signal];
  return `was ended by ${signal}${hint === undefined ? "" : `, ${hint}`}`;
}

const HINTS: Readonly<Record<string, string>> = {
  SIGKILL: "as by someone, or by the system when memory is short",
  SIGTRAP: "as a runtime is whose memory is exhausted",
  SIGABRT: "as a runtime is whose memory is exhausted",
  SIGILL: "as a runtime is that met an error of its own",
  SIGSEGV: "as a runtime is that met an error of its own",
};
