/**
 * Owns reading what a request carries: bounded in size, time and shape, unpacked, checked.
 * Must not know what it means.
 * Invariant: never more than the limits is held, however small the packed bytes were and however many come at once; a body
 * that is taken has been read to its end.
 */
import type * as v from "valibot";
import type { Clock } from "../base/clock.ts";
import { JsonMeter, MAX_JSON_DEPTH } from "../base/json.ts";
import type { Bytes } from "../base/bytes.ts";
import { messageOf } from "../base/message.ts";
import { utf8Text } from "../base/utf8.ts";
import { jsonValue } from "../model/json_text.ts";
import { checked, wholeOf } from "../base/web/body.ts";
import { Refuse } from "../base/web/refuse.ts";

/** How much of a body is still read and dropped once the request is refused, bytes. */
const REST_BYTES = 16 * 1024 * 1024;
/** How long it is read and dropped, milliseconds. */
const REST_MS = 10_000;
/** A body that brings less than this in so much time is given up. */
const SLOWEST = { bytes: 32 * 1024, ms: 60_000 };
/** Bytes that are unpacked at once: they come to a thousand times as many at most. */
const SLICE_BYTES = 16 * 1024;
/** Most bytes of bodies held at the same time; of large ones half, so that they do not keep out the small ones. */
const HELD_BYTES = 512 * 1024 * 1024;
const LARGE_BYTES = 1024 * 1024;
/** Most values in one body's JSON, those in lists and objects included. The largest batch of records has a fifth of it. */
const MAX_NODES = 500_000;
/** Most keys in it: 5,000 records have 20 each at most. Half a million different ones hold up everybody for seconds. */
const MAX_KEYS = 150_000;

/** Longest text of why a body is no JSON, characters: it quotes the body. */
const MAX_WHY = 300;

/** A body as it is wanted. */
export interface JsonWanted<T> {
  readonly schema: v.GenericSchema<unknown, T>;
  readonly maxBytes: number;
  /** Whether the schema, or who reads the parts, bounds each number: then none is a problem of the whole. */
  readonly boundsNumbers?: boolean | undefined;
}

/** Sees each piece of a body when it has come, unpacked. @throws {Refuse} If it need not go on. */
type Look = (bytes: Uint8Array) => void;

/** Where all bodies of a gateway come in. */
export class Intake {
  readonly #clock: Clock;
  #held = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The bytes of a request, unpacked if they came by gzip. What is left of the body of a refused one is for `readRest`.
   *
   * @throws {Refuse} 413 if there are more than `maxBytes`, 400 if they can't be unpacked, 408 if they come too slowly,
   * 503 if too much comes at once.
   */
  async bytes(request: Request, maxBytes: number, look: Look = () => {}): Promise<Bytes> {
    const encoding = request.headers.get("content-encoding") ?? "identity";
    if (encoding !== "identity" && encoding !== "gzip") {
      throw new Refuse(400, "BODY", {
        message: `Content-Encoding is ${encoding.slice(0, 40)}: send gzip or none`,
      });
    }
    if (!request.body) return new Uint8Array(0);
    const body = request.body as ReadableStream<Bytes>;
    if (encoding === "identity") return await this.#whole(body, { maxBytes, look });
    const unpacking = new DecompressionStream("gzip");
    // Packed bytes of which nothing comes out could go on for ever.
    let left = maxBytes;
    const fed = feed(body, unpacking.writable, (bytes) => {
      left -= bytes;
      if (left < 0) throw tooLarge(maxBytes);
    });
    try {
      return await this.#whole(unpacking.readable, { maxBytes, look });
    } catch (error) {
      throw left < 0 ? tooLarge(maxBytes) : error;
    } finally {
      // Where it was refused, this is what ends the feeding.
      unpacking.readable.cancel().catch(() => {});
      await fed;
    }
  }

  /**
   * Hands on the body of a request piece by piece, as fast as the pieces are taken.
   *
   * @throws {Refuse} 408 if it comes too slowly, 400 if it is broken off, 409 if the signal is aborted: another goes on.
   */
  async pour(
    request: Request,
    take: (piece: Bytes) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const reader = (request.body as ReadableStream<Bytes> | null)?.getReader();
    if (!reader) return;
    const pace = new Pace(this.#clock);
    const stopped = Promise.withResolvers<never>();
    const stop = () => stopped.reject(overtaken());
    stopped.promise.catch(() => {});
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    try {
      for (;;) {
        const read = reader.read().catch(() => {
          throw brokenOff();
        });
        const part = await Promise.race([read, pace.tooSlow, stopped.promise]);
        if (part.done) return;
        pace.came(part.value.length);
        await take(part.value);
      }
    } catch (error) {
      // Of one that is refused for what is in it the rest is read, so that its sender hears why.
      if (error instanceof Refuse && [400, 408, 409].includes(error.status)) reader.cancel().catch(() => {});
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      pace.over();
      reader.releaseLock();
    }
  }

  /**
   * The JSON of a request.
   *
   * @throws {Refuse} As `bytes`; 400 if it is none or too deep, 413 if it has too many values, 422 if it has another shape.
   */
  async json<T>(request: Request, { schema, maxBytes, boundsNumbers }: JsonWanted<T>): Promise<T> {
    const meter = new JsonMeter(MAX_NODES, MAX_KEYS);
    const bytes = await this.bytes(request, maxBytes, (piece) => {
      const much = meter.take(piece);
      if (much === "depth") {
        throw new Refuse(400, "JSON", {
          message: `The body is nested more than ${MAX_JSON_DEPTH} deep: send it flatter`,
        });
      }
      if (much === "nodes") {
        throw new Refuse(413, "TOO_LARGE", {
          message: `The body has more than ${MAX_NODES} values: send less at a time`,
        });
      }
      if (much === "keys") {
        throw new Refuse(413, "TOO_LARGE", {
          message: `The body has more than ${MAX_KEYS} keys: send less at a time`,
        });
      }
    });
    let body: unknown;
    try {
      body = jsonValue(utf8Text(bytes), { numbers: boundsNumbers ? "left" : "told" });
    } catch (cause) {
      throw new Refuse(400, "JSON", {
        message: `The body can't be read: ${messageOf(cause).slice(0, MAX_WHY)}`,
      });
    }
    // The first problem ends the check: a list of 100,000 could have as many.
    return checked(schema, body, { first: true });
  }

  async #whole(
    stream: ReadableStream<Bytes>,
    { maxBytes, look }: { readonly maxBytes: number; readonly look: Look },
  ): Promise<Bytes> {
    const pace = new Pace(this.#clock);
    let held = 0;
    try {
      return await wholeOf(stream, {
        maxBytes,
        tooLarge: () => tooLarge(maxBytes),
        broken: brokenOff,
        late: pace.tooSlow,
        came: (piece, length) => {
          this.#hold(piece.length, length);
          held += piece.length;
          pace.came(piece.length);
          look(piece);
        },
      });
    } catch (error) {
      // What comes too slowly is waited for no longer, not even to be dropped.
      if (error instanceof Refuse && error.status === 408) stream.cancel().catch(() => {});
      throw error;
    } finally {
      pace.over();
      this.#held -= held;
    }
  }

  /** @param length Of all of the body so far. @throws {Refuse} 503 if there is no room for more. */
  #hold(bytes: number, length: number): void {
    if (this.#held + bytes > (length > LARGE_BYTES ? HELD_BYTES / 2 : HELD_BYTES)) {
      throw new Refuse(503, "BUSY", {
        message: "Too much is being sent to the gateway at once: send it again later",
      });
    }
    this.#held += bytes;
  }

  /**
   * Reads what is left of a refused request's body, and drops it. A server that closes a connection with bytes unread
   * resets it, and then the client loses the answer: it takes a refusal, which it is to act on, for a bad network.
   */
  async rest(request: Request): Promise<void> {
    if (!request.body || request.body.locked) return;
    const reader = request.body.getReader();
    let cancel = () => {};
    const late = new Promise<"late">((over) => cancel = this.#clock.after(REST_MS, () => over("late")));
    try {
      for (let left = REST_BYTES; left > 0;) {
        const part = await Promise.race([reader.read(), late]);
        if (part === "late") break;
        if (part.done) return;
        left -= part.value.length;
      }
      await reader.cancel();
    } catch {
      // The client has gone: nobody waits for the answer.
    } finally {
      cancel();
      reader.releaseLock();
    }
  }
}

/** Whether a body comes fast enough. */
class Pace {
  /** Rejects when it does not. */
  readonly tooSlow: Promise<never>;
  #bytes = 0;
  #cancel: () => void = () => {};

  constructor(clock: Clock) {
    this.tooSlow = new Promise((_, reject) => {
      const look = () => {
        if (this.#bytes < SLOWEST.bytes) return reject(tooSlow());
        this.#bytes = 0;
        this.#cancel = clock.after(SLOWEST.ms, look);
      };
      this.#cancel = clock.after(SLOWEST.ms, look);
    });
    this.tooSlow.catch(() => {});
  }

  came(bytes: number): void {
    this.#bytes += bytes;
  }

  over(): void {
    this.#cancel();
  }
}

function tooLarge(maxBytes: number): Refuse {
  return new Refuse(413, "TOO_LARGE", {
    message: `The body has more than ${maxBytes} bytes: send less at a time`,
  });
}

function tooSlow(): Refuse {
  return new Refuse(408, "TOO_SLOW", {
    message: `The body brought less than ${SLOWEST.bytes} bytes in ${SLOWEST.ms / 1000} s: send it again`,
  });
}

function brokenOff(): Refuse {
  return new Refuse(400, "BODY", {
    message: "The body can't be unpacked: it was cut off, or is no gzip: send it again",
  });
}

function overtaken(): Refuse {
  return new Refuse(409, "OVERTAKEN", {
    message: "A later request goes on with this: its sender has it now",
  });
}

/** Gives a body to a stream that unpacks it, as fast as that is read. A failure comes out of its other end. */
async function feed(
  body: ReadableStream<Bytes>,
  into: WritableStream<BufferSource>,
  count: (bytes: number) => void,
): Promise<void> {
  const reader = body.getReader();
  const writer = into.getWriter();
  try {
    for (;;) {
      const part = await reader.read();
      if (part.done) break;
      count(part.value.length);
      for (let at = 0; at < part.value.length; at += SLICE_BYTES) {
        await writer.write(part.value.subarray(at, at + SLICE_BYTES));
      }
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {});
  } finally {
    reader.releaseLock();
  }
}
