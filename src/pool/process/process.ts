/**
 * Owns one process that runs tasks, seen from outside: how it gets ready, what it is told and tells, how it is stopped.
 * Must not know in which language it runs them, nor which attempt comes next.
 * Invariant: an attempt that was given to it settles once, after all that it has printed is told; after anything but an
 * ordinary end, only when no process of the group is left. What a process tells that can't be right ends it.
 */
import type { Clock } from "../../base/clock.ts";
import { sleep, within } from "../../base/wait.ts";
import { LineCutter } from "../kinds/program_lines.ts";
import { LEVELS } from "../../model/record.ts";
import { MAX_VALUE_BYTES } from "../../base/limits.ts";
import type { ChildEnd, ProcessGroup, Runtime } from "../../runtime/port.ts";
import { type LaneEnd, type LaneItem, type LaneOutcome, stampsOf, tooLong } from "../attempt.ts";
import type { Given } from "../lane.ts";
import type { AbortOutcome } from "../protocol.ts";
import { isValueText } from "../told.ts";
import { answerTo } from "./calls.ts";
import { frameOf, FrameReader, MAX_FRAME_BYTES } from "./frames.ts";
import { MarkCutter } from "./marks.ts";
import { type Done, type OutputName, readSaid, type Said } from "./said.ts";

/** Version of what is said on the line (docs/process-protocol.md). */
export const PROTOCOL = 1;
/** How long a process may take to be ready, milliseconds. */
const START_MS = 60_000;
/** How long a process gets to end by itself that has nothing to do, milliseconds. */
const END_MS = 1_000;
/** How long it is waited for a killed group to be gone, milliseconds: only the kernel can make it longer. */
const GONE_MS = 5_000;
/** How long it is waited for the last output of a group that is gone, milliseconds. */
const DRAIN_MS = 1_000;
/** How long the marks of an attempt may come after its end, milliseconds. */
const MARKS_MS = 10_000;
/** Calls of a process that may be unanswered. */
const MAX_CALLS = 1_000;
/** What a process may leave unread of its answers, bytes. */
const MAX_UNREAD: number = 2 * MAX_FRAME_BYTES;
/** How long a process may go on whose line is closed, milliseconds: it may be about to end. */
const CLOSED_MS = 500;
/** How often it is looked how much memory a process has, milliseconds. */
const MEMORY_MS = 20;
/** What a runtime writes whose heap is exhausted, before it ends itself by one of these. */
const EXHAUSTED = /out of memory/i;
const ITS_OWN: readonly unknown[] = ["SIGABRT", "SIGTRAP", "SIGILL", 133, 134];
const INFO = 1, WARN = 2;
const STREAM = { log: 0, stdout: 1, stderr: 2 } as const;
const ADVICE = "look for code that uses descriptor 3, or prints what only the runner may";

/** How a process is started that runs tasks. */
export interface Launch {
  /** The runner and its arguments. */
  readonly command: readonly string[];
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Joins the first message to it. */
  readonly setup: Readonly<Record<string, unknown>>;
  /** The most memory that it may have with all that it starts, where its runner does not see to that; bytes. */
  readonly memoryBytes?: number;
}

/** An attempt for a process. */
export interface ProcessItem {
  readonly item: LaneItem;
  /** Name of the task. */
  readonly task: string;
  /** JSON text of what is to be done, as the runner wants it. */
  readonly work: string;
}

/** What hears of a process. */
export interface ProcessListener {
  /** It can take an attempt. */
  ready(process: TaskProcess): void;
  printed(
    item: LaneItem,
    line: { readonly stream: number; readonly level: number; readonly text: string },
  ): void;
  progressed(item: LaneItem, progress: { readonly fraction: number; readonly text?: string }): void;
  settled(process: TaskProcess, item: LaneItem, outcome: LaneOutcome): void;
  /** It is gone. @param error Why it never got ready, if so. */
  ended(process: TaskProcess, error: Error | undefined): void;
}

/** What a process is made with. */
export interface ProcessOptions {
  /** Number of its lane. */
  readonly id: number;
  readonly key: string;
  readonly run: string;
  readonly runtime: Pick<Runtime, "startGroup" | "newMark" | "stopMarked">;
  readonly clock: Clock;
  readonly launch: Promise<Launch>;
  readonly killGraceMs: number;
  readonly services: (given: Given) => object;
  readonly listener: ProcessListener;
}

interface Attempt extends ProcessItem {
  readonly seq: number;
  /** When it began, by the monotonic clock. */
  readonly since: number;
  readonly marks: { stdout?: string; stderr?: string };
  /** What it has told as printed, in pieces. */
  readonly pieces: Readonly<Record<OutputName, LineCutter>>;
  done?: Done;
  abort?: { readonly outcome: AbortOutcome; readonly because: string };
  /** What it has come to, which is told when the process is gone. */
  ending?: LaneEnd;
  readonly cancels: (() => void)[];
  /** Why it has had no more memory, if so. */
  exhausted?: string;
  /** Whether its process has said that it has no more. */
  said?: boolean;
}

/** One process that runs tasks, one at a time. */
export class TaskProcess {
  readonly id: number;
  readonly key: string;
  /** Whether it has run anything. */
  used = false;
  /** When it last had something to do, by the monotonic clock. */
  idleSince: number;
  readonly #options: ProcessOptions;
  readonly #services: object;
  readonly #mark: string;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  #state: "starting" | "ready" | "ending" = "starting";
  #group: ProcessGroup | undefined;
  #attempt: Attempt | undefined;
  #last: Attempt | undefined;
  #seq = 0;
  #calls = 0;
  #wrong: string | undefined;
  /** To be ended after the attempt that runs. */
  #spent = false;

  constructor(options: ProcessOptions) {
    this.id = options.id;
    this.key = options.key;
    this.#options = options;
    this.idleSince = options.clock.monotonic();
    this.#mark = options.runtime.newMark();
    this.#services = options.services({
      given: (fits) => this.#attempt !== undefined && fits(this.#attempt.item),
    });
    void this.#live();
  }

  get starting(): boolean {
    return this.#state === "starting";
  }

  /** Whether it can take an attempt. */
  get idle(): boolean {
    return this.#state === "ready" && this.#attempt === undefined;
  }

  /** The attempt that runs, and since when by the monotonic clock. */
  get running(): { readonly item: LaneItem; readonly since: number } | undefined {
    return this.#attempt;
  }

  /** Gives it an attempt; it must be idle. @param last Whether it is to run nothing after it. */
  run({ item, task, work }: ProcessItem, last: boolean): void {
    const since = this.#options.clock.monotonic();
    const piece = (stream: OutputName) =>
      new LineCutter((text) =>
        this.#options.listener.printed(item, { stream: STREAM[stream], level: INFO, text })
      );
    const attempt: Attempt = {
      ...{ item, task, work, seq: ++this.#seq, since, marks: {}, cancels: [] },
      pieces: { stdout: piece("stdout"), stderr: piece("stderr") },
    };
    this.#attempt = attempt;
    this.used = true;
    this.#spent = last;
    const { timeoutMs, iteration, attempt: number, payload } = item;
    if (timeoutMs !== undefined) {
      const abort = () => this.abort("timed_out", tooLong(item));
      attempt.cancels.push(this.#options.clock.after(timeoutMs, abort));
    }
    this.#send(
      `{"t":"run","seq":${attempt.seq},"iteration":${iteration},"attempt":${number},"work":${work},"given":${payload}}`,
    );
  }

  /** Stops the attempt that runs: signal, grace, kill. Does nothing if none runs. */
  abort(outcome: AbortOutcome, because: string): void {
    const attempt = this.#attempt;
    if (attempt === undefined || attempt.abort !== undefined || attempt.ending !== undefined) return;
    attempt.abort = { outcome, because };
    this.#spent = true;
    this.#send(JSON.stringify({ t: "abort", seq: attempt.seq, outcome }));
    this.#group?.signal("SIGTERM");
    attempt.cancels.push(this.#options.clock.after(this.#options.killGraceMs, () => this.#kill()));
  }

  /** Ends it; resolves when it is gone. */
  end(): Promise<void> {
    if (this.#state === "ready" && this.#attempt === undefined) {
      this.#state = "ending";
      this.#send('{"t":"end"}');
      this.#options.clock.after(END_MS, () => this.#kill());
    } else if (this.#state !== "ending") this.#kill();
    return this.#gone.promise;
  }

  async #live(): Promise<void> {
    let failed: Error | undefined;
    try {
      const launch = await this.#options.launch;
      if (this.#state === "starting") failed = await this.#carryOut(launch);
    } catch (error) {
      failed = error instanceof Error ? error : new Error(String(error));
    }
    this.#state = "ending";
    await this.#options.runtime.stopMarked(this.#mark);
    this.#gone.resolve();
    this.#options.listener.ended(this, failed);
  }

  /** From its start to its end. @returns Why it never got ready, if so. */
  async #carryOut({ command, cwd, env, setup, memoryBytes }: Launch): Promise<Error | undefined> {
    const cutters = { stdout: this.#cutter("stdout"), stderr: this.#cutter("stderr") };
    const reader = new FrameReader((body) => this.#hear(body));
    const group = this.#group = this.#options.runtime.startGroup({
      command,
      cwd,
      env,
      stdin: "",
      mark: this.#mark,
      onLine: (bytes) => this.#refuse(reader.push(bytes)),
      onLineEnd: () =>
        void this.#options.clock.after(CLOSED_MS, () => {
          if (this.#state !== "ending") this.#refuse("it has closed its line");
        }),
      onOutput: (stream, bytes) => cutters[stream].push(bytes),
    });
    const cancel = this.#options.clock.after(START_MS, () => {
      if (this.#state === "starting") this.#refuse(`it was not ready within ${START_MS / 1_000} s`);
    });
    this.#send(JSON.stringify({
      t: "setup",
      protocol: PROTOCOL,
      run: this.#options.run,
      maxFrameBytes: MAX_FRAME_BYTES,
      maxValueBytes: MAX_VALUE_BYTES,
      ...setup,
    }));
    const over = { yet: false };
    if (memoryBytes !== undefined) this.#watch(group, { memoryBytes, over });
    const end = await group.ended;
    over.yet = true;
    cancel();
    const started = this.#state !== "starting";
    this.#state = "ending";
    await this.#clear(group);
    await within(this.#options.clock, DRAIN_MS, group.drained);
    for (const cutter of Object.values(cutters)) cutter.end();
    group.release();
    if (this.#attempt !== undefined) this.#settle(this.#attempt, this.#endingOf(this.#attempt, end));
    if (started) return undefined;
    if (end.error !== undefined) return end.error;
    const how = this.#wrong === undefined ? `it ended ${howEnded(end)}` : this.#wrong;
    const words = this.#printed === "" ? "" : `: ${this.#printed}`;
    return new Error(`${JSON.stringify(command[0])} can't run tasks, as ${how}${words}`);
  }

  /** Ends it when it has more memory than it may have. */
  #watch(
    group: ProcessGroup,
    { memoryBytes, over }: { readonly memoryBytes: number; readonly over: { readonly yet: boolean } },
  ): void {
    this.#options.clock.after(MEMORY_MS, () => {
      if (over.yet) return;
      const bytes = group.memoryBytes() ?? 0;
      if (bytes <= memoryBytes) return this.#watch(group, { memoryBytes, over });
      if (this.#attempt !== undefined) {
        this.#attempt.exhausted ??= `it had ${inMiB(bytes)} MiB, and may have ${inMiB(memoryBytes)}`;
      }
      this.#kill();
    });
  }

  /** The last that it has printed before it was ready. */
  #printed = "";

  #cutter(stream: "stdout" | "stderr"): MarkCutter {
    return new MarkCutter({
      line: (text) => {
        if (stream === "stderr" && this.#attempt !== undefined && EXHAUSTED.test(text)) {
          this.#attempt.said = true;
        }
        if (this.#state === "starting" && text.trim() !== "") this.#printed = text.trim().slice(0, 500);
        const of = this.#attempt ?? this.#last;
        if (of !== undefined) {
          this.#options.listener.printed(of.item, { stream: STREAM[stream], level: INFO, text });
        }
      },
      mark: (digits) => {
        const attempt = this.#attempt;
        if (attempt === undefined || attempt.marks[stream] !== undefined) {
          return this.#refuse("it has set a mark that is not its runner's");
        }
        attempt.marks[stream] = digits;
        this.#settleIfDone(attempt);
      },
    });
  }

  #hear(body: Uint8Array): void {
    if (this.#wrong !== undefined) return;
    const said = readSaid(body);
    this.#refuse(typeof said === "string" ? said : this.#obey(said));
  }

  /** Takes a message; returns what can't be right about it. */
  #obey(said: Said): string | undefined {
    if (said.t === "ready") return this.#getReady(said);
    const attempt = this.#attempt?.seq === said.seq ? this.#attempt : undefined;
    switch (said.t) {
      case "log":
        return this.#log(said);
      case "out":
        return this.#print(said);
      case "progress":
        if (attempt !== undefined) this.#options.listener.progressed(attempt.item, said);
        return undefined;
      case "call":
        return this.#answer(said, attempt);
      case "twice":
        this.#spent = true;
        return attempt && "it has forked, and the fork has come back from the task as well";
      case "done":
        if (attempt === undefined || attempt.done !== undefined) {
          return "it has ended an attempt that does not run";
        }
        if (said.value !== undefined && !isValueText(said.value)) {
          return "it has told a value that is no JSON";
        }
        attempt.done = said;
        attempt.cancels.push(
          this.#options.clock.after(MARKS_MS, () => this.#refuse("it has not set the marks of an attempt")),
        );
        this.#settleIfDone(attempt);
    }
    return undefined;
  }

  #getReady({ protocol, runner }: Extract<Said, { t: "ready" }>): string | undefined {
    if (this.#state !== "starting") return "it has got ready twice";
    if (protocol !== PROTOCOL) return `its runner (${runner}) speaks version ${protocol}, not ${PROTOCOL}`;
    this.#state = "ready";
    this.idleSince = this.#options.clock.monotonic();
    this.#options.listener.ready(this);
    return undefined;
  }

  /** What the attempt before has printed late has no end of its own. */
  #print({ seq, stream, text }: Extract<Said, { t: "out" }>): undefined {
    const of = [this.#attempt, this.#last].find((attempt) => attempt?.seq === seq);
    of?.pieces[stream].pushText(text);
    if (of !== this.#attempt) of?.pieces[stream].end();
  }

  #log({ seq, level, stream, text }: Extract<Said, { t: "log" }>): string | undefined {
    const at = (LEVELS as readonly string[]).indexOf(level);
    if (at < 0) return "it has logged at a level that there is not";
    const of = [this.#attempt, this.#last].find((attempt) => attempt?.seq === seq);
    if (of === undefined) return undefined;
    const cutter = new LineCutter((line) =>
      this.#options.listener.printed(of.item, { stream: STREAM[stream], level: at, text: line })
    );
    cutter.pushText(`${text}\n`);
    return undefined;
  }

  #answer(
    { id, call, with: given }: Extract<Said, { t: "call" }>,
    attempt: Attempt | undefined,
  ): string | undefined {
    if (attempt === undefined) {
      const message = "The attempt that asks has ended: what a task starts must end with it";
      this.#send(JSON.stringify({ t: "reply", id, error: { name: "Error", message } }));
      return undefined;
    }
    if (++this.#calls > MAX_CALLS) return "it calls faster than it can be answered";
    const { item: { iteration, attempt: number }, task } = attempt;
    const from = { task, iteration, attempt: number };
    void answerTo(call, given, { services: this.#services, from }).then((answer) => {
      this.#calls--;
      this.#send(JSON.stringify({ t: "reply", id, ...answer }));
    });
    return undefined;
  }

  #settleIfDone(attempt: Attempt): void {
    const { done, marks: { stdout, stderr } } = attempt;
    if (done === undefined) return;
    const others = [stdout, stderr].filter((mark) => mark !== undefined && mark !== done.mark);
    if (others.length > 0) return this.#refuse("it has set a mark that is not its runner's");
    if (stdout === undefined || stderr === undefined) return;
    // Not now: what follows from an outcome takes longer than to read it, and whoever reads counts what reading takes.
    queueMicrotask(() =>
      this.#attempt === attempt && attempt.ending === undefined && this.#close(attempt, done)
    );
  }

  #close(attempt: Attempt, done: Done): void {
    const ending = this.#endingBy(attempt, done);
    if (done.spent) this.#spent = true;
    if (done.left) {
      const text = "It ended and left processes behind: they are stopped";
      this.#options.listener.printed(attempt.item, { stream: STREAM.log, level: WARN, text });
    }
    if (done.left || done.memory || attempt.abort !== undefined) {
      attempt.ending = ending;
      this.#kill();
    } else this.#settle(attempt, ending);
  }

  #endingBy({ abort }: Attempt, { value, error, memory, cancelled }: Done): LaneEnd {
    if (abort !== undefined && (abort.outcome === "timed_out" || error !== undefined || cancelled)) {
      return abort;
    }
    if (memory) {
      const frame = error?.frames?.at(-1);
      return {
        outcome: "crashed",
        reason: "memory",
        ...(frame !== undefined && { because: `it had no more at ${frame.file}:${frame.line}` }),
      };
    }
    if (cancelled) {
      const because = "its process was told to end by SIGTERM, and not by its executor";
      return { outcome: "crashed", reason: "lost", because };
    }
    if (error !== undefined) return { outcome: "failed", error, ...(value !== undefined && { value }) };
    return { outcome: "succeeded", ...(value !== undefined && { value }) };
  }

  /** What an attempt comes to whose process has ended. */
  #endingOf({ ending, abort, exhausted, said }: Attempt, end: ChildEnd): LaneEnd {
    if (this.#wrong !== undefined) {
      return { outcome: "crashed", reason: "lost", because: `${this.#wrong}; ${ADVICE}` };
    }
    if (ending !== undefined) return ending;
    if (exhausted !== undefined) return { outcome: "crashed", reason: "memory", because: exhausted };
    if (abort !== undefined) return abort;
    if (said && ITS_OWN.includes(end.signal ?? end.code)) return { outcome: "crashed", reason: "memory" };
    if (end.code !== undefined) return { outcome: "crashed", reason: "exit", code: end.code };
    return { outcome: "crashed", reason: "lost", because: `its process ended ${howEnded(end)}` };
  }

  #settle(attempt: Attempt, ending: LaneEnd): void {
    for (const cancel of attempt.cancels) cancel();
    for (const piece of Object.values(attempt.pieces)) piece.end();
    this.#attempt = undefined;
    this.#last = attempt;
    this.idleSince = this.#options.clock.monotonic();
    if (this.#spent && this.#state === "ready") void this.end();
    this.#options.listener.settled(this, attempt.item, {
      ...ending,
      ...stampsOf(this.#options.clock, attempt.since),
    });
  }

  /** It has told what can't be right: nothing that it tells is believed any more. */
  #refuse(wrong: string | undefined): void {
    if (wrong === undefined || this.#wrong !== undefined) return;
    this.#wrong = wrong;
    this.#kill();
  }

  #kill(): void {
    if (this.#state === "ready" || this.#group === undefined) this.#state = "ending";
    this.#group?.signal("SIGKILL");
  }

  /** Waits until nothing of the group is left, and sees to it. */
  async #clear(group: ProcessGroup): Promise<void> {
    const until = this.#options.clock.monotonic() + GONE_MS;
    for (let ms = 1; group.alive; ms = Math.min(50, ms * 2)) {
      group.signal("SIGKILL");
      if (this.#options.clock.monotonic() > until) return;
      await sleep(this.#options.clock, ms);
    }
  }

  #send(text: string): void {
    const unread = this.#group?.write(frameOf(text)) ?? 0;
    if (unread > MAX_UNREAD && this.#calls > 0) this.#refuse("it does not read what it is answered");
  }
}

function inMiB(bytes: number): number {
  return Math.ceil(bytes / 1024 ** 2);
}

function howEnded({ code, signal }: ChildEnd): string {
  return signal === undefined ? `with exit code ${code ?? "unknown"}` : `by ${signal}`;
}
