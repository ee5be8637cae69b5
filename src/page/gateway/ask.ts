/**
 * Owns asking the gateway that serves this page, as whoever is signed in.
 * Must not know what is asked for.
 * Invariant: asks no other host, and shows no token: the session's cookie is the browser's affair.
 */
import { granted, lull, seen } from "../asking.ts";
import { setGatewayTime } from "./ago.ts";

/** What is asked, beside where. */
export interface GatewayAsk {
  readonly method?: string;
  readonly body?: BodyInit;
  readonly type?: string;
  readonly signal?: AbortSignal;
  /** The ETag of what is known: the same is not told again. */
  readonly known?: string;
}

/** Where one signs in. */
const SESSION = "/v1/session";

/** Has a person sign in again; one at a time, for all who wait. */
let signAgain: (() => Promise<void>) | undefined;
let signing: Promise<void> | undefined;

/** Says how a person signs in again once a session is over. */
export function whenSignedOut(again: () => Promise<void>): void {
  signAgain = again;
}

/** Asks; where nobody is signed in any more, once somebody is again. @throws {Refused} If it is refused. */
export async function ask(path: string, asking: GatewayAsk = {}): Promise<Response> {
  const { method = "GET", body, type, signal, known } = asking;
  const response = await fetch(path, {
    method,
    cache: "no-store",
    redirect: "error",
    credentials: "same-origin",
    ...(body !== undefined && { body }),
    ...(signal !== undefined && { signal }),
    headers: {
      accept: "application/json, application/x-ndjson",
      ...(type !== undefined && { "content-type": type }),
      ...(known !== undefined && { "if-none-match": known }),
    },
  });
  setGatewayTime(response.headers.get("date"));
  if (response.status === 304) return response;
  if (response.status === 401 && path !== SESSION && signAgain !== undefined) {
    signing ??= signAgain().finally(() => signing = undefined);
    await signing;
    return await ask(path, asking);
  }
  return await granted(response);
}

/** What is asked for over and over: it is told as it changes, and kept meanwhile. */
export class Known<T> {
  readonly #ask: typeof ask;
  #kept: { readonly path: string; readonly tag: string | undefined; readonly value: T } | undefined;

  constructor(asked: typeof ask) {
    this.#ask = asked;
  }

  /** What is there now. */
  async read(path: string): Promise<T> {
    const kept = this.#kept?.path === path ? this.#kept : undefined;
    const response = await this.#ask(path, kept?.tag === undefined ? {} : { known: kept.tag });
    if (kept !== undefined && response.status === 304) return kept.value;
    const value = await response.json() as T;
    this.#kept = { path, tag: response.headers.get("etag") ?? undefined, value };
    return value;
  }
}

/** Signs in. @throws {Refused} If the token opens nothing here. */
export async function signIn(token: string): Promise<void> {
  await ask(SESSION, { method: "POST", body: JSON.stringify({ token }), type: "application/json" });
}

/** Signs out. */
export async function signOut(): Promise<void> {
  await ask(SESSION, { method: "DELETE" });
}

/** Who is signed in. */
export interface SignedIn {
  /** The name of the token; none where the gateway has no tokens. */
  readonly token?: string;
}

/** Who is signed in, if anybody is. */
export async function signedIn(): Promise<SignedIn | undefined> {
  const { nobody, ...who } = await (await ask(SESSION)).json() as SignedIn & { readonly nobody?: true };
  return nobody ? undefined : who;
}

/** Between two looks, milliseconds; and so many times as long as the answer took: a gateway at its limit is left alone. */
const EVERY_MS = 2_000, TIMES = 10;

/** Looks over and over, while the page is seen. */
export class Looking {
  readonly #look: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #pause: AbortController = new AbortController();

  constructor(look: () => Promise<void>, failed: (error: unknown) => void) {
    this.#look = look;
    this.#failed = failed;
    void this.#go();
  }

  /** Looks at once: something else is looked for. */
  now(): void {
    this.#pause.abort();
  }

  async #go(): Promise<void> {
    for (;;) {
      await seen();
      this.#pause = new AbortController();
      const begun = performance.now();
      try {
        await this.#look();
      } catch (error) {
        this.#failed(error);
      }
      await lull(Math.max(EVERY_MS, TIMES * (performance.now() - begun)), this.#pause.signal);
    }
  }
}
