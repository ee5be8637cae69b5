/**
 * Owns what is Deno's own. There `exit` may come while a loop still runs; a Web Lock that the thread holds is granted
 * to us only when the thread is gone, and holding it is also what lets `terminate` halt a synchronous loop.
 * Must not know the other adapters.
 */
import { nodeCompatible } from "./node_compat.ts";
import type { Runtime } from "./port.ts";
import type { Listen } from "./serve.ts";
import { startWorkerThread } from "./worker_threads.ts";

/** Deno behind the port. */
export function deno(): Runtime {
  return nodeCompatible({
    name: "deno",
    version: Deno.version.deno,
    listen,
    // Which permissions were given can't be asked; who may start processes may do everything by them.
    self: () => {
      const executable = Deno.execPath();
      return Deno.build.standalone ? [executable] : [executable, "run", "-A", "--no-check", Deno.mainModule];
    },
    startThread: (options) =>
      startWorkerThread(options, {
        gone: (lock) => navigator.locks.request(lock, () => {}).then(() => {}),
        // A thread that is terminated makes Deno print an error of its own, more often than not; one that ends itself doesn't.
        itself: { startingMs: 1_000, runningMs: 150 },
      }),
  });
}

const listen: Listen = async ({ fetch, ...at }) => {
  const over = new AbortController();
  const options = { signal: over.signal, onListen: () => {} };
  const server = "path" in at
    ? Deno.serve({ path: at.path, ...options }, fetch)
    : Deno.serve({ hostname: at.hostname, port: at.port, ...options }, fetch);
  return {
    port: "port" in server.addr ? server.addr.port : 0,
    close: () => {
      over.abort();
      return server.finished;
    },
  };
};
