/**
 * Owns what the program in a process that runs tasks asks of the process: the line to its executor, its outputs, its end.
 * Must not know attempts or messages, nor which runtime it is; what it has in common with a thread is in host.ts.
 * Invariant: installed once, before any module of a task is imported. Nothing that tasks have started outlives the process.
 */
import fs from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { encodeText } from "../base/primordials.ts";
import { type Host, type HostListener, inside, stepIn } from "./host.ts";
import { putBackEnvironment } from "./environment.ts";
import { LINE, type LineListener, type OpenLine } from "./line.ts";
import { newMark } from "./marks.ts";
import { killOffspring, MARK } from "./offspring.ts";
import { beforeClosing } from "./worker_files.ts";

export { formatted, isPromise, provide, scope } from "./host.ts";

const kill = process.kill.bind(process);
const exit = process.exit.bind(process);
const { pid } = process;
const getRandomValues = crypto.getRandomValues.bind(crypto);

/** What writing comes to when who reads is gone. */
const GONE: readonly unknown[] = ["EPIPE", "ECONNRESET"];

let host: Host | undefined;
let line: OpenLine | undefined;
/** What the runtime and we stand on, by descriptor: the line, the outputs, what an event loop waits for. */
let held: readonly (readonly [descriptor: number, file: string | undefined])[] = [];

/** The path that a path or `file:` URL stands for here: tasks may change the working directory of their process. */
export function wholePath(path: string): string {
  return path.startsWith("file:") ? path : resolve(path);
}

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
  line = inside.openLine(listener);
  if (line.closesByFs) {
    beforeClosing((descriptor) => {
      if (held.some(([each, file]) => each === descriptor && line!.fileOf(each) === file)) {
        spoiled(descriptor as number);
      }
    });
  }
}

/** Notes what is open before any task has run. */
export function holdDescriptors(): void {
  const { fileOf } = line!;
  held = descriptors().filter((each) => each <= LINE || isNoFile(each)).map((each) => [each, fileOf(each)]);
}

/** Ends the process, with words, if a task has closed or replaced what it stands on: the next task is not to find that. */
export function checkDescriptors(): void {
  const { fileOf } = line!;
  for (let at = 0; at < held.length; at++) {
    const [descriptor, file] = held[at]!;
    if (fileOf(descriptor) !== file) spoiled(descriptor);
  }
}

function descriptors(): readonly number[] {
  try {
    const list = fs.readdirSync("/proc/self/fd").map(Number);
    // The folder itself is among them, and is closed again.
    return list.filter((each) => line!.fileOf(each) !== undefined);
  } catch {
    return [0, 1, 2, LINE];
  }
}

/** A runtime may open and close files as it likes: what it waits for are pipes, sockets and the like. */
function isNoFile(descriptor: number): boolean {
  try {
    return /^(?:pipe|socket|anon_inode):/.test(fs.readlinkSync(`/proc/self/fd/${descriptor}`));
  } catch {
    return false;
  }
}

const chdir = process.chdir.bind(process),
  cwd = process.cwd.bind(process),
  umask = process.umask.bind(process);
const home = { cwd: cwd(), umask: umask() };

/** Undoes what the last task may have done to what all share, before the next one. */
export function putRight(): void {
  try {
    if (whereabouts() !== home.cwd) chdir(home.cwd);
  } catch {
    // It is gone: no other process would find it either.
  }
  umask(home.umask);
  putBackEnvironment();
  process.exitCode = 0;
  if (process.hasUncaughtExceptionCaptureCallback?.()) process.setUncaughtExceptionCaptureCallback(null);
}

function whereabouts(): string | undefined {
  try {
    return cwd();
  } catch {
    return undefined;
  }
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
    line?.write(descriptor, bytes);
  } catch (error) {
    if (GONE.includes((error as { code?: unknown }).code)) give();
    spoiled(descriptor);
  }
}

/** A task has closed a descriptor, or put another in its place: nobody would hear of more. Says so where that can be said. */
function spoiled(descriptor: number): never {
  const what = descriptor === LINE
    ? "the line to the executor"
    : descriptor === 1 || descriptor === 2
    ? "an output that all share"
    : "on which its process stands";
  const text = `Descriptor ${descriptor}, ${what}, was closed or replaced: leave it alone\n`;
  try {
    line?.write(descriptor === 2 ? 1 : 2, encodeText(text));
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
