/**
 * Owns Outrider's own dialect: which request says what.
 * Must not know when anything is sent, or what is done about failures.
 * Invariant: every answer is checked by its schema before it is believed.
 */
import * as v from "valibot";
import type { CallOptions, FileLine, FlagLine, Gateway, Pulled, RunFile } from "../gateway.ts";
import { BundleHashError, GatewayAnswerError } from "../errors.ts";
import type {
  BatchReply,
  Heartbeat,
  HeartbeatReply,
  HeldFile,
  RecordBatch,
} from "../../protocol/messages.ts";
import * as protocol from "../../protocol/messages.ts";
import { HANDOUT_HEADER, HASH_HEADER } from "../../protocol/words.ts";
import type { Bytes } from "../../base/bytes.ts";
import { gzip, sha256, WORTH_GZIP } from "../../base/bytes.ts";
import { fetchFor, HTTP_SCHEMES } from "../http/address.ts";
import { isPage, jsonIn, page, refused, type WireAnswer } from "../http/answer.ts";
import { type Call, Wire, type WireOptions } from "../http/wire.ts";
import { checkIds, MAX_BUNDLE_BYTES } from "./bounds.ts";
import type { Dialect } from "./dialect.ts";

/** Any object would do for a reply without commands, also one of a login page: only an empty one is taken for it. */
const BeatReply: v.GenericSchema<unknown, HeartbeatReply> = v.pipe(
  protocol.HeartbeatReply,
  v.check((reply) => reply.commands !== undefined || JSON.stringify(reply) === "{}", "Has no commands"),
);

/** Outrider's own dialect, over HTTP. */
export const outriderDialect: Dialect = {
  name: "outrider",
  schemes: HTTP_SCHEMES,
  variables: [],
  connect: ({ url, executor, experiment, groups, token, renewToken, clock, environment }) =>
    outriderGateway({
      url,
      executor,
      groups,
      renewToken,
      clock,
      fetch: fetchFor(url, environment),
      ...(token !== undefined && { token }),
      ...(experiment !== undefined && { experiment }),
    }),
};

/** What the dialect needs. */
export interface OutriderOptions extends WireOptions {
  readonly executor: string;
  /** Needed for flags. */
  readonly experiment?: string;
  /** Groups that the executor is in; a bundle for one of them is for it too. */
  readonly groups?: readonly string[];
  /** Largest bundle that is taken, bytes. Default 64 MiB. */
  readonly maxBundleBytes?: number;
  /** Default: gzip by the runtime. */
  readonly gzip?: (bytes: Bytes) => Promise<Bytes>;
}

/**
 * A gateway that speaks Outrider's own dialect (docs/gateway.md).
 *
 * @throws {AddressError} If the address is none.
 * @throws {TokenError} If the token can't be sent.
 * @throws {IdError} If an id has characters that no gateway takes, or is too long.
 */
export function outriderGateway(options: OutriderOptions): Gateway {
  checkIds(options);
  const wire = new Wire(options);
  const ask = new Asker(wire, options);
  const executor = `/v1/executors/${encodeURIComponent(options.executor)}`;
  const groups = (options.groups ?? []).map((group) => `group=${encodeURIComponent(group)}`).join("&");
  return {
    url: wire.url,
    get traffic() {
      return wire.traffic;
    },
    pull: (known, limits) => pull(ask, { path: `${executor}/pipeline?${groups}`, known, limits, options }),
    beat: (heartbeat: Heartbeat, limits): Promise<HeartbeatReply> =>
      ask.post(`${executor}/heartbeat`, heartbeat, { ...limits, schema: BeatReply }),
    report: {
      kind: "records",
      send: (batch: RecordBatch, limits): Promise<BatchReply> =>
        ask.post(`${executor}/records`, batch, { ...limits, schema: protocol.BatchReply }),
    },
    files: fileLine(ask, executor),
    flags: flagLine(ask, options.experiment ?? "default"),
  };
}

interface Ask<T> extends CallOptions {
  readonly schema: v.GenericSchema<unknown, T>;
}

/** Requests with JSON both ways. */
class Asker {
  readonly wire: Wire;
  readonly #options: OutriderOptions;

  constructor(wire: Wire, options: OutriderOptions) {
    this.wire = wire;
    this.#options = options;
  }

  async post<T>(path: string, body: unknown, ask: Ask<T>): Promise<T> {
    const plain = new TextEncoder().encode(JSON.stringify(body));
    const headers: Record<string, string> = { "content-type": "application/json" };
    let bytes = plain;
    if (plain.length >= WORTH_GZIP) {
      bytes = await (this.#options.gzip ?? gzip)(plain);
      headers["content-encoding"] = "gzip";
    }
    const call: Call = { method: "POST", path, body: bytes, headers, ...limitsOf(ask) };
    const answer = await this.wire.call(call);
    if (answer.status !== 200) throw this.refused(call, answer);
    return read(this.wire.name(call), answer, ask.schema);
  }

  refused(call: Call, answer: WireAnswer): Error {
    if (answer.status >= 200 && answer.status < 300) {
      return new GatewayAnswerError(
        `${
          this.wire.name(call)
        } was answered ${answer.status}, which no gateway does: check OUTRIDER_GATEWAY`,
      );
    }
    const { reasonIn } = protocol;
    return refused(this.wire.name(call), answer, { now: this.#options.clock.now(), reasonIn });
  }
}

function limitsOf(options: CallOptions): CallOptions {
  const { timeoutMs, signal } = options;
  return signal === undefined ? { timeoutMs } : { timeoutMs, signal };
}

function read<T>(name: string, answer: WireAnswer, schema: v.GenericSchema<unknown, T>): T {
  if (isPage(answer)) throw new GatewayAnswerError(page(name, answer));
  const body = jsonIn(answer);
  if (body === undefined) {
    throw new GatewayAnswerError(
      `${name} was answered with something that is no JSON: check that OUTRIDER_GATEWAY is the address of a gateway`,
    );
  }
  // Every answer is an object; a list passes for one without fields.
  const checked = v.safeParse(schema, Array.isArray(body) ? undefined : body);
  if (checked.success) return checked.output;
  const issue = checked.issues[0];
  throw new GatewayAnswerError(
    `${name} was answered with JSON of another shape: ${
      v.getDotPath(issue) ?? "the whole"
    }: ${issue.message}: the gateway may be of another version`,
  );
}

interface PullAsk {
  readonly path: string;
  readonly known: string | undefined;
  readonly limits: CallOptions;
  readonly options: OutriderOptions;
}

async function pull(ask: Asker, { path, known, limits, options }: PullAsk): Promise<Pulled | undefined> {
  const call: Call = {
    method: "GET",
    path,
    ...limitsOf(limits),
    maxBytes: options.maxBundleBytes ?? MAX_BUNDLE_BYTES,
    ...(known === undefined ? {} : { headers: { "if-none-match": known } }),
  };
  const answer = await ask.wire.call(call);
  if (answer.status === 204 || (answer.status === 304 && known !== undefined)) return undefined;
  const name = ask.wire.name(call);
  if (answer.status !== 200) throw ask.refused(call, answer);
  if (isPage(answer)) throw new GatewayAnswerError(page(name, answer));
  const named = answer.headers.get(HASH_HEADER);
  const hash = await sha256(answer.bytes);
  if (named === null) {
    throw new GatewayAnswerError(
      `${name} was answered without ${HASH_HEADER}, so the bundle can't be checked: check OUTRIDER_GATEWAY`,
    );
  }
  if (named !== hash) {
    throw new BundleHashError(
      `The bundle from ${name} has the hash ${hash}, the gateway named ${
        named.slice(0, 64)
      }: it was changed on the way and is not run, will be asked for again`,
    );
  }
  return {
    bytes: answer.bytes,
    hash,
    tag: answer.headers.get("etag") ?? `"${hash}"`,
    ...(answer.headers.has(HANDOUT_HEADER) && { unique: true }),
  };
}

function fileLine(ask: Asker, executor: string): FileLine {
  const pathOf = ({ run, sha256 }: RunFile) => `${executor}/files/${sha256}?run=${encodeURIComponent(run)}`;
  const asked = async (call: Call): Promise<HeldFile> => {
    const answer = await ask.wire.call(call);
    if (answer.status !== 200) throw ask.refused(call, answer);
    return read(ask.wire.name(call), answer, protocol.HeldFile);
  };
  return {
    held: (file, limits) => asked({ method: "GET", path: pathOf(file), ...limitsOf(limits) }),
    send: (file, { at, bytes }, limits) =>
      asked({
        method: "PATCH",
        path: `${pathOf(file)}&at=${at}`,
        headers: { "content-type": "application/octet-stream" },
        body: bytes,
        ...limitsOf(limits),
      }),
  };
}

function flagLine(ask: Asker, experiment: string): FlagLine {
  const pathOf = (name: string) =>
    `/v1/experiments/${encodeURIComponent(experiment)}/flags/${encodeURIComponent(name)}`;
  return {
    repeatable: true,
    waits: true,
    change: (name, operation, limits) =>
      ask.post(pathOf(name), operation, { ...limits, schema: protocol.FlagReply }),
    async read(name, { after, waitMs, ...limits }) {
      const query = after === undefined ? "" : `?after=${after}&wait=${waitMs ?? 0}`;
      const call: Call = { method: "GET", path: pathOf(name) + query, ...limitsOf(limits) };
      const answer = await ask.wire.call(call);
      if (answer.status === 204) return undefined;
      if (answer.status !== 200) throw ask.refused(call, answer);
      return read(ask.wire.name(call), answer, protocol.SharedFlag);
    },
  };
}
