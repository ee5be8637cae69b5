/**
 * Owns the one connection to a NATS system: dialled when it is wanted, asked over, left when nobody needs it.
 * Must not know what is asked, nor do anything again by itself.
 * Invariant: a request ends within its time limit, and at once where its connection breaks or the server refuses its subject.
 */
import type { Bytes } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/message.ts";
import {
  GatewayRefusedError,
  GatewayTimeoutError,
  StoppedError,
  UnreachableError,
  type UplinkError,
} from "../uplink/errors.ts";
import type { NatsConnection, NatsMessage, ServerAbout } from "./connection.ts";
import { Dialler, type NatsWireOptions, refusedAt } from "./dialler.ts";

/** A connection on which nobody listens is closed when nothing was asked for so long, milliseconds. */
const IDLE_MS = 5_000;

/** Where answers are waited for; the second is a server's own, for who asks from another account. */
const INBOX = /^(?:_INBOX|_R_)\./;

/** Limits of a request, and what goes with it. */
export interface RequestLimits {
  /** Limit for the whole exchange, that of a connection included, milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Waiting {
  readonly subject: string;
  readonly on: NatsConnection;
  resolve(message: NatsMessage): void;
  reject(error: UplinkError): void;
}

interface Listener {
  readonly subject: string;
  readonly take: (message: NatsMessage) => void;
  readonly queue: string | undefined;
  leave?: () => void;
}

/** The line to one NATS system. */
export class NatsWire {
  readonly #clock: Clock;
  readonly #dialler: Dialler;
  /**
   * Names this line's own inboxes, so that two of one name do not hear each other's answers, and nobody can guess where
   * to have an answer sent that is none of ours.
   */
  readonly #inbox: string;
  readonly #waiting = new Map<string, Waiting>();
  readonly #listeners = new Set<Listener>();
  readonly #traffic = { requests: 0, failures: 0, sentBytes: 0, receivedBytes: 0, underWay: 0, asked: 0 };
  readonly #closing: AbortController = new AbortController();
  #connection: NatsConnection | undefined;
  #dialling: Promise<NatsConnection> | undefined;
  #notIdle: () => void = () => {};

  /**
   * @throws {AddressError} If an address is none.
   * @throws {TokenError} If the token can't be sent.
   */
  constructor(options: NatsWireOptions) {
    this.#clock = options.clock;
    this.#dialler = new Dialler(options);
    this.#inbox = `_INBOX.${options.name}.${crypto.randomUUID()}`;
  }

  /** The addresses, without what may be secret in them. */
  get url(): string {
    return this.#dialler.url;
  }

  get traffic(): {
    readonly requests: number;
    readonly failures: number;
    readonly sentBytes: number;
    readonly receivedBytes: number;
  } {
    const { requests, failures, sentBytes, receivedBytes } = this.#traffic;
    return { requests, failures, sentBytes, receivedBytes };
  }

  /**
   * Asks, and resolves to what came back, also that nobody listens (status 503).
   *
   * @throws {UnreachableError} If there is no connection, or it broke.
   * @throws {GatewayTimeoutError} If nothing came back in time.
   * @throws {GatewayRefusedError} If the subject is refused to this user, or the message is too large.
   * @throws {StoppedError} If the signal was aborted, or the line was closed.
   */
  request(subject: string, data: Bytes, limits: RequestLimits): Promise<NatsMessage> {
    const { headers = {} } = limits;
    return this.#limited(`the request to ${subject}`, limits, async (over) => {
      const on = await this.#connected();
      const size = sizeOf({ data, headers });
      if (size > on.maxPayload) throw tooLarge(subject, { size, most: on.maxPayload });
      const reply = `${this.#inbox}.${++this.#traffic.asked}`;
      this.#traffic.sentBytes += size + subject.length + reply.length;
      const { promise: answer, resolve, reject } = Promise.withResolvers<NatsMessage>();
      // It may be refused before anyone waits for it.
      answer.catch(() => {});
      this.#waiting.set(reply, { subject, on, resolve, reject });
      over.push(() => this.#waiting.delete(reply));
      this.#publish(on, subject, { data, reply, headers });
      const message = await answer;
      this.#traffic.receivedBytes += message.data.length + message.subject.length;
      return message;
    });
  }

  /**
   * Asks, and hands on all that comes back until one says that it was the last, in the order of arrival.
   *
   * @param take Says whether that was the last one.
   */
  async requestAll(
    subject: string,
    { data, take, ...limits }: RequestLimits & {
      readonly data: Bytes;
      readonly take: (message: NatsMessage) => boolean;
    },
  ): Promise<void> {
    await this.#limited(`the request to ${subject}`, limits, async (over) => {
      const on = await this.#connected();
      const { promise: done, resolve, reject } = Promise.withResolvers<NatsMessage>();
      done.catch(() => {});
      const reply = `${this.#inbox}.${++this.#traffic.asked}`;
      this.#waiting.set(reply, {
        subject,
        on,
        reject,
        resolve: (message) => {
          this.#traffic.receivedBytes += message.data.length + message.subject.length;
          try {
            if (take(message)) resolve(message);
          } catch (error) {
            reject(error as UplinkError);
          }
        },
      });
      over.push(() => this.#waiting.delete(reply));
      this.#publish(on, subject, { data, reply });
      return await done;
    });
  }

  /** What the server says of itself, and the largest message that it takes, bytes. */
  async about(limits: RequestLimits): Promise<ServerAbout & { readonly maxPayload: number }> {
    return await this.#limited("a connection", limits, async () => {
      const { server, maxPayload } = await this.#connected();
      return { ...server, maxPayload };
    });
  }

  /**
   * Answers a message; one whose asker is gone is answered in vain. Only an inbox is answered to: who may not write a subject
   * could else have it written by us, who may.
   */
  answer({ reply = "" }: NatsMessage, data: Bytes): void {
    try {
      if (INBOX.test(reply)) this.#connection?.publish(reply, data);
    } catch {
      // The connection was lost and it is not heard of yet.
    }
  }

  /** Hands on what comes while there is a connection, over any number of them, until the returned function is called. Does not dial by itself. */
  listen(subject: string, take: (message: NatsMessage) => void, queue?: string): () => void {
    const listener: Listener = { subject, take, queue };
    this.#listeners.add(listener);
    if (this.#connection !== undefined) this.#enlist(listener, this.#connection);
    return () => {
      this.#listeners.delete(listener);
      listener.leave?.();
      this.#settle();
    };
  }

  /** Ends the connection and all that waits; nothing can be asked afterwards. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#notIdle();
    for (const { reject } of [...this.#waiting.values()]) reject(new StoppedError("The line was closed"));
    await this.#connection?.close();
  }

  #limited<T>(
    what: string,
    { timeoutMs, signal }: RequestLimits,
    work: (over: (() => void)[]) => Promise<T>,
  ): Promise<T> {
    const over: (() => void)[] = [];
    this.#traffic.requests++;
    this.#traffic.underWay++;
    this.#notIdle();
    const receivedBefore = this.#traffic.receivedBytes;
    return new Promise<T>((resolve, reject) => {
      const stopped = () => reject(new StoppedError(`Stopped during ${what}`));
      if (signal?.aborted || this.#closing.signal.aborted) return stopped();
      signal?.addEventListener("abort", stopped, { once: true });
      over.push(() => signal?.removeEventListener("abort", stopped));
      over.push(this.#clock.after(timeoutMs, () => {
        reject(
          new GatewayTimeoutError(
            `No answer to ${what} from ${this.url} within ${
              timeoutMs / 1000
            } s: the network or the server is too slow`,
          ),
        );
        this.#silent(receivedBefore);
      }));
      work(over).then(resolve, reject);
    }).catch((error) => {
      this.#traffic.failures++;
      throw error;
    }).finally(() => {
      this.#traffic.underWay--;
      for (const end of over) end();
      this.#settle();
    });
  }

  #publish(
    on: NatsConnection,
    subject: string,
    { data, reply, headers = {} }: {
      readonly data: Bytes;
      readonly reply: string;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): void {
    try {
      on.publish(subject, data, { reply, headers });
    } catch (error) {
      // The connection was lost and it is not heard of yet.
      throw this.#broken(messageOf(error));
    }
  }

  /** Nothing came in while a request ran out of time, and no other is under way that could be to blame: the connection is dead. */
  #silent(receivedBefore: number): void {
    if (this.#traffic.underWay > 1 || this.#traffic.receivedBytes !== receivedBefore) return;
    void this.#connection?.close();
  }

  /** Leaves a connection that nobody needs: what keeps silent is to send nothing, no pings either. */
  #settle(): void {
    this.#notIdle();
    if (this.#connection === undefined || this.#listeners.size > 0 || this.#traffic.underWay > 0) return;
    if (this.#closing.signal.aborted) return;
    this.#notIdle = this.#clock.after(IDLE_MS, () => void this.#connection?.close());
  }

  /** The connection, or a new one; who asks meanwhile waits for the same. */
  async #connected(): Promise<NatsConnection> {
    if (this.#connection !== undefined) return this.#connection;
    this.#dialling ??= this.#dialled().finally(() => this.#dialling = undefined);
    return await this.#dialling;
  }

  async #dialled(): Promise<NatsConnection> {
    const { signal } = this.#closing;
    const connection = await this.#dialler.dial({ signal, denied: (subject) => this.#denied(subject) });
    if (signal.aborted) {
      await connection.close();
      throw new StoppedError("The line was closed");
    }
    this.#connection = connection;
    connection.subscribe(`${this.#inbox}.*`, (message) => {
      this.#waiting.get(message.subject)?.resolve(message);
    });
    for (const listener of this.#listeners) this.#enlist(listener, connection);
    void connection.gone.then((why) => this.#lost(connection, why));
    return connection;
  }

  #enlist(listener: Listener, connection: NatsConnection): void {
    listener.leave = connection.subscribe(listener.subject, listener.take, listener.queue);
  }

  #lost(connection: NatsConnection, why: string): void {
    if (this.#connection === connection) this.#connection = undefined;
    for (const { on, reject } of [...this.#waiting.values()]) {
      if (on === connection) reject(this.#broken(why));
    }
  }

  #broken(why: string): UnreachableError {
    return new UnreachableError(`The connection to ${this.url} broke: ${why}`);
  }

  #denied(subject: string): void {
    for (const waiting of [...this.#waiting.values()]) {
      if (waiting.subject !== subject) continue;
      waiting.reject(refusedAt(this.url, `this user may not use ${subject}`));
    }
  }
}

function sizeOf(
  { data, headers }: { readonly data: Bytes; readonly headers: Readonly<Record<string, string>> },
): number {
  const lines = Object.entries(headers);
  // `NATS/1.0`, an empty line, and `NAME: VALUE` each, as the server counts them.
  const head = lines.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 12);
  return data.length + (lines.length === 0 ? 0 : head);
}

function tooLarge(
  subject: string,
  { size, most }: { readonly size: number; readonly most: number },
): GatewayRefusedError {
  const reason = `${size} bytes are more than the ${most} of the server's max_payload`;
  const refusal = { status: 413, reason, own: true, retryAfterMs: undefined };
  return new GatewayRefusedError(`The message to ${subject} can't be sent: ${reason}`, refusal);
}
