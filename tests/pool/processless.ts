/**
 * Owns processes that are none: what is started as a process that runs tasks is held by the test, which says, prints and ends
 * in its place, and hears what it is told.
 * Must not know what is tested.
 * Invariant: nothing happens on its side but what the test does; a signal is noted, and followed only where it `dies`.
 */
import { frameOf, FrameReader } from "../../src/pool/process/frames.ts";
import type { ChildEnd, GroupOptions, ProcessGroup } from "../../src/runtime/port.ts";

/** What it is told: a message of the line. */
export type Heard = Readonly<Record<string, unknown>> & { readonly t: string };

/** Digits of a mark. */
export const DIGITS: string = "0123456789abcdef".repeat(2);

/** Lets all follow that follows without time or the outside. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await null;
}

/** One process in the test's hand, with its group. */
export class FakeGroup implements ProcessGroup {
  readonly options: GroupOptions;
  readonly pid = 1;
  readonly signals: string[] = [];
  readonly heard: Heard[] = [];
  readonly #ended = Promise.withResolvers<ChildEnd>();
  readonly #drained = Promise.withResolvers<void>();
  readonly ended: Promise<ChildEnd> = this.#ended.promise;
  readonly drained: Promise<void> = this.#drained.promise;
  readonly #reader = new FrameReader((body) => this.heard.push(JSON.parse(new TextDecoder().decode(body))));
  alive = true;
  released = false;
  /** Bytes that it has not read. */
  unread = 0;
  /** Bytes that it has with all that it has started; nothing where that can't be told. */
  memory: number | undefined;
  /** Whether SIGKILL ends it, with all of its group and output. */
  dies = true;

  constructor(options: GroupOptions) {
    this.options = options;
  }

  write(bytes: Uint8Array): number {
    this.#reader.push(bytes);
    return this.unread;
  }

  signal(signal: "SIGTERM" | "SIGKILL"): void {
    this.signals.push(signal);
    if (signal === "SIGKILL" && this.dies && this.alive) this.ends({ code: undefined, signal });
  }

  memoryBytes(): number | undefined {
    return this.memory;
  }

  release(): void {
    this.released = true;
  }

  /** Its messages of a kind. */
  told(t: string): Heard[] {
    return this.heard.filter((message) => message.t === t);
  }

  /** The attempt that it was given last. */
  get seq(): number {
    return this.told("run").at(-1)!["seq"] as number;
  }

  /** Says a message; of the attempt that it was given last, unless another is named. */
  says(t: string, more: object = {}): void {
    const seq = t === "ready" ? {} : { seq: this.seq };
    this.saysText(JSON.stringify({ t, ...seq, ...more }));
  }

  saysText(text: string): void {
    this.options.onLine!(frameOf(text));
  }

  ready(): void {
    this.says("ready", { protocol: 1, runner: "test" });
  }

  prints(stream: "stdout" | "stderr", text: string): void {
    this.options.onOutput(stream, new TextEncoder().encode(text));
  }

  marks(stream: "stdout" | "stderr", digits = DIGITS): void {
    this.prints(stream, `\0outrider:${digits}\n`);
  }

  /** Ends the attempt that it was given last, with its marks. */
  async done(more: object = {}): Promise<void> {
    this.says("done", { mark: DIGITS, ...more });
    this.marks("stdout");
    this.marks("stderr");
    await settle();
  }

  /** The program is gone. @param whole Whether its group and its outputs are as well. */
  ends(end: ChildEnd, whole = true): void {
    if (whole) this.clears();
    this.#ended.resolve(end);
  }

  /** Nothing of its group is left, and its outputs are at their ends. */
  clears(): void {
    this.alive = false;
    this.#drained.resolve();
  }
}

/** A runtime whose processes are in the test's hand, as far as tasks' processes need one. */
export class Processless {
  readonly groups: FakeGroup[] = [];
  /** Marks whose processes were looked for. */
  readonly stopped: string[] = [];
  #marks = 0;

  newMark = (): string => `mark ${++this.#marks}`;

  stopMarked = (mark: string): Promise<boolean> => {
    this.stopped.push(mark);
    return Promise.resolve(false);
  };

  startGroup = (options: GroupOptions): FakeGroup => {
    const group = new FakeGroup(options);
    this.groups.push(group);
    return group;
  };

  get last(): FakeGroup {
    return this.groups.at(-1)!;
  }
}
