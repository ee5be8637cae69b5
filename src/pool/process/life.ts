/**
 * Owns the life of one process that runs tasks: its start, the line to it, how much memory it has, its end.
 * Must not know what is said on the line, nor of attempts.
 * Invariant: `ended` is told once, when no process of the group is left; whoever waits for its end hears of it before.
 */
import type { Clock } from "../../base/clock.ts";
import { MAX_VALUE_BYTES } from "../../base/limits.ts";
import { sleep, within } from "../../base/wait.ts";
import type { ChildEnd, ProcessGroup, Runtime } from "../../runtime/port.ts";
import { frameOf, FrameReader, MAX_FRAME_BYTES } from "./frames.ts";
import { MarkCutter } from "./marks.ts";
import type { OutputName } from "./said.ts";

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
/** How long a process may go on whose line is closed, milliseconds: it may be about to end. */
const CLOSED_MS = 500;
/** How often it is looked how much memory a process has, milliseconds. */
const MEMORY_MS = 20;

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

/** What a process is started with. */
export interface LifeOptions {
  readonly run: string;
  readonly runtime: Pick<Runtime, "startGroup" | "newMark" | "stopMarked">;
  readonly clock: Clock;
  readonly launch: Promise<Launch>;
}

/** What hears of a process. */
export interface LifeListener {
  /** It has sent a frame. @returns What can't be right about it. */
  heard(body: Uint8Array): string | undefined;
  /** It, or what it has started, has printed something, if only a part of a line. */
  wrote(): void;
  /** It, or what it has started, has printed a line. */
  printed(stream: OutputName, text: string): void;
  /** A mark came on an output. @returns What can't be right about it. */
  marked(stream: OutputName, digits: string): string | undefined;
  /** It has more memory than it may have, and is killed. */
  exhausted(because: string): void;
  /** Its group is gone, and all that it printed is told. */
  gone(end: ChildEnd): void;
  /** Nothing of it is left. @param error Why it never got ready, if so. */
  ended(error: Error | undefined): void;
}

/** One process, from its start to its end. */
export class ProcessLife {
  readonly #options: LifeOptions;
  readonly #listener: LifeListener;
  readonly #mark: string;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  #state: "starting" | "ready" | "ending" = "starting";
  #group: ProcessGroup | undefined;
  #wrong: string | undefined;
  /** The last that it has printed before it was ready. */
  #printed = "";

  constructor(options: LifeOptions, listener: LifeListener) {
    this.#options = options;
    this.#listener = listener;
    this.#mark = options.runtime.newMark();
    void this.#live();
  }

  get state(): "starting" | "ready" | "ending" {
    return this.#state;
  }

  /** Whether what it needs to be started is waited for. */
  get launching(): boolean {
    return this.#state === "starting" && this.#group === undefined;
  }

  /** What it has told that can't be right. */
  get wrong(): string | undefined {
    return this.#wrong;
  }

  /** Resolves when nothing of it is left. */
  get over(): Promise<void> {
    return this.#gone.promise;
  }

  /** It has said that it can take attempts. */
  getReady(): void {
    this.#state = "ready";
  }

  /** Sends a message. @returns How much of what it was sent it has not read, in bytes. */
  send(text: string): number {
    return this.#group?.write(frameOf(text)) ?? 0;
  }

  /** Asks it to stop what it is at. */
  interrupt(): void {
    this.#group?.signal("SIGTERM");
  }

  /** It has nothing to do, and is to end by itself. */
  retire(): void {
    this.#state = "ending";
    this.send('{"t":"end"}');
    this.#options.clock.after(END_MS, () => this.kill());
  }

  /** It has told what can't be right: nothing that it tells is believed any more. */
  refuse(wrong: string | undefined): void {
    if (wrong === undefined || this.#wrong !== undefined) return;
    this.#wrong = wrong;
    this.kill();
  }

  kill(): void {
    if (this.#state === "ready" || this.#group === undefined) this.#state = "ending";
    this.#group?.signal("SIGKILL");
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
    this.#listener.ended(failed);
  }

  /** From its start to its end. @returns Why it never got ready, if so. */
  async #carryOut(launch: Launch): Promise<Error | undefined> {
    const { clock } = this.#options;
    const cutters = { stdout: this.#cutter("stdout"), stderr: this.#cutter("stderr") };
    const group = this.#group = this.#start(launch, cutters);
    const cancel = clock.after(START_MS, () => {
      if (this.#state === "starting") this.refuse(`it was not ready within ${START_MS / 1_000} s`);
    });
    this.send(JSON.stringify({
      t: "setup",
      protocol: PROTOCOL,
      run: this.#options.run,
      maxFrameBytes: MAX_FRAME_BYTES,
      maxValueBytes: MAX_VALUE_BYTES,
      ...launch.setup,
    }));
    const over = { yet: false };
    const { memoryBytes } = launch;
    if (memoryBytes !== undefined) this.#watch(group, { memoryBytes, over });
    const end = await group.ended;
    over.yet = true;
    cancel();
    const started = this.#state !== "starting";
    this.#state = "ending";
    await this.#clear(group);
    await within(clock, DRAIN_MS, group.drained);
    for (const cutter of Object.values(cutters)) cutter.end();
    group.release();
    this.#listener.gone(end);
    if (started) return undefined;
    if (end.error !== undefined) return end.error;
    const how = this.#wrong === undefined ? `it ended ${howEnded(end)}` : this.#wrong;
    const words = this.#printed === "" ? "" : `: ${this.#printed}`;
    return new Error(`${JSON.stringify(launch.command[0])} can't run tasks, as ${how}${words}`);
  }

  #start(
    { command, cwd, env }: Launch,
    cutters: Readonly<Record<OutputName, MarkCutter>>,
  ): ProcessGroup {
    const reader = new FrameReader((body) => {
      if (this.#wrong === undefined) this.refuse(this.#listener.heard(body));
    });
    return this.#options.runtime.startGroup({
      command,
      cwd,
      env,
      stdin: "",
      mark: this.#mark,
      onLine: (bytes) => this.refuse(reader.push(bytes)),
      onLineEnd: () =>
        void this.#options.clock.after(CLOSED_MS, () => {
          if (this.#state !== "ending") this.refuse("it has closed its line");
        }),
      onOutput: (stream, bytes) => {
        this.#listener.wrote();
        cutters[stream].push(bytes);
      },
    });
  }

  #cutter(stream: OutputName): MarkCutter {
    return new MarkCutter({
      line: (text) => {
        if (this.#state === "starting" && text.trim() !== "") this.#printed = text.trim().slice(0, 500);
        this.#listener.printed(stream, text);
      },
      mark: (digits) => this.refuse(this.#listener.marked(stream, digits)),
    }, this.#options.clock);
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
      this.#listener.exhausted(
        `its process had ${inMiB(bytes)} MiB of memory, and may have ${inMiB(memoryBytes)}`,
      );
      this.kill();
    });
  }

  /** Waits until nothing of the group is left, and sees to it. */
  async #clear(group: ProcessGroup): Promise<void> {
    const { clock } = this.#options;
    const until = clock.monotonic() + GONE_MS;
    for (let ms = 1; group.alive; ms = Math.min(50, ms * 2)) {
      group.signal("SIGKILL");
      if (clock.monotonic() > until) return;
      await sleep(clock, ms);
    }
  }
}

/** How a process has ended, in words. */
export function howEnded({ code, signal }: ChildEnd): string {
  return signal === undefined ? `with exit code ${code ?? "unknown"}` : `by ${signal}`;
}

function inMiB(bytes: number): number {
  return Math.ceil(bytes / 1024 ** 2);
}
