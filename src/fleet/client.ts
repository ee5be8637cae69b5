/**
 * Owns the client of NATS, and its keys: the only file that names it, loaded when a connection is first wanted.
 * Must not know what is sent, nor when to try again.
 * Invariant: it never reconnects by itself (it leaks when it does: nats.js#423, #433), times nothing of ours, and leaves no socket
 * open behind a connection that it has given up.
 */
import { credsAuthenticator, headers as newHeaders, wsconnect } from "@nats-io/nats-core";
import type { ConnectionOptions, Msg, NatsConnection as Client } from "@nats-io/nats-core";
export { nkeys } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";
import type { DialOptions, NatsConnection, NatsMessage, Outgoing } from "./connection.ts";

/** Time between two pings; a connection without an answer to two of them is gone. Milliseconds. */
const PING_MS = 30_000;
/** Longest that a server takes to greet, milliseconds. Who dials has a limit of its own. */
const GREETING_MS = 20_000;

const { close } = NodeTransport.prototype;

/**
 * A connection that is given up before the server has greeted is forgotten by the client, and its socket stays open for as long as
 * the other end likes: where something accepts connections and says nothing, each attempt would cost one. Here it is closed.
 */
NodeTransport.prototype.close = function (this: NodeTransport, error?: Error): Promise<void> {
  if (!this.connected) {
    // One that is not there yet is closed when it comes.
    this.done = true;
    this.socket?.destroy();
  }
  return close.call(this, error);
};

/** Dials a server. @param greetingMs Longest that it takes to greet, milliseconds. */
export async function dialNats(
  options: DialOptions,
  greetingMs: number = GREETING_MS,
): Promise<NatsConnection> {
  const { url, name, creds, token, signal } = options;
  const { protocol, host } = new URL(url);
  const isSocket = protocol === "ws:" || protocol === "wss:";
  const how: ConnectionOptions = {
    servers: isSocket ? url : host,
    name,
    reconnect: false,
    noAsyncTraces: true,
    ignoreClusterUpdates: true,
    pingInterval: PING_MS,
    timeout: greetingMs,
    ...(protocol === "tls:" && { tls: {} }),
    ...(creds !== undefined && { authenticator: credsAuthenticator(new TextEncoder().encode(creds)) }),
    ...(token !== undefined && { token }),
  };
  const client = await (isSocket ? wsconnect(how) : connect(how));
  if (signal.aborted) await client.close();
  return connectionOf(client, options);
}

function connectionOf(client: Client, { denied }: DialOptions): NatsConnection {
  void tellDenied(client, denied);
  return {
    maxPayload: client.info?.max_payload ?? 0,
    server: {
      name: client.info?.server_name ?? "",
      version: client.info?.version ?? "",
      cluster: client.info?.cluster,
    },
    others: client.info?.connect_urls ?? [],
    publish: (subject, data, outgoing) => client.publish(subject, data, sentWith(outgoing)),
    subscribe(subject, take, queue) {
      const subscription = client.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) take(messageOf(message));
        },
        ...(queue !== undefined && { queue }),
      });
      return () => {
        if (!client.isClosed()) subscription.unsubscribe();
      };
    },
    gone: client.closed().then(
      (error) => error instanceof Error ? error.message : "it was closed",
      (error: Error) => error.message,
    ),
    close: () => client.close().catch(() => {}),
  };
}

function sentWith({ reply, headers }: Outgoing = {}): Parameters<Client["publish"]>[2] {
  if (headers === undefined) return reply === undefined ? {} : { reply };
  const all = newHeaders();
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  return { headers: all, ...(reply !== undefined && { reply }) };
}

function messageOf({ subject, data, reply, headers }: Msg): NatsMessage {
  return {
    subject,
    data,
    reply,
    status: headers?.code ?? 0,
    header: (name) => headers?.get(name) || undefined,
    headers: (name) => headers?.values(name) ?? [],
  };
}

/** A subject that this user may not use is refused beside all answers. */
async function tellDenied(client: Client, denied: (subject: string) => void): Promise<void> {
  for await (const status of client.status()) {
    if (status.type !== "error") continue;
    const { subject } = status.error as { readonly subject?: unknown };
    if (typeof subject === "string") denied(subject);
  }
}
