/**
 * Owns the sessions of the gateway's page: a browser that has shown a token once goes on by a cookie.
 * Must not know what is asked for, nor what tokens open.
 * Invariant: a session is never more than its token: it ends with it, after `LAST_MS`, when it is signed out, and with the
 * gateway; and it is taken from no page but the gateway's own. Only a digest of what the cookie says is held.
 */
import type { Clock } from "../base/clock.ts";
import { randomHex, sha256 } from "../base/bytes.ts";
import { CutOff } from "../base/reader_stream.ts";
import { foreignPage } from "../base/web/door.ts";
import { Refuse } from "../base/web/refuse.ts";
import type { TokenRow } from "./store.ts";
import type { Tokens } from "./tokens.ts";

/** How long a session lasts, milliseconds. */
const LAST_MS = 12 * 3_600_000;
/** Sessions of one token, and of all; beyond them the oldest ends. */
const MAX_OF_TOKEN = 32;
const MAX_SESSIONS = 1_024;

/** How the gateway's own page may be reached: by itself, or by a proxy that speaks TLS for it. */
const SCHEMES = ["http", "https"] as const;
/** A browser takes a cookie of such a name only over TLS, from this very host. */
const BOUND = "__Host-";
/** Methods that change nothing. */
const READS: readonly string[] = ["GET", "HEAD"];

/** A session that goes on. */
export interface Session {
  /** Who asks: what the token opens for a user. */
  readonly token: TokenRow;
  /** Time that is left, milliseconds. */
  readonly leftMs: number;
  /** Aborted when it is over. */
  readonly over: AbortSignal;
}

interface Held {
  /** Digest of the token. */
  readonly token: string;
  /** By the monotonic clock. */
  readonly until: number;
  readonly over: AbortController;
}

/** The sessions of a gateway. */
export class Sessions {
  readonly #tokens: Tokens;
  readonly #clock: Clock;
  /** By digest of what the cookie says, the oldest first. */
  readonly #held: Map<string, Held> = new Map();

  constructor(tokens: Tokens, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  /**
   * Begins a session, in the place of the one that the browser has; the cookie for it.
   *
   * @throws {Refuse} If the token opens nothing for a user, or another's page asks.
   */
  async begin(request: Request, text: string): Promise<string> {
    requireOwnPage(request);
    const token = await this.#tokens.find(text);
    if (token === undefined) throw new Refuse(401, "TOKEN", { message: "The gateway knows no such token" });
    if (token.kind === "executor") {
      throw new Refuse(403, "TOKEN_KIND", { message: "The token is an executor's: the page needs a user's" });
    }
    await this.#leave(request);
    const id = randomHex(32);
    const key = await sha256(id);
    this.#makeRoom(token.hash);
    const until = this.#clock.monotonic() + LAST_MS;
    this.#held.set(key, { token: token.hash, until, over: new AbortController() });
    return cookie(request, id, LAST_MS / 1_000);
  }

  /** Ends the session that a request comes with, if it does; the cookie that undoes it. @throws {Refuse} If another's page asks. */
  async end(request: Request): Promise<string> {
    requireOwnPage(request);
    await this.#leave(request);
    return cookie(request, "", 0);
  }

  /** The session that a request comes with. @throws {Refuse} If it has one, and another's page asks. */
  async of(request: Request): Promise<Session | undefined> {
    this.sweep();
    const id = idIn(request);
    if (id === undefined) return undefined;
    const key = await sha256(id);
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    requireOwnPage(request);
    const token = await this.#tokens.held(held.token);
    if (token === undefined || token.kind === "executor") {
      this.#drop(key);
      return undefined;
    }
    const leftMs = held.until - this.#clock.monotonic();
    return { token: { ...token, kind: "user" }, leftMs, over: held.over.signal };
  }

  async #leave(request: Request): Promise<void> {
    const id = idIn(request);
    if (id !== undefined) this.#drop(await sha256(id));
  }

  #drop(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    held.over.abort(new CutOff("A session is over: what was followed for it was cut off"));
  }

  /** Ends those whose time is over. No timer does, since one of hours would hold the process: who asks or follows does. */
  sweep(): void {
    for (const [key, { until }] of this.#held) {
      if (until > this.#clock.monotonic()) return;
      this.#drop(key);
    }
  }

  #makeRoom(token: string): void {
    this.sweep();
    const own = [...this.#held].filter(([, held]) => held.token === token);
    if (own.length >= MAX_OF_TOKEN) this.#drop(own[0]![0]);
    if (this.#held.size >= MAX_SESSIONS) this.#drop(this.#held.keys().next().value!);
  }
}

/** @throws {Refuse} If a request comes from another's page, or might, and would change something. */
function requireOwnPage(request: Request): void {
  const { headers, method } = request;
  const told = headers.has("origin") || headers.has("sec-fetch-site");
  const foreign = foreignPage(request, SCHEMES);
  if (foreign === undefined && (told || READS.includes(method))) return;
  const shown = foreign?.shown;
  throw new Refuse(403, "ORIGIN", {
    message: shown === undefined
      ? "A session is taken from the gateway's own page alone, and the request does not say that it comes from there: send a token"
      : `A session is taken from the gateway's own page alone, not from ${
        JSON.stringify(shown.slice(0, 100))
      }: if that is its address, have the proxy before the gateway pass the Host on`,
  });
}

/** What the cookie says. Cookies know no ports: two gateways on one machine each have a name of their own. */
function idIn(request: Request): string | undefined {
  const sent = request.headers.get("cookie");
  if (sent === null) return undefined;
  const name = nameOf(request);
  const pairs = new Map(
    sent.split(";").map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const;
    }),
  );
  const id = pairs.get(BOUND + name) ?? pairs.get(name);
  return id !== undefined && /^[0-9a-f]{64}$/.test(id) ? id : undefined;
}

function nameOf(request: Request): string {
  const port = /:(\d{1,5})$/.exec(hostOf(request))?.[1];
  return `outrider-session${port === undefined ? "" : `-${port}`}`;
}

function hostOf({ headers, url }: Request): string {
  return (headers.get("host") ?? new URL(url).host).toLowerCase();
}

/** Whether it came over TLS is told by the page that asks: before a proxy the gateway doesn't see it. */
function cookie(request: Request, id: string, lastSeconds: number): string {
  const isBound = request.headers.get("origin")?.toLowerCase() === `https://${hostOf(request)}`;
  const name = `${isBound ? BOUND : ""}${nameOf(request)}`;
  const secure = isBound ? "; Secure" : "";
  return `${name}=${id}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${lastSeconds}${secure}`;
}
