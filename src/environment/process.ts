/**
 * Owns the programs that builders run: to their end, within a time, with as little of this process's environment as they need.
 * Must not know what they do.
 * Invariant: none is left when the promise settles.
 */
import { systemClock } from "../base/clock.ts";
import { runtime } from "../runtime/runtime.ts";

/** How a program is run. */
export interface RanOptions {
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly limitMs: number;
}

/** How it ended. */
export interface Ran {
  /** 0: well. `undefined`: it could not be started, or was stopped. */
  readonly code: number | undefined;
  /** The end of what it wrote, or why it could not be started. */
  readonly output: string;
}

/** Most characters that are kept of what a program writes. */
const MAX_OUTPUT = 8_000;

/** Runs a program. */
export async function ran(
  command: readonly string[],
  { cwd, env, limitMs }: RanOptions,
): Promise<Ran> {
  const decoder = new TextDecoder();
  let output = "";
  const group = runtime.startGroup({
    command,
    cwd,
    env,
    stdin: "",
    onOutput: (_, bytes) => output = (output + decoder.decode(bytes, { stream: true })).slice(-MAX_OUTPUT),
  });
  const stop = systemClock.after(limitMs, () => {
    output += `\n${command[0]} took longer than ${limitMs / 1_000} s, and was stopped`;
    group.signal("SIGKILL");
  });
  const forget = runtime.whenLeft(() => group.signal("SIGKILL"));
  try {
    const { code, signal, error } = await group.ended;
    if (error !== undefined) return { code: undefined, output: error.message };
    await group.drained;
    return { code, output: signal === undefined ? output : `${output}\nended by ${signal}` };
  } finally {
    stop();
    forget();
    group.release();
  }
}

/** Those variables of this process whose names match: what a program needs to find others, or its network. */
export function passedEnvironment(names: RegExp): Record<string, string> {
  const found = runtime.envNames().filter((name) => names.test(name));
  return Object.fromEntries(found.map((name) => [name, runtime.env(name) ?? ""]));
}
