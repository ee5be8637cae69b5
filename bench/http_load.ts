/**
 * Owns the load on an HTTP server: a process of its own, with nothing of ours in it. `node bench/http_load.ts JSON`.
 *
 * It keeps 16 connections, each of which sends its next request when the answer to the last one is whole, as wrk does.
 */
import { connect } from "node:net";
import process from "node:process";

/** What to send. */
export interface Load {
  readonly port: number;
  /** The head's first line and headers, without an empty line. */
  readonly head: string;
  readonly body: string;
  readonly ms: number;
}

const CONNECTIONS = 16;

if (import.meta.main) {
  const { port, head, body, ms } = JSON.parse(process.argv[2]!) as Load;
  const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
  const request = `${head}\r\nHost: 127.0.0.1:${port}\r\n${length}\r\n${body}`;
  let answers = 0;
  let status = "";
  const sockets = Array.from({ length: CONNECTIONS }, () => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(request));
    let text = "";
    socket.setEncoding("latin1").on("data", (piece: string) => {
      text += piece;
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      status ||= text.slice(0, 12);
      const content = Number(/^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1] ?? 0);
      if (text.length < end + 4 + content) return;
      text = "";
      answers++;
      socket.write(request);
    });
    return socket;
  });
  await new Promise((warm) => setTimeout(warm, ms / 5));
  const [before, from] = [answers, performance.now()];
  await new Promise((over) => setTimeout(over, ms));
  process.stdout.write(
    `${JSON.stringify({ perSecond: (answers - before) / (performance.now() - from) * 1_000, status })}\n`,
  );
  for (const socket of sockets) socket.destroy();
}
