/**
 * Owns the sending end: it waits until somebody listens, sends, and says so.
 * Must not know the capture; only the key `port` and the events `ready` and `sent`.
 */
import net from "node:net";
// Outside of this checkout: import type { TaskContext } from "outrider";
import type { TaskContext } from "../../mod.ts";

/** What was sent. */
export interface Sent {
  readonly messages: number;
}

/** Sends `messages` lines of `bytes` bytes each to the port in the store. */
export async function generate(
  ctx: Pick<
    TaskContext<unknown, { messages: number; bytes: number }>,
    "store" | "events" | "progress" | "params"
  >,
): Promise<Sent> {
  const { messages, bytes } = ctx.params;
  await ctx.events.once("ready", { since: 0, timeout: "20s" });
  const port = await ctx.store.waitFor<number>("port");
  const socket = await connect(port);
  try {
    const message = `${"x".repeat(bytes - 1)}\n`;
    for (let sent = 0; sent < messages; sent++) {
      if (!socket.write(message)) await drain(socket);
      if (sent % 500 === 0) ctx.progress(sent / messages);
    }
    await new Promise<void>((done) => socket.end(done));
  } finally {
    socket.destroy();
  }
  await ctx.events.emit("sent", { messages });
  return { messages };
}

function connect(port: number): Promise<net.Socket> {
  return new Promise((done, fail) => {
    const socket = net.connect(port, "127.0.0.1", () => done(socket));
    socket.once("error", fail);
  });
}

function drain(socket: net.Socket): Promise<void> {
  return new Promise((done, fail) => {
    const failed = (error: Error) => fail(error);
    socket.once("error", failed);
    socket.once("drain", () => {
      socket.off("error", failed);
      done();
    });
  });
}
