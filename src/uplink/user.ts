/**
 * Owns what a person asks of a gateway from the command line: submit, list, cancel, results, logs.
 * Must not know how any of it is shown.
 * Invariant: a log that is followed has every line once, over any number of broken connections.
 */
import { jsonValue } from "../model/json_text.ts";
import * as v from "valibot";
import { Backoff } from "../base/backoff.ts";
import { GatewayAnswerError, GatewayTimeoutError, UnreachableError, UplinkError } from "./errors.ts";
import type {
  ExecutorQueue,
  ExecutorView,
  FileView,
  HandoutView,
  NewInstruction,
  ReportedRun,
  Submitted,
  Withdrawn,
} from "../protocol/messages.ts";
import * as protocol from "../protocol/messages.ts";
import { Id } from "../protocol/words.ts";
import type { Clock } from "../base/clock.ts";
import type { Fetch } from "./port.ts";
import type { Bytes } from "../base/bytes.ts";
import type { Random } from "../base/random.ts";
import { linesOf } from "./http/lines.ts";
import { sleep } from "../base/wait.ts";
import { isPage, jsonIn, page, refused, type WireAnswer } from "./http/answer.ts";
import { type Call, Wire } from "./http/wire.ts";

const TIMEOUT_MS = 30_000;
/** The slowest that a bundle may leave: 64 MiB in 22 minutes. */
const UPLOAD_BYTES_PER_MS = 50;
const BYTES = "application/octet-stream";
const MAX_LIST_BYTES = 64 * 1024 * 1024;
const MAX_RESULT_BYTES = 1024 * 1024 * 1024;

/** What of an answer tells that it is a gateway's: a login page may be JSON too. */
const Asked = v.looseObject({ id: v.number() });
const Result = v.looseObject({ run: Id, tasks: v.looseObject({}) });
const Numbered = v.looseObject({ seq: v.pipe(v.number(), v.safeInteger(), v.minValue(1)) });

/** What a user's client needs. */
export interface UserOptions {
  readonly url: string;
  readonly token?: string;
  /** Reads the token anew, where it comes from a file. */
  readonly renewToken?: (() => Promise<string | undefined>) | undefined;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly random: Random;
}

/** Which log lines. */
export interface LogOptions {
  /** Only records with a higher number. Default 0. */
  readonly since?: number;
  /** Goes on until the run is over, over broken connections too. Default false. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  readonly onError?: (error: UplinkError) => void;
}

/** How a bundle is handed to a gateway. */
export interface SubmitOptions {
  /** The pipeline's name, for lists. */
  readonly name?: string;
  /** What waits in the same queue leaves it. Default false. */
  readonly replace?: boolean;
}

/** A gateway as its user sees it. Each method rejects with an `UplinkError` that says what to do. */
export interface UserGateway {
  /** @param to An executor's id, `group:NAME`, or `group:all`. */
  submit(bundle: Bytes, to: string, options?: SubmitOptions): Promise<Submitted>;
  /** What was handed to the gateway, the newest first. */
  handouts(executor?: string): Promise<readonly HandoutView[]>;
  /** Takes a hand-out out of its queue. */
  withdraw(handout: string, because?: string): Promise<Withdrawn>;
  executors(): Promise<readonly ExecutorView[]>;
  executor(executor: string): Promise<ExecutorQueue>;
  runs(executor?: string): Promise<readonly ReportedRun[]>;
  run(run: string): Promise<ReportedRun>;
  /** The result document, or what there is of it so far. */
  result(run: string): Promise<unknown>;
  /** Records of the combined log, as they came. */
  logs(run: string, options?: LogOptions): AsyncGenerator<Record<string, unknown>>;
  /** The files that the tasks of a run have kept. */
  files(run: string): Promise<readonly FileView[]>;
  /** The bytes of one from a place on, in pieces. Rejects with an `UnreachableError` where the connection breaks. */
  file(
    run: string,
    what: { readonly sha256: string; readonly at: number },
  ): AsyncGenerator<Uint8Array, void, undefined>;
  cancel(run: string, because?: string): Promise<void>;
  /** Asks something of an executor, in the reply to its next heartbeat. */
  command(executor: string, command: NewInstruction): Promise<void>;
  /** Makes a token for an executor, an experiment and groups; resolves to its text, shown this once. */
  executorToken(name: string, what?: Omit<protocol.ExecutorToken, "kind" | "name">): Promise<string>;
}

/** A user's side of a gateway. */
export function userGateway(options: UserOptions): UserGateway {
  const client = new Client(options);
  const id = encodeURIComponent;
  return {
    submit(bundle, to, { name, replace } = {}) {
      const query = `to=${id(to)}${name === undefined ? "" : `&name=${id(name)}`}${
        replace ? "&replace=1" : ""
      }`;
      const call: Call = {
        method: "POST",
        path: `/v1/bundles?${query}`,
        body: bundle,
        timeoutMs: TIMEOUT_MS + bundle.length / UPLOAD_BYTES_PER_MS,
      };
      return client.ask(call, { schema: protocol.Submitted });
    },
    handouts: async (executor) => {
      const query = executor === undefined ? "" : `?executor=${id(executor)}`;
      const schema = v.object({ handouts: v.array(protocol.HandoutView) });
      return (await client.get(`/v1/handouts${query}`, schema)).handouts;
    },
    withdraw(handout, because) {
      const query = because === undefined ? "" : `?because=${id(because)}`;
      const schema = protocol.Withdrawn;
      return client.post(`/v1/handouts/${id(handout)}/cancel${query}`, undefined, { schema });
    },
    executors: async () =>
      (await client.get("/v1/executors", v.object({ executors: v.array(protocol.ExecutorView) }))).executors,
    executor: (executor) => client.get(`/v1/executors/${id(executor)}`, protocol.ExecutorQueue),
    runs: async (executor) => {
      const query = executor === undefined ? "" : `?executor=${id(executor)}`;
      return (await client.get(`/v1/runs${query}`, v.object({ runs: v.array(protocol.ReportedRun) }))).runs;
    },
    run: (run) => client.get(`/v1/runs/${id(run)}`, protocol.ReportedRun),
    result: (run) => client.get(`/v1/runs/${id(run)}/result`, Result),
    logs: (run, more) => client.follow(`/v1/runs/${id(run)}/logs`, more ?? {}),
    files: async (run) =>
      (await client.get(`/v1/runs/${id(run)}/files`, v.object({ files: v.array(protocol.FileView) }))).files,
    file: (run, { sha256, at }) => client.pieces(`/v1/runs/${id(run)}/files/${sha256}`, at),
    async cancel(run, because) {
      const query = because === undefined ? "" : `?because=${id(because)}`;
      await client.post(`/v1/runs/${id(run)}/cancel${query}`, undefined, { schema: Asked });
    },
    async command(executor, command) {
      await client.post(`/v1/executors/${id(executor)}/commands`, command, { schema: Asked });
    },
    async executorToken(name, what) {
      const body = { kind: "executor", name, ...what };
      return (await client.post("/v1/tokens", body, { schema: protocol.TokenMade })).token;
    },
  };
}

interface Expect<T> {
  readonly schema: v.GenericSchema<unknown, T>;
}

class Client {
  readonly #wire: Wire;
  readonly #options: UserOptions;

  constructor(options: UserOptions) {
    this.#wire = new Wire(options);
    this.#options = options;
  }

  get<T>(path: string, schema: v.GenericSchema<unknown, T>): Promise<T> {
    const maxBytes = path.endsWith("/result") ? MAX_RESULT_BYTES : MAX_LIST_BYTES;
    return this.ask({ method: "GET", path, timeoutMs: TIMEOUT_MS, maxBytes }, { schema });
  }

  post<T>(path: string, body: unknown, expect: Expect<T>): Promise<T> {
    const bytes = new TextEncoder().encode(JSON.stringify(body) ?? "");
    return this.ask({ method: "POST", path, timeoutMs: TIMEOUT_MS, body: bytes }, expect);
  }

  async ask<T>(call: Call, { schema }: Expect<T>): Promise<T> {
    const answer = await this.#wire.call(call);
    const name = this.#wire.name(call);
    if (answer.status < 200 || answer.status >= 300) throw this.#refused(name, answer);
    return read(name, answer, schema);
  }

  #refused(name: string, answer: WireAnswer): UplinkError {
    return refused(name, answer, { now: this.#options.clock.now(), reasonIn: protocol.reasonIn });
  }

  async #open(path: string, signal: AbortSignal | undefined): Promise<ReadableStream<Uint8Array>> {
    const call: Call = { method: "GET", path, timeoutMs: TIMEOUT_MS, ...(signal ? { signal } : {}) };
    const opened = await this.#wire.open(call);
    if (opened instanceof ReadableStream) return opened;
    const name = this.#wire.name(call);
    if (opened.status >= 400) throw this.#refused(name, opened);
    throw new GatewayAnswerError(
      isPage(opened)
        ? page(name, opened)
        : `${name} was answered ${opened.status} without records: check OUTRIDER_GATEWAY`,
    );
  }

  async *pieces(path: string, at: number): AsyncGenerator<Uint8Array, void, undefined> {
    const headers = at === 0 ? {} : { range: `bytes=${at}-` };
    const call: Call = { method: "GET", path, headers, timeoutMs: TIMEOUT_MS, streams: BYTES };
    const opened = await this.#wire.open(call);
    const name = this.#wire.name(call);
    if (!(opened instanceof ReadableStream)) {
      // A small one comes whole.
      if (opened.status === 200 || opened.status === 206) return yield opened.bytes;
      throw this.#refused(name, opened);
    }
    yield* piecesOf(opened, { name, clock: this.#options.clock });
  }

  async *follow(path: string, options: LogOptions): AsyncGenerator<Record<string, unknown>> {
    const { clock, random } = this.#options;
    const backoff = new Backoff({ random, maxMs: 10_000 });
    let since = options.since ?? 0;
    for (;;) {
      try {
        const query = `?since=${since}${options.follow ? "&follow=1" : ""}`;
        const stream = await this.#open(path + query, options.signal);
        const limits = { clock, idleMs: TIMEOUT_MS, ...(options.signal ? { signal: options.signal } : {}) };
        for await (const line of linesOf(stream, limits)) {
          backoff.reset();
          const record = recordOf(line);
          since = Math.max(since, record.seq);
          yield record;
        }
        return;
      } catch (error) {
        if (options.signal?.aborted) return;
        if (!options.follow || !isBroken(error)) throw error;
        options.onError?.(error);
        await sleep(clock, backoff.next(error.retryAfterMs), options.signal);
      }
    }
  }
}

/** The pieces of a body, between which there is a limit. */
async function* piecesOf(
  body: ReadableStream<Uint8Array>,
  { name, clock }: { readonly name: string; readonly clock: Clock },
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { promise: late, reject } = Promise.withResolvers<never>();
      const cancel = clock.after(
        TIMEOUT_MS,
        () => reject(new UnreachableError(`Nothing has come of ${name} for ${TIMEOUT_MS / 1000} s`)),
      );
      const read = reader.read().catch((cause: unknown) => {
        throw new UnreachableError(`The connection broke during the answer to ${name}`, { cause });
      });
      const next = await Promise.race([read, late]).finally(cancel);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function recordOf(line: string): v.InferOutput<typeof Numbered> {
  let record: unknown;
  try {
    record = jsonValue(line);
  } catch (cause) {
    throw new UnreachableError("The connection to the gateway broke in the midst of a line", { cause });
  }
  if (v.is(Numbered, record)) return record;
  throw new GatewayAnswerError(
    `A line of the log is no record: ${
      line.slice(0, 100)
    }: check that OUTRIDER_GATEWAY is the address of a gateway`,
  );
}

/** Whether asking again may help. */
function isBroken(error: unknown): error is UplinkError {
  return error instanceof UnreachableError || error instanceof GatewayTimeoutError ||
    (error instanceof UplinkError && "status" in error && Number(error.status) >= 500);
}

function read<T>(name: string, answer: WireAnswer, schema: v.GenericSchema<unknown, T>): T {
  if (isPage(answer)) throw new GatewayAnswerError(page(name, answer));
  const read = v.safeParse(schema, jsonIn(answer));
  if (read.success) return read.output;
  throw new GatewayAnswerError(
    `${name} was answered with something else than was asked for: check that OUTRIDER_GATEWAY is the address of a gateway of this version`,
  );
}
