/**
 * Owns programs that run in a process group of their own, so that they can be stopped with all that they have started.
 * Must not know why a program runs, nor what its output means.
 * Invariant: `alive` is false only when no process of the group is left; one that has ended and waits to be reaped is none.
 */
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import type { Duplex, Readable } from "node:stream";
import { systemClock } from "../base/clock.ts";
import { childProcess } from "./builtin.ts";
import { descriptorLimit, needDescriptors } from "./descriptors.ts";
import { memoryOf } from "./group_memory.ts";
import { guard } from "./guard.ts";
import { folderProblem, locate } from "./located.ts";
import { marksWith, OURS } from "./marks.ts";
import { MARK } from "./offspring.ts";
import type { ChildEnd, GroupOptions, ProcessGroup } from "./port.ts";

/** Most file descriptors that are left to the rest of the process. */
const MAX_RESERVE = 32;

/** Output is handed on in pieces of this size. */
const PIECE_BYTES = 4096;
/** After this long the thread is left to others, milliseconds. */
const WORK_MS = 4;
/** What takes less is nothing to rest after, milliseconds. */
const SHORT_MS = 1;
/** How long others are left alone, milliseconds. */
const REST_MS = 4;

/** Starts a program. That it could not be started is told by `ended`. */
export function startGroup(options: GroupOptions): ProcessGroup {
  const { command, cwd, env, stdin, mark, onLine, onLineEnd, onOutput } = options;
  const [name = "", ...args] = command;
  const windows = process.platform === "win32";
  const program = windows ? { file: name, before: [] } : locate(name, { path: env["PATH"], cwd });
  const problem = folderProblem(cwd) ?? ("problem" in program ? program.problem : undefined);
  if (problem !== undefined || "problem" in program) return neverStarted(unstarted(name, problem!));
  const marked = mark === undefined ? env : { ...env, [MARK]: marksWith(mark) };
  let child: ChildProcess;
  try {
    needDescriptors(Math.min(MAX_RESERVE, descriptorLimit() / 8));
    guard.start();
    guard.watch(OURS);
    const stdio = ["pipe", "pipe", "pipe", ...onLine === undefined ? [] : ["pipe" as const]] as const;
    child = childProcess().spawn(program.file, [...program.before, ...args], {
      cwd,
      env: marked,
      detached: true,
      stdio: [...stdio],
      // As whoever finds it by PATH does: what it prints of itself begins with that.
      ...name.includes("/") || program.before.length > 0 ? {} : { argv0: name },
    });
  } catch (error) {
    return neverStarted(explained(error, name));
  }
  const ended = new Promise<ChildEnd>((resolve) => {
    child.on("error", (error) => {
      resolve({ code: undefined, signal: undefined, error: explained(error, name) });
    });
    child.on("exit", (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
  const { pid } = child;
  if (pid !== undefined) guard.add(pid);
  let released = false;
  const handed: (() => Promise<void>)[] = [];
  // Without a file descriptor left, there is a child without streams, and the error comes later.
  for (const stream of ["stdout", "stderr"] as const) {
    const output = child[stream];
    if (output === null || output === undefined) continue;
    handed.push(inTurns(output, { hear: (bytes) => onOutput(stream, bytes), released: () => released }));
    output.on("error", () => {});
  }
  const line = onLine && child.stdio?.[3] as Duplex | null | undefined;
  if (line) {
    handed.push(inTurns(line, { hear: onLine, released: () => released }));
    line.on("error", () => {});
    line.on("close", () => onLineEnd?.());
  }
  // A program that does not read its input may be gone before all of it is written.
  child.stdin?.on("error", () => {});
  child.stdin?.end(stdin);
  const drained = new Promise<void>((done) => {
    child.on("close", () => void Promise.all(handed.map((all) => all())).then(() => done()));
    child.on("error", () => done());
  });
  return {
    pid: pid ?? 0,
    ended,
    drained,
    write: (bytes) => {
      if (!line || line.destroyed) return 0;
      line.write(bytes);
      return line.writableLength;
    },
    memoryBytes: () => pid === undefined ? undefined : memoryOf(pid),
    signal: (signal) => void (pid !== undefined && send(pid, signal)),
    get alive() {
      return pid !== undefined && groupLives(pid);
    },
    release() {
      released = true;
      if (pid !== undefined) guard.remove(pid);
      for (const stream of ["stdout", "stderr", "stdin"] as const) child[stream]?.destroy();
      line?.destroy();
    },
  };
}

/**
 * Hands on what a stream gives, and leaves the thread to others in between where that takes long: a program that prints
 * millions of short lines is not to make the ends of all others be noticed after their timeouts. The returned function tells
 * when all that the stream has given is handed on.
 */
function inTurns(
  stream: Readable,
  { hear, released }: { readonly hear: (bytes: Uint8Array) => void; readonly released: () => boolean },
): () => Promise<void> {
  const rest = async () => {
    stream.pause();
    await new Promise<void>((rested) => systemClock.after(REST_MS, rested));
  };
  const handOn = async (bytes: Uint8Array) => {
    let since = systemClock.monotonic();
    for (let at = 0; at < bytes.length && !released(); at += PIECE_BYTES) {
      hear(bytes.subarray(at, at + PIECE_BYTES));
      if (systemClock.monotonic() - since < WORK_MS) continue;
      await rest();
      since = systemClock.monotonic();
    }
    // What comes in one piece is no flood: where that takes long, it is others that have had the thread.
    if (bytes.length > PIECE_BYTES && systemClock.monotonic() - since >= SHORT_MS) await rest();
    stream.resume();
  };
  // On Bun one that rests may give what it had read already, and end.
  let handed = Promise.resolve();
  stream.on("data", (bytes: Uint8Array) => handed = handed.then(() => handOn(bytes)));
  return () => handed;
}

function neverStarted(error: Error): ProcessGroup {
  return {
    pid: 0,
    ended: Promise.resolve({ code: undefined, signal: undefined, error }),
    drained: Promise.resolve(),
    write: () => 0,
    memoryBytes: () => undefined,
    signal() {},
    alive: false,
    release() {},
  };
}

/** Whether the signal reached anybody. */
function send(group: number, signal: "SIGTERM" | "SIGKILL" | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

function groupLives(group: number): boolean {
  return send(group, 0) && !onlyZombies(group);
}

/** Where nobody reaps orphans (a container without an init), what has ended still takes signals; Linux tells it apart. */
function onlyZombies(group: number): boolean {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return false;
  }
  let found = false;
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const [state, , pgrp] = statOf(name);
    if (Number(pgrp) !== group) continue;
    if (state !== "Z" && state !== "X") return false;
    found = true;
  }
  return found;
}

/** State, parent and group of a process; nothing if it is gone. */
function statOf(pid: string): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name before it is in parentheses and may hold anything.
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

function explained(error: unknown, program: string): Error {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return unstarted(
    program,
    REASONS[code ?? ""] ?? `the system refuses it: ${code ?? message ?? error}`,
    error,
  );
}

function unstarted(program: string, why: string, cause?: unknown): Error {
  return new Error(
    `Could not start ${JSON.stringify(program)}: ${why}`,
    cause === undefined ? {} : { cause },
  );
}

const NO_ROOM = (code: string) =>
  `the system has no room for another program (${code}): run fewer at once (--max-workers), or raise its limit (ulimit -n, ulimit -u)`;

/** What is found out only by starting it. */
const REASONS: Readonly<Record<string, string>> = {
  EMFILE: NO_ROOM("EMFILE"),
  ENFILE: NO_ROOM("ENFILE"),
  EAGAIN: NO_ROOM("EAGAIN"),
  ENOMEM: NO_ROOM("ENOMEM"),
  E2BIG: "its arguments and environment are too large: use stdin or inputs",
  ETXTBSY: "it is being written: let the task that writes it close the file first",
  ENOENT: "it is gone, or what loads it is missing: it may be made for another system (musl or glibc)",
  ENOEXEC: "it is no program of this system: name what runs it before it",
  EACCES: "it may not be executed: chmod +x, or name its interpreter",
  EPERM: "the system does not let this user execute it",
};
