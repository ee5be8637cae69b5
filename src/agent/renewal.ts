/**
 * Owns what an agent does when it is told to be of another environment: it has that fetched, tells how far it is, and says
 * when the agent may end for it.
 * Must not know where environments lie, nor how one is started.
 * Invariant: nothing is fetched that was not asked for; the newest wish holds, and outlives the process until it is met or
 * can't be.
 */
import { Backoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/message.ts";
import type { Random } from "../base/random.ts";
import { sleep } from "../base/wait.ts";
import type { HeartbeatEnvironment } from "../protocol/messages.ts";

/** Where other environments come from and go to. */
export interface EnvironmentsPort {
  /** The wish that an earlier process has left, and how it stands; nothing where there is none. */
  wish(): Promise<Wish | undefined>;
  /** Keeps a wish for the next process, or that there is none. */
  want(reference: string | undefined): Promise<void>;
  /**
   * Fetches what is not here yet of an environment, verifies all of it, and puts it on trial. An error that has
   * `transient: true` may be over later.
   */
  fetch(reference: string, options: EnvironmentFetch): Promise<void>;
}

/** An environment that is asked for: still to be fetched, or how it stands since it is here. */
export interface Wish {
  readonly reference: string;
  readonly stands: "wanted" | "waiting" | "trying" | "running" | "failed";
}

/** How an environment is fetched. */
export interface EnvironmentFetch {
  readonly signal: AbortSignal;
  /** Told of the bytes that are here. */
  progress(bytes: number, of: number): void;
}

/** Whom a renewal is about. */
export interface RenewalOptions {
  readonly port: EnvironmentsPort | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly note: (text: string) => void;
  /** Something changed that the gateway is to hear. */
  readonly changed: () => void;
  /** An environment waits for its trial. */
  readonly waits: () => void;
}

/** How often it is looked whether this, which is on trial, was found well. */
const LOOK_MS = 10_000;
const MAX_DELAY_MS = 5 * 60_000;
const MAX_REASON = 500;

/** The environment that an agent is to be of. */
export class Renewal {
  readonly #options: RenewalOptions;
  #abort: AbortController = new AbortController();
  #told: HeartbeatEnvironment | undefined;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** What heartbeats tell of it. */
  get told(): HeartbeatEnvironment | undefined {
    return this.#told;
  }

  /** Whether an environment waits for its trial. */
  get isWaiting(): boolean {
    return this.#told?.state === "waiting";
  }

  /** Goes on with what an earlier process was told to. */
  async remember(): Promise<void> {
    try {
      const wish = await this.#options.port?.wish();
      if (wish === undefined || this.#told !== undefined) return;
      const { reference, stands } = wish;
      if (stands === "wanted") return this.#begin(reference);
      if (stands === "failed") return await this.#fail(reference, "it was tried, and was not well");
      this.#tell({ reference, state: stands });
      if (stands === "waiting") this.#options.waits();
      if (stands === "trying") void this.#watch(this.#abort.signal);
      if (stands === "running") await this.#options.port?.want(undefined);
    } catch (error) {
      this.#options.note(`Which environment was asked for can't be read: ${messageOf(error)}`);
    }
  }

  /** The device is to be of this environment. */
  renew(reference: string): void {
    if (this.#told?.reference === reference && this.#told.state !== "failed") return;
    this.#begin(reference);
  }

  /** Fetches nothing more; the next process goes on. */
  stop(): void {
    this.#abort.abort();
  }

  #begin(reference: string): void {
    this.#abort.abort();
    const { signal } = this.#abort = new AbortController();
    this.#tell({ reference, state: "fetching" });
    void this.#fetch(reference, signal);
  }

  async #fetch(reference: string, signal: AbortSignal): Promise<void> {
    const { port, clock, random, note } = this.#options;
    const backoff = new Backoff({ random, maxMs: MAX_DELAY_MS });
    note(`Fetching the environment ${reference}, as the gateway asks`);
    while (!signal.aborted) {
      try {
        if (port === undefined) throw new Error("There is no OUTRIDER_STATE_DIR to keep an environment in");
        await port.want(reference);
        const progress = (bytes: number, of: number) => {
          if (!signal.aborted) this.#told = { reference, state: "fetching", bytes, of };
        };
        await port.fetch(reference, { signal, progress });
        if (signal.aborted) return;
        note(`The environment ${reference} is here, and is tried when nothing runs`);
        this.#tell({ reference, state: "waiting" });
        return this.#options.waits();
      } catch (error) {
        if (signal.aborted) return;
        const because = messageOf(error).slice(0, MAX_REASON);
        if ((error as { readonly transient?: unknown }).transient !== true) {
          return await this.#fail(reference, because);
        }
        note(`${because}: it is gone on with later`);
        await sleep(clock, backoff.next(), signal);
      }
    }
  }

  /** Somebody else finds it well, or ends this process. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { port, clock } = this.#options;
    while (!signal.aborted) {
      await sleep(clock, LOOK_MS, signal);
      if (signal.aborted) return;
      const wish = await port?.wish().catch(() => undefined);
      if (signal.aborted || wish?.stands !== "running") continue;
      this.#tell({ reference: wish.reference, state: "running" });
      return await port?.want(undefined).catch(() => {});
    }
  }

  async #fail(reference: string, because: string): Promise<void> {
    const { port, note } = this.#options;
    note(`The environment ${reference} is not taken: ${because}`);
    this.#tell({ reference, state: "failed", because });
    await port?.want(undefined).catch((error) => note(messageOf(error)));
  }

  #tell(told: HeartbeatEnvironment): void {
    this.#told = told;
    this.#options.changed();
  }
}
