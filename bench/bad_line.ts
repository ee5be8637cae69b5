/**
 * Owns a bad line of TCP between clients and a server on loopback, as of a device on the move: each piece is late, some are
 * lost and come only when they are sent again (TCP's own: all behind them waits), and connections are cut.
 * Must not know what is sent.
 * Invariant: what passes keeps its order; all of it is closed when `close` is over.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What a line is like. */
export interface BadLineOptions {
  /** Where it leads, on this machine. */
  readonly port: number;
  readonly random: () => number;
  /** Each piece is late by so much, ± 50 %, milliseconds. */
  readonly lateMs: number;
  /** Share of pieces that are lost, and how long it takes until one is sent again, milliseconds. */
  readonly lost: number;
  readonly againMs: number;
  /** Mean time until a connection is cut, milliseconds. */
  readonly cutMs: number;
}

/** A line that stands until it is closed. */
export interface BadLine {
  readonly port: number;
  readonly cuts: () => number;
  close(): Promise<void>;
}

/** Opens a bad line. */
export async function badLine(options: BadLineOptions): Promise<BadLine> {
  const { port, random, cutMs } = options;
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    const end = () => [near, far].forEach((each) => each.destroy());
    const cut = setTimeout(() => {
      cuts++;
      end();
    }, -Math.log(1 - random()) * cutMs);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        sockets.delete(socket);
        clearTimeout(cut);
        end();
      });
    }
    late(near, far, options);
    late(far, near, options);
  });
  await new Promise<void>((open) => server.listen(0, "127.0.0.1", 4096, () => open()));
  return {
    port: (server.address() as AddressInfo).port,
    cuts: () => cuts,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Passes pieces on, each when its time has come, none before the one ahead of it. */
function late(from: Socket, to: Socket, { random, lateMs, lost, againMs }: BadLineOptions): void {
  let last = Promise.resolve();
  from.on("data", (piece: Uint8Array) => {
    const ms = lateMs * (0.5 + random()) + (random() < lost ? againMs : 0);
    const due = new Promise<void>((later) => setTimeout(later, ms));
    last = last.then(() => due).then(() => {
      if (!to.destroyed) to.write(piece);
    });
  });
}
