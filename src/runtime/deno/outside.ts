/**
 * Owns what is Deno's own. There `exit` may come while a loop still runs; a Web Lock that the thread holds is granted
 * to us only when the thread is gone, and holding it is also what lets `terminate` halt a synchronous loop.
 * Must not know the other adapters.
 */
import { itself, nodeCompatible } from "../node_compat.ts";
import type { AppFetch, Runtime } from "../port.ts";
import type { Listen } from "../serve.ts";
import type { Libc } from "../shield.ts";
import { startWorkerThread } from "../worker_threads.ts";

/** Deno behind the port. */
export function deno(): Runtime {
  return nodeCompatible({
    name: "deno",
    version: Deno.version.deno,
    // Measured with a worker that has run a task.
    threadBytes: 17 * 2 ** 20,
    listen,
    writeSome: (descriptor, bytes) => (descriptor === 1 ? Deno.stdout : Deno.stderr).write(bytes),
    // Which permissions were given can't be asked; who may start processes may do everything by them.
    self: () => {
      const executable = Deno.execPath();
      return Deno.build.standalone ? [executable] : [executable, "run", "-A", "--no-check", Deno.mainModule];
    },
    // With the same main module, so with the same configuration.
    taskProgram: ({ code, heapMiB }, whole) => {
      if (Deno.build.standalone) return itself(whole);
      const executable = Deno.execPath();
      const flags = heapMiB === undefined ? [] : [`--v8-flags=--max-old-space-size=${heapMiB}`];
      if (whole === undefined) return [executable, "eval", ...flags, code];
      return [executable, "run", "-A", "--no-check", ...flags, Deno.mainModule, whole.argument];
    },
    libc,
    // Beside its program, in a file system of its own. What lies beside the sources is nobody's business.
    inside: async (name) => {
      if (!Deno.build.standalone) return undefined;
      try {
        return await Deno.readTextFile(new URL(`./inside/${name}.txt`, Deno.mainModule));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    startsFrom: mayRead,
    startThread: (options) =>
      startWorkerThread(options, {
        gone: (lock) => navigator.locks.request(lock, () => {}).then(() => {}),
        // A thread that is terminated makes Deno print an error of its own, more often than not; one that ends itself doesn't.
        // While it loads its program, all of Deno may panic over it (seen in 2.9.5), so it gets what a busy device needs to start one.
        itself: { startingMs: 30_000, runningMs: 150 },
      }),
  });
}

/** Whether a file may be read, by its URL. */
function mayRead(file: string): boolean {
  return Deno.permissions.querySync({ name: "read", path: new URL(file) }).state === "granted";
}

/** The C library, if it may be called. */
function libc(): Libc | undefined {
  try {
    return Deno.dlopen("libc.so.6", {
      fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
      dup2: { parameters: ["i32", "i32"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
    }).symbols;
  } catch {
    return undefined;
  }
}

/** Deno warns once that it aborts a request's signal after every answer too, which `answered` takes care of. */
const LEGACY_ABORT = "Deno.serve: request.signal aborts on successful responses";

/**
 * An app whose requests have a signal that is aborted when the client goes away before it is answered, and only then. A request
 * whose signal nobody asks for costs next to nothing: it gets another prototype, and what is answered at once stays so.
 */
function answered(fetch: AppFetch): AppFetch {
  const { get: signalOf } = Object.getOwnPropertyDescriptor(Request.prototype, "signal")!;
  const asked = new WeakMap<Request, { readonly gone: AbortController; over: boolean }>();
  const prototype = Object.create(Request.prototype, {
    signal: {
      get(this: Request): AbortSignal {
        const before = asked.get(this);
        if (before !== undefined) return before.gone.signal;
        const state = { gone: new AbortController(), over: false };
        asked.set(this, state);
        signalOf!.call(this).addEventListener("abort", () => state.over || state.gone.abort());
        return state.gone.signal;
      },
    },
  });
  const end = (request: Request) => {
    const state = asked.get(request);
    if (state !== undefined) state.over = true;
  };
  const later = async (request: Request, answer: Promise<Response>) => {
    try {
      return await answer;
    } finally {
      end(request);
    }
  };
  withoutWarning();
  return (request) => {
    const answer = fetch(Object.setPrototypeOf(request, prototype));
    if (answer instanceof Promise) return later(request, answer);
    end(request);
    return answer;
  };
}

let warned = false;

function withoutWarning(): void {
  if (warned) return;
  warned = true;
  const { warn } = console;
  console.warn = (...args: unknown[]) => {
    if (!String(args[0]).startsWith(LEGACY_ABORT)) warn.apply(console, args);
  };
}

const listen: Listen = async ({ fetch, connections: _, ...at }) => {
  const answer = answered(fetch);
  const over = new AbortController();
  const options = { signal: over.signal, onListen: () => {} };
  const server = "path" in at
    ? Deno.serve({ path: at.path, ...options }, answer)
    : Deno.serve({ hostname: at.hostname, port: at.port, ...options }, answer);
  return {
    ...("port" in server.addr && { at: { address: server.addr.hostname, port: server.addr.port } }),
    shut: () => server.shutdown(),
    close: () => {
      over.abort();
      return server.finished.catch(() => {});
    },
    // It ends when there is no descriptor left for the next connection.
    failed: server.finished,
  };
};
