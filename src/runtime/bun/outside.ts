/**
 * Owns what is Bun's own: its name, and how it serves an app; `exit` is the end of the thread there. It enforces no heap cap.
 * Must not know the other adapters.
 */
import { write } from "node:fs";
import process from "node:process";
import { promises } from "../builtin.ts";
import { told } from "../files.ts";
import { itself, nodeCompatible, passedOn } from "../node_compat.ts";
import type { InsideName, Runtime } from "../port.ts";
import type { Listen } from "../serve.ts";
import type { Libc } from "../shield.ts";
import { startWorkerThread } from "../worker_threads.ts";

/** Bun behind the port. */
export function bun(): Runtime {
  return nodeCompatible({
    name: "bun",
    version: process.versions.bun ?? "unknown",
    // Measured with a worker that has run a task.
    threadBytes: 6 * 2 ** 20,
    listen,
    writeSome: (descriptor, bytes) => told((done) => write(descriptor, bytes, done)),
    // A single executable has its script in a file system of its own, which nothing else can read.
    self: () => {
      return [process.execPath, ...process.execArgv, ...(isCompiled() ? [] : [process.argv[1]!])];
    },
    // An executable takes no code; it has its own.
    taskProgram: ({ code }, whole) =>
      isCompiled() ? itself(whole) : [process.execPath, ...passedOn(process.execArgv), "--eval", code],
    libc,
    asBun: () => ({ command: [process.execPath], env: { BUN_BE_BUN: "1" } }),
    inside: async (name) => {
      const path = (globalThis as { readonly [INSIDE]?: Inside })[INSIDE]?.[name];
      return path === undefined ? undefined : await promises().readFile(path, "utf8");
    },
    startThread: (options) => startWorkerThread(options),
  });
}

/** The global in which an executable finds the paths of what was put into it; it is set by its first module. */
const INSIDE = "outrider.inside";
type Inside = Readonly<Partial<Record<InsideName, string>>>;

function isCompiled(): boolean {
  const script = process.argv[1] ?? "";
  return script === "" || /^(\/\$bunfs\/|[A-Z]:[\\/]~BUN)/.test(script);
}

/** What Bun adds to `import.meta`. */
interface BunMeta {
  require(name: "bun:ffi"): {
    dlopen(path: string, symbols: Readonly<Record<string, object>>): { readonly symbols: Libc };
  };
}

/** The C library, if it may be called. */
function libc(): Libc | undefined {
  try {
    return (import.meta as unknown as BunMeta).require("bun:ffi").dlopen("libc.so.6", {
      fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
      dup2: { args: ["i32", "i32"], returns: "i32" },
      close: { args: ["i32"], returns: "i32" },
    }).symbols;
  } catch {
    return undefined;
  }
}

/** The part of `Bun` that is used here. */
interface BunServe {
  serve(options: Readonly<Record<string, unknown>>): {
    readonly address?: { readonly address: string; readonly port: number } | null;
    stop(closeAll: boolean): Promise<void>;
  };
}

/** Seconds; Bun's own 10 would end a request that is held for news. 255 is the most it takes. */
const IDLE_S = 255;
/** Above what any of our apps takes, so that the app is the one that refuses. */
const MAX_BODY_BYTES: number = 512 * 1024 * 1024;

const listen: Listen = async ({ fetch, connections: _, ...at }) => {
  const { serve } = (globalThis as unknown as { readonly Bun: BunServe }).Bun;
  const server = serve({
    // Bun passes its server as a second argument, which an app may take for something else.
    fetch: (request: Request) => fetch(request),
    idleTimeout: IDLE_S,
    maxRequestBodySize: MAX_BODY_BYTES,
    ...("path" in at ? { unix: at.path } : at),
  });
  return {
    ...("hostname" in at && server.address && { at: server.address }),
    shut: () => server.stop(false),
    close: () => server.stop(true),
  };
};
