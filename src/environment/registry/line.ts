/**
 * Owns the line to one registry: requests with who asks, redirects, limits in time and size, and its refusals in words.
 * Must not know what is pushed or pulled.
 * Invariant: a token or password goes to the registry's own origin, and a password to the place that the registry names for
 * tokens, over TLS or on this machine; to no other origin, whatever is answered. Every wait ends.
 */
import { looseText } from "../../base/utf8.ts";
import { soundJson } from "../../model/json_text.ts";
import { retryAfterMs } from "../../base/backoff.ts";
import { type Bytes, joined } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { isLoopback } from "../../base/loopback.ts";
import { messageOf } from "../../base/message.ts";
import { operationsHint } from "../../base/operations.ts";
import type { Random } from "../../base/random.ts";
import type { Credentials } from "./credentials.ts";
import { RegistryError } from "./error.ts";

/** What a line needs. */
export interface RegistryLineOptions {
  /** The registry's address, without `/v2/`. */
  readonly url: string;
  readonly credentials?: Credentials | undefined;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal?: AbortSignal | undefined;
}

/** What is asked. */
export interface RegistryCall {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** Below the registry's address, or a whole address that it gave. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Bytes | undefined;
  /** What is done in which repository, such as `repository:probe:pull`. */
  readonly scope: string;
}

const HEAD_MS = 30_000;
/** The slowest that a body may leave. */
const BYTES_PER_MS = 4;
const MAX_REDIRECTS = 5;
/** Largest answer that is read whole, where nothing else is said, bytes. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_REASON = 300;

/** A registry that is asked. */
export class RegistryLine {
  readonly url: string;
  readonly options: RegistryLineOptions;
  readonly #origin: string;
  /** What was got for a scope. */
  readonly #tokens: Map<string, string> = new Map();
  #basic = false;

  constructor(options: RegistryLineOptions) {
    this.options = options;
    this.url = options.url.replace(/\/+$/, "");
    this.#origin = new URL(this.url).origin;
  }

  /**
   * Asks, and gives the answer as soon as its head is here, whatever its status from 200 to 299 or from 400 on.
   *
   * @throws {RegistryError} If there is no answer, or it leads nowhere.
   */
  async ask(call: RegistryCall): Promise<Response> {
    const first = await this.#follow(call);
    if (first.status !== 401 || !await this.#identify(call, first)) return first;
    discard(first);
    return await this.#follow(call);
  }

  /** The whole of an answer. @throws {RegistryError} If it is longer than `maxBytes`, or broken off. */
  async whole(response: Response, maxBytes: number = MAX_ANSWER_BYTES): Promise<Bytes> {
    const reader = response.body?.getReader();
    if (!reader) return new Uint8Array(0);
    const pieces: Uint8Array[] = [];
    let length = 0;
    try {
      for (;;) {
        const part = await this.limited(reader.read(), HEAD_MS);
        if (part.done) return joined(pieces, length);
        length += part.value.length;
        if (length > maxBytes) {
          throw new RegistryError(`${this.url} answers with more than ${maxBytes} bytes`);
        }
        pieces.push(part.value);
      }
    } catch (error) {
      reader.cancel().catch(() => {});
      throw error;
    }
  }

  /** The error for an answer that is no success. */
  async refused(call: Pick<RegistryCall, "method" | "path">, response: Response): Promise<RegistryError> {
    const { status, headers } = response;
    const bytes = await this.whole(response).catch(() => new Uint8Array(0));
    const said = reasonIn(looseText(bytes));
    const advice = status === 401 || status === 403
      ? ": give a token that may do it (OUTRIDER_TOKEN for the gateway, docker login for others)"
      : "";
    return new RegistryError(
      `${this.name(call)} was answered ${status}: ${said || "no reason given"}${advice}`,
      {
        status,
        transient: status === 408 || status === 409 || status === 429 || status >= 500,
        retryAfterMs: retryAfterMs(headers, this.options.clock.now()),
      },
    );
  }

  /** What a call is called in messages: without what may be secret in an address. */
  name({ method, path }: Pick<RegistryCall, "method" | "path">): string {
    return `${method} ${this.#addressOf(path).replace(/\?.*/s, "")}`;
  }

  /** Waits for something, but no longer than so many milliseconds, and not once all is to stop. */
  async limited<T>(work: Promise<T>, ms: number, stop?: () => void): Promise<T> {
    const { clock, signal } = this.options;
    const over = Promise.withResolvers<never>();
    over.promise.catch(() => {});
    const late = () => over.reject(new RegistryError(`${this.url} says nothing`, { transient: true }));
    const stopped = () => over.reject(new RegistryError(`Stopped while ${this.url} was asked`));
    const cancel = clock.after(ms, late);
    signal?.addEventListener("abort", stopped);
    if (signal?.aborted) stopped();
    try {
      return await Promise.race([work, over.promise]).catch((error) => {
        stop?.();
        if (error instanceof RegistryError) throw error;
        throw new RegistryError(`The line to ${this.url} broke: ${inner(error)}${operationsHint(error)}`, {
          transient: true,
          cause: error,
        });
      });
    } finally {
      cancel();
      signal?.removeEventListener("abort", stopped);
    }
  }

  #addressOf(path: string): string {
    return /^https?:\/\//.test(path) ? path : this.url + path;
  }

  async #follow(call: RegistryCall): Promise<Response> {
    let address = this.#addressOf(call.path);
    for (let turns = 0; turns <= MAX_REDIRECTS; turns++) {
      const response = await this.#send(call, address);
      const { status, headers } = response;
      if (status < 300 || status >= 400 || status === 304) return response;
      discard(response);
      const to = URL.parse(headers.get("location") ?? "", address);
      if (call.method !== "GET" && call.method !== "HEAD" || to === null) {
        throw new RegistryError(
          `${this.name(call)} was answered with a redirect, which is not followed here`,
          {
            status,
          },
        );
      }
      if (!/^https?:$/.test(to.protocol) || address.startsWith("https:") && to.protocol === "http:") {
        throw new RegistryError(
          `${this.name(call)} was redirected from https to ${to.protocol}//${to.host}, which is not followed`,
        );
      }
      address = to.href;
    }
    throw new RegistryError(`${this.name(call)} was redirected more than ${MAX_REDIRECTS} times`);
  }

  #send({ method, headers, body, scope }: RegistryCall, address: string): Promise<Response> {
    const abort = new AbortController();
    const asking = new URL(address).origin === this.#origin ? this.#authorization(scope) : undefined;
    const init: RequestInit = {
      method,
      headers: { ...headers, ...(asking && { authorization: asking }) },
      redirect: "manual",
      signal: abort.signal,
      ...(body !== undefined && { body }),
    };
    const ms = HEAD_MS + (body?.length ?? 0) / BYTES_PER_MS;
    return this.limited(this.options.fetch(address, init), ms, () => abort.abort());
  }

  #authorization(scope: string): string | undefined {
    const { credentials } = this.options;
    if (credentials && "token" in credentials) return `Bearer ${credentials.token}`;
    const token = this.#tokens.get(scope);
    if (token !== undefined) return `Bearer ${token}`;
    return credentials && this.#basic ? basicOf(credentials) : undefined;
  }

  /** Does what a registry asks for of who has not said who it is. Whether there is something to try again with. */
  async #identify({ scope }: RegistryCall, response: Response): Promise<boolean> {
    const { credentials } = this.options;
    if (credentials && "token" in credentials) return false;
    const { scheme, parameters } = challengeIn(response.headers.get("www-authenticate") ?? "");
    if (scheme === "basic" && credentials && !this.#basic) return this.#basic = true;
    if (scheme !== "bearer" || this.#tokens.has(scope)) return this.#tokens.delete(scope);
    const realm = URL.parse(parameters["realm"] ?? "");
    if (realm === null) return false;
    this.#tokens.set(scope, await this.#tokenOf(realm, { service: parameters["service"], scope }));
    return true;
  }

  async #tokenOf(
    realm: URL,
    { service, scope }: { readonly service: string | undefined; readonly scope: string },
  ): Promise<string> {
    const { credentials } = this.options;
    const safe = realm.protocol === "https:" || realm.origin === this.#origin ||
      isLoopback(realm.hostname) && isLoopback(new URL(this.url).hostname);
    if (!safe) {
      throw new RegistryError(
        `${this.url} wants tokens to be asked for at ${realm.origin}, without TLS: not done`,
      );
    }
    if (service !== undefined) realm.searchParams.set("service", service);
    realm.searchParams.set("scope", scope);
    const headers: Record<string, string> = credentials && !("token" in credentials)
      ? { authorization: basicOf(credentials) }
      : {};
    const abort = new AbortController();
    const asked = this.options.fetch(realm.href, { headers, redirect: "manual", signal: abort.signal });
    const response = await this.limited(asked, HEAD_MS, () => abort.abort());
    const call = { method: "GET", path: `${realm.origin}${realm.pathname}` } as const;
    if (response.status !== 200) throw await this.refused(call, response);
    const found = jsonOf(looseText(await this.whole(response)));
    const token = found?.["token"] ?? found?.["access_token"];
    if (typeof token === "string" && /^[\x21-\x7e]+$/.test(token)) return token;
    throw new RegistryError(`${this.name(call)} gave no token`);
  }
}

function basicOf({ user, password }: { readonly user: string; readonly password: string }): string {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/** What a registry asks for: a scheme and its parameters. */
export function challengeIn(
  text: string,
): { readonly scheme: string; readonly parameters: Readonly<Record<string, string>> } {
  const [, scheme = "", rest = ""] = /^\s*([A-Za-z]+)\s*(.*)$/s.exec(text.slice(0, 4096)) ?? [];
  const parameters = Object.fromEntries(
    [...rest.matchAll(/([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^\s,]+))/g)]
      .map(([, name, quoted, plain]) => [name!.toLowerCase(), quoted ?? plain!]),
  );
  return { scheme: scheme.toLowerCase(), parameters };
}

/** The words of a refusal in the form of the specification, or the start of what was said. */
function reasonIn(text: string): string {
  const errors = jsonOf(text)?.["errors"];
  const [first] = Array.isArray(errors) ? errors as { code?: unknown; message?: unknown }[] : [];
  return `${first?.message ?? first?.code ?? (/^\s*</.test(text) ? "a web page" : text)}`.slice(0, MAX_REASON)
    .trim();
}

function jsonOf(text: string): Readonly<Record<string, unknown>> | undefined {
  const value = soundJson(text);
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined;
}

function inner(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  return cause instanceof Error ? `${messageOf(error)}: ${cause.message}` : messageOf(error);
}

function discard(response: Response): void {
  response.body?.cancel().catch(() => {});
}
