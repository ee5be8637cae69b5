/**
 * Owns what the program in a worker asks of the runtime it runs on: its port, the scope of asynchronous work, the ways by
 * which a task prints or leaves, and the name "outrider" for the modules of tasks.
 * Must not know attempts or records.
 * Invariant: installed once, before any module of a task is imported. Tasks can't reach the port, nor what the thread was
 * started with, and what is used of the runtime is used as it was then.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { MessagePort } from "node:worker_threads";
import nodeModule from "node:module";
import process from "node:process";
import { format, types } from "node:util";
import v8 from "node:v8";
import { parentPort, workerData } from "node:worker_threads";
import {
  apply,
  byteLength,
  encodeText,
  exchange,
  monotonic,
  SafeMap,
  SafeWeakMap,
  store,
} from "../base/primordials.ts";
import { killOffspring, STARTED } from "./offspring.ts";
import { END, type ThreadData } from "./port.ts";
import { intoBun } from "./bun/children.ts";
import { intoDeno } from "./deno/children.ts";
import { intoNode } from "./node/children.ts";
import { define, type Properties, wrap } from "./replace.ts";
import { Children } from "./children.ts";
import { bytesOf, captureFiles } from "./worker_files.ts";

/** Where a task's text was written to. */
export type StreamName = "stdout" | "stderr";

/** What hears of a task's doings. */
export interface HostListener {
  /** Something was written to a stream, in pieces of any size. */
  written(stream: StreamName, text: string): void;
  /** A method of `console` was called. */
  logged(method: string, text: string): void;
  /** An error that nothing caught. `scope` is undefined where the runtime can't tell whose it is. */
  uncaught(error: unknown, scope: unknown, from: "exception" | "rejection"): void;
  /** The task ends its thread. */
  exiting(code: number): void;
  /** The heap was exhausted, and the runtime has stopped the code that did it without telling anybody. */
  exhausted(): void;
}

/** What the thread was started with. It is taken, so that no module can take it after us. */
const { lock, data, marks, mark, children: childCell, port: given } = workerData as ThreadData;
for (const key of Object.keys(workerData as object)) delete (workerData as Record<string, unknown>)[key];
const port = given as unknown as MessagePort;
const send = port.postMessage.bind(port);
const words = format;
const soon = setImmediate;

/**
 * Settles when the thread holds its lock, for ever: on Deno that is what lets `terminate` halt a synchronous loop, and its
 * release proves the end of the thread. Nothing of a task's may run before.
 */
export const locked: Promise<void> = new Promise((held) => {
  const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
  if (locks === undefined) return held();
  locks.request(lock, () => {
    held();
    return new Promise(() => {});
  }).catch(() => held());
});

// Bun's own requests heed these only as the thread itself has set them, where the process was started with others.
for (const name of ["NO_PROXY", "no_proxy"]) {
  const value = process.env[name];
  if (value !== undefined) process.env[name] = value;
}

/** What the program was started with. */
export const startData: unknown = data;

/** What stands for an owner where a module could find it: it shows nothing. */
class Handle {
  readonly #owner: object | undefined;

  constructor(owner: object | undefined) {
    this.#owner = owner;
  }

  static ownerOf(this: void, handle: unknown): object | undefined {
    return typeof handle === "object" && handle !== null && #owner in handle ? handle.#owner : undefined;
  }
}
const { ownerOf } = Handle;
Reflect.deleteProperty(Handle, "ownerOf");
const storage = new AsyncLocalStorage<Handle>();
// Its methods call each other.
for (const name of Reflect.ownKeys(AsyncLocalStorage.prototype)) {
  const whole = Object.getOwnPropertyDescriptor(AsyncLocalStorage.prototype, name)!;
  if (name !== "constructor") Object.defineProperty(storage, name, whole);
}
const run = storage.run.bind(storage) as <A, R>(handle: Handle, work: (argument: A) => R, argument: A) => R;
const getStore = storage.getStore.bind(storage);

/** Async work that belongs together. */
export const scope = {
  /** Calls the function; what it sets going belongs to the owner. */
  run: <A, R>(owner: object | undefined, work: (argument: A) => R, argument: A): R =>
    run(new Handle(owner), work, argument),
  /** Whose the present code is; undefined where the runtime can't tell. */
  owner: (): object | undefined => ownerOf(getStore()),
};

/** Sends to the thread that started us. */
export function post(message: unknown, transfer?: readonly Transferable[]): void {
  send(message, transfer as never);
}

let children: Children | undefined;

/** Stops the processes that were started and are left; resolves to whether there were any. Nothing if none was started. */
export function clearChildren(): Promise<boolean> | undefined {
  return children?.clear();
}

/** Ends the thread by the runtime's own means, which nothing hears of. */
let endThread: (code: number) => void = process.exit.bind(process);

/** Calls the listener with every message but the one that asks the thread to end. */
export function onMessage(listener: (message: unknown) => void): void {
  port.on("message", (message: unknown) => message === END ? endThread(0) : listener(message));
}

/** Whether it is a promise of the language's, and not only something with a `then`. */
export const isPromise: (value: unknown) => value is Promise<unknown> = types.isPromise;

/** As `console.log` would write it. */
export function formatted(args: readonly unknown[]): string {
  return args.length === 1 && typeof args[0] === "string"
    ? args[0]
    : apply(words, undefined, args as unknown[]);
}

/** Calls the function in a later turn of the event loop. */
export function nextTurn(act: () => void): void {
  soon(act);
}

/** Leads everything that a task can print to, throw past, or leave by, to the listener. */
export function install(listener: HostListener): void {
  captureConsole(listener);
  captureStreams(listener);
  captureErrors(listener);
  captureExit(listener);
  watchHeap(listener);
  children = new Children({
    marks,
    mark,
    started() {
      // In shared memory, since a thread that is stopped takes its messages with it.
      if (exchange(childCell, 0, 1) === 0) send(STARTED);
    },
    cleared: () => void store(childCell, 0, 0),
    writer: () => writerFor(listener),
  });
  if ("Deno" in globalThis) intoDeno(children);
  else if ("Bun" in globalThis) intoBun(children);
  else intoNode(children);
  hidePort();
}

/** Tells what children print as the attempt's that started them. */
function writerFor(listener: HostListener): (stream: StreamName, chunk: Uint8Array) => void {
  const owner = scope.owner();
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  return (stream, chunk) => {
    const text = decoders[stream].decode(chunk, { stream: true });
    if (text !== "") scope.run(owner, () => listener.written(stream, text), undefined);
  };
}

/** Nobody listens to the port that every module can reach, so that what a library sends there as a matter of form goes nowhere. */
function hidePort(): void {
  const targets: object[] = [parentPort as object];
  if ("postMessage" in globalThis) targets.push(globalThis);
  for (const target of targets) define(target, "postMessage", () => {});
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

function captureConsole(listener: HostListener): void {
  const say = (method: string, text: string) => {
    const { indent } = Remembered.here();
    listener.logged(method, indent === "" ? text : indent + text.replaceAll("\n", `\n${indent}`));
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

function captureStreams(listener: HostListener): void {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  const decode = {
    stdout: decoders.stdout.decode.bind(decoders.stdout),
    stderr: decoders.stderr.decode.bind(decoders.stderr),
  };
  const write = (stream: StreamName, chunk: unknown): number => {
    const text = typeof chunk === "string" ? chunk : decode[stream](bytesOf(chunk), { stream: true });
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
  captureFiles(write);
}

/** An event of the process, and who hears of it. */
type Heard = readonly [event: string, hear: (error: unknown) => void];

/**
 * Hears of events also when a library takes away all listeners that it finds, as those do that put their own in their place:
 * else the next error would be the thread's end, whoever's attempt runs there.
 */
function keepHearing(heard: readonly Heard[]): void {
  type Emitter = Record<"on" | "listeners", (event: string, hear?: unknown) => unknown[]>;
  const { on, listeners } = process as unknown as Emitter;
  const hear = () => {
    for (const [event, each] of heard) {
      if (!apply(listeners, process, [event]).includes(each)) apply(on, process, [event, each]);
    }
  };
  hear();
  for (const name of ["removeAllListeners", "removeListener", "off"]) {
    wrap(process as unknown as Properties, name, (original) => (...args) => {
      original(...args);
      hear();
      return process;
    });
  }
  if ("_fatalException" in process) {
    // Node calls what is here for each error; without its own, the whole process ends.
    const own = process._fatalException;
    Object.defineProperty(process, "_fatalException", { get: () => own, set() {}, configurable: false });
  }
}

function captureErrors(listener: HostListener): void {
  const heard: Heard[] = [
    ["uncaughtException", (error) => listener.uncaught(error, scope.owner(), "exception")],
  ];
  if (!("Deno" in globalThis)) {
    heard.push(["unhandledRejection", (error) => listener.uncaught(error, scope.owner(), "rejection")]);
  }
  keepHearing(heard);
  if (!("Deno" in globalThis)) return;
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    listener.uncaught(event.reason, scope.owner(), "rejection");
  });
  // Deno forgets the scope when a timer throws, so the scope is noted when the timer is set.
  for (const name of ["setTimeout", "setInterval"] as const) {
    const original = globalThis[name] as (callback: unknown, ...rest: unknown[]) => number;
    define(
      globalThis,
      name,
      (callback: unknown, ...rest: unknown[]) => original(guarded(callback, listener), ...rest),
    );
  }
}

function guarded(callback: unknown, listener: HostListener): unknown {
  if (typeof callback !== "function") return callback;
  return (...args: unknown[]) => {
    try {
      apply(callback, undefined, args);
    } catch (error) {
      listener.uncaught(error, scope.owner(), "exception");
    }
  };
}

function captureExit(listener: HostListener): void {
  const { exit: end, reallyExit } = process as unknown as Record<
    "exit" | "reallyExit",
    (code: number) => void
  >;
  const denoExit = "Deno" in globalThis ? Deno.exit : undefined;
  let leaving = false;
  endThread = (code) => {
    leaving = true;
    // The runtime's own `exit` may end in one of these.
    define(process, "reallyExit", reallyExit);
    if (denoExit !== undefined) define(Deno, "exit", denoExit);
    end.call(process, code);
  };
  const exit = (code?: unknown): never => {
    const number = Number(code ?? process.exitCode ?? 0) | 0;
    if (!leaving) {
      listener.exiting(number);
      // Deno kills the children of a thread that ends; theirs can be told only as long as those are there.
      if (denoExit !== undefined && Atomics.load(childCell, 0) === 1) killOffspring(mark);
      endThread(number);
    }
    // Where the thread ends only in its next turn, the code behind the call must not run on.
    const never = new Int32Array(new SharedArrayBuffer(4));
    for (;;) Atomics.wait(never, 0, 0, 1_000);
  };
  define(process, "exit", exit);
  define(process, "reallyExit", exit);
  define(globalThis, "close", () => exit(0));
  if ("Deno" in globalThis) define(Deno, "exit", exit);
}

/** How often the heap is looked at, in milliseconds. */
const HEAP_MS = 250;

/**
 * Deno ends a thread whose heap is exhausted only if that happens in a task of the event loop. In a promise's continuation,
 * where most tasks run, it stops the code, raises the limit and says nothing: the promise never settles. A limit that has
 * grown gives it away.
 */
function watchHeap(listener: HostListener): void {
  if (!("Deno" in globalThis)) return;
  const limit = v8.getHeapStatistics().heap_size_limit;
  const timer = setInterval(() => {
    if (v8.getHeapStatistics().heap_size_limit <= limit) return;
    clearInterval(timer);
    listener.exhausted();
  }, HEAP_MS);
}

/**
 * Lets modules of tasks import "outrider" where no package of this name is installed. Deno resolves bare names before
 * anything can step in; there the name has to be in an import map or in node_modules.
 */
export function provide(name: string, exports: Readonly<Record<string, unknown>>): void {
  // Bundles look here, on every runtime (src/environment/bundling.ts).
  const key = `outrider.provided.${name}`;
  (globalThis as Record<string, unknown>)[key] = exports;
  const bun = (globalThis as { Bun?: { plugin(plugin: unknown): void } }).Bun;
  if (bun !== undefined) {
    type Build = { module(name: string, load: () => { exports: unknown; loader: "object" }): void };
    bun.plugin({ name, setup: (build: Build) => build.module(name, () => ({ exports, loader: "object" })) });
    return;
  }
  if ("Deno" in globalThis) return;
  const source = Object.keys(exports).map((each) =>
    `export const ${each} = provided[${JSON.stringify(each)}];`
  );
  const url = `data:text/javascript,${
    encodeURIComponent(`const provided = globalThis[${JSON.stringify(key)}];${source.join("")}`)
  }`;
  type Next = (specifier: string, context: unknown) => { url: string };
  (nodeModule as unknown as { registerHooks?: (hooks: unknown) => void }).registerHooks?.({
    resolve: (specifier: string, context: unknown, next: Next) =>
      specifier === name ? { url, format: "module", shortCircuit: true } : next(specifier, context),
  });
}
