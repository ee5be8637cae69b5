/**
 * Owns asking over a Unix socket, which `fetch` can't do, or not everywhere in the same way.
 * Must not know what is asked.
 * Invariant: it answers and fails as `fetch` does.
 */
import { type IncomingMessage, request as ask } from "node:http";
import { Readable } from "node:stream";
import type { SocketRequest } from "./port.ts";

/** Statuses of answers that have no body. */
const EMPTY: ReadonlySet<number> = new Set([204, 205, 304]);

/** Asks whoever listens at a Unix socket. @throws {Error} If nobody does. */
export function askSocket({ socket, path, method, headers, body, signal }: SocketRequest): Promise<Response> {
  return new Promise((answered, failed) => {
    const asking = ask({
      socketPath: socket,
      path,
      method,
      headers: { host: "localhost", ...headers },
      agent: false,
      ...(signal !== undefined && { signal }),
    }, (message) => {
      try {
        answered(responseOf(message));
      } catch (error) {
        message.destroy();
        failed(error);
      }
    });
    asking.on("upgrade", (_, socket) => {
      socket.destroy();
      failed(new Error("It answered with another protocol"));
    });
    asking.on("error", failed);
    asking.end(body);
  });
}

/** @throws {RangeError} If its status is none. */
function responseOf(message: IncomingMessage): Response {
  const { statusCode: status = 0 } = message;
  const headers = Object.entries(message.headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each): [string, string] => [name, each])
  );
  const body = EMPTY.has(status) ? null : Readable.toWeb(message) as ReadableStream<Uint8Array<ArrayBuffer>>;
  if (body === null) message.resume();
  return new Response(body, { status, headers });
}
