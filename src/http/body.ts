/**
 * Owns reading what a request carries: bounded in size and time.
 * Must not know what it means.
 * Invariant: never more than the limit is held, however much is sent and however slowly.
 */
import { JsonMeter, MAX_JSON_DEPTH } from "../base/json.ts";
import type { Bytes } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { readJson, unmarked } from "../model/json_text.ts";
import { messageOf } from "../base/message.ts";
import { utf8Text } from "../base/utf8.ts";
import { toBase64 } from "../base/base64.ts";
import { wholeOf } from "../base/web/body.ts";
import { Refuse } from "../base/web/refuse.ts";
import { TYPE } from "./answer.ts";
import type { HttpLimits } from "./port.ts";

/** How late it may be noticed that a body is late, milliseconds. */
const TICK_MS = 250;

/** The bodies that come in at one end point. */
export class Bodies {
  readonly #limits: HttpLimits;
  readonly #clock: Pick<Clock, "after">;
  /** Those on their way whose size is known. One timer for all: one for each would cost as much as the rest of a small request. */
  readonly #coming: Set<{ ticksLeft: number; readonly late: () => void }> = new Set();
  #ticking = false;

  constructor(limits: HttpLimits, clock: Pick<Clock, "after">) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** The JSON of a request, or `undefined` if there is no body. @throws {Refuse} 400 with the place of the mistake. */
  async json(request: Request): Promise<unknown> {
    const bytes = await this.bytes(request);
    measure(bytes);
    const text = textOf(bytes);
    return text.trim() === "" ? undefined : parseJson(text);
  }

  /** The value that a request carries, as JSON text. @param as Its form, whatever Content-Type says. */
  value(request: Request, as: Form = formOf(request.headers)): Promise<string> {
    return this.bytes(request).then((bytes) => valueOf(bytes, as));
  }

  /** The bytes of a request. @throws {Refuse} 413 if there are too many, 408 if they take too long, 415 if they are packed. */
  bytes(request: Request): Promise<Bytes> {
    const { headers } = request;
    const encoding = headers.get("content-encoding") ?? "identity";
    if (encoding !== "identity") {
      throw new Refuse(415, "ENCODING", {
        message: `The body is packed (${encoding.slice(0, 40)}): send it as it is`,
      });
    }
    const length = headers.get("content-length");
    if (Number(length ?? 0) > this.#limits.bodyBytes) throw tooLarge(this.#limits);
    // The server lets no more through than was announced.
    if (length !== null) return this.#inTime(request.arrayBuffer());
    const { body } = request;
    return body === null ? Promise.resolve(new Uint8Array(0)) : this.#inPieces(body as ReadableStream<Bytes>);
  }

  #inTime(bytes: Promise<ArrayBuffer>): Promise<Bytes> {
    return new Promise((resolve, reject) => {
      const body = {
        ticksLeft: Math.ceil(this.#limits.bodyMs / TICK_MS),
        late: () => reject(tooSlow(this.#limits)),
      };
      this.#coming.add(body);
      this.#arm();
      bytes.then((buffer) => {
        this.#coming.delete(body);
        resolve(new Uint8Array(buffer));
      }, () => {
        this.#coming.delete(body);
        reject(brokenOff());
      });
    });
  }

  #arm(): void {
    if (this.#ticking || this.#coming.size === 0) return;
    this.#ticking = true;
    this.#clock.after(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    for (const body of this.#coming) {
      if (body.ticksLeft-- > 0) continue;
      this.#coming.delete(body);
      body.late();
    }
    this.#ticking = false;
    this.#arm();
  }

  async #inPieces(body: ReadableStream<Bytes>): Promise<Bytes> {
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.#clock.after(this.#limits.bodyMs, () => reject(tooSlow(this.#limits)));
    });
    const tooMany = () => tooLarge(this.#limits);
    try {
      const maxBytes = this.#limits.bodyBytes;
      return await wholeOf(body, { maxBytes, tooLarge: tooMany, broken: brokenOff, late });
    } catch (error) {
      body.cancel().catch(() => {});
      throw error;
    } finally {
      cancel();
    }
  }
}

function valueOf(bytes: Bytes, as: Form): string {
  if (as === "bytes") return JSON.stringify({ $bytes: toBase64(bytes) });
  const text = unmarked(textOf(bytes));
  if (as === "text") return JSON.stringify(text);
  measure(bytes);
  if (text.trim() === "") throw noJson("it is empty: send a JSON value, such as 1 or null");
  // What a value's own rule can't see any more: of two keys one, of a number what a double holds of it.
  parseJson(text);
  return text;
}

/** Most values in a body's JSON, those in lists and objects included. */
const MAX_NODES = 1_000_000;

/** @throws {Refuse} 400 if JSON is nested too deep, 413 if it has too many values: before anybody makes them. */
function measure(bytes: Uint8Array): void {
  if (bytes.length <= SHORT) return;
  const much = new JsonMeter(MAX_NODES).take(bytes);
  if (much === "depth") throw noJson(`it is nested more than ${MAX_JSON_DEPTH} deep: send it flatter`);
  if (much === "nodes") {
    throw new Refuse(413, "TOO_LARGE", {
      message: `The body has more than ${MAX_NODES} values: write it to a file and share the path`,
    });
  }
}

/** Up to so many bytes, which mostly are ASCII, a loop is several times as fast as a decoder. */
const SHORT = 64;

/** Text of a few bytes that are ASCII. */
function shortText(bytes: Uint8Array): string | undefined {
  let text = "";
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** @throws {Refuse} 400 if it is not UTF-8. */
function textOf(bytes: Uint8Array): string {
  const short = bytes.length <= SHORT ? shortText(bytes) : undefined;
  if (short !== undefined) return short;
  try {
    return utf8Text(bytes);
  } catch (error) {
    throw new Refuse(400, "BODY", {
      message: `The body can't be read, ${messageOf(error)}, or send it as application/octet-stream`,
    });
  }
}

/** How a value is sent: as JSON, as the text of a string, or as bytes. */
export type Form = "json" | "text" | "bytes";

/** `text/plain` is what `fetch` says of any string, so it is not taken for a string here. */
function formOf(headers: Headers): Form {
  const said = headers.get("content-type");
  if (said === null || said === TYPE.json) return "json";
  const type = said.split(";")[0]!.trim().toLowerCase();
  if (type === "" || type === "application/json" || /^application\/[\w.-]+\+json$/.test(type)) return "json";
  if (type === "application/octet-stream") return "bytes";
  throw new Refuse(415, "TYPE", {
    message: `The body is ${
      type.slice(0, 60)
    }: send application/json or application/octet-stream as Content-Type, or say ?as=json, ?as=text or ?as=bytes`,
  });
}

/** @throws {Refuse} 400 if the text is not JSON, with the place of the mistake. */
export function parseJson(text: string): unknown {
  const { value, problems } = readJson(text, "");
  const [problem] = problems;
  if (problem === undefined) return value;
  throw noJson(`${problem.place === "" ? "" : `${problem.place}: `}${problem.message}`);
}

function noJson(why: string): Refuse {
  return new Refuse(400, "JSON", { message: `The body can't be read, ${why}` });
}

function brokenOff(): Refuse {
  return new Refuse(400, "BODY", { message: "The body was broken off: send it again" });
}

function tooLarge({ bodyBytes }: HttpLimits): Refuse {
  return new Refuse(413, "TOO_LARGE", {
    message: `The body has more than ${bodyBytes} bytes: write it to a file and share the path`,
  });
}

function tooSlow({ bodyMs }: HttpLimits): Refuse {
  return new Refuse(408, "TOO_SLOW", {
    message: `The body took longer than ${bodyMs / 1_000} s: send it again`,
  });
}
