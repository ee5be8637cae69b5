/**
 * Owns the two things that are asked of JetStream by everyone: what is stored last on a subject, and storing one message
 * more if nobody else did meanwhile.
 * Must not know what is stored.
 * Invariant: what was answered is checked before it is believed; who can't know whether something was stored is told by an
 * error, and looks. What a stored message says of itself counts only as the server says it: one that somebody had the server
 * put there (the answer to a request, with another's subject to answer to) holds nothing.
 */
import * as v from "valibot";
import { type Bytes, gzip, joined } from "../base/bytes.ts";
import { JsonMeter } from "../base/json.ts";
import { jsonValue } from "../model/json_text.ts";
import { utf8Text } from "../base/utf8.ts";
import { GatewayAnswerError, GatewayRefusedError } from "../uplink/errors.ts";
import type { NatsMessage } from "./connection.ts";
import type { NatsWire, RequestLimits } from "./wire.ts";

/** A message as a stream holds it. */
export interface Stored {
  readonly subject: string;
  readonly seq: number;
  /** When the server took it, milliseconds since the epoch. */
  readonly at: number;
  /** Nothing where it came with what only the server may say: put there from another subject, or forged. */
  readonly data: Bytes;
  header(name: string): string | undefined;
}

/** Messages that were asked for at once, and how many are left behind them. */
interface Page {
  readonly found: readonly Stored[];
  readonly left: number;
}

/** What became of a message that was to be stored. */
export interface Kept {
  readonly seq: number;
  /** It was there already, by its `Nats-Msg-Id`. */
  readonly again: boolean;
}

/** How a message is stored. */
export interface StoringOptions extends RequestLimits {
  /** Sequence of the last message on the subject, 0 for none: if it is another by now, nothing is stored. Default: whatever it is. */
  readonly after?: number;
}

const Ack = v.looseObject({
  stream: v.string(),
  seq: v.optional(v.number(), 0),
  domain: v.optional(v.string()),
  duplicate: v.optional(v.boolean(), false),
  error: v.optional(
    v.looseObject({
      code: v.number(),
      err_code: v.optional(v.number(), 0),
      description: v.optional(v.string(), ""),
    }),
  ),
});

/** "Wrong last sequence", as one server says it, and as a cluster does. */
const MEANWHILE: ReadonlySet<number> = new Set([10071, 10164]);
/** A stream is full, by its own limits or those of the account or the server. */
const FULL: ReadonlySet<number> = new Set([10002, 10023, 10028, 10047, 10077]);
/** What nobody is there to answer. */
const NOBODY = 503;
const NOTHING = 404;
const API = "$JS.API";
/** Messages that are asked for at a time. */
const MAX_BATCH = 256;
/** Most that they may come to together, bytes. */
const MAX_BATCH_BYTES: number = 4 * 1024 * 1024;
/** What the server says of a stored message: it writes its own behind what the sender wrote. */
const SAID_BY_SERVER = ["Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp"] as const;
/** Longest that a packed message may be once it is unpacked, bytes. */
const MAX_UNPACKED: number = 64 * 1024 * 1024;
/** Most values and keys in a message, as by HTTP. */
const MAX_NODES = 500_000;
const MAX_KEYS = 150_000;

/** Streams over a line. */
export class JetStream {
  readonly wire: NatsWire;
  /** Where the streams are, if not where the line ends: a leaf without JetStream passes on only what names it. */
  #domain: string | undefined;
  #api = API;
  readonly #where: string | undefined;

  /** @param where A subject of one's own, to find out where the streams are if they are not where the line ends. */
  constructor(wire: NatsWire, { where }: { readonly where?: string } = {}) {
    this.wire = wire;
    this.#where = where;
  }

  /** Whether the streams were found elsewhere than where the line ends. There, nobody says that nobody answers. */
  get isBehindLeaf(): boolean {
    return this.#api !== API;
  }

  /** The last message on a subject. */
  async last(stream: string, subject: string, limits: RequestLimits): Promise<Stored | undefined> {
    return await this.#get(`DIRECT.GET.${stream}.${subject}`, new Uint8Array(0), limits);
  }

  /** The first message on a subject that has this sequence or a higher one. */
  async next(
    stream: string,
    { subject, seq, ...limits }: RequestLimits & { readonly subject: string; readonly seq: number },
  ): Promise<Stored | undefined> {
    const body = new TextEncoder().encode(JSON.stringify({ seq, next_by_subj: subject }));
    return await this.#get(`DIRECT.GET.${stream}`, body, limits);
  }

  /** The messages from a sequence on, up to the last that there is now, page by page, the next of which is asked for meanwhile; no page is empty. */
  async *pages(
    stream: string,
    { from, ...how }: RequestLimits & { readonly subject: string; readonly from: number },
  ): AsyncGenerator<readonly Stored[]> {
    let page: Promise<Page> | undefined = this.#page(stream, { ...how, seq: from });
    while (page !== undefined) {
      const { found, left }: Page = await page;
      const last = found.at(-1);
      if (last === undefined) return;
      page = left > 0 ? this.#page(stream, { ...how, seq: last.seq + 1 }) : undefined;
      // It may fail while the one before is read, and nobody hears of it who stops there.
      page?.catch(() => {});
      yield found;
    }
  }

  async #page(
    stream: string,
    { subject, seq, ...limits }: RequestLimits & { readonly subject: string; readonly seq: number },
  ): Promise<Page> {
    const found: Stored[] = [];
    let left = 0;
    await this.wire.requestAll(`${this.#api}.DIRECT.GET.${stream}`, {
      ...limits,
      data: new TextEncoder().encode(
        JSON.stringify({ seq, next_by_subj: subject, batch: MAX_BATCH, max_bytes: MAX_BATCH_BYTES }),
      ),
      take: (message) => {
        const status = statusOf(message);
        if (status === NOBODY) throw this.#nobody(stream);
        // 204 is the end of a batch, 404 that there is nothing.
        if (status !== 0) left = Number(message.header("Nats-Num-Pending") ?? 0);
        else found.push(this.#after(found.at(-1)?.seq ?? seq - 1, this.#stored(message)));
        return status !== 0;
      },
    });
    return { found, left };
  }

  /**
   * Stores a message; `undefined` if another was stored on the subject since `after`.
   *
   * @throws {GatewayRefusedError} If no stream takes it, or the stream is full: the same may be taken later.
   */
  async store(subject: string, data: Bytes, { after, headers, ...limits }: StoringOptions): Promise<
    Kept | undefined
  > {
    const expected = after === undefined ? {} : { "Nats-Expected-Last-Subject-Sequence": `${after}` };
    const all = { ...headers, ...expected };
    const answer = await this.wire.request(subject, data, { ...limits, headers: all });
    if (answer.status !== 0) throw this.#nobody(subject);
    const ack = checked(Ack, answer, `the message to ${subject}`);
    if (ack.error === undefined) {
      this.#domain = ack.domain;
      return { seq: ack.seq, again: ack.duplicate };
    }
    const { code, err_code, description } = ack.error;
    if (MEANWHILE.has(err_code)) return undefined;
    const hint = FULL.has(err_code)
      ? ": it is full; what is not stored stays where it is, and is sent again: give the stream more room (outrider fleet status)"
      : "";
    const reason = `${description || `error ${err_code}`}`;
    throw new GatewayRefusedError(
      `Stream ${ack.stream} at ${this.wire.url} does not take the message to ${subject}: ${reason}${hint}`,
      {
        status: code === NOBODY || FULL.has(err_code) ? 503 : code,
        reason,
        own: true,
        retryAfterMs: undefined,
      },
    );
  }

  /** What the API answers to a request, as it is. @throws {GatewayRefusedError} If nobody answers. */
  async api(what: string, body: unknown, limits: RequestLimits): Promise<unknown> {
    const bytes = new TextEncoder().encode(body === undefined ? "" : JSON.stringify(body));
    const answer = await this.wire.request(`${this.#api}.${what}`, bytes, limits);
    if (answer.status !== 0) throw this.#nobody(`${this.#api}.${what}`);
    return checked(v.looseObject({}), answer, what);
  }

  async #get(what: string, body: Bytes, limits: RequestLimits): Promise<Stored | undefined> {
    const message = await this.wire.request(`${this.#api}.${what}`, body, limits);
    const status = statusOf(message);
    if (status === NOTHING) return undefined;
    if (status === NOBODY) {
      if (this.#domain === undefined && this.#where !== undefined) {
        await this.store(this.#where, new Uint8Array(0), limits);
      }
      const elsewhere = this.#domain === undefined ? API : `$JS.${this.#domain}.API`;
      if (elsewhere === this.#api) throw this.#nobody(`${this.#api}.${what}`);
      this.#api = elsewhere;
      return await this.#get(what, body, limits);
    }
    return this.#stored(message);
  }

  #stored(message: NatsMessage): Stored {
    const seq = Number(message.headers("Nats-Sequence").at(-1));
    const at = Date.parse(message.headers("Nats-Time-Stamp").at(-1) ?? "");
    const subject = message.headers("Nats-Subject").at(-1);
    if (!Number.isSafeInteger(seq) || seq < 1 || Number.isNaN(at) || subject === undefined) {
      throw new GatewayAnswerError(
        `What ${this.wire.url} answers is no stored message: check that it is a NATS server with JetStream`,
      );
    }
    const isWritten = message.status === 0 &&
      SAID_BY_SERVER.every((name) => message.headers(name).length < 2);
    const data = isWritten ? new Uint8Array(message.data) : new Uint8Array(0);
    return { subject, seq, at, data, header: (name) => isWritten ? message.header(name) : undefined };
  }

  /** Else who reads on from there would turn in a circle. */
  #after(seq: number, stored: Stored): Stored {
    if (stored.seq > seq) return stored;
    throw new GatewayAnswerError(
      `${this.wire.url} answers with message ${stored.seq} behind ${seq}: check that it is a NATS server with JetStream`,
    );
  }

  #nobody(subject: string): GatewayRefusedError {
    const reason = `nobody answers to ${subject}`;
    return new GatewayRefusedError(
      `At ${this.wire.url} ${reason}: the stream is not there, or JetStream is not: run outrider fleet init, or look with outrider fleet status`,
      { status: 503, reason, own: true, retryAfterMs: undefined },
    );
  }
}

/** What the server says in the place of a message; a stored message may have been written with a status of its own. */
function statusOf(message: NatsMessage): number {
  return message.headers("Nats-Sequence").length > 0 ? 0 : message.status;
}

function checked<T>(
  schema: v.GenericSchema<unknown, T>,
  { data }: Pick<NatsMessage, "data">,
  what: string,
): T {
  const read = v.safeParse(schema, jsonIn(data));
  if (read.success) return read.output;
  throw new GatewayAnswerError(
    `What was answered to ${what} is not as a NATS server answers: check OUTRIDER_GATEWAY`,
  );
}

function jsonIn(bytes: Uint8Array): unknown {
  try {
    return jsonValue(utf8Text(bytes));
  } catch {
    return undefined;
  }
}

/** A value as messages hold it: JSON in gzip's format. */
export function packedValue(value: unknown, pack: (bytes: Bytes) => Promise<Bytes> = gzip): Promise<Bytes> {
  return pack(new TextEncoder().encode(JSON.stringify(value)));
}

/** What a message holds, packed or not; `undefined` if it is no JSON, or too large. */
export async function unpackedValue(data: Bytes): Promise<unknown> {
  const meter = new JsonMeter(MAX_NODES, MAX_KEYS);
  if (!isPacked(data)) return meter.take(data) === undefined ? jsonIn(data) : undefined;
  const most = unpackedLength(data);
  if (most > MAX_UNPACKED) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"))) {
      length += chunk.length;
      if (length > most || meter.take(chunk) !== undefined) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return jsonIn(joined(chunks, length));
}

/**
 * Bytes that a message comes to, as it says itself: what is packed ends with its length. What comes to more than it says is
 * nothing, so that who reads many knows what they come to before the first is unpacked.
 */
export function unpackedLength(data: Bytes): number {
  const end = data.length - 4;
  if (!isPacked(data) || end < 0) return data.length;
  return new DataView(data.buffer, data.byteOffset + end, 4).getUint32(0, true);
}

/** Whether it is in gzip's format. */
function isPacked(data: Bytes): boolean {
  return data[0] === 0x1f && data[1] === 0x8b;
}
