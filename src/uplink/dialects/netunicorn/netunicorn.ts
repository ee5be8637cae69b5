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
 * The base64 holds what netUnicorn's client reads, and behind it our own JSON; see result.ts.
 */
import { looseText } from "../../../base/utf8.ts";
import { jsonValue } from "../../../model/json_text.ts";
import { fromBase64, toBase64 } from "../../../base/base64.ts";
import { sha256 } from "../../../base/bytes.ts";
import type { CallOptions, Gateway, Pulled, Whole } from "../../gateway.ts";
import { GatewayAnswerError, GatewayTimeoutError } from "../../errors.ts";
import type { Heartbeat, HeartbeatReply } from "../../../protocol/messages.ts";
import { netunicornFlags } from "./flags.ts";
import { NetunicornLine } from "./client.ts";
import { heartbeatBytes, resultBytes } from "./result.ts";
import { MAX_BUNDLE_BYTES } from "../bounds.ts";
import type { Clock } from "../../../base/clock.ts";
import type { Bytes } from "../../../base/bytes.ts";
import { sleep } from "../../../base/wait.ts";
import { fetchFor, HTTP_SCHEMES } from "../../http/address.ts";
import { type Call, Wire, type WireOptions } from "../../http/wire.ts";
import type { Dialect } from "../dialect.ts";
import { NETUNICORN_VARIABLES } from "./variables.ts";

/** netUnicorn's numbers for what an executor is doing. */
const EXECUTING = 1;
const FINISHED = 3;

/** How long a heartbeat that was given up may still be on its way, milliseconds. */
const STRAY_MS = 10_000;

/** netUnicorn's dialect, chosen by its own variables. */
export const netunicornDialect: Dialect = {
  name: "netunicorn",
  schemes: HTTP_SCHEMES,
  variables: NETUNICORN_VARIABLES,
  connect: ({ url, executor, experiment, token, renewToken, clock, environment }) =>
    netunicornGateway({
      url,
      executor,
      renewToken,
      clock,
      fetch: fetchFor(url, environment),
      ...(token !== undefined && { token }),
      ...(experiment !== undefined && { experiment }),
    }),
};

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
  const line = new NetunicornLine(wire, options.clock);
  const results = new Results(line, options);
  return {
    url: wire.url,
    get traffic() {
      return wire.traffic;
    },
    pull: (known, limits) => pull(line, { known, limits, options }),
    beat: (heartbeat: Heartbeat, limits) => results.beat(heartbeat, limits),
    report: { kind: "whole", send: (whole: Whole, limits) => results.finish(whole, limits) },
    flags: netunicornFlags(line, options.experiment ?? "Unknown"),
  };
}

interface WriteOptions extends CallOptions {
  readonly state: number;
  readonly run: string;
}

/** The one place for what an executor has to say: each request replaces what the one before it said. */
class Results {
  readonly #line: NetunicornLine;
  readonly #executor: string;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();
  #finished: string | undefined;
  /** Until when, by the monotonic clock, a heartbeat that was given up may yet arrive. */
  #strayUntil = -Infinity;

  constructor(line: NetunicornLine, { executor, clock }: NetunicornOptions) {
    this.#line = line;
    this.#executor = executor;
    this.#clock = clock;
  }

  /** Says nothing where there is nothing to be said: before a run, and after its result. */
  async beat(heartbeat: Heartbeat, limits: CallOptions): Promise<HeartbeatReply | undefined> {
    const run = heartbeat.run?.id;
    if (run === undefined || run === this.#finished) return undefined;
    try {
      const sent = await this.#write(() => heartbeatBytes(heartbeat), { ...limits, state: EXECUTING, run });
      return sent ? {} : undefined;
    } catch (error) {
      if (error instanceof GatewayTimeoutError) this.#strayUntil = this.#clock.monotonic() + STRAY_MS;
      throw error;
    }
  }

  /** A heartbeat that was given up may overtake the result, and would replace it: then the result is sent once more. */
  async finish(whole: Whole, limits: CallOptions): Promise<void> {
    const run = this.#finished = whole.run;
    const write = () => this.#write(() => resultBytes(whole), { ...limits, state: FINISHED, run });
    await write();
    const strayMs = this.#strayUntil - this.#clock.monotonic();
    if (strayMs <= 0) return;
    await sleep(this.#clock, strayMs, limits.signal);
    if (!limits.signal?.aborted && this.#finished === run) await write();
  }

  /** Resolves to whether it was sent. */
  #write(content: () => Bytes, { state, run, ...limits }: WriteOptions): Promise<boolean> {
    const before = this.#last;
    const sent = before.catch(() => {}).then(async () => {
      if (state === EXECUTING && run === this.#finished) return false;
      const body = { executor_id: this.#executor, results: toBase64(content()), state };
      await this.#line.post("/api/v1/executor/result", body, limits);
      return true;
    });
    this.#last = sent;
    return sent;
  }
}

interface PullAsk {
  readonly known: string | undefined;
  readonly limits: CallOptions;
  readonly options: NetunicornOptions;
}

async function pull(line: NetunicornLine, { known, limits, options }: PullAsk): Promise<Pulled | undefined> {
  const max = options.maxBundleBytes ?? MAX_BUNDLE_BYTES;
  const call: Call = {
    method: "GET",
    path: `/api/v1/executor/execution_graph?executor_id=${encodeURIComponent(options.executor)}`,
    ...limits,
    maxBytes: Math.ceil(max * 4 / 3) + 1024,
  };
  const answer = await line.ask(call, [200, 204]);
  const text = looseText(answer.bytes).trim();
  if (answer.status === 204 || text === "" || text === "null") return undefined;
  const bytes = unpack(text, line.name(call));
  if (bytes.length === 0) return undefined;
  const hash = await sha256(bytes);
  return hash === known ? undefined : { bytes: asText(bytes), hash, tag: hash };
}

/** How a pickle begins. */
const PICKLE = 0x80;

/** What was handed out as a text: a pickle, which netUnicorn's client makes of its graphs, stands in JSON; see pipeline/load/. */
function asText(bytes: Bytes): Bytes {
  if (bytes[0] !== PICKLE) return bytes;
  return new TextEncoder().encode(JSON.stringify({ outriderGraph: 1, pickle: toBase64(bytes) }));
}

function unpack(text: string, name: string): Bytes {
  try {
    const packed = jsonValue(text);
    if (typeof packed !== "string") throw new TypeError("No text");
    return new Uint8Array(fromBase64(packed));
  } catch (cause) {
    throw new GatewayAnswerError(
      `${name} was answered with something that is no base64 in JSON: check that NETUNICORN_GATEWAY_ENDPOINT is the address of a gateway`,
      { cause },
    );
  }
}
