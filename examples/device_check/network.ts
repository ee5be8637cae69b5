/**
 * Owns the measurement of the loopback interface: a TCP server and a client in one thread.
 * Invariant: the server listens on 127.0.0.1 only, and is closed when it returns or throws.
 */
import net from "node:net";
import type { TaskContext } from "../../mod.ts";
import { quantile, rounded } from "./figures.ts";

/** How fast the loopback is, with both ends in one thread. */
export interface Network {
  readonly throughputMiBPerSecond: number;
  /** Microseconds there and back, for one byte. */
  readonly roundTripUs: number;
  /** The same for the slowest one in a hundred. */
  readonly slowRoundTripUs: number;
}

const PINGS = 1_000;
const BYTES: number = 64 * 2 ** 20;
const CHUNK: Uint8Array = new Uint8Array(64 * 2 ** 10);

/** Sends one byte there and back a thousand times, then 64 MiB one way. */
export async function measureNetwork(ctx: Pick<TaskContext, "progress" | "signal">): Promise<Network> {
  const { signal } = ctx;
  const server = net.createServer();
  const open: net.Socket[] = [];
  const abort = () => {
    for (const socket of open) socket.destroy(new Error("The measurement was stopped"));
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    const port = await listen(server);
    const [client, peer] = await connect(server, port);
    open.push(client, peer);
    const times = await pingPong(client, peer);
    ctx.progress(0.4, "sending 64 MiB");
    const elapsedMs = await stream(client, peer);
    signal.throwIfAborted();
    return {
      throughputMiBPerSecond: rounded(BYTES / 2 ** 20 / (elapsedMs / 1_000)),
      roundTripUs: rounded(quantile(times, 0.5) * 1_000),
      slowRoundTripUs: rounded(quantile(times, 0.99) * 1_000),
    };
  } finally {
    signal.removeEventListener("abort", abort);
    for (const socket of open) socket.destroy();
    await new Promise<void>((done) => server.close(() => done()));
  }
}

function listen(server: net.Server): Promise<number> {
  return new Promise((done, fail) => {
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => done((server.address() as net.AddressInfo).port));
  });
}

async function connect(server: net.Server, port: number): Promise<[client: net.Socket, peer: net.Socket]> {
  const accepted = new Promise<net.Socket>((done) => server.once("connection", done));
  const connected = new Promise<net.Socket>((done, fail) => {
    const socket = net.connect(port, "127.0.0.1", () => done(socket));
    socket.once("error", fail);
  });
  const sockets: [net.Socket, net.Socket] = [await connected, await accepted];
  for (const socket of sockets) socket.setNoDelay(true);
  return sockets;
}

/** Round trips of one byte, each in milliseconds; the first hundred warm up and do not count. */
function pingPong(client: net.Socket, peer: net.Socket): Promise<number[]> {
  const byte = new Uint8Array(1);
  const echo = () => void peer.write(byte);
  const times: number[] = [];
  peer.on("data", echo);
  return new Promise<number[]>((done, fail) => {
    let start = performance.now();
    client.on("error", fail);
    client.on("data", () => {
      const now = performance.now();
      times.push(now - start);
      if (times.length === PINGS) return done(times.slice(100));
      start = performance.now();
      client.write(byte);
    });
    client.write(byte);
  }).finally(() => {
    peer.off("data", echo);
    client.removeAllListeners("data");
  });
}

/** Milliseconds until the peer has everything. */
function stream(client: net.Socket, peer: net.Socket): Promise<number> {
  return new Promise((done, fail) => {
    const start = performance.now();
    let received = 0;
    let sent = 0;
    client.on("error", fail);
    peer.on("error", fail);
    peer.on("data", (piece: Uint8Array) => {
      received += piece.length;
      if (received >= BYTES) done(performance.now() - start);
    });
    const push = () => {
      while (sent < BYTES) {
        sent += CHUNK.length;
        if (!client.write(CHUNK)) return void client.once("drain", push);
      }
    };
    push();
  });
}
