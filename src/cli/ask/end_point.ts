/**
 * Owns how the command line finds and asks the end point of an executor on this machine.
 * Must not know what is asked.
 * Invariant: what goes wrong is told in words, with the address; a token never is. It is sent to nobody who has not proven
 * that he knows it, and to this machine by no proxy: http.json may be of an executor that was killed, and its port another
 * program's by now. Each run has a token of its own: where one has just taken the place of another, http.json is read again.
 */
import { systemClock } from "../../base/clock.ts";
import { sleep } from "../../base/wait.ts";
import { jsonValue } from "../../model/json_text.ts";
import { endPointIn } from "../../config/asking.ts";
import { concealedAddress } from "../../base/concealed.ts";
import { askLocalDirectly } from "../../base/no_proxy.ts";
import { newChallenge, proofOf } from "../../base/proof.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { EndPointError, exchange, follow, pieces, type Send, Told } from "./exchange.ts";

/** How often an executor is asked for its proof by what http.json says, and how long it waits in between, milliseconds. */
const MAX_TRIES = 4;
const AGAIN_MS = 100;

/** Options of every command that asks an end point. */
export interface EndPointFlags {
  readonly url?: string;
  readonly token?: string;
  readonly stateDir?: string;
}

/** To be spread into a command's flags. */
export const endPointFlags: {
  readonly url: TextOption;
  readonly token: TextOption;
  readonly stateDir: TextOption;
} = {
  url: option(
    "URL",
    "Address of the executor's end point (default: OUTRIDER_URL, or that in the state directory)",
  ),
  token: option("TOKEN", "Token for it (default: OUTRIDER_TOKEN, or that in the state directory)"),
  stateDir: option("DIR", "State directory of the executor (default: OUTRIDER_STATE_DIR)"),
};

interface TextOption {
  readonly kind: "parsed";
  readonly parse: (input: string) => string;
  readonly optional: true;
  readonly placeholder: string;
  readonly brief: string;
}

function option(placeholder: string, brief: string): TextOption {
  return { kind: "parsed", parse: String, optional: true, placeholder, brief };
}

/** The end point of an executor. */
export interface EndPoint {
  readonly url: string;
  /** Asks. @throws {EndPointError} Where the answer is a refusal whose status is not `expected`, or there is none. */
  ask(path: string, options?: AskOptions): Promise<Told>;
  /** Asks for what goes on; its lines are JSON documents. @throws {EndPointError} Where it is refused or ends too early. */
  follow(path: string, options?: AskOptions): AsyncGenerator<string, void, undefined>;
  /** Asks for bytes, which come in pieces. @throws {EndPointError} Where it is refused or ends too early. */
  pieces(path: string): AsyncGenerator<Uint8Array, void, undefined>;
}

/** How to ask. */
export interface AskOptions {
  readonly method?: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses beside 2xx that are answers. */
  readonly expected?: readonly number[];
  /** How long the answer is to be held, milliseconds. */
  readonly heldMs?: number;
  readonly signal?: AbortSignal;
}

/** The part of the runtime that is needed. */
type EndPointRuntime = Pick<CliRuntime, "env" | "setEnv" | "readText" | "askSocket">;

type Request = Required<Pick<AskOptions, "method" | "headers">> & Pick<AskOptions, "body" | "signal">;

/** The end point that options or the environment name. @throws {UsageError} If none is named. */
export async function endPointOf(flags: EndPointFlags, runtime: EndPointRuntime): Promise<EndPoint> {
  const named = await namedBy(flags, runtime);
  const again = async () => placeOf(await namedBy(flags, runtime), { flags, runtime });
  return new AskedEndPoint(placeOf(named, { flags, runtime }), named.isKnown ? undefined : again);
}

function placeOf(
  { url, token }: Named,
  { flags, runtime }: { readonly flags: EndPointFlags; readonly runtime: EndPointRuntime },
): Place {
  // A task that is a program gets the socket beside an address that is good for the rest of the URL.
  const socket = url.startsWith("unix:")
    ? url.slice(5)
    : flags.url === undefined && url === endPointIn(runtime.env).url
    ? endPointIn(runtime.env).socket
    : undefined;
  if (socket !== undefined) {
    const send = (path: string, request: Request) => runtime.askSocket({ socket, path, ...request });
    return { url: `unix:${socket}`, token, send };
  }
  const base = url.replace(/\/+$/, "");
  const { origin } = new URL(base);
  askLocalDirectly(runtime, base);
  // A redirect would get the token.
  return {
    url: origin,
    token,
    send: (path, request) => fetch(base + path, { ...request, redirect: "manual" }),
  };
}

/** Where an end point is, and how it is spoken to. */
interface Place {
  /** As a person reads it. */
  readonly url: string;
  readonly token: string | undefined;
  send(path: string, request: Request): Promise<Response>;
}

/** Asks the end point at a place, which gets the token only once it has proven that it knows it. */
class AskedEndPoint implements EndPoint {
  #place: Place;
  readonly #again: (() => Promise<Place>) | undefined;
  #proven: Promise<void> | undefined;

  /** @param again Says anew where it is, if that may change. */
  constructor(place: Place, again: (() => Promise<Place>) | undefined) {
    this.#place = place;
    this.#again = again;
  }

  get url(): string {
    return this.#place.url;
  }

  async ask(path: string, options: AskOptions = {}): Promise<Told> {
    await this.#prove(options.signal);
    const { expected = [], heldMs, signal } = options;
    const told = await exchange(this.#sending(path, options), { url: this.url, heldMs, signal });
    if (told.status >= 200 && told.status < 300 || expected.includes(told.status)) return told;
    throw told.refusal();
  }

  async *follow(path: string, options: AskOptions = {}): AsyncGenerator<string, void, undefined> {
    await this.#prove(options.signal);
    const told = await follow(this.#sending(path, options), { url: this.url, signal: options.signal });
    if (told instanceof Told) throw told.refusal();
    yield* told;
  }

  async *pieces(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#prove(undefined);
    const told = await pieces(this.#sending(path, {}), { url: this.url });
    if (told instanceof Told) throw told.refusal();
    yield* told;
  }

  #sending(path: string, { method = "GET", body, headers }: AskOptions): Send {
    const { token } = this.#place;
    const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return (signal) =>
      this.#place.send(path, {
        method,
        headers: { ...bearer, ...headers },
        ...(body !== undefined && { body }),
        signal,
      });
  }

  #prove(signal: AbortSignal | undefined): Promise<void> {
    return this.#proven ??= this.#challenge(signal);
  }

  async #challenge(signal: AbortSignal | undefined): Promise<void> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#challengeOnce(signal);
      } catch (error) {
        const isOld = error instanceof EndPointError && error.status === 401;
        if (!isOld || this.#again === undefined || tries === MAX_TRIES) throw error;
        await sleep(systemClock, AGAIN_MS);
        this.#place = await this.#again();
      }
    }
  }

  async #challengeOnce(signal: AbortSignal | undefined): Promise<void> {
    const { token, url } = this.#place;
    if (token === undefined) return;
    const challenge = newChallenge();
    const headers = { authorization: `Proof ${await proofOf(token, "client", challenge)}` };
    const send: Send = (stop) =>
      this.#place.send(`/proof?challenge=${challenge}`, { method: "GET", headers, signal: stop });
    const told = await exchange(send, { url, signal });
    if (told.status !== 200) throw told.refusal();
    const { proof } = told.json<{ readonly proof: string }>(({ proof }) => typeof proof === "string");
    if (proof === await proofOf(token, "executor", challenge)) return;
    throw new EndPointError(
      `${url} is not the end point of the executor that the token is for, and was not sent it: check the address`,
    );
  }
}

/** Whether an executor on this machine is meant: options name one, or the environment does and no run of a gateway is named. */
export function isHere(
  { url, stateDir }: EndPointFlags,
  { env, run }: { readonly env: CliRuntime["env"]; readonly run: string | undefined },
): boolean {
  if (url !== undefined || stateDir !== undefined) return true;
  const named = endPointIn(env);
  return run === undefined && [named.url, named.stateDir].some(Boolean);
}

/** What options, the environment or a state directory say of an end point. */
interface Named {
  readonly url: string;
  readonly token: string | undefined;
  /** Whether the token was given, by whoever asks: it stays what it is. */
  readonly isKnown: boolean;
}

async function namedBy(
  { url, token, stateDir }: EndPointFlags,
  { env, readText }: EndPointRuntime,
): Promise<Named> {
  const named = endPointIn(env);
  const address = url ?? (stateDir === undefined ? named.url : undefined);
  if (address !== undefined) {
    return { url: checked(address), token: token ?? named.token, isKnown: true };
  }
  const folder = stateDir ?? named.stateDir;
  if (!folder) {
    throw new UsageError(
      "It is not said which executor to ask: give --url URL, or --state-dir DIR of one that serves",
    );
  }
  const file = `${folder.replace(/(?<=.)[/\\]+$/, "")}/http.json`;
  try {
    const found = jsonValue(await readText(file)) as { readonly url?: unknown; readonly token?: unknown };
    if (typeof found.url === "string" && typeof found.token === "string") {
      return { url: checked(found.url), token: token ?? found.token, isKnown: token !== undefined };
    }
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "EACCES" || code === "EPERM") {
      throw new UsageError(`${file} may not be read: be the user that the executor runs as`, {
        cause: error,
      });
    }
  }
  throw new UsageError(
    `No executor serves with the state directory ${folder}: there is no ${file}. Start a run with --serve --state-dir ${folder}, or an agent with OUTRIDER_STATE_DIR=${folder}`,
  );
}

function checked(url: string): string {
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? "") || url.startsWith("unix:")) return url;
  throw new UsageError(
    `${JSON.stringify(concealedAddress(url))} is no address: write http://HOST:PORT, or unix:/path/to/socket`,
  );
}
