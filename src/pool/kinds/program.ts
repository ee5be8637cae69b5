/**
 * Owns one program that runs as an attempt: its files, its process group, its output, how it is stopped, what it comes to.
 * Must not know which program it is, nor what comes next.
 * Invariant: `settled` is told once, and only when no process of the group is left, or the log says that one could not be
 * stopped.
 */
import type { Clock } from "../../base/clock.ts";
import { sleep, within } from "../../base/wait.ts";
import { withItem } from "../../pipeline/kinds/item_arguments.ts";
import type { ProgramRun } from "../../pipeline/kinds/program.ts";
import { withRoom } from "../../base/room.ts";
import { jsonOf } from "../../model/value.ts";
import type { ErrorData } from "../../model/outcome.ts";
import type { AttemptKey } from "../../model/record.ts";
import type { ChildEnd, ProcessGroup } from "../../runtime/port.ts";
import { makeFiles, type ProgramFiles, type ProgramRuntime, readOutput } from "./program_files.ts";
import { LineCutter } from "./program_lines.ts";
import type { AttemptOptions, OwnAttempt, RunnerPort } from "./runner.ts";
import { keyOfItem, type LaneEnd, type LaneItem, stampsOf, tooLong } from "../attempt.ts";
import { Quiet, tooQuiet } from "../quiet.ts";
import type { AbortOutcome } from "../protocol.ts";

/** What a program is run with. */
export interface ProgramOptions extends AttemptOptions {
  readonly runtime: ProgramRuntime;
  readonly clock: Clock;
  /** The environment, before the task's own. */
  readonly environment: Readonly<Record<string, string>>;
  /** The mark of the run's programs. */
  readonly mark: string;
  readonly desk?: RunnerPort["desk"];
}

/** What an attempt's payload says; see run/feed.ts. */
interface Payload {
  readonly r: ProgramRun;
  readonly t: string;
  readonly p?: unknown;
  readonly i?: Readonly<Record<string, unknown>>;
  readonly n?: readonly [index: number, as: string];
}

/** How long it is waited for a killed group to be gone, milliseconds: only the kernel can make it longer. */
const GONE_MS = 5_000;
/** How long it is waited for the last output of a group that is gone, milliseconds. */
const DRAIN_MS = 1_000;
/** What a program has left of its timeout when it ends is for reading its value, and at least this, milliseconds. */
const MIN_READ_MS = 1_000;
const LEVEL = { info: 1, warn: 2 } as const;
const STREAM = { log: 0, stdout: 1, stderr: 2 } as const;

/** One program, seen from outside. */
export class Program implements OwnAttempt {
  /** When it began, by the monotonic clock. */
  readonly since: number;
  readonly #options: ProgramOptions;
  readonly #payload: Payload;
  readonly #cutters: Readonly<Record<"stdout" | "stderr", LineCutter>>;
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #aborted: PromiseWithResolvers<void> = Promise.withResolvers();
  #group: ProcessGroup | undefined;
  #abort: { readonly outcome: AbortOutcome; readonly because: string } | undefined;
  /** `kill` cancels the timer that kills it. */
  readonly #waits: { kill?: () => void; quiet?: Quiet } = {};
  #lastError = "";

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.since = options.clock.monotonic();
    this.#payload = JSON.parse(options.item.payload) as Payload;
    this.#cutters = {
      stdout: new LineCutter((text) => this.#print("stdout", text), options.clock),
      stderr: new LineCutter((text) => this.#print("stderr", text), options.clock),
    };
    void this.#carryOut();
  }

  get id(): number {
    return this.#options.lane;
  }

  get item(): LaneItem {
    return this.#options.item;
  }

  /** Settles when the program is gone and told of. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Stops the program: signal, grace, kill. */
  abort(outcome: AbortOutcome, because: string): void {
    if (this.#abort !== undefined) return;
    this.#abort = { outcome, because };
    this.#aborted.resolve();
    if (this.#group !== undefined) this.#stop();
  }

  async #carryOut(): Promise<void> {
    let files: ProgramFiles | undefined;
    let outcome: LaneEnd;
    const desk = await this.#options.desk?.(this.item);
    try {
      files = await this.#withRoom(async () => makeFiles(this.#options.runtime, this.#payload));
      outcome = await this.#run(files, desk?.environment ?? {});
    } catch (error) {
      outcome = this.#abort ?? failure(error instanceof Error ? error.message : String(error));
    }
    if (desk?.isEmpty() === false) await desk.take(this.#key);
    // Whoever waits for it need not wait for what is left of it, and is started first.
    this.#options.settled({ ...outcome, ...stampsOf(this.#options.clock, this.since) });
    await files?.remove();
    await desk?.remove();
    this.#over.resolve();
  }

  get #key(): AttemptKey {
    return keyOfItem(this.item, this.#payload.t);
  }

  async #run(files: ProgramFiles, folders: Readonly<Record<string, string>>): Promise<LaneEnd> {
    if (this.#abort !== undefined) return this.#abort;
    const { timeoutMs = Infinity } = this.item;
    const { clock } = this.#options;
    const began = clock.monotonic();
    let unlimit = this.#limit(timeoutMs);
    this.#listen();
    try {
      const group = this.#group = await this.#withRoom(() =>
        this.#started({ ...files.environment, ...folders })
      );
      if (this.#abort !== undefined) this.#stop();
      const end = await group.ended;
      unlimit();
      await this.#clear(group);
      await within(clock, DRAIN_MS, group.drained);
      for (const cutter of Object.values(this.#cutters)) cutter.end();
      group.release();
      this.#group = undefined;
      // One that was asked to stop before it ended may still have succeeded; one that is asked now has not.
      const stopped = this.#abort === undefined ? this.#aborted : Promise.withResolvers<void>();
      unlimit = stopped === this.#aborted
        ? this.#limit(Math.max(MIN_READ_MS, timeoutMs - (clock.monotonic() - began)))
        : clock.after(MIN_READ_MS, stopped.resolve);
      const outcome = this.#outcome(end, files);
      return await Promise.race([outcome, stopped.promise.then(() => this.#abort!)]);
    } catch (error) {
      return this.#abort ?? Promise.reject(error);
    } finally {
      unlimit();
      this.#waits.quiet?.close();
    }
  }

  /** Ends the attempt when nothing was heard of it for too long. */
  #listen(): void {
    const { idleMs } = this.item;
    if (idleMs === undefined) return;
    this.#waits.quiet = new Quiet({
      clock: this.#options.clock,
      ms: idleMs,
      act: () => this.abort("timed_out", tooQuiet(this.item)),
    });
  }

  /** Ends the attempt when its time is over; the returned function takes that back. */
  #limit(ms: number): () => void {
    if (ms === Infinity) return () => {};
    return this.#options.clock.after(ms, () => this.abort("timed_out", tooLong(this.item)));
  }

  #withRoom<T>(act: () => Promise<T>): Promise<T> {
    return withRoom(this.#options.clock, act, () => this.#abort === undefined);
  }

  /** Starts the program. @throws {Error} If that can't be. */
  async #started(variables: Readonly<Record<string, string>>): Promise<ProcessGroup> {
    const group = this.#start(variables);
    if (group.pid !== 0) return group;
    const { error } = await group.ended;
    group.release();
    throw error ?? new Error("The program could not be started");
  }

  #start(variables: Readonly<Record<string, string>>): ProcessGroup {
    const { runtime, environment, item, mark } = this.#options;
    const { r: { command, cwd, env, stdin = "" }, n, i } = this.#payload;
    return runtime.startGroup({
      command: n === undefined ? command : withItem(command, { item: i![n[1]], index: n[0] }),
      cwd: cwd === undefined ? runtime.cwd() : runtime.filePath(cwd),
      env: {
        ...environment,
        ...env,
        OUTRIDER_TASK: this.#payload.t,
        OUTRIDER_ITERATION: String(item.iteration),
        OUTRIDER_ATTEMPT: String(item.attempt),
        ...itemVariables(this.#payload),
        ...variables,
      },
      stdin,
      mark,
      onOutput: (stream, bytes) => {
        this.#waits.quiet?.heard();
        this.#cutters[stream].push(bytes);
      },
    });
  }

  #stop(): void {
    this.#group?.signal("SIGTERM");
    const { clock, killGraceMs } = this.#options;
    this.#waits.kill ??= clock.after(killGraceMs, () => this.#group?.signal("SIGKILL"));
  }

  /** Waits until nothing of the group is left, and sees to it. */
  async #clear(group: ProcessGroup): Promise<void> {
    const { clock, killGraceMs } = this.#options;
    const until = clock.monotonic() + killGraceMs + GONE_MS;
    for (let ms = 1; group.alive; ms = Math.min(50, ms * 2)) {
      if (ms === 1 && this.#abort === undefined) {
        this.#note(LEVEL.warn, "It ended and left processes behind: they are stopped");
        this.#stop();
      }
      if (clock.monotonic() > until) {
        this.#note(
          LEVEL.warn,
          `Process group ${group.pid} is still there ${GONE_MS / 1_000} s after SIGKILL: it is left alone`,
        );
        break;
      }
      await sleep(clock, ms);
    }
    this.#waits.kill?.();
  }

  async #outcome(
    { code, signal }: ChildEnd,
    files: ProgramFiles,
  ): Promise<LaneEnd> {
    const abort = this.#abort;
    if (abort !== undefined && (abort.outcome === "timed_out" || code !== 0)) return abort;
    const name = JSON.stringify(this.#payload.r.command[0]);
    const last = this.#lastError === "" ? "" : `: ${this.#lastError}`;
    if (signal !== undefined) return failure(`${name} was ended by ${signal}${last}`);
    if (code !== 0) {
      return {
        ...failure(`${name} ended with exit code ${code}${last}`),
        ...(code !== undefined && { code }),
      };
    }
    const output = await this.#withRoom(() => readOutput(this.#options.runtime, files, this.#payload.t));
    return "problem" in output
      ? failure(output.problem)
      : { outcome: "succeeded", ...(output.value !== undefined && { value: output.value }) };
  }

  #print(stream: "stdout" | "stderr", text: string): void {
    if (stream === "stderr" && text.trim() !== "") this.#lastError = text.trim().slice(0, 500);
    this.#options.printed({ stream: STREAM[stream], level: LEVEL.info, text });
  }

  #note(level: number, text: string): void {
    this.#options.printed({ stream: STREAM.log, level, text });
  }
}

/** Longest item that a program has in a variable, in UTF-16 code units of its JSON: no system takes a much longer one. */
const MAX_ITEM = 32_768;

/** What a program of a mapped task finds of its item; one that is too long is in its inputs alone. */
function itemVariables({ n, i }: Payload): Readonly<Record<string, string>> {
  if (n === undefined) return {};
  const [index, as] = n;
  const text = jsonOf(i![as]);
  return {
    OUTRIDER_INDEX: String(index),
    ...(text.length <= MAX_ITEM && { OUTRIDER_ITEM: text }),
  };
}

function failure(message: string): { readonly outcome: "failed"; readonly error: ErrorData } {
  return { outcome: "failed", error: { name: "CommandError", message } };
}
