/**
 * Owns `ctx.flags`: what a task does with values that all executors of an experiment share.
 * Must not know where the values are kept.
 * Invariant: every wait ends: by what is waited for, by its time, or with the attempt.
 */
import { WAIT_MS } from "../src/defaults.ts";
import { unlessAborted } from "../src/base/wait.ts";
import { min, monotonic } from "../src/base/primordials.ts";
import type { Flags, WaitOptions } from "../src/model/context.ts";
import { parseDuration } from "../src/model/duration.ts";
import { decode, encode, type Value } from "../src/model/value.ts";
import type { FlagCalls } from "../src/pool/protocol.ts";
import { TimeoutError } from "../src/store/errors.ts";

/** How long one call waits, milliseconds. */
const POLL_MS = 10_000;

/** The flags as one attempt has them. @param around Its signal, made when something waits. */
export function flagsClient(remote: FlagCalls, around: { readonly signal: AbortSignal }): Flags {
  return {
    get: async <T>(name: string) => valueOf<T>(await remote.flagGet(name)),
    set: async (name, value) => {
      const text = encode(value, name);
      if (text === undefined) throw new TypeError(`Flag ${name} can't be set to undefined: use null`);
      await remote.flagSet(name, text);
    },
    increment: async (name, by = 1) => await remote.flagCount(name, by),
    decrement: async (name, by = 1) => await remote.flagCount(name, -by),
    waitFor: <T>(name: string, predicate?: (value: T) => boolean, options: WaitOptions = {}) =>
      waitFor<T>(remote, { name, predicate: predicate ?? (() => true), signal: around.signal, ...options }),
  };
}

interface Wait<T> extends WaitOptions {
  readonly name: string;
  readonly predicate: (value: T) => boolean;
  readonly signal: AbortSignal;
}

async function waitFor<T>(remote: FlagCalls, wait: Wait<T>): Promise<T> {
  const { name, predicate, signal, timeout = WAIT_MS } = wait;
  const until = monotonic() + parseDuration(timeout);
  let text = await unlessAborted(signal, remote.flagGet(name));
  for (;;) {
    if (text !== undefined && predicate(valueOf<T>(text)!)) return valueOf<T>(text)!;
    const left = until - monotonic();
    if (left <= 0) {
      throw new TimeoutError(
        `Flag ${JSON.stringify(name)} has not become what was waited for within ${timeout}: it is ${
          text ?? "not set"
        }`,
      );
    }
    text = await unlessAborted(signal, remote.flagChange(name, text, min(POLL_MS, left))) ?? text;
  }
}

function valueOf<T>(text: string | undefined): T | undefined {
  return text === undefined ? undefined : decode(text) as Value as T;
}
