/**
 * Owns stepping into all that code of tasks prints, throws or leaves by, and the name "outrider" for its modules: in a thread
 * (worker_host.ts) as in a process (process_host.ts).
 * Must not know attempts, how anything is told, nor which runtime it is: what is a runtime's own is behind inside_port.ts.
 * Invariant: installed once, before any module of a task is imported; what is used of the runtime is used as it was then.
 */
import process from "node:process";
import { types } from "node:util";
import { byteLength, encodeText } from "../base/primordials.ts";
import { Children, type ChildrenPort } from "./children.ts";
import { chosen } from "./choice.ts";
import { captureConsole } from "./console.ts";
import { watchEnvironment } from "./environment.ts";
import { INSIDES } from "./inside.ts";
import type { HearUncaught, Inside, StreamName, Write } from "./inside_port.ts";
import { define } from "./replace.ts";
import { scope } from "./scope.ts";
import { bytesOf } from "./worker_files.ts";

export { formatted } from "./console.ts";
export { keepEnvironment, putBackEnvironment } from "./environment.ts";
export { scope } from "./scope.ts";

/** What hears of a task's doings. */
export interface HostListener {
  /** Something was written to a stream, in pieces of any size. */
  written(stream: StreamName, text: string): void;
  /** A method of `console` was called. */
  logged(method: string, text: string): void;
  /** An error that nothing caught. `scope` is undefined where the runtime can't tell whose it is. */
  uncaught(error: unknown, scope: unknown, from: "exception" | "rejection"): void;
  /** The task ends what it runs in. */
  exiting(code: number): void;
}

/** This runtime within what runs tasks. */
export const inside: Inside = chosen(INSIDES);
const soon = setImmediate;

/** Whether it is a promise of the language's, and not only something with a `then`. */
export const isPromise: (value: unknown) => value is Promise<unknown> = types.isPromise;

/** Calls the function in a later turn of the event loop. */
export function nextTurn(act: () => void): void {
  soon(act);
}

/** What is needed of what runs the tasks. */
export interface HostPort extends Omit<ChildrenPort, "writer"> {
  /** Kills, at once, what its code has started and is left. */
  killChildren(): void;
}

/** What has stepped in. */
export interface Host {
  readonly children: Children;
  /** Ends the thread or process by the runtime's own means, which nothing hears of. */
  readonly end: (code: number) => void;
}

/** Leads everything that a task can print to, throw past, or leave by, to the listener. */
export function stepIn(listener: HostListener, port: HostPort): Host {
  keepPromises();
  captureConsole((method, text) => listener.logged(method, text));
  inside.captureFiles(captureStreams(listener));
  const hear: HearUncaught = (error, from) => listener.uncaught(error, scope.owner(), from);
  inside.captureErrors(hear);
  const end = inside.captureExit({
    exiting: (code) => listener.exiting(code),
    killChildren: () => port.killChildren(),
  });
  const children = new Children({ ...port, writer: () => writerFor(listener) });
  inside.captureChildren(children);
  watchEnvironment();
  return { children, end };
}

/**
 * Keeps what `then` and `await` ask of a promise: its constructor, and the species of that. Deno waits for each message by `then`,
 * so that a task that replaced one of them made its thread deaf. What inherits from promises may have its own.
 */
function keepPromises(): void {
  const ours = Promise;
  const { prototype } = ours;
  Object.defineProperty(ours, Symbol.species, { configurable: false });
  Object.defineProperty(prototype, "constructor", {
    get: () => ours,
    set(this: object, value: unknown) {
      if (this === prototype) {
        throw new TypeError("Promise.prototype.constructor can't be replaced within a task");
      }
      Object.defineProperty(this, "constructor", {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
    configurable: false,
  });
}

/** Tells what children print as the attempt's that started them. */
function writerFor(listener: HostListener): (stream: StreamName, chunk: Uint8Array) => void {
  const owner = scope.owner();
  const decode = decoding();
  return (stream, chunk) => {
    const text = decode[stream](chunk);
    if (text !== "") scope.run(owner, () => listener.written(stream, text), undefined);
  };
}

/** Makes text of bytes that come in pieces, for each stream apart. */
function decoding(): Readonly<Record<StreamName, (chunk: Uint8Array) => string>> {
  const one = () => {
    const decoder = new TextDecoder();
    const decode = decoder.decode.bind(decoder);
    return (chunk: Uint8Array) => decode(chunk, { stream: true });
  };
  return { stdout: one(), stderr: one() };
}

/** Leads the process's own streams to the listener; returns what takes all else that is written to our outputs. */
function captureStreams(listener: HostListener): Write {
  const decode = decoding();
  const write: Write = (stream, chunk) => {
    const text = typeof chunk === "string" ? chunk : decode[stream](bytesOf(chunk));
    if (text !== "") listener.written(stream, text);
    return byteLength(typeof chunk === "string" ? encodeText(chunk) : bytesOf(chunk));
  };
  for (const stream of ["stdout", "stderr"] as const) {
    const writer = (chunk: unknown, encoding?: unknown, done?: unknown): boolean => {
      write(stream, chunk);
      const callback = typeof encoding === "function" ? encoding : done;
      if (typeof callback === "function") queueMicrotask(() => callback());
      return true;
    };
    define(process[stream], "write", writer);
  }
  return write;
}

/**
 * Lets modules of tasks import "outrider" where no package of this name is installed. Bundles look at the global, on every
 * runtime (src/environment/bundling.ts).
 */
export function provide(name: string, exports: Readonly<Record<string, unknown>>): void {
  const key = `outrider.provided.${name}`;
  (globalThis as Record<string, unknown>)[key] = exports;
  inside.provide(name, exports, key);
}
