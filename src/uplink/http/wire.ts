/**
 * Owns one request to the gateway: time limit, bounded answer, count of bytes, and what its failure is called.
 * Must not know what is asked or which dialect is spoken.
 * Invariant: a call ends within its time limit, whatever the other end does, and holds at most `maxBytes` of the answer.
 */
import { type Bytes, joined } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { operationsHint } from "../../base/operations.ts";
import { checkToken, TokenError } from "../../protocol/token.ts";
import {
  GatewayAnswerError,
  GatewayTimeoutError,
  StoppedError,
  UnreachableError,
  type UplinkError,
} from "../errors.ts";
import type { Traffic } from "../gateway.ts";
import type { Fetch } from "../port.ts";
import { checkAddress } from "./address.ts";
import type { WireAnswer } from "./answer.ts";

/** Longest answer that is read where nothing else is said, bytes. */
export const MAX_ANSWER_BYTES: number = 1024 * 1024;

/** Where requests go and what they need. */
export interface WireOptions {
  /** The gateway's address, `http:` or `https:`, perhaps with a path. */
  readonly url: string;
  readonly token?: string;
  /** Reads the token where it may be replaced: at first if none was given, and after a 401, when the request is sent once more. */
  readonly renewToken?: (() => Promise<string | undefined>) | undefined;
  readonly fetch: Fetch;
  readonly clock: Clock;
}

/** One request. */
export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  /** Path and query below the gateway's address. */
  readonly path: string;
  readonly body?: Bytes;
  readonly headers?: Readonly<Record<string, string>>;
  /** Limit for the whole exchange, milliseconds. */
  readonly timeoutMs: number;
  /** Longest answer that is read, bytes. Default 1 MiB. */
  readonly maxBytes?: number;
  /** Of `open`: the content type whose body is a stream. Default: NDJSON. */
  readonly streams?: string;
  readonly signal?: AbortSignal;
}

/** The line to one gateway. */
export class Wire {
  /** The gateway's address without a slash at the end. */
  readonly url: string;
  readonly #options: WireOptions;
  #authorization: string | undefined;
  readonly #traffic = { requests: 0, failures: 0, sentBytes: 0, receivedBytes: 0 };

  /**
   * @throws {AddressError} If the address is none.
   * @throws {TokenError} If the token can't be sent.
   */
  constructor(options: WireOptions) {
    this.url = checkAddress(options.url);
    this.#options = options;
    this.#authorization = options.token === undefined ? undefined : bearer(options.token);
  }

  get traffic(): Traffic {
    return { ...this.#traffic };
  }

  /**
   * Sends one request and reads the whole answer, whatever its status below 300 and from 400 on.
   *
   * @throws {UnreachableError} If there is no connection.
   * @throws {GatewayTimeoutError} If the exchange takes longer than `timeoutMs`.
   * @throws {GatewayAnswerError} If the answer redirects or is longer than `maxBytes`.
   * @throws {StoppedError} If the signal was aborted.
   */
  call(call: Call): Promise<WireAnswer> {
    return this.#limited(call, async (signal) => this.#whole(call, await this.#begin(call, signal)));
  }

  /** Sends one request; the answer's body is a stream if it is of the type that `streams`, which the time limit does not cover, else it is read whole. */
  open(call: Call): Promise<WireAnswer | ReadableStream<Uint8Array>> {
    return this.#limited(call, async (signal) => {
      const response = await this.#begin(call, signal);
      const stream = response.headers.get("content-type")?.startsWith(call.streams ?? "application/x-ndjson");
      const isWanted = response.status === 200 || response.status === 206;
      return stream && isWanted && response.body ? response.body : this.#whole(call, response);
    });
  }

  /** What a call is called in messages. */
  name(call: Pick<Call, "method" | "path">): string {
    return `${call.method} ${this.url}${call.path.split("?")[0]}`;
  }

  #limited<T>(call: Call, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    this.#traffic.requests++;
    return new Promise<T>((resolve, reject) => {
      const end = () => {
        cancelTimer();
        call.signal?.removeEventListener("abort", stopped);
      };
      const fail = (error: UplinkError) => {
        end();
        reject(error);
        abort.abort();
      };
      const stopped = () => fail(new StoppedError(`Stopped during ${this.name(call)}`));
      const cancelTimer = this.#options.clock.after(call.timeoutMs, () => fail(this.#late(call)));
      if (call.signal?.aborted) return stopped();
      call.signal?.addEventListener("abort", stopped, { once: true });
      work(abort.signal).then(resolve, reject).finally(end);
    }).catch((error) => {
      this.#traffic.failures++;
      throw error;
    });
  }

  #late(call: Call): GatewayTimeoutError {
    const seconds = call.timeoutMs / 1000;
    return new GatewayTimeoutError(
      `No whole answer to ${this.name(call)} within ${seconds} s: the network or the gateway is too slow`,
    );
  }

  async #firstToken(renewToken: () => Promise<string | undefined>): Promise<void> {
    try {
      const token = await renewToken();
      if (token !== undefined) this.#authorization = bearer(token);
    } catch (cause) {
      if (cause instanceof TokenError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new TokenError(`The token can't be read: ${why}: check OUTRIDER_TOKEN_FILE`, { cause });
    }
  }

  /** Whether there is another token than the one that was refused. */
  async #hasOther(used: string | undefined): Promise<boolean> {
    if (this.#authorization !== used) return true;
    try {
      const token = await this.#options.renewToken?.();
      if (token !== undefined) this.#authorization = bearer(token);
    } catch {
      // What is there can't be read, or is no token: that the old one was refused says enough.
    }
    return this.#authorization !== used;
  }

  async #begin(call: Call, signal: AbortSignal, again = true): Promise<Response> {
    const { renewToken } = this.#options;
    if (this.#authorization === undefined && renewToken) await this.#firstToken(renewToken);
    const used = this.#authorization;
    const headers: Record<string, string> = { ...call.headers };
    if (used !== undefined) headers.authorization = used;
    this.#traffic.sentBytes += sizeOf(call, headers);
    const init: RequestInit = { method: call.method, headers, redirect: "manual", signal };
    if (call.body !== undefined) init.body = call.body;
    let response: Response;
    try {
      response = await this.#options.fetch(this.url + call.path, init);
    } catch (error) {
      throw unreachable(`The gateway at ${this.url} can't be reached`, error);
    }
    if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
      if (response.status !== 304) {
        discard(response);
        throw redirected(this.name(call), response);
      }
    }
    if (again && response.status === 401 && await this.#hasOther(used)) {
      discard(response);
      return await this.#begin(call, signal, false);
    }
    return response;
  }

  async #whole(call: Call, response: Response): Promise<WireAnswer> {
    const bytes = await this.#read(call, response);
    return { status: response.status, headers: response.headers, bytes };
  }

  async #read(call: Call, response: Response): Promise<Bytes> {
    const max = call.maxBytes ?? MAX_ANSWER_BYTES;
    const reader = response.body?.getReader();
    if (!reader) return new Uint8Array(0);
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const part = await reader.read().catch((error) => {
        throw unreachable(`The connection broke during the answer to ${this.name(call)}`, error);
      });
      if (part.done) return joined(chunks, length);
      length += part.value.length;
      this.#traffic.receivedBytes += part.value.length;
      if (length > max) {
        reader.cancel().catch(() => {});
        throw new GatewayAnswerError(
          `The answer to ${
            this.name(call)
          } is longer than ${max} bytes: check that OUTRIDER_GATEWAY is the address of a gateway`,
        );
      }
      chunks.push(part.value);
    }
  }
}

function bearer(token: string): string {
  return `Bearer ${checkToken(token)}`;
}

/** Body, request line and headers; what the runtime adds itself (about 150 bytes) is not seen. */
function sizeOf(call: Call, headers: Readonly<Record<string, string>>): number {
  let size = (call.body?.length ?? 0) + call.method.length + call.path.length + 12;
  for (const [name, value] of Object.entries(headers)) size += name.length + value.length + 4;
  return size;
}

function unreachable(what: string, error: unknown): UnreachableError {
  const cause = error instanceof Error ? error : new Error(String(error));
  const inner = whyOf(cause);
  return new UnreachableError(
    `${what}: ${inner}: check the network and OUTRIDER_GATEWAY${operationsHint(error)}`,
    { cause },
  );
}

/** Why there is no connection, without what a runtime only says of itself. */
function whyOf(error: Error): string {
  const { message, cause } = error;
  const inner = cause instanceof Error ? cause : undefined;
  const codes = [error, inner].map((each) => String((each as { readonly code?: unknown } | undefined)?.code));
  const words = `${message} ${inner?.message ?? ""} ${codes.join(" ")}`;
  if (/ECONNREFUSED|ConnectionRefused|connection refused/i.test(words)) return "nothing listens there";
  if (/ENOTFOUND|EAI_AGAIN|dns error|failed to lookup/i.test(words)) return "there is no host of this name";
  return inner === undefined
    ? message
    : message === "fetch failed"
    ? inner.message
    : `${message}: ${inner.message}`;
}

function redirected(name: string, response: Response): GatewayAnswerError {
  const to = response.headers.get("location") ?? "an address that is hidden";
  return new GatewayAnswerError(
    `${name} was answered with a redirect to ${
      to.slice(0, 200)
    }, which is not followed because it would get the token: set OUTRIDER_GATEWAY to the final address`,
  );
}

function discard(response: Response): void {
  response.body?.cancel().catch(() => {});
}
