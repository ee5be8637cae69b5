/**
 * Owns what the program in a process that runs tasks asks of the process: the line to its executor, its outputs, its end.
 * Must not know attempts or messages, nor which runtime it is; what it has in common with a thread is in host.ts.
 * Invariant: installed once, before any module of a task is imported. Nothing that tasks have started outlives the process.
 */
import process from "node:process";
import { encodeText } from "../base/primordials.ts";
import { type Host, type HostListener, inside, stepIn } from "./host.ts";
import { LINE, type LineListener, type WriteNow } from "./line.ts";
import { newMark } from "./marks.ts";
import { killOffspring, MARK } from "./offspring.ts";

export { formatted, isPromise, provide, scope } from "./host.ts";

const kill = process.kill.bind(process);
const exit = process.exit.bind(process);
const { pid } = process;
const getRandomValues = crypto.getRandomValues.bind(crypto);

/** What writing comes to when who reads is gone. */
const GONE: readonly unknown[] = ["EPIPE", "ECONNRESET"];

let host: Host | undefined;
let writeNow: WriteNow = () => {};

/** The executor is gone, or can't be told anything: nothing goes on, and nothing that was started is left. */
export function give(): never {
  try {
    kill(-pid, "SIGKILL");
  } catch {
    // It leads no group of its own.
  }
  return exit(70);
}

/** Opens the line. Called once, before anything is sent. */
export function openLine(heard: (bytes: Uint8Array) => void): void {
  const listener: LineListener = { heard, ended: give };
  writeNow = inside.openLine(listener);
}

/** Writes to the line. */
export function send(bytes: Uint8Array): void {
  write(LINE, bytes);
}

/** Writes to both outputs, past every capture. */
export function writeToBoth(bytes: Uint8Array): void {
  write(1, bytes);
  write(2, bytes);
}

function write(descriptor: number, bytes: Uint8Array): void {
  try {
    writeNow(descriptor, bytes);
  } catch (error) {
    if (GONE.includes((error as { code?: unknown }).code)) give();
    spoiled(descriptor);
  }
}

/** A task has closed a descriptor, or put another in its place: nobody would hear of more. Says so where that can be said. */
function spoiled(descriptor: number): never {
  const what = descriptor === LINE ? "the line to the executor" : "an output that all share";
  const text = `Descriptor ${descriptor}, ${what}, was closed or replaced: leave it alone\n`;
  try {
    writeNow(descriptor === 2 ? 1 : 2, encodeText(text));
  } catch {
    // All are closed: the exit code has to do.
  }
  return exit(70);
}

/** Hexadecimal digits that nobody can know before. */
export function drawDigits(count: number): string {
  const bytes = getRandomValues(new Uint8Array(count / 2));
  let digits = "";
  for (let at = 0; at < bytes.length; at++) digits += (bytes[at]! + 256).toString(16).slice(1);
  return digits;
}

/** Calls the listener when the attempt that runs is to end. */
export function onTerminate(listener: () => void): void {
  process.on("SIGTERM", listener);
}

/** Stops the processes that were started and are left; resolves to whether there were any. Nothing if none was started. */
export function clearChildren(): Promise<boolean> | undefined {
  return host?.children.clear();
}

/** Ends the process, which nothing hears of. */
export function end(): void {
  (host?.end ?? exit)(0);
}

/** Leads everything that a task can print to, throw past, or leave by, to the listener. */
export function install(listener: HostListener): void {
  const mark = newMark();
  let some = false;
  host = stepIn(listener, {
    marks: `${process.env[MARK] ?? ""} ${mark}`.trim(),
    mark,
    environment: {},
    started: () => void (some = true),
    cleared: () => void (some = false),
    killChildren: () => some && killOffspring(mark),
  });
}
