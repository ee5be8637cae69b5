/**
 * Owns a line of TCP that is slow and breaks: between a client and a server on loopback, with so many bytes a second towards the
 * client, and cut at places that chance names.
 * Must not know what is sent.
 * Invariant: what counts as sent has been written to the client's end; all of it is closed when the work is over.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What a line is like. */
export interface LineOptions {
  readonly bytesPerSecond: number;
  /** Counts of bytes towards the client at which it is cut, in order. */
  readonly cuts: readonly number[];
}

/** What has passed. */
export interface SlowLine {
  readonly url: string;
  /** Bytes to the client, heads of answers included, and bytes of requests. */
  readonly passed: () => { readonly down: number; readonly up: number; readonly cuts: number };
}

/** As many pieces a second: a line is as fast as its slowest tenth of a second. */
const PIECES_A_SECOND = 50;

/** Calls a function with an address that leads to a server by way of the line. */
export async function withSlowLine<T>(
  to: string,
  { bytesPerSecond, cuts: places }: LineOptions,
  use: (line: SlowLine) => Promise<T>,
): Promise<T> {
  let [down, up, cuts] = [0, 0, 0];
  let free = performance.now();
  const sockets = new Set<Socket>();
  const most = Math.min(64 * 1024, Math.ceil(bytesPerSecond / PIECES_A_SECOND));
  /** Sends a piece when its time has come. Whether the line is still there then. */
  async function passOn(piece: Uint8Array, near: Socket): Promise<boolean> {
    for (let at = 0; at < piece.length;) {
      const end = Math.min(at + most, piece.length, at + (places[cuts] ?? Infinity) - down);
      free = Math.max(free, performance.now()) + (end - at) * 1_000 / bytesPerSecond;
      await new Promise((next) => setTimeout(next, Math.max(0, free - performance.now())));
      if (near.destroyed) return false;
      near.write(piece.subarray(at, end));
      down += end - at;
      at = end;
      if (down >= (places[cuts] ?? Infinity)) {
        cuts++;
        return false;
      }
    }
    return true;
  }
  const server = createServer((near) => {
    const far = connect(Number(new URL(to).port), "127.0.0.1");
    const end = () => [near, far].forEach((each) => each.destroy());
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => sockets.delete(socket));
    }
    near.on("data", (piece: Uint8Array) => {
      up += piece.length;
      far.write(piece);
    });
    near.on("close", end);
    far.on("data", async (piece: Uint8Array) => {
      far.pause();
      if (await passOn(piece, near)) far.resume();
      else end();
    });
    far.on("end", () => near.end());
  });
  await new Promise<void>((open) => server.listen(0, "127.0.0.1", () => open()));
  try {
    const { port } = server.address() as AddressInfo;
    return await use({ url: `http://127.0.0.1:${port}`, passed: () => ({ down, up, cuts }) });
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => server.close(closed));
  }
}
