/**
 * Owns what is asked of a connection to a NATS server, and how one is had. Types only.
 * Must not know which client makes it, nor what is sent over it.
 * Invariant: a connection that is gone stays so; who needs one dials again.
 */

/** What comes over a connection. */
export interface NatsMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Where an answer is waited for. */
  readonly reply: string | undefined;
  /** 0, or what the server says in the place of an answer: 404 nothing stored, 503 nobody listens. */
  readonly status: number;
  header(name: string): string | undefined;
  /** All that stands under a name: who wrote a message may have used one that the server adds. */
  headers(name: string): readonly string[];
}

/** What may go with a message. */
export interface Outgoing {
  readonly reply?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A server. */
export interface ServerAbout {
  readonly name: string;
  readonly version: string;
  /** The name of its cluster, if it is in one. */
  readonly cluster: string | undefined;
}

/** A connection to one server. */
export interface NatsConnection {
  /** Largest message that the server takes, its headers included, bytes. */
  readonly maxPayload: number;
  /** What the server says of itself. */
  readonly server: ServerAbout;
  /** Other servers of the same cluster, as the server named them, `HOST:PORT`. */
  readonly others: readonly string[];
  publish(subject: string, data: Uint8Array, outgoing?: Outgoing): void;
  /** Hands on what comes, until the returned function is called. Of those in one queue each message goes to one. */
  subscribe(subject: string, take: (message: NatsMessage) => void, queue?: string): () => void;
  /** Resolves with the reason, in words, once the connection is gone. Never rejects. */
  readonly gone: Promise<string>;
  close(): Promise<void>;
}

/** How a connection is had. */
export interface DialOptions {
  /** `nats:`, `tls:`, `ws:` or `wss:`. */
  readonly url: string;
  /** What the server's own monitoring shows. */
  readonly name: string;
  /** The text of a file with a JWT and its seed. */
  readonly creds: string | undefined;
  readonly token: string | undefined;
  /** Aborted when nobody waits for the connection any more. */
  readonly signal: AbortSignal;
  /** Told each subject that the server refuses to this user. */
  readonly denied: (subject: string) => void;
}

/** Makes a connection. @throws {Error} That says why there is none. */
export type Dial = (options: DialOptions) => Promise<NatsConnection>;
