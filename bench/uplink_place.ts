/**
 * Owns the gateway that the uplink is measured against: `outrider gateway`, a process of the same runtime, its database in a
 * file, on loopback; and a counter of bytes that can be put before it.
 * Must not know what is measured.
 * Invariant: the process, the file and the counter are gone when the measurement is over.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { systemClock } from "../src/base/clock.ts";
import type { Gateway } from "../src/uplink/gateway.ts";
import { outriderGateway } from "../src/uplink/dialects/outrider.ts";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
/** Part of each request, as of a real executor's. */
export const TOKEN: string = "0123456789abcdef".repeat(2);

/** A gateway at work. */
export interface GatewayProcess {
  readonly url: string;
  readonly pid: number;
  /** @param signal `SIGKILL`: as a power cut would. */
  end(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** Starts a gateway. @param more Options of its command line beside its token. */
export async function startGateway(db: string, more: readonly string[]): Promise<GatewayProcess> {
  const before = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
  const args = [...before, MAIN, "gateway", "--db", db, "--token", TOKEN, ...more];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((end) => child.on("close", end));
  return {
    url: await firstLine(child),
    pid: child.pid!,
    async end(signal = "SIGTERM") {
      child.kill(signal);
      await ended;
    },
  };
}

/** Calls a function with the address of a new gateway. */
export async function withGateway<T>(use: (url: string) => Promise<T>): Promise<T> {
  return await withFolder(async (folder) => {
    const gateway = await startGateway(join(folder, "g.db"), ["--port", "0"]);
    try {
      return await use(gateway.url);
    } finally {
      await gateway.end();
    }
  });
}

/** Calls a function with a folder on the disk that temporary files are on. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-bench-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((found, reject) => {
    let text = "";
    child.stdout!.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      if (text.includes("\n")) found(text.split("\n")[0]!);
    });
    child.on("error", reject);
    child.on(
      "close",
      (code) => reject(new Error(`The gateway ended with ${code} before it said its address`)),
    );
  });
}

/** An executor's side of a gateway. */
export function executorAt(url: string, executor = "bench"): Gateway {
  const fetcher = (to: string, init: RequestInit) => fetch(to, init);
  return outriderGateway({ url, executor, token: TOKEN, fetch: fetcher, clock: systemClock });
}

/** What has passed on the way to a gateway. */
export interface Counted {
  /** Bytes sent to the gateway, the heads of requests included. */
  readonly sent: number;
  /** `Content-Length` of the requests whose heads have been seen, added. */
  readonly bodies: number;
}

/** Calls a function with an address that leads to the gateway by way of a counter. */
export async function withCounter<T>(
  url: string,
  use: (url: string, counted: () => Counted) => Promise<T>,
): Promise<T> {
  let sent = 0;
  let bodies = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(new URL(url).port), "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => [near, far].forEach((each) => each.destroy()));
    }
    near.on("data", (piece: Uint8Array) => {
      sent += piece.length;
      for (
        const [, length] of new TextDecoder("latin1").decode(piece).matchAll(/^content-length: *(\d+)/gim)
      ) {
        bodies += Number(length);
      }
    });
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((open) => server.listen(0, "127.0.0.1", () => open()));
  try {
    const { port } = server.address() as AddressInfo;
    return await use(`http://127.0.0.1:${port}`, () => ({ sent, bodies }));
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => server.close(closed));
  }
}
