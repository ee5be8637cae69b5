/**
 * Owns whether the gateway is in reach: what gets through, what does not and why, and what a person is told of it.
 * Must not know what is sent.
 * Invariant: where heartbeats get through and results do not, the gateway is not back; each kind of trouble is told once,
 * until all is well.
 */
import type { Clock } from "../base/clock.ts";
import type { UplinkError } from "../uplink/errors.ts";

/** The one that shows by itself that others would get through. */
const HEARTBEAT = "heartbeat";

/** What is needed to tell. */
export interface ReachOptions {
  readonly clock: Clock;
  readonly url: string;
  /** Tells a person. */
  readonly note: (text: string) => void;
  /** Told whether the gateway is in reach, once that is known and each time that it is otherwise. */
  readonly changed: (reached: boolean) => void;
}

/** The gateway's reach. */
export class Reach {
  readonly #options: ReachOptions;
  /** When the gateway last answered, by the monotonic clock; at first, when this began. */
  #heardAt: number;
  #lastContactAt: number | undefined;
  /** What does not get through now, each with its last error: the heartbeat, the pull, reports. */
  readonly #failing: Map<unknown, string> = new Map();
  /** Codes of the trouble that a person has been told of. */
  readonly #told: Set<string> = new Set();
  #missedBeats = 0;
  #reached: boolean | undefined;

  constructor(options: ReachOptions) {
    this.#options = options;
    this.#heardAt = options.clock.monotonic();
  }

  /** Whether something does not get through. */
  get failing(): boolean {
    return this.#failing.size > 0;
  }

  /** How long the gateway has been out of reach, milliseconds; 0 while nothing has failed. */
  get outMs(): number {
    return this.failing ? this.#options.clock.monotonic() - this.#heardAt : 0;
  }

  /** The last error of what does not get through. */
  get lastError(): string | undefined {
    return [...this.#failing.values()].at(-1);
  }

  /** When anything last got through, as a stamp. */
  get lastContactAt(): number | undefined {
    return this.#lastContactAt;
  }

  /** Heartbeats that got no answer, in all. */
  get missedBeats(): number {
    return this.#missedBeats;
  }

  /** Whatever gets through shows that heartbeats would; but where they do and results do not, the gateway is not back. */
  heard(by: unknown): void {
    const { clock, note, url } = this.#options;
    const failed = this.#failing.delete(by) || this.#failing.has(HEARTBEAT);
    this.#failing.delete(HEARTBEAT);
    this.#lastContactAt = clock.now();
    if (by === HEARTBEAT && this.failing) return;
    this.#heardAt = clock.monotonic();
    if (this.failing) return;
    this.#isReached(true);
    if (failed) note(`The gateway ${url} is back`);
    this.#told.clear();
  }

  failed(by: unknown, error: UplinkError): void {
    if (by === HEARTBEAT) this.#missedBeats++;
    this.say(error);
    this.#failing.delete(by);
    this.#failing.set(by, error.message);
    this.#isReached(false);
  }

  #isReached(now: boolean): void {
    if (this.#reached !== now) this.#options.changed(now);
    this.#reached = now;
  }

  /** It is not tried any more. */
  forget(by: unknown): void {
    this.#failing.delete(by);
  }

  /** Each kind of trouble is told once, until all is well. */
  say(error: UplinkError): void {
    if (!this.#told.has(error.code)) this.#options.note(`${error.message}; trying again`);
    this.#told.add(error.code);
  }
}
