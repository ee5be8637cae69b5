/**
 * Owns `console` in a worker, as all runtimes have it: what it prints, and what it remembers between two calls.
 * Must not know what becomes of what is printed.
 * Invariant: what one attempt left open there, a group or a timer, is not the next one's.
 */
import { format } from "node:util";
import { apply, monotonic, SafeMap, SafeWeakMap } from "../base/primordials.ts";
import { scope } from "./scope.ts";

const words = format;

/** As `console.log` would write it. */
export function formatted(args: readonly unknown[]): string {
  return args.length === 1 && typeof args[0] === "string"
    ? args[0]
    : apply(words, undefined, args as unknown[]);
}

const METHODS = ["log", "info", "debug", "warn", "error", "trace", "dir", "table", "dirxml"] as const;

/** What `console` remembers, for each attempt apart: a group that a task leaves open is not the next one's. */
class Remembered {
  static readonly #nobodys: Remembered = new Remembered();
  static readonly #all: WeakMap<object, Remembered> = new SafeWeakMap();
  indent = "";
  readonly counts: Map<string, number> = new SafeMap();
  readonly timers: Map<string, number> = new SafeMap();

  static here(): Remembered {
    const owner = scope.owner();
    if (owner === undefined) return Remembered.#nobodys;
    let found = Remembered.#all.get(owner);
    if (found === undefined) Remembered.#all.set(owner, found = new Remembered());
    return found;
  }
}

/** Leads what `console` is told to `logged`. */
export function captureConsole(logged: (method: string, text: string) => void): void {
  const say = (method: string, text: string) => {
    const { indent } = Remembered.here();
    logged(method, indent === "" ? text : indent + text.replaceAll("\n", `\n${indent}`));
  };
  for (const method of METHODS) {
    console[method] = (...args: unknown[]) =>
      say(
        method,
        method === "trace"
          ? `Trace: ${formatted(args)}`
          : formatted(method === "dir" ? args.slice(0, 1) : args),
      );
  }
  console.assert = (condition?: boolean, ...args: unknown[]) => {
    if (!condition) {
      say("error", args.length > 0 ? `Assertion failed: ${formatted(args)}` : "Assertion failed");
    }
  };
  console.count = (label = "default") => {
    const { counts } = Remembered.here();
    counts.set(label, (counts.get(label) ?? 0) + 1);
    say("log", `${label}: ${counts.get(label)}`);
  };
  console.countReset = (label = "default") => void Remembered.here().counts.delete(label);
  console.time = (label = "default") => void Remembered.here().timers.set(label, monotonic());
  const sayTime = (label: string, args: unknown[]) => {
    const since = Remembered.here().timers.get(label);
    if (since !== undefined) {
      say(
        "log",
        [`${label}: ${(monotonic() - since).toFixed(3)}ms`, ...args.map((arg) => formatted([arg]))]
          .join(" "),
      );
    }
  };
  console.timeLog = (label = "default", ...args: unknown[]) => sayTime(label, args);
  console.timeEnd = (label = "default") => {
    sayTime(label, []);
    Remembered.here().timers.delete(label);
  };
  console.group = (...args: unknown[]) => {
    if (args.length > 0) say("log", formatted(args));
    Remembered.here().indent += "  ";
  };
  console.groupCollapsed = console.group;
  console.groupEnd = () => {
    const remembered = Remembered.here();
    remembered.indent = remembered.indent.slice(2);
  };
}
