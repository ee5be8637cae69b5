/**
 * Owns how the command line finds and asks the end point of an executor on this machine.
 * Must not know what is asked.
 * Invariant: what goes wrong is told in words, with the address; a token never is.
 */
import { concealedAddress } from "../base/concealed.ts";
import type { CliRuntime } from "./context.ts";
import { UsageError } from "./errors.ts";

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

/** The end point refused, or could not be asked. The message is for a person. */
export class EndPointError extends Error {
  readonly code = "OUTRIDER_END_POINT";
  override name = "EndPointError";
  /** Absent when there was no answer. */
  readonly status: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly status?: number } = {}) {
    super(message, options);
    this.status = options.status;
  }
}

/** The end point of an executor. */
export interface EndPoint {
  readonly url: string;
  /** Asks. @throws {EndPointError} Where the answer is a refusal whose status is not `expected`, or there is none. */
  ask(path: string, options?: AskOptions): Promise<Response>;
}

/** How to ask. */
export interface AskOptions {
  readonly method?: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses beside 2xx that are answers. */
  readonly expected?: readonly number[];
  readonly signal?: AbortSignal;
}

/** The part of the runtime that is needed. */
type EndPointRuntime = Pick<CliRuntime, "env" | "readText" | "askSocket">;

/** Where an end point is, and how it is spoken to. */
interface Place {
  /** As a person reads it. */
  readonly url: string;
  readonly token: string | undefined;
  send(path: string, request: Request): Promise<Response>;
}

type Request = Required<Pick<AskOptions, "method" | "headers">> & Pick<AskOptions, "body" | "signal">;

/** The end point that options or the environment name. @throws {UsageError} If none is named. */
export async function endPointOf(flags: EndPointFlags, runtime: EndPointRuntime): Promise<EndPoint> {
  const { url, token } = await namedBy(flags, runtime);
  // A task that is a program gets the socket beside an address that is good for the rest of the URL.
  const socket = url.startsWith("unix:")
    ? url.slice(5)
    : flags.url === undefined && url === runtime.env("OUTRIDER_URL")
    ? runtime.env("OUTRIDER_SOCKET") || undefined
    : undefined;
  const base = url.replace(/\/+$/, "");
  const place: Place = socket === undefined
    ? { url: new URL(base).origin, token, send: (path, request) => fetch(base + path, request) }
    : {
      url: `unix:${socket}`,
      token,
      send: (path, request) => runtime.askSocket({ socket, path, ...request }),
    };
  return { url: socket === undefined ? base : place.url, ask: (path, options) => ask(place, path, options) };
}

/** Whether an executor on this machine is meant: options name one, or the environment does and no run of a gateway is named. */
export function isHere(
  { url, stateDir }: EndPointFlags,
  { env, run }: { readonly env: CliRuntime["env"]; readonly run: string | undefined },
): boolean {
  if (url !== undefined || stateDir !== undefined) return true;
  return run === undefined && [env("OUTRIDER_URL"), env("OUTRIDER_STATE_DIR")].some(Boolean);
}

async function namedBy(
  { url, token, stateDir }: EndPointFlags,
  { env, readText }: EndPointRuntime,
): Promise<{ readonly url: string; readonly token: string | undefined }> {
  if (url !== undefined) return { url: checked(url), token: token ?? env("OUTRIDER_TOKEN") };
  const named = env("OUTRIDER_URL");
  if (stateDir === undefined && named) return { url: checked(named), token: token ?? env("OUTRIDER_TOKEN") };
  const folder = stateDir ?? env("OUTRIDER_STATE_DIR");
  if (!folder) {
    throw new UsageError(
      "It is not said which executor to ask: give --url URL, or --state-dir DIR of one that serves",
    );
  }
  const file = `${folder.replace(/(?<=.)[/\\]+$/, "")}/http.json`;
  try {
    const found = JSON.parse(await readText(file)) as { readonly url?: unknown; readonly token?: unknown };
    if (typeof found.url === "string" && typeof found.token === "string") {
      return { url: found.url, token: token ?? found.token };
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

async function ask(place: Place, path: string, options: AskOptions = {}): Promise<Response> {
  const { method = "GET", body, headers, expected = [], signal } = options;
  const { url, token } = place;
  let answer: Response;
  try {
    answer = await place.send(path, {
      method,
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
      ...(body !== undefined && { body }),
      ...(signal !== undefined && { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new EndPointError(`Nothing answers at ${url}: the executor may have ended`, { cause: error });
  }
  if (answer.ok || expected.includes(answer.status)) return answer;
  throw new EndPointError(await refusalOf(answer, url), { status: answer.status });
}

async function refusalOf(answer: Response, url: string): Promise<string> {
  const text = await answer.text().catch(() => "");
  try {
    const { error } = JSON.parse(text) as {
      readonly error: { readonly code: string; readonly message: string };
    };
    return `${error.message} (${answer.status} ${error.code})`;
  } catch {
    return `${url} answered ${answer.status}, and not as an executor does: check the address`;
  }
}

/** Lines of an answer that goes on, without the empty ones that only say that it is alive. */
export async function* linesOf(answer: Response): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  const chunks = answer.body?.[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks?.next().catch((error: unknown) => {
      if ((error as { name?: unknown }).name === "AbortError") throw error;
      throw new EndPointError("The connection was broken off: the executor has ended", { cause: error });
    });
    if (next === undefined || next.done) break;
    const lines = (rest + decoder.decode(next.value, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines.filter((line) => line !== "");
  }
  if (rest !== "") yield rest;
}
