/**
 * Owns netUnicorn's dialect, as its unmodified Python gateway serves it: which request says what.
 * Must not know when anything is sent, or what is done about failures.
 * Invariant: requests that write the result go one after the other, and none follows the final one: the gateway keeps
 * only the last it got, and a heartbeat after the end would make the run look unfinished for ever.
 *
 * | what | request |
 * |---|---|
 * | pipeline | `GET /api/v1/executor/execution_graph?executor_id=`: 200 a JSON string of base64, 204 none yet |
 * | heartbeat, result | `POST /api/v1/executor/result` `{executor_id, results: base64, state}`: 1 executing, 3 finished |
 * | flags | `GET/POST /api/v1/experiment/{id}/flag/{name}`, `POST …/increment`, `POST …/decrement`, `{text_value, int_value}` |
 *
 * The base64 holds JSON in UTF-8: `{"outrider": 1, "heartbeat": …}` on the way, `{"outrider": 1, "result": …, "log": […]}`
 * at the end.
 */
import { fromBase64, toBase64 } from "../pipeline/value.ts";
import type { CallOptions, FlagLine, Gateway, Pulled, Whole } from "./dialect.ts";
import { FlagError, GatewayAnswerError } from "./errors.ts";
import type { Flag, FlagOperation, Heartbeat } from "./messages.ts";
import type { Bytes } from "./port.ts";
import { sha256 } from "./bytes.ts";
import { type Answer, type Call, isPage, page, refused, Wire, type WireOptions } from "./wire.ts";
import { MAX_BUNDLE_BYTES } from "./outrider.ts";

/** netUnicorn's numbers for what an executor is doing. */
const EXECUTING = 1;
const FINISHED = 3;

/** What the dialect needs. */
export interface NetunicornOptions extends WireOptions {
  readonly executor: string;
  /** Default `Unknown`, as in netUnicorn's own executor. */
  readonly experiment?: string;
  /** Largest bundle that is taken, bytes. Default 64 MiB. */
  readonly maxBundleBytes?: number;
}

/**
 * A gateway of netUnicorn.
 *
 * @throws {AddressError} If the address is none.
 * @throws {TokenError} If the token can't be sent.
 */
export function netunicornGateway(options: NetunicornOptions): Gateway {
  const wire = new Wire(options);
  const line = new Line(wire, options);
  const results = new Results(line, options.executor);
  return {
    dialect: "netunicorn",
    url: wire.url,
    get traffic() {
      return wire.traffic;
    },
    pull: (known, limits) => pull(line, { known, limits, options }),
    async beat(heartbeat: Heartbeat, limits) {
      await results.beat(heartbeat, limits);
      return {};
    },
    report: { kind: "whole", send: (whole: Whole, limits) => results.finish(whole, limits) },
    flags: flagLine(line, options.experiment ?? "Unknown"),
  };
}

/** Requests whose failures have names. */
class Line {
  readonly wire: Wire;
  readonly #options: NetunicornOptions;

  constructor(wire: Wire, options: NetunicornOptions) {
    this.wire = wire;
    this.#options = options;
  }

  /** The answer, if its status is one of those expected. */
  async ask(call: Call, expected: readonly number[]): Promise<Answer> {
    const answer = await this.wire.call(call);
    const name = this.wire.name(call);
    if (!expected.includes(answer.status)) return this.fail(call, answer);
    if (isPage(answer)) throw new GatewayAnswerError(page(name, answer));
    return answer;
  }

  fail(call: Call, answer: Answer): never {
    throw refused(this.wire.name(call), answer, this.#options.clock.now());
  }

  post(path: string, body: unknown, limits: CallOptions): Promise<Answer> {
    const bytes = body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body));
    const headers = { "content-type": "application/json" };
    return this.ask({ method: "POST", path, ...limits, ...(bytes ? { body: bytes, headers } : {}) }, [200]);
  }
}

interface WriteOptions extends CallOptions {
  readonly state: number;
  readonly run: string;
}

/** The one place for what an executor has to say: each request replaces what the one before it said. */
class Results {
  readonly #line: Line;
  readonly #executor: string;
  #last: Promise<unknown> = Promise.resolve();
  #finished: string | undefined;

  constructor(line: Line, executor: string) {
    this.#line = line;
    this.#executor = executor;
  }

  async beat(heartbeat: Heartbeat, limits: CallOptions): Promise<void> {
    const run = heartbeat.run?.id;
    if (run === undefined || run === this.#finished) return;
    await this.#write({ outrider: 1, heartbeat }, { ...limits, state: EXECUTING, run });
  }

  async finish({ run, result, log }: Whole, limits: CallOptions): Promise<void> {
    this.#finished = run;
    await this.#write({ outrider: 1, result, log }, { ...limits, state: FINISHED, run });
  }

  async #write(content: unknown, { state, run, ...limits }: WriteOptions): Promise<void> {
    const before = this.#last;
    const sent = before.catch(() => {}).then(() => {
      if (state === EXECUTING && run === this.#finished) return;
      const results = toBase64(new TextEncoder().encode(JSON.stringify(content)));
      return this.#line.post(
        "/api/v1/executor/result",
        { executor_id: this.#executor, results, state },
        limits,
      );
    });
    this.#last = sent;
    await sent;
  }
}

interface PullAsk {
  readonly known: string | undefined;
  readonly limits: CallOptions;
  readonly options: NetunicornOptions;
}

async function pull(line: Line, { known, limits, options }: PullAsk): Promise<Pulled | undefined> {
  const max = options.maxBundleBytes ?? MAX_BUNDLE_BYTES;
  const call: Call = {
    method: "GET",
    path: `/api/v1/executor/execution_graph?executor_id=${encodeURIComponent(options.executor)}`,
    ...limits,
    maxBytes: Math.ceil(max * 4 / 3) + 1024,
  };
  const answer = await line.ask(call, [200, 204]);
  const text = new TextDecoder().decode(answer.bytes).trim();
  if (answer.status === 204 || text === "" || text === "null") return undefined;
  const bytes = unpack(text, line.wire.name(call));
  const hash = await sha256(bytes);
  return hash === known ? undefined : { bytes, hash, tag: hash };
}

function unpack(text: string, name: string): Bytes {
  try {
    return new Uint8Array(fromBase64(text.startsWith('"') ? String(JSON.parse(text)) : text));
  } catch (cause) {
    throw new GatewayAnswerError(
      `${name} was answered with something that is no base64: check that NETUNICORN_GATEWAY_ENDPOINT is the address of a gateway`,
      { cause },
    );
  }
}

interface FlagValues {
  readonly text_value?: string | null;
  readonly int_value?: number | null;
}

function flagLine(line: Line, experiment: string): FlagLine {
  const pathOf = (name: string) =>
    `/api/v1/experiment/${encodeURIComponent(experiment)}/flag/${encodeURIComponent(name)}`;

  async function read(name: string, { timeoutMs, signal }: CallOptions): Promise<Flag | undefined> {
    const call: Call = { method: "GET", path: pathOf(name), timeoutMs, ...(signal ? { signal } : {}) };
    const answer = await line.ask(call, [200, 404]);
    if (answer.status === 200) return flagOf(name, answer, line.wire.name(call));
    // A flag that is not there is answered with `null`, an address that is not there with `{"detail": …}`.
    if (new TextDecoder().decode(answer.bytes).trim() === "null") return undefined;
    return line.fail(call, answer);
  }

  return {
    repeatable: false,
    waits: false,
    read,
    async change(name, operation, limits) {
      await applyChange(line, { path: pathOf(name), name, operation, limits });
      const flag = await read(name, limits).catch(() => undefined);
      return flag ? { flag, done: true } : { done: true };
    },
  };
}

interface Change {
  readonly path: string;
  readonly name: string;
  readonly operation: FlagOperation;
  readonly limits: CallOptions;
}

async function applyChange(line: Line, { path, name, operation, limits }: Change): Promise<void> {
  if (operation.op === "compare" || (operation.op === "set" && operation.ifVersion !== undefined)) {
    throw new FlagError(
      `Flag ${name} can't be set on a condition: netUnicorn's gateway has none, use increment and waitFor`,
    );
  }
  if (operation.op === "set") {
    await line.post(path, valuesOf(name, operation.value), limits);
    return;
  }
  if (operation.by !== 1) {
    throw new FlagError(
      `Flag ${name} can't be changed by ${operation.by}: netUnicorn's gateway counts by one`,
    );
  }
  await line.post(`${path}/${operation.op}`, undefined, limits);
}

function valuesOf(name: string, value: unknown): FlagValues {
  if (typeof value === "string") return { text_value: value };
  if (typeof value === "number" && Number.isSafeInteger(value)) return { int_value: value };
  throw new FlagError(
    `Flag ${name} can't hold ${JSON.stringify(value)}: netUnicorn's gateway takes strings and whole numbers`,
  );
}

/** netUnicorn has no versions: all are 1. A text wins over the number, which is 0 where only a text was set. */
function flagOf(name: string, answer: Answer, call: string): Flag {
  try {
    const values = JSON.parse(new TextDecoder().decode(answer.bytes)) as FlagValues;
    return { name, value: values.text_value ?? values.int_value ?? 0, version: 1 };
  } catch (cause) {
    throw new GatewayAnswerError(`${call} was answered with something that is no JSON`, { cause });
  }
}
