/**
 * Owns what the program in a worker asks of its thread: the port, what it was started with, the end.
 * Must not know attempts or records, nor which runtime it is; what it has in common with a process is in host.ts.
 * Invariant: installed once, before any module of a task is imported. Tasks can't reach the port, nor what the thread was
 * started with, and what is used of the runtime is used as it was then.
 */
import type { MessagePort } from "node:worker_threads";
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import { exchange, store } from "../base/primordials.ts";
import { type Host, type HostListener, inside, stepIn } from "./host.ts";
import { killOffspring, STARTED } from "./offspring.ts";
import { END, type ThreadData } from "./port.ts";
import { define } from "./replace.ts";

export { formatted, isPromise, nextTurn, provide, scope } from "./host.ts";

/** What hears of the doings of a thread's tasks. */
export interface ThreadListener extends HostListener {
  /** The heap was exhausted, and the runtime has stopped the code that did it without telling anybody. */
  exhausted(): void;
}

/** What the thread was started with. It is taken, so that no module can take it after us. */
const { lock, data, marks, mark, environment, children: childCell, port: given, compiled } =
  workerData as ThreadData;
for (const key of Object.keys(workerData as object)) delete (workerData as Record<string, unknown>)[key];
const port = given as unknown as MessagePort;
const send = port.postMessage.bind(port);

/** Settles when the thread can be stopped, and its end be proven. Nothing of a task's may run before. */
export const locked: Promise<void> = inside.begin(lock, compiled);

// The thread's own copy, on all three runtimes: no other thread and nothing of the process sees them.
for (const [name, value] of Object.entries(environment)) process.env[name] = value;

/** What the program was started with. */
export const startData: unknown = data;

/** Sends to the thread that started us. */
export function post(message: unknown, transfer?: readonly Transferable[]): void {
  send(message, transfer as never);
}

let host: Host | undefined;

/** Stops the processes that were started and are left; resolves to whether there were any. Nothing if none was started. */
export function clearChildren(): Promise<boolean> | undefined {
  return host?.children.clear();
}

const exit = process.exit.bind(process);

/** Calls the listener with every message but the one that asks the thread to end. */
export function onMessage(listener: (message: unknown) => void): void {
  port.on("message", (message: unknown) => message === END ? (host?.end ?? exit)(0) : listener(message));
}

/** Leads everything that a task can print to, throw past, or leave by, to the listener. */
export function install(listener: ThreadListener): void {
  host = stepIn(listener, {
    marks,
    mark,
    environment,
    started() {
      // In shared memory, since a thread that is stopped takes its messages with it.
      if (exchange(childCell, 0, 1) === 0) send(STARTED);
    },
    cleared: () => void store(childCell, 0, 0),
    killChildren() {
      if (Atomics.load(childCell, 0) === 1) killOffspring(mark);
    },
  });
  inside.watchHeap(() => listener.exhausted());
  hidePort();
}

/** Nobody listens to the port that every module can reach, so that what a library sends there as a matter of form goes nowhere. */
function hidePort(): void {
  const targets: object[] = [parentPort as object];
  if ("postMessage" in globalThis) targets.push(globalThis);
  for (const target of targets) define(target, "postMessage", () => {});
}
