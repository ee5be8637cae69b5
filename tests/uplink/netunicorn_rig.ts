/**
 * Owns a gateway that answers as netUnicorn's does, as seen from its source and by running it: FastAPI, pydantic, PostgreSQL.
 * Must not know of Outrider.
 * Invariant: what the real one refuses or loses without a word, this one refuses or loses likewise.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What executors post. */
export interface Posted {
  readonly executor_id: string;
  readonly results: string;
  readonly state: number | null;
}

/** A row of its table of executors. */
export interface Executor {
  /** NULL: none yet. */
  pipeline: Uint8Array | null;
  result: Uint8Array | null;
  state: number | null;
  finished: boolean;
}

interface FlagRow {
  readonly text_value: string | null;
  readonly int_value: number;
}

/** The gateway, its tables open to the test. */
export class NetunicornGateway {
  readonly executors: Map<string, Executor> = new Map();
  readonly flags: Map<string, FlagRow> = new Map();
  /** All results that were posted, taken or not. */
  readonly posts: Posted[] = [];
  /** How many requests there were, by method and path. */
  readonly asked: Map<string, number> = new Map();
  /** Answers everything with this status, as a proxy before it would. */
  trouble: number | undefined;
  /** Answers results only with this status. */
  resultTrouble: number | undefined;
  readonly #watchers = new Set<() => void>();

  /** Adds an executor, or gives it a pipeline. */
  put(executor: string, pipeline: Uint8Array | null): void {
    this.executors.set(executor, { pipeline, result: null, state: null, finished: false });
  }

  /** What an executor's stored result holds behind the pickle. */
  stored(executor: string): Record<string, unknown> {
    return jsonBehind(this.executors.get(executor)?.result ?? new Uint8Array());
  }

  /** Resolves after the first request from which on the condition holds. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    const { method, url } = request;
    const { pathname, searchParams } = new URL(url);
    const key = `${method} ${pathname}`;
    this.asked.set(key, (this.asked.get(key) ?? 0) + 1);
    const text = await request.text();
    const answer = this.#answer({ method, path: decodeURIComponent(pathname), query: searchParams, text });
    // The one who asked has to see the answer before the test goes on.
    setTimeout(() => this.#watchers.forEach((look) => look()));
    return answer;
  };

  #answer({ method, path, query, text }: Asked): Response {
    const isResult = method === "POST" && path === "/api/v1/executor/result";
    const posted = isResult ? parsed(text) : undefined;
    if (posted) this.posts.push(posted as unknown as Posted);
    const trouble = this.trouble ?? (isResult ? this.resultTrouble : undefined);
    if (trouble !== undefined) return new Response("Internal Server Error", { status: trouble });
    if (method === "GET" && path === "/api/v1/executor/execution_graph") {
      return this.#graph(query.get("executor_id"));
    }
    if (isResult) return this.#result(posted);
    if (path === "/api/v1/executor/result/") {
      return new Response(null, { status: 307, headers: { location: path.slice(0, -1) } });
    }
    const flag = /^\/api\/v1\/experiment\/([^/]+\/flag\/[^/]+)(?:\/(increment|decrement))?$/.exec(path);
    if (flag && method === "GET" && !flag[2]) return this.#flag(flag[1]!);
    if (flag && method === "POST") {
      return flag[2] ? this.#count(flag[1]!, flag[2] === "increment" ? 1 : -1) : this.#set(flag[1]!, text);
    }
    return json({ detail: "Not Found" }, 404);
  }

  #graph(id: string | null): Response {
    if (id === null) return invalid("executor_id");
    const pipeline = this.executors.get(id)?.pipeline ?? null;
    if (pipeline !== null) return json(Buffer.from(pipeline).toString("base64"));
    return new Response(null, { status: 204, headers: { "content-type": "application/json" } });
  }

  #result(body: Record<string, unknown> | undefined): Response {
    const { executor_id: id, results, state = null } = body ?? {};
    if (typeof id !== "string") return invalid("executor_id");
    if (typeof results !== "string") return invalid("results");
    if (state !== null && !Number.isInteger(state)) return invalid("state");
    const letters = results.replace(/[^A-Za-z0-9+/=]/g, "");
    if (letters.length % 4 !== 0) return broken();
    const row = this.executors.get(id);
    // An UPDATE that finds no row is no error.
    if (row) {
      row.result = Buffer.from(letters, "base64");
      row.state = state === null ? 3 : Number(state);
      row.finished = row.state === 2 || row.state === 3;
    }
    return json(null);
  }

  #flag(key: string): Response {
    if (!isText(key)) return broken();
    const row = this.flags.get(key);
    return row ? json(row) : json(null, 404);
  }

  #set(key: string, text: string): Response {
    const body = parsed(text);
    if (!body) return invalid();
    const { text_value = null, int_value = 0 } = body;
    if (text_value !== null && typeof text_value !== "string") return invalid("text_value");
    if (!Number.isInteger(int_value)) return invalid("int_value");
    if (!isText(key) || !isText(text_value ?? "") || !isInt(Number(int_value))) return broken();
    this.flags.set(key, { text_value, int_value: Number(int_value) });
    return json(null);
  }

  #count(key: string, by: number): Response {
    const row = this.flags.get(key) ?? { text_value: null, int_value: 0 };
    if (!isText(key) || !isInt(row.int_value + by)) return broken();
    this.flags.set(key, { ...row, int_value: row.int_value + by });
    return json(null);
  }
}

/** The JSON of a result, which is its last line. */
export function jsonBehind(result: Uint8Array): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(result).split("\n").at(-1)!);
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly text: string;
}

function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

function invalid(...field: string[]): Response {
  return json({ detail: [{ type: "missing", loc: ["body", ...field], msg: "Field required" }] }, 422);
}

/** What becomes of an exception: of asyncpg, of `b64decode`. */
function broken(): Response {
  return new Response("Internal Server Error", { status: 500 });
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** What PostgreSQL's TEXT and INT hold. */
function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

function isInt(value: number): boolean {
  return value >= -(2 ** 31) && value < 2 ** 31;
}

/** A gateway that listens. */
export interface Listening {
  readonly port: number;
  /** From now on connections are refused. */
  close(): Promise<void>;
}

/** Serves a gateway on this machine. @param port Default: any that is free. */
export async function listen(gateway: NetunicornGateway, port = 0): Promise<Listening> {
  const server = createServer((incoming, outgoing) => {
    // An executor that is killed in the midst of a request wants no answer.
    passOn(gateway, { incoming, outgoing }).catch(() => outgoing.destroy());
  });
  await new Promise<void>((open) => server.listen(port, "127.0.0.1", () => open()));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}

async function passOn(
  gateway: NetunicornGateway,
  { incoming, outgoing }: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse },
): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Uint8Array);
  const { method = "GET", url = "/" } = incoming;
  const body = method === "GET" ? {} : { body: Buffer.concat(chunks) };
  const answer = await gateway.fetch(new Request(`http://127.0.0.1${url}`, { method, ...body }));
  outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
  outgoing.end(new Uint8Array(await answer.arrayBuffer()));
}
