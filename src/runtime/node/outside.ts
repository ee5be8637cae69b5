/**
 * Owns what is Node's own: its name, and how it serves an app; `exit` is the end of the thread there.
 * Must not know the other adapters.
 */
import { Buffer } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import process from "node:process";
import { vm } from "../builtin.ts";
import { compiledFolder } from "./compiled.ts";
import { itself, nodeCompatible, passedOn } from "../node_compat.ts";
import type { Runtime, TaskProgramOptions } from "../port.ts";
import type { Listen } from "../serve.ts";
import { startWorkerThread } from "../worker_threads.ts";

/** Node behind the port. */
export function node(): Runtime {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 22 || major === 22 && minor < 18) throw tooOld(process.versions.node);
  return nodeCompatible({
    name: "node",
    version: process.versions.node,
    // Measured with a worker that has run a task.
    threadBytes: 9 * 2 ** 20,
    listen,
    // A single executable has itself where others have their script, whatever it was called by; its options are in it.
    self: () => {
      if (singleExecutable() !== undefined) return [process.execPath];
      const script = process.argv[1];
      return [process.execPath, ...process.execArgv, ...(script === undefined ? [] : [script])];
    },
    // A single executable takes neither options nor code.
    taskProgram: (options, whole) => singleExecutable() === undefined ? evaluating(options) : itself(whole),
    inside: (name) => {
      const sea = singleExecutable();
      return Promise.resolve(sea?.getAssetKeys().includes(name) ? sea.getAsset(name, "utf8") : undefined);
    },
    importUrl: (url) => importer()(url),
    newId,
    startThread: (options) => startWorkerThread(options, { compiled: compiledFolder }),
  });
}

/** Where many systems give chance to whoever reads. */
const CHANCE = "/dev/urandom";

/** Without Node's cryptography where that can be done: it takes 8 ms to load. */
function newId(): string {
  const bytes = Buffer.alloc(16);
  try {
    const file = openSync(CHANCE, "r");
    try {
      // Something else may lie there in a folder that somebody has made the root.
      if (!fstatSync(file).isCharacterDevice() || readSync(file, bytes) < 16) return crypto.randomUUID();
    } finally {
      closeSync(file);
    }
  } catch {
    return crypto.randomUUID();
  }
  bytes[6] = 0x40 | bytes[6]! & 0x0f;
  bytes[8] = 0x80 | bytes[8]! & 0x3f;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** What makes a process keep what it compiles, before any module of a task is there. */
function compilingFrom(folder: string | undefined): string {
  if (folder === undefined) return "";
  return `process.getBuiltinModule("module").enableCompileCache(${JSON.stringify(folder)});`;
}

function evaluating({ code, heapMiB }: TaskProgramOptions): readonly string[] {
  return [
    process.execPath,
    ...passedOn(process.execArgv),
    ...(heapMiB === undefined ? [] : [`--max-old-space-size=${heapMiB}`]),
    ...["--input-type=module", "--eval", `${compilingFrom(compiledFolder())}${code}`],
  ];
}

/** The part of `node:sea` that is used here. */
interface Sea {
  isSea(): boolean;
  getAsset(name: string, encoding: "utf8"): string;
  getAssetKeys(): readonly string[];
}

/** What was put into this executable, if it is a single one. */
function singleExecutable(): Sea | undefined {
  const sea = process.getBuiltinModule("node:sea") as Sea | undefined;
  return sea?.isSea() ? sea : undefined;
}

type Importer = (url: string) => Promise<unknown>;

/** In a single executable `import` knows nothing but what Node has; the loader of scripts knows the rest. */
function importer(): Importer {
  if (singleExecutable() === undefined) return (url) => import(url) as Promise<unknown>;
  const { constants, Script } = vm();
  return new Script("(url) => import(url)", {
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }).runInThisContext() as Importer;
}

/** Its stack is its message: nobody is helped by lines of ours. */
function tooOld(version: string): Error {
  const error = new Error(`Outrider needs Node 22.18 or newer, or Deno, or Bun; this is Node ${version}`);
  error.stack = error.message;
  return error;
}

/** Longer than any client keeps an idle connection, so that it is not closed under a request. */
const KEEP_ALIVE_MS = 75_000;

/** Who has not sent the head of a request by then is let go, milliseconds; and how often it is looked. Bodies are the app's. */
const HEADERS = { headersTimeout: 10_000, connectionsCheckingInterval: 2_000, requestTimeout: 0 };

/** Beyond the bound the one goes that has been there longest without having asked for anything, or else the newest. */
function limit(server: Server, connections: number): void {
  const fresh = new Set<Socket>();
  let count = 0;
  server.on("request", ({ socket }: { readonly socket: Socket }) => void fresh.delete(socket));
  server.on("connection", (socket: Socket) => {
    fresh.add(socket);
    count++;
    socket.once("close", () => {
      fresh.delete(socket);
      count--;
    });
    if (count <= connections) return;
    const [oldest = socket] = fresh;
    if (oldest === socket) server.closeIdleConnections();
    oldest.destroy();
  });
}

const listen: Listen = async ({ fetch, connections, ...at }) => {
  const { createAdaptorServer } = await import("@hono/node-server");
  const options = { keepAliveTimeout: KEEP_ALIVE_MS, ...HEADERS };
  const server = createAdaptorServer({
    fetch,
    overrideGlobalObjects: false,
    serverOptions: options,
  }) as Server;
  await new Promise<void>((listening, failed) => {
    server.once("error", failed);
    // Its name for the address is another than everybody else's; one that it does not know it passes over in silence.
    server.listen("path" in at ? at : { host: at.hostname, port: at.port }, listening);
  });
  limit(server, connections);
  // A connection that can't be taken, for want of descriptors, is the client's loss and not ours.
  server.on("error", () => {});
  const address = server.address();
  return {
    ...(typeof address === "object" && address !== null && { at: address }),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
};
