/**
 * Owns flags as a task sees them: values that all executors of an experiment and the user share, through the gateway.
 * Must not know which dialect carries them.
 * Invariant: a change is made once or not at all; where that can't be known, the caller is told.
 */
import { bytesBeyond, MAX_FLAG_BYTES } from "../base/limits.ts";
import { Backoff } from "../base/backoff.ts";
import type { Gateway } from "./gateway.ts";
import {
  FlagConflictError,
  FlagError,
  GatewayRefusedError,
  GatewayTimeoutError,
  StoppedError,
  UplinkError,
} from "./errors.ts";
import type { FlagOperation, FlagReply, SharedFlag } from "../protocol/messages.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { sleep } from "../base/wait.ts";

/** How long an operation is tried where nothing else is said, milliseconds. */
export const FLAG_TIMEOUT_MS = 30_000;
const CALL_MS = 10_000;
const HOLD_MS = 25_000;
const POLL_MS = 1000;

/** Limits of one operation. */
export interface FlagOptions {
  /** Milliseconds. Default 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What flags need. */
export interface FlagsOptions {
  readonly gateway: Gateway;
  readonly clock: Clock;
  readonly random: Random;
  /** Makes an id that no other operation has. */
  readonly newId: () => string;
}

/** Experiment-wide values. A value is a JSON value; netUnicorn's gateway takes strings and whole numbers only. */
export interface ExperimentFlags {
  /** The value, or `undefined` if there is no such flag. */
  get(name: string, options?: FlagOptions): Promise<unknown>;
  /** The value with its version. */
  entry(name: string, options?: FlagOptions): Promise<SharedFlag | undefined>;
  /** With `ifVersion` only if the flag has this version (0: only if there is none), else a `FlagConflictError`. Resolves to the new version. */
  set(name: string, value: unknown, options?: FlagOptions & { readonly ifVersion?: number }): Promise<number>;
  /** Adds to a number (a missing flag counts as 0); resolves to the sum. */
  increment(name: string, options?: FlagOptions & { readonly by?: number }): Promise<number>;
  decrement(name: string, options?: FlagOptions & { readonly by?: number }): Promise<number>;
  /** Sets `value` only if the present one equals `expected` (`undefined`: if there is none); resolves to whether it did. */
  compareAndSet(
    name: string,
    change: { readonly expected: unknown; readonly value: unknown },
    options?: FlagOptions,
  ): Promise<boolean>;
  /** The first value that satisfies the predicate, the present one included. Rejects with `GatewayTimeoutError`. */
  waitFor(name: string, predicate: (value: unknown) => boolean, options?: FlagOptions): Promise<unknown>;
}

/** ExperimentFlags behind a gateway. */
export function createFlags(options: FlagsOptions): ExperimentFlags {
  const line = new FlagCalls(options);
  const { newId } = options;
  const entry = (name: string, limits: FlagOptions = {}) => line.read(name, limits);
  const count = async (name: string, change: FlagOperation, limits: FlagOptions): Promise<number> => {
    const reply = await line.change(name, change, limits);
    return Number(reply.flag?.value);
  };
  return {
    entry,
    get: async (name, limits) => (await entry(name, limits))?.value,
    async set(name, value, { ifVersion, ...limits } = {}) {
      const condition = ifVersion === undefined ? {} : { ifVersion };
      const reply = await line.change(name, { op: "set", id: newId(), value, ...condition }, limits);
      if (reply.done) return reply.flag?.version ?? 1;
      throw new FlagConflictError(
        `Flag ${name} has version ${
          reply.flag?.version ?? 0
        }, not ${ifVersion}: read it again and decide anew`,
      );
    },
    increment: (name, { by = 1, ...limits } = {}) =>
      count(name, { op: "increment", id: newId(), by }, limits),
    decrement: (name, { by = 1, ...limits } = {}) =>
      count(name, { op: "decrement", id: newId(), by }, limits),
    async compareAndSet(name, { expected, value }, limits = {}) {
      const present = expected === undefined ? {} : { expected };
      return (await line.change(name, { op: "compare", id: newId(), ...present, value }, limits)).done;
    },
    waitFor: (name, predicate, limits = {}) => line.waitFor(name, { predicate, limits }),
  };
}

/** Calls that are tried again until their time is over. */
class FlagCalls {
  readonly #options: FlagsOptions;

  constructor(options: FlagsOptions) {
    this.#options = options;
  }

  read(name: string, limits: FlagOptions): Promise<SharedFlag | undefined> {
    const { flags } = this.#options.gateway;
    return this.#retried(limits, {
      what: `read flag ${name}`,
      again: () => true,
      call: (left) => flags.read(name, { timeoutMs: Math.min(CALL_MS, left), ...signalOf(limits) }),
    });
  }

  async change(name: string, operation: FlagOperation, limits: FlagOptions): Promise<FlagReply> {
    const bytes = bytesBeyond(JSON.stringify(operation), MAX_FLAG_BYTES);
    if (bytes !== undefined) {
      throw new FlagError(
        `Flag ${name} can't hold what has ${bytes} bytes as JSON, more than the ${MAX_FLAG_BYTES} that a gateway takes: share a path or an id in its place`,
      );
    }
    const { flags } = this.#options.gateway;
    // Setting twice is the same as once; counting twice is not.
    const harmless = flags.repeatable || operation.op === "set";
    return await this.#retried(limits, {
      what: `${operation.op} flag ${name}`,
      again: (error) => harmless || wasNotTaken(error),
      call: (left) =>
        flags.change(name, operation, { timeoutMs: Math.min(CALL_MS, left), ...signalOf(limits) }),
    });
  }

  async waitFor(
    name: string,
    { predicate, limits }: { predicate: (value: unknown) => boolean; limits: FlagOptions },
  ): Promise<unknown> {
    const { clock, gateway: { flags } } = this.#options;
    const deadline = this.#deadline(limits);
    for (let after: number | undefined;;) {
      const waitMs = Math.min(HOLD_MS, deadline());
      const held = after === undefined || !flags.waits ? {} : { after, waitMs };
      const flag = await this.#retried({ ...limits, timeoutMs: deadline() }, {
        what: `read flag ${name}`,
        again: () => true,
        call: () => flags.read(name, { timeoutMs: waitMs + CALL_MS, ...held, ...signalOf(limits) }),
      });
      if (flag && predicate(flag.value)) return flag.value;
      if (flag) after = flag.version;
      else after ??= 0;
      if (deadline() <= 0) {
        throw new GatewayTimeoutError(
          `Flag ${name} did not become what was waited for within ${
            limits.timeoutMs ?? FLAG_TIMEOUT_MS
          } ms: it is ${flag ? JSON.stringify(flag.value) : "not set"}`,
        );
      }
      if (!flags.waits) await sleep(clock, Math.min(POLL_MS, deadline()), limits.signal);
    }
  }

  #deadline(limits: FlagOptions): () => number {
    const { clock } = this.#options;
    const until = clock.monotonic() + (limits.timeoutMs ?? FLAG_TIMEOUT_MS);
    return () => Math.max(0, until - clock.monotonic());
  }

  async #retried<T>(
    limits: FlagOptions,
    { what, call, again }: {
      what: string;
      call: (leftMs: number) => Promise<T>;
      again: (error: UplinkError) => boolean;
    },
  ): Promise<T> {
    const { clock, random } = this.#options;
    const left = this.#deadline(limits);
    const backoff = new Backoff({ random });
    for (;;) {
      if (limits.signal?.aborted) throw new StoppedError(`Stopped before the attempt to ${what}`);
      try {
        return await call(Math.max(1, left()));
      } catch (error) {
        if (!(error instanceof UplinkError) || !error.transient) throw error;
        if (!again(error)) throw unsure(what, error);
        const delayMs = backoff.next(error.retryAfterMs);
        if (delayMs >= left()) {
          throw new GatewayTimeoutError(`Could not ${what}: ${error.message}`, { cause: error });
        }
        await sleep(clock, delayMs, limits.signal);
      }
    }
  }
}

/** 429 and 503 are said before anything is done; after a broken connection nobody knows. */
function wasNotTaken(error: UplinkError): boolean {
  return error instanceof GatewayRefusedError && (error.status === 429 || error.status === 503);
}

function signalOf(limits: FlagOptions): { readonly signal?: AbortSignal } {
  return limits.signal ? { signal: limits.signal } : {};
}

function unsure(what: string, cause: UplinkError): FlagError {
  return new FlagError(
    `It is not known whether the attempt to ${what} was counted, and this gateway would count it twice: read the flag and decide (${cause.message})`,
    { cause },
  );
}
