/**
 * Owns how a connection to one of several servers is had: their addresses, what lets in, and why none could be reached.
 * Must not know what is asked over it, nor when to try again.
 * Invariant: no message holds what is secret; the client of NATS is loaded when it is first needed.
 */
import type { Clock } from "../base/clock.ts";
import { concealedAddress } from "../base/concealed.ts";
import { messageOf } from "../base/message.ts";
import type { Random } from "../base/random.ts";
import { checkToken } from "../protocol/token.ts";
import { AddressError, GatewayRefusedError, StoppedError, UnreachableError } from "../uplink/errors.ts";
import type { Dial, DialOptions, NatsConnection } from "./connection.ts";

/** The schemes of NATS, the one to recommend first. */
export const NATS_SCHEMES: readonly string[] = ["tls:", "nats:", "wss:", "ws:"];

/** Where the servers are, and what lets in. */
export interface NatsWireOptions {
  /** Addresses with commas between. */
  readonly url: string;
  /** What the servers' monitoring shows, and what stands before its inboxes. */
  readonly name: string;
  readonly token?: string | undefined;
  /** Reads the text of a file with a JWT and its seed; asked at each connection, so that it may be replaced. */
  readonly readCreds?: (() => Promise<string>) | undefined;
  /** Default: the client of NATS. */
  readonly dial?: Dial | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** Dials one server after the other, from any on. */
export class Dialler {
  /** The addresses, without what may be secret in them. */
  readonly url: string;
  readonly #options: NatsWireOptions;
  readonly #urls: readonly string[];
  /** Other servers of the cluster, as the last one named them. */
  #others: readonly string[] = [];

  /**
   * @throws {AddressError} If an address is none.
   * @throws {TokenError} If the token can't be sent.
   */
  constructor(options: NatsWireOptions) {
    this.#options = options;
    this.#urls = natsAddresses(options.url);
    this.url = this.#urls.join(",");
    if (options.token !== undefined) checkToken(options.token);
  }

  /**
   * A connection to one of them.
   *
   * @throws {UnreachableError} If none is to be had.
   * @throws {GatewayRefusedError} If a server does not let in.
   * @throws {StoppedError} If the signal was aborted: then no other is tried.
   */
  async dial(how: Pick<DialOptions, "signal" | "denied">): Promise<NatsConnection> {
    const { name, token, readCreds, random } = this.#options;
    const dial = this.#options.dial ?? (await import("./client.ts")).dialNats;
    const creds = await this.#creds(readCreds);
    const all = [...new Set([...this.#urls, ...this.#others])];
    const first = Math.floor(random() * all.length);
    let why = "";
    let refused: string | undefined;
    for (const url of [...all.slice(first), ...all.slice(0, first)]) {
      try {
        const connection = await dial({ ...how, url, name, creds, token });
        this.#learn(url, connection.others);
        return connection;
      } catch (error) {
        if (how.signal.aborted) throw new StoppedError("The line was closed");
        why = whyNot(error);
        if (isRefusal(error)) refused = why;
        if (UNREADABLE.test(why)) throw unreadable(error);
      }
    }
    // Another may let in who is refused by one that was not told of him yet; none did.
    if (refused !== undefined) throw refusedAt(this.url, refused);
    throw new UnreachableError(
      `The server at ${this.url} can't be reached: ${why}: check the network and OUTRIDER_GATEWAY`,
    );
  }

  async #creds(read: NatsWireOptions["readCreds"]): Promise<string | undefined> {
    try {
      return await read?.();
    } catch (cause) {
      throw unreadable(cause);
    }
  }

  /** What serves WebSockets is behind something that only its operator's address names. */
  #learn(url: string, others: readonly string[]): void {
    const { protocol } = new URL(url);
    if (protocol !== "nats:" && protocol !== "tls:") return;
    this.#others = others.map((other) => `${protocol}//${other}`);
  }
}

/**
 * The addresses of servers, without what stands behind host and path.
 *
 * @throws {AddressError} If one is none, or holds a password, or there is none at all.
 */
export function natsAddresses(text: string): string[] {
  const given = text.split(",").map((each) => each.trim()).filter((each) => each !== "");
  return (given.length === 0 ? [text] : given).map((each) => {
    const url = URL.parse(each);
    if (url === null || !NATS_SCHEMES.includes(url.protocol) || url.hostname === "") {
      throw new AddressError(
        `The address of a NATS server can't be read: ${
          JSON.stringify(concealedAddress(each))
        }: write it as tls://HOST:PORT, nats://HOST:PORT, wss://HOST:PORT or ws://HOST:PORT, several with commas between`,
      );
    }
    if (url.username || url.password) {
      throw new AddressError(
        "The address of a NATS server holds a user or password: put a token in OUTRIDER_TOKEN, or credentials into the file that OUTRIDER_CREDS_FILE names",
      );
    }
    return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
  });
}

/** A server that does not let in, or lets do less than was asked. */
export function refusedAt(url: string, reason: string): GatewayRefusedError {
  const refusal = { status: 403, reason, own: true, retryAfterMs: undefined };
  return new GatewayRefusedError(
    `The server at ${url} refuses: ${reason}: check OUTRIDER_CREDS_FILE, OUTRIDER_TOKEN and OUTRIDER_EXECUTOR_ID`,
    refusal,
  );
}

/** What the client says of credentials that are none. */
const UNREADABLE = /unable to parse credentials/;

function unreadable(cause: unknown): UnreachableError {
  return new UnreachableError(
    `The credentials can't be read: ${messageOf(cause)}: check OUTRIDER_CREDS_FILE`,
    { cause },
  );
}

/** By its class: "expired" is also what is said of a server's certificate, which says nothing of who asks. */
function isRefusal(error: unknown): boolean {
  const { name, cause } = (error ?? {}) as { readonly name?: unknown; readonly cause?: unknown };
  const isOne = name === "AuthorizationError" || name === "UserAuthenticationExpiredError";
  return isOne || cause !== undefined && isRefusal(cause);
}

/** Why there is no connection, without what the client only says of itself. */
function whyNot(error: unknown): string {
  const { cause, code } = (error ?? {}) as { readonly cause?: unknown; readonly code?: unknown };
  const words = `${messageOf(error)} ${cause === undefined ? "" : messageOf(cause)} ${String(code)}`;
  if (/ECONNREFUSED|connection refused/i.test(words)) return "nothing listens there";
  if (/ENOTFOUND|EAI_AGAIN|getaddrinfo/i.test(words)) return "there is no host of this name";
  return messageOf(error) || "no reason given";
}
