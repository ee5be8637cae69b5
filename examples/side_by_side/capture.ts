/**
 * Owns the receiving end: it counts what arrives until it has heard that all was sent.
 * Must not know the generator; only the key `port` and the events `ready` and `sent`.
 */
import net from "node:net";
// Outside of this checkout: import type { TaskContext } from "outrider";
import type { TaskContext } from "../../mod.ts";

/** What arrived. */
export interface Captured {
  readonly messages: number;
  readonly bytes: number;
}

/** Captures until the event `sent` is there and the connection has closed. */
export async function capture(
  ctx: Pick<TaskContext, "store" | "events" | "log" | "progress" | "signal">,
): Promise<Captured> {
  let messages = 0;
  let bytes = 0;
  let expected = Infinity;
  const server = net.createServer();
  const drained = new Promise<void>((done, fail) => {
    server.on("connection", (socket) => {
      socket.on("data", (piece: Uint8Array) => {
        bytes += piece.length;
        for (const byte of piece) if (byte === LINE_FEED) messages++;
        if (expected !== Infinity) ctx.progress(Math.min(1, messages / expected));
      });
      socket.on("error", fail);
      socket.on("end", () => done());
    });
    ctx.signal.addEventListener("abort", () => fail(ctx.signal.reason), { once: true });
  });
  // It is awaited later; until then a failure is no unhandled one.
  drained.catch(() => {});
  try {
    await ctx.store.set("port", await listen(server));
    // Whoever asks late with `since: 0` hears it too, so it does not matter which task is first.
    await ctx.events.emit("ready");
    const { detail } = await ctx.events.once<{ messages: number }>("sent", { since: 0, timeout: "20s" });
    expected = detail!.messages;
    ctx.log.info(`Told that ${expected} messages were sent; ${messages} have arrived so far`);
    await drained;
    return { messages, bytes };
  } finally {
    server.close();
  }
}

const LINE_FEED = 10;

function listen(server: net.Server): Promise<number> {
  return new Promise((done, fail) => {
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => done((server.address() as net.AddressInfo).port));
  });
}
