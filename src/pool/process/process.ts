/**
 * Owns one process that runs tasks, seen from outside: what it is told and tells, and how the attempt that it runs is stopped.
 * Must not know in which language it runs them, nor which attempt comes next.
 * Invariant: an attempt that was given to it settles once, after all that it has printed is told; after anything but an
 * ordinary end, only when no process of the group is left. What a process tells that can't be right ends it.
 */
import { LEVELS } from "../../model/record.ts";
import { keyOfItem, type LaneEnd, type LaneItem, type LaneOutcome, stampsOf, tooLong } from "../attempt.ts";
import { tooQuiet } from "../quiet.ts";
import { LineCutter } from "../kinds/program_lines.ts";
import type { Given } from "../lane.ts";
import type { Desk } from "../kinds/runner.ts";
import type { AbortOutcome } from "../protocol.ts";
import { isValueText } from "../told.ts";
import { answerTo } from "./calls.ts";
import { MAX_FRAME_BYTES } from "./frames.ts";
import { type LifeOptions, ProcessLife, PROTOCOL } from "./life.ts";
import { FORKED, HELD, ProcessAttempt, type ProcessItem } from "./process_attempt.ts";
import { type Done, type OutputName, readSaid, type Said } from "./said.ts";

/** How long the marks of an attempt may come after its end, milliseconds. */
const MARKS_MS = 10_000;
/** How long a process may take to begin with an attempt, milliseconds: what an earlier task has left may hold it. */
const BEGIN_MS = 10_000;
/** Calls of a process that may be unanswered. */
const MAX_CALLS = 1_000;
/** What a process may leave unread of its answers, bytes. */
const MAX_UNREAD: number = 2 * MAX_FRAME_BYTES;
const INFO = 1, WARN = 2;
const STREAM = { log: 0, stdout: 1, stderr: 2 } as const;
const FORGED = "it has set a mark that is not its runner's";

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
export interface ProcessOptions extends LifeOptions {
  /** Number of its lane. */
  readonly id: number;
  readonly key: string;
  readonly killGraceMs: number;
  readonly services: (given: Given) => object;
  readonly listener: ProcessListener;
  /** Where it leaves files, once it is launched. Default: nowhere. */
  readonly desk?: () => Desk | undefined;
}

/** One process that runs tasks, one at a time. */
export class TaskProcess {
  /** Whether it has run anything. */
  used = false;
  /** When it last had something to do, by the monotonic clock. */
  idleSince: number;
  readonly #options: ProcessOptions;
  readonly #services: object;
  readonly #life: ProcessLife;
  #attempt: ProcessAttempt | undefined;
  #last: ProcessAttempt | undefined;
  #calls = 0;
  /** To be ended after the attempt that runs. */
  #spent = false;
  /** To be called when it tells that it has begun; nothing as long as it never has. */
  #begun: (() => void) | undefined;

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.idleSince = options.clock.monotonic();
    this.#services = options.services({
      given: (fits) => this.#attempt !== undefined && fits(this.#attempt.item),
    });
    this.#life = new ProcessLife(options, {
      heard: (body) => this.#hear(body),
      wrote: () => this.#attempt?.heard(),
      printed: (stream, text) => this.#printed(stream, text),
      marked: (stream, digits) => this.#marked(stream, digits),
      exhausted: (because) => this.#attempt?.exhaust(because),
      gone: (end) => {
        const attempt = this.#open;
        if (attempt !== undefined) this.#settle(attempt, attempt.endingOf(end, this.#life.wrong));
      },
      ended: (error) => this.#options.listener.ended(this, error),
    });
  }

  get id(): number {
    return this.#options.id;
  }

  get key(): string {
    return this.#options.key;
  }

  get starting(): boolean {
    return this.#life.state === "starting";
  }

  /** Whether it waits for what it needs to be started. */
  get launching(): boolean {
    return this.#life.launching;
  }

  /** Whether it can take an attempt. */
  get idle(): boolean {
    return this.#life.state === "ready" && this.#attempt === undefined;
  }

  /** The attempt that runs, and since when by the monotonic clock. */
  get running(): { readonly item: LaneItem; readonly since: number } | undefined {
    return this.#attempt;
  }

  /** The attempt that runs, unless it has ended and only its files are still being kept: what comes for it then comes late. */
  get #open(): ProcessAttempt | undefined {
    return this.#attempt?.closed ? undefined : this.#attempt;
  }

  /** Gives it an attempt; it must be idle. @param last Whether it is to run nothing after it. */
  run(given: ProcessItem, last: boolean): void {
    const { item, work } = given;
    const attempt = new ProcessAttempt({
      ...given,
      seq: (this.#last?.seq ?? 0) + 1,
      clock: this.#options.clock,
      printed: (stream, text) => this.#tell(item, stream, text),
    });
    this.#attempt = attempt;
    this.used = true;
    this.#spent = last;
    const { timeoutMs, iteration, attempt: number, payload } = item;
    if (timeoutMs !== undefined) attempt.after(timeoutMs, () => this.abort("timed_out", tooLong(item)));
    attempt.listen(() => this.abort("timed_out", tooQuiet(item)));
    if (this.#begun !== undefined) this.#begun = attempt.after(BEGIN_MS, () => this.#hold());
    this.#send(
      `{"t":"run","seq":${attempt.seq},"iteration":${iteration},"attempt":${number},"work":${work},"given":${payload}}`,
    );
  }

  /** Stops the attempt that runs: signal, grace, kill. Does nothing if none runs. */
  abort(outcome: AbortOutcome, because: string): void {
    const attempt = this.#attempt;
    if (attempt === undefined || attempt.abort !== undefined || attempt.ending !== undefined) return;
    attempt.abort = { outcome, because };
    this.#send(JSON.stringify({ t: "abort", seq: attempt.seq, outcome }));
    this.#life.interrupt();
    attempt.after(this.#options.killGraceMs, () => this.#life.kill());
  }

  /** Ends it; resolves when it is gone. */
  end(): Promise<void> {
    if (this.idle) this.#life.retire();
    else if (this.#life.state !== "ending") this.#life.kill();
    return this.#life.over;
  }

  #tell(item: LaneItem, stream: OutputName, text: string): void {
    this.#options.listener.printed(item, { stream: STREAM[stream], level: INFO, text });
  }

  /** What is printed when nothing runs is the last attempt's. */
  #printed(stream: OutputName, text: string): void {
    this.#attempt?.notice(stream, text);
    const of = this.#attempt ?? this.#last;
    if (of !== undefined) this.#tell(of.item, stream, text);
  }

  #marked(stream: OutputName, digits: string): string | undefined {
    const attempt = this.#attempt;
    if (attempt === undefined || !attempt.mark(stream, digits)) return FORGED;
    return this.#settleIfDone(attempt);
  }

  #hear(body: Uint8Array): string | undefined {
    const said = readSaid(body);
    return typeof said === "string" ? said : this.#obey(said);
  }

  /** Takes a message; returns what can't be right about it. */
  #obey(said: Said): string | undefined {
    if (said.t === "ready") return this.#getReady(said);
    const open = this.#open;
    const attempt = open?.seq === said.seq ? open : undefined;
    attempt?.heard();
    switch (said.t) {
      case "log":
        return this.#log(said);
      case "out":
        return this.#print(said, attempt);
      case "progress":
        if (attempt !== undefined) this.#options.listener.progressed(attempt.item, said);
        return undefined;
      case "call":
        return this.#answer(said, attempt);
      case "began":
        this.#begun?.();
        this.#begun ??= () => {};
        return undefined;
      case "twice":
        this.#spent = true;
        return attempt && FORKED;
      case "done":
        if (attempt === undefined || attempt.done !== undefined) {
          return "it has ended an attempt that does not run";
        }
        if (said.value !== undefined && !isValueText(said.value)) {
          return "it has told a value that is no JSON";
        }
        attempt.done = said;
        attempt.after(MARKS_MS, () => this.#life.refuse("it has not set the marks of an attempt"));
        return this.#settleIfDone(attempt);
    }
  }

  /** Nothing has begun: it is another attempt's doing. */
  #hold(): void {
    const text = `What it left behind has held its process for ${BEGIN_MS / 1_000} s: the process ends`;
    if (this.#last !== undefined) {
      this.#options.listener.printed(this.#last.item, { stream: STREAM.log, level: WARN, text });
    }
    this.#life.refuse(HELD);
  }

  #getReady({ protocol, runner }: Extract<Said, { t: "ready" }>): string | undefined {
    if (!this.starting) return "it has got ready twice";
    if (protocol !== PROTOCOL) return `its runner (${runner}) speaks version ${protocol}, not ${PROTOCOL}`;
    this.#life.getReady();
    this.idleSince = this.#options.clock.monotonic();
    this.#options.listener.ready(this);
    return undefined;
  }

  /** What an attempt has printed late has no end of its own. */
  #print({ seq, stream, text }: Extract<Said, { t: "out" }>, attempt: ProcessAttempt | undefined): undefined {
    const of = this.#numbered(seq);
    of?.print(stream, text);
    if (of !== attempt) of?.endLine(stream);
  }

  /** The attempt of this number, if it is the present one or the one before it. */
  #numbered(seq: number): ProcessAttempt | undefined {
    return [this.#attempt, this.#last].find((attempt) => attempt?.seq === seq);
  }

  #log({ seq, level, stream, text }: Extract<Said, { t: "log" }>): string | undefined {
    const at = (LEVELS as readonly string[]).indexOf(level);
    if (at < 0) return "it has logged at a level that there is not";
    const of = this.#numbered(seq);
    if (of === undefined) return undefined;
    const cutter = new LineCutter((line) =>
      this.#options.listener.printed(of.item, { stream: STREAM[stream], level: at, text: line })
    );
    cutter.pushText(`${text}\n`);
    return undefined;
  }

  #answer(
    { id, call, with: given }: Extract<Said, { t: "call" }>,
    attempt: ProcessAttempt | undefined,
  ): string | undefined {
    if (attempt === undefined) {
      const message = "The attempt that asks has ended: what a task starts must end with it";
      this.#send(JSON.stringify({ t: "reply", id, error: { name: "Error", message } }));
      return undefined;
    }
    if (++this.#calls > MAX_CALLS) return "it calls faster than it can be answered";
    const from = keyOfItem(attempt.item, attempt.task);
    void answerTo(call, given, { services: this.#services, from }).then((answer) => {
      this.#calls--;
      this.#send(JSON.stringify({ t: "reply", id, ...answer }));
    });
    return undefined;
  }

  /** Settles it if it is over; returns what can't be right about its marks. */
  #settleIfDone(attempt: ProcessAttempt): string | undefined {
    const { done, isMarked } = attempt;
    if (done === undefined) return undefined;
    if (isMarked === undefined) return FORGED;
    if (!isMarked) return undefined;
    // Not now: what follows from an outcome takes longer than to read it, and whoever reads counts what reading takes.
    queueMicrotask(() =>
      this.#attempt === attempt && attempt.ending === undefined && this.#close(attempt, done)
    );
    return undefined;
  }

  #close(attempt: ProcessAttempt, done: Done): void {
    const ending = attempt.endingBy(done);
    if (done.spent) this.#spent = true;
    if (done.left) {
      const text = "It ended and left processes behind: they are stopped";
      this.#options.listener.printed(attempt.item, { stream: STREAM.log, level: WARN, text });
    }
    if (done.left || done.memory || attempt.abort !== undefined) {
      attempt.ending = ending;
      this.#life.kill();
    } else this.#settle(attempt, ending);
  }

  /** An attempt has ended, which is told once what it has left in files is kept. */
  #settle(attempt: ProcessAttempt, ending: LaneEnd): void {
    attempt.close();
    const desk = this.#options.desk?.();
    const { task, item } = attempt;
    // What is asked before there is a plan is no attempt.
    if (desk === undefined || item.task < 0 || desk.isEmpty()) return this.#told(attempt, ending);
    attempt.ending = ending;
    void desk.take(keyOfItem(item, task)).then(() => this.#told(attempt, ending));
  }

  #told(attempt: ProcessAttempt, ending: LaneEnd): void {
    this.#attempt = undefined;
    this.#last = attempt;
    this.idleSince = this.#options.clock.monotonic();
    if (this.#spent && this.#life.state === "ready") void this.end();
    this.#options.listener.settled(this, attempt.item, {
      ...ending,
      ...stampsOf(this.#options.clock, attempt.since),
    });
  }

  #send(text: string): void {
    const unread = this.#life.send(text);
    if (unread > MAX_UNREAD && this.#calls > 0) this.#life.refuse("it does not read what it is answered");
  }
}
