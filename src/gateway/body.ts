/**
 * Owns reading what a request carries: bounded, unpacked, checked.
 * Must not know what it means.
 * Invariant: never more than the limit is held, however small the packed bytes were; a body that is taken has been read to
 * its end.
 */
import * as v from "valibot";
import type { Bytes } from "../uplink/port.ts";
import { Id } from "../uplink/protocol.ts";
import { Refuse } from "./failure.ts";

/** How much of a body is still read and dropped once the request is refused, bytes. */
const REST_BYTES = 16 * 1024 * 1024;

/**
 * The bytes of a request, unpacked if they came by gzip. What is left of the body of a refused one is for `readRest`.
 *
 * @throws {Refuse} 413 if there are more than `maxBytes`, 400 if they can't be unpacked.
 */
export async function readBytes(request: Request, maxBytes: number): Promise<Bytes> {
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip") {
    throw new Refuse(400, "BODY", `Content-Encoding is ${encoding}: send gzip or none`);
  }
  if (!request.body) return new Uint8Array(0);
  const body = request.body as ReadableStream<Bytes>;
  return encoding === "gzip" ? await unpacked(body, maxBytes) : await whole(body, maxBytes);
}

async function unpacked(body: ReadableStream<Bytes>, maxBytes: number): Promise<Bytes> {
  const unpacking = new DecompressionStream("gzip");
  // A failure of the stream's comes out of its other end as well.
  const fed = body.pipeTo(unpacking.writable, { preventCancel: true }).catch(() => {});
  try {
    return await whole(unpacking.readable, maxBytes);
  } finally {
    // Where it was refused, this is what ends the feeding.
    unpacking.readable.cancel().catch(() => {});
    await fed;
  }
}

async function whole(stream: ReadableStream<Bytes>, maxBytes: number): Promise<Bytes> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const part = await reader.read().catch(() => {
        throw new Refuse(
          400,
          "BODY",
          "The body can't be unpacked: it was cut off, or is no gzip: send it again",
        );
      });
      if (part.done) break;
      length += part.value.length;
      if (length > maxBytes) {
        throw new Refuse(413, "TOO_LARGE", `The body has more than ${maxBytes} bytes: send less at a time`);
      }
      chunks.push(part.value);
    }
  } finally {
    reader.releaseLock();
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * Reads what is left of a refused request's body, and drops it. A server that closes a connection with bytes unread
 * resets it, and then the client loses the answer: it takes a refusal, which it is to act on, for a bad network.
 */
export async function readRest(request: Request): Promise<void> {
  if (!request.body || request.body.locked) return;
  const reader = request.body.getReader();
  try {
    for (let left = REST_BYTES; left > 0;) {
      const part = await reader.read();
      if (part.done) return;
      left -= part.value.length;
    }
    await reader.cancel();
  } catch {
    // The client has gone: nobody waits for the answer.
  } finally {
    reader.releaseLock();
  }
}

/**
 * The JSON of a request.
 *
 * @throws {Refuse} 400 if it is none, 422 if it has another shape.
 */
export async function readJson<T>(
  request: Request,
  { schema, maxBytes }: { readonly schema: v.GenericSchema<unknown, T>; readonly maxBytes: number },
): Promise<T> {
  const text = new TextDecoder().decode(await readBytes(request, maxBytes));
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    throw new Refuse(400, "JSON", `The body is no JSON: ${cause instanceof Error ? cause.message : cause}`);
  }
  return checked(schema, body);
}

/**
 * A value of the shape.
 *
 * @throws {Refuse} 422 if it has another.
 */
export function checked<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  throw new Refuse(422, "SHAPE", `The body does not fit: ${problems(result.issues)}`);
}

/**
 * An id out of a path or query.
 *
 * @param what What it is the id of, for the message.
 * @throws {Refuse} 422 if it can't be one.
 */
export function checkedId(what: string, value: string | undefined): string {
  const result = v.safeParse(Id, value);
  if (result.success) return result.output;
  const shown = JSON.stringify(value?.slice(0, 200) ?? null);
  throw new Refuse(422, "ID", `The ${what} can't be ${shown}: ${problems(result.issues, "it")}`);
}

/** All problems with their places, in one line. */
export function problems(issues: readonly v.BaseIssue<unknown>[], whole: string = "the whole"): string {
  const lines = issues.slice(0, 10).map((issue) => `${v.getDotPath(issue) ?? whole}: ${issue.message}`);
  return lines.join("; ");
}
