/**
 * Owns one attempt that a process runs: what it has told and marked, how it was stopped, and what it comes to.
 * Must not know how its process lives, nor what is sent to it.
 * Invariant: what it has come to follows from what was told of it and from the end of its process, and from nothing else.
 */
import type { Clock } from "../../base/clock.ts";
import type { ChildEnd } from "../../runtime/port.ts";
import type { LaneEnd, LaneItem } from "../attempt.ts";
import { LineCutter } from "../kinds/program_lines.ts";
import { Quiet } from "../quiet.ts";
import type { Aborted } from "../work_time.ts";
import { howEnded } from "./life.ts";
import type { Done, OutputName } from "./said.ts";

/** What a runtime writes whose heap is exhausted, before it ends itself by one of these. */
const EXHAUSTED = /out of memory/i;
const ITS_OWN: readonly unknown[] = ["SIGABRT", "SIGTRAP", "SIGILL", 133, 134];
const ADVICE = "look for code that uses descriptor 3, or prints what only the runner may";
/** What can't be right about a process that came back from a task twice. */
export const FORKED = "it has forked, and the fork has come back from the task as well";
/** What is wrong about a process that does not begin with what it is given. */
export const HELD = "its process has not begun with it, as what an earlier task left behind holds that";
const HELD_ADVICE = "let a task await or stop all that it starts, or be fresh";
const NO_MEMORY = "its process had no more memory";
const FORK_ADVICE = "end the fork before the task's function returns, in Python by os._exit(0)";

/** An attempt for a process. */
export interface ProcessItem {
  readonly item: LaneItem;
  /** Name of the task. */
  readonly task: string;
  /** JSON text of what is to be done, as the runner wants it. */
  readonly work: string;
}

/** What an attempt begins with. */
export interface ProcessAttemptOptions extends ProcessItem {
  readonly seq: number;
  readonly clock: Clock;
  /** Called for each line that it tells of as printed. */
  readonly printed: (stream: OutputName, text: string) => void;
}

/** An attempt in a process. */
export class ProcessAttempt {
  readonly #options: ProcessAttemptOptions;
  /** When it began, by the monotonic clock. */
  readonly since: number;
  done?: Done;
  abort?: Aborted;
  /** What it has come to, which is told when the process is gone. */
  ending?: LaneEnd;
  /** It has ended; what it has left in files may still be kept. */
  closed = false;
  readonly #marks: { stdout?: string; stderr?: string } = {};
  /** What it has told as printed, in pieces. */
  readonly #pieces: Readonly<Record<OutputName, LineCutter>>;
  readonly #waits: { readonly cancels: (() => void)[]; quiet?: Quiet } = { cancels: [] };
  /** Why it has had no more memory, if so, and whether its process has said that it has no more. */
  readonly #memory: { because?: string; said?: true } = {};

  constructor(options: ProcessAttemptOptions) {
    this.#options = options;
    this.since = options.clock.monotonic();
    const piece = (stream: OutputName) =>
      new LineCutter((text) => options.printed(stream, text), options.clock);
    this.#pieces = { stdout: piece("stdout"), stderr: piece("stderr") };
  }

  get item(): LaneItem {
    return this.#options.item;
  }

  get task(): string {
    return this.#options.task;
  }

  get seq(): number {
    return this.#options.seq;
  }

  /** Acts after so many milliseconds, unless it has ended by then. @returns What keeps it from that. */
  after(ms: number, act: () => void): () => void {
    const cancel = this.#options.clock.after(ms, act);
    this.#waits.cancels.push(cancel);
    return cancel;
  }

  /** Acts when nothing was heard of it for as long as its idle limit, if it has one. */
  listen(act: () => void): void {
    const { clock, item: { idleMs } } = this.#options;
    if (idleMs === undefined) return;
    const quiet = this.#waits.quiet = new Quiet({ clock, ms: idleMs, act });
    this.#waits.cancels.push(() => quiet.close());
  }

  /** Something was heard of it. */
  heard(): void {
    this.#waits.quiet?.heard();
  }

  /** It has told a piece of what it prints. */
  print(stream: OutputName, text: string): void {
    this.#pieces[stream].pushText(text);
  }

  /** What it has printed has an end, though it did not end its line. */
  endLine(stream: OutputName): void {
    this.#pieces[stream].end();
  }

  /** Its process has printed a line. */
  notice(stream: OutputName, text: string): void {
    if (stream === "stderr" && EXHAUSTED.test(text)) this.#memory.said = true;
  }

  /** Its process has more memory than it may have. */
  exhaust(because: string): void {
    this.#memory.because ??= because;
  }

  /** Takes a mark; returns whether there was none yet on this output. */
  mark(stream: OutputName, digits: string): boolean {
    if (this.#marks[stream] !== undefined) return false;
    this.#marks[stream] = digits;
    return true;
  }

  /** Whether its marks are there; nothing if one of them is not its runner's. */
  get isMarked(): boolean | undefined {
    const { done } = this;
    const { stdout, stderr } = this.#marks;
    if ([stdout, stderr].some((mark) => mark !== undefined && mark !== done?.mark)) return undefined;
    return stdout !== undefined && stderr !== undefined;
  }

  /** What it comes to by its own word. */
  endingBy({ value, error, skipped, memory, cancelled }: Done): LaneEnd {
    const { abort } = this;
    if (abort !== undefined && (abort.outcome === "timed_out" || error !== undefined || cancelled)) {
      return abort;
    }
    if (memory) {
      const frame = error?.frames?.at(-1);
      return {
        outcome: "crashed",
        reason: "memory",
        because: `${NO_MEMORY}${frame === undefined ? "" : `, at ${frame.file}:${frame.line}`}`,
      };
    }
    if (cancelled) {
      const because = "its process was told to end by SIGTERM, and not by its executor";
      return { outcome: "crashed", reason: "lost", because };
    }
    if (error !== undefined) return { outcome: "failed", error, ...(value !== undefined && { value }) };
    if (skipped !== undefined) return { outcome: "skipped", because: skipped };
    return { outcome: "succeeded", ...(value !== undefined && { value }) };
  }

  /** What it comes to whose process has ended. @param wrong What that had told that can't be right. */
  endingOf(end: ChildEnd, wrong: string | undefined): LaneEnd {
    if (wrong !== undefined) {
      return {
        outcome: "crashed",
        reason: "lost",
        because: `${wrong}; ${wrong === FORKED ? FORK_ADVICE : wrong === HELD ? HELD_ADVICE : ADVICE}`,
      };
    }
    if (this.ending !== undefined) return this.ending;
    if (this.#memory.because !== undefined) {
      return { outcome: "crashed", reason: "memory", because: this.#memory.because };
    }
    if (this.abort !== undefined) return this.abort;
    if (this.#memory.said && ITS_OWN.includes(end.signal ?? end.code)) {
      return { outcome: "crashed", reason: "memory", because: NO_MEMORY };
    }
    const because = `its process ended ${howEnded(end)}`;
    if (end.code !== undefined) return { outcome: "crashed", reason: "exit", code: end.code, because };
    return { outcome: "crashed", reason: "lost", because };
  }

  /** It has ended: nothing is waited for any more, and its last line has its end. */
  close(): void {
    this.closed = true;
    for (const cancel of this.#waits.cancels) cancel();
    for (const piece of Object.values(this.#pieces)) piece.end();
  }
}
