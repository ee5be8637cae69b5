/**
 * Owns what the program in a worker asks of the runtime it runs on: its port, the scope of asynchronous work, the ways by
 * which a task prints or leaves, and the name "outrider" for the modules of tasks.
 * Must not know attempts or records, nor which runtime it is: what is a runtime's own is behind inside_port.ts.
 * Invariant: installed once, before any module of a task is imported. Tasks can't reach the port, nor what the thread was
 * started with, and what is used of the runtime is used as it was then.
 */
import type { MessagePort } from "node:worker_threads";
import process from "node:process";
import { types } from "node:util";
import { parentPort, workerData } from "node:worker_threads";
import { byteLength, encodeText, exchange, store } from "../base/primordials.ts";
import { Children } from "./children.ts";
import { chosen } from "./choice.ts";
import { captureConsole } from "./console.ts";
import { INSIDES } from "./inside.ts";
import type { HearUncaught, StreamName, Write } from "./inside_port.ts";
import { killOffspring, STARTED } from "./offspring.ts";
import { END, type ThreadData } from "./port.ts";
import { define } from "./replace.ts";
import { scope } from "./scope.ts";
import { bytesOf } from "./worker_files.ts";

export { formatted } from "./console.ts";
export { scope } from "./scope.ts";

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
const { lock, data, marks, mark, environment, children: childCell, port: given } = workerData as ThreadData;
for (const key of Object.keys(workerData as object)) delete (workerData as Record<string, unknown>)[key];
const port = given as unknown as MessagePort;
const send = port.postMessage.bind(port);
const soon = setImmediate;
const inside = chosen(INSIDES);

/** Settles when the thread can be stopped, and its end be proven. Nothing of a task's may run before. */
export const locked: Promise<void> = inside.begin(lock);

// The thread's own copy, on all three runtimes: no other thread and nothing of the process sees them.
for (const [name, value] of Object.entries(environment)) process.env[name] = value;

/** What the program was started with. */
export const startData: unknown = data;

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

/** Calls the function in a later turn of the event loop. */
export function nextTurn(act: () => void): void {
  soon(act);
}

/** Leads everything that a task can print to, throw past, or leave by, to the listener. */
export function install(listener: HostListener): void {
  captureConsole((method, text) => listener.logged(method, text));
  inside.captureFiles(captureStreams(listener));
  const hear: HearUncaught = (error, from) => listener.uncaught(error, scope.owner(), from);
  inside.captureErrors(hear);
  endThread = inside.captureExit({
    exiting: (code) => listener.exiting(code),
    killChildren() {
      if (Atomics.load(childCell, 0) === 1) killOffspring(mark);
    },
  });
  inside.watchHeap(() => listener.exhausted());
  children = childrenOf(listener);
  inside.captureChildren(children);
  hidePort();
}

function childrenOf(listener: HostListener): Children {
  return new Children({
    marks,
    mark,
    environment,
    started() {
      // In shared memory, since a thread that is stopped takes its messages with it.
      if (exchange(childCell, 0, 1) === 0) send(STARTED);
    },
    cleared: () => void store(childCell, 0, 0),
    writer: () => writerFor(listener),
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

/** Nobody listens to the port that every module can reach, so that what a library sends there as a matter of form goes nowhere. */
function hidePort(): void {
  const targets: object[] = [parentPort as object];
  if ("postMessage" in globalThis) targets.push(globalThis);
  for (const target of targets) define(target, "postMessage", () => {});
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
