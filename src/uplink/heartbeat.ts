/**
 * Owns the heartbeat: when one is sent, and what each adds to the snapshot.
 * Must not know how a run goes, nor wait for anything else that is being sent.
 * Invariant: at most one heartbeat is under way, and it is given up after its time limit.
 */
import { HEARTBEAT_MS } from "../defaults.ts";
import type { Gateway } from "./gateway.ts";
import type { CommandInbox } from "./instructions.ts";
import { UplinkError } from "./errors.ts";
import type { Heartbeat, HeartbeatReply } from "../protocol/messages.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { Bell } from "../base/wait.ts";

/** Share by which each interval varies, so that a thousand executors do not speak at once. */
export const JITTER = 0.2;

/** What the executor tells of itself; the rest is added here. */
export type HeartbeatSnapshot = Omit<
  Heartbeat,
  "session" | "version" | "intervalMs" | "quiet" | "sentBytes" | "seen" | "storage"
>;

/** Names of running tasks in a heartbeat, and the longest of each and of the pipeline's name, characters. */
const MAX_NAMES = 8;
const MAX_NAME = 128;

/** What a heartbeat needs. */
export interface HeartbeatOptions {
  readonly gateway: Gateway;
  readonly clock: Clock;
  readonly random: Random;
  /** Names this life of the process. */
  readonly session: string;
  /** Called for each heartbeat; has to be quick. */
  readonly snapshot: () => HeartbeatSnapshot;
  readonly commands: CommandInbox;
  /** Milliseconds, ± 20 %. Default 10,000. A command `interval` changes it. */
  readonly intervalMs?: number;
  /** Limit for one heartbeat, milliseconds. Default 10,000, at most the interval. */
  readonly timeoutMs?: number;
  /** Sends one heartbeat that announces silence, then none until `quiet(false)`. Default false. */
  readonly quiet?: boolean;
  readonly onReply?: (reply: HeartbeatReply) => void;
  /** There was nothing to send to this gateway: it is neither heard nor missed. */
  readonly onUnsent?: () => void;
  readonly onError?: (error: UplinkError) => void;
}

/** What came back of the heartbeats so far. */
class Answers {
  /** Heartbeats in a row that got no reply. */
  failures = 0;
  /** Least time until the next one, milliseconds. */
  retryAfterMs = 0;
  #replies = 0;

  /** Replies so far; 0 while the last heartbeat got none. */
  get heard(): number {
    return this.failures === 0 ? this.#replies : 0;
  }

  reply(): void {
    this.#replies++;
    this.failures = 0;
    this.retryAfterMs = 0;
  }

  none({ retryAfterMs = 0 }: UplinkError): void {
    this.failures++;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A heartbeat that goes on until it is stopped. */
export class HeartbeatLoop {
  readonly #options: HeartbeatOptions;
  readonly #abort = new AbortController();
  readonly #bell = new Bell();
  readonly #ended: Promise<void>;
  readonly #unlisten: () => void;
  readonly #answers = new Answers();
  #intervalMs: number;
  #version = 0;
  #quiet: "no" | "to be announced" | "announced";
  #now = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? HEARTBEAT_MS;
    this.#quiet = options.quiet ? "to be announced" : "no";
    this.#unlisten = options.commands.listen((command) => {
      if (command.type !== "interval") return;
      this.#intervalMs = command.ms;
      this.#bell.ring();
    });
    this.#ended = this.#run();
  }

  /** Time between two heartbeats now, milliseconds. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** Heartbeats in a row that got no reply. */
  get failures(): number {
    return this.#answers.failures;
  }

  /** Replies so far; 0 while the last heartbeat got none. */
  get heard(): number {
    return this.#answers.heard;
  }

  /** Sends one as soon as the one under way, if any, is over. */
  beat(): void {
    this.#now = true;
    this.#bell.ring();
  }

  /** Announces silence and keeps it, or breaks it. */
  quiet(on: boolean): void {
    if (on === (this.#quiet !== "no")) return;
    this.#quiet = on ? "to be announced" : "no";
    this.beat();
  }

  /** Sends no more; resolves when none is under way. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#unlisten();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      this.#now = false;
      await this.#send();
      const jitter = 1 + JITTER * (2 * this.#options.random() - 1);
      while (!signal.aborted && !this.#now) {
        const dueMs = Math.max(this.#intervalMs * jitter, this.#answers.retryAfterMs);
        if (!await this.#rungWithin(Math.max(0, startedAt + dueMs - clock.monotonic()))) break;
      }
    }
  }

  /** Whether the bell rang before the time was over. */
  async #rungWithin(ms: number): Promise<boolean> {
    const { clock } = this.#options;
    let over = false;
    const limit = {
      ms,
      clock: {
        after: (wait: number, fn: () => void) =>
          clock.after(wait, () => {
            over = true;
            fn();
          }),
      },
    };
    await this.#bell.wait(this.#abort.signal, limit);
    return !over;
  }

  async #send(): Promise<void> {
    if (this.#quiet === "announced") return;
    const { gateway, commands, session, onReply, onUnsent, onError } = this.#options;
    const quiet = this.#quiet !== "no";
    const heartbeat: Heartbeat = {
      ...bounded(this.#options.snapshot()),
      session,
      version: ++this.#version,
      intervalMs: this.#intervalMs,
      ...(quiet ? { quiet } : {}),
      sentBytes: gateway.traffic.sentBytes,
      seen: commands.seen,
      ...(commands.storage === undefined ? {} : { storage: commands.storage }),
    };
    const timeoutMs = Math.min(this.#options.timeoutMs ?? HEARTBEAT_MS, this.#intervalMs);
    try {
      const reply = await gateway.beat(heartbeat, { timeoutMs, signal: this.#abort.signal });
      if (reply === undefined) return onUnsent?.();
      this.#answers.reply();
      if (quiet && this.#quiet !== "no") this.#quiet = "announced";
      commands.take(reply.commands, reply.storage);
      onReply?.(reply);
    } catch (error) {
      if (!(error instanceof UplinkError)) throw error;
      this.#answers.none(error);
      if (!this.#abort.signal.aborted) onError?.(error);
    }
  }
}

/** The snapshot at constant size: names are cut, and only the first few are told. */
function bounded(snapshot: HeartbeatSnapshot): HeartbeatSnapshot {
  const { run } = snapshot;
  if (!run) return snapshot;
  const names = run.names.slice(0, MAX_NAMES).map((name) => name.slice(0, MAX_NAME));
  return { ...snapshot, run: { ...run, pipeline: run.pipeline.slice(0, MAX_NAME), names } };
}

/** Starts a heartbeat; the first is sent at once. */
export function startHeartbeat(options: HeartbeatOptions): HeartbeatLoop {
  return new HeartbeatLoop(options);
}
