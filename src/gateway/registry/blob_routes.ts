/**
 * Owns the routes of blobs: asked for by digest, whole or from any place on, and sent in as many pieces as it takes.
 * Must not know what a blob is.
 * Invariant: bytes go by, and are never held; what is answered under a digest are its bytes.
 */
import { Refuse } from "../../base/web/refuse.ts";
import { BYTES, type Route, route, TEXT } from "../../base/web/route.ts";
import { isKnown } from "../answer.ts";
import type { GatewayParts } from "../context.ts";
import { toldInPieces } from "../follow.ts";
import { type Blobs, PIECE_BYTES, rangeOf } from "./blobs.ts";
import { DIGEST_OF, immutable, noDigest, REPOSITORY } from "./said.ts";

const ANY_BYTES = { "application/octet-stream": BYTES } as const;
const BLOB = { params: { ...REPOSITORY, digest: DIGEST_OF }, path: "/v2/{name}/blobs/{digest}" } as const;
const UPLOAD = {
  access: "user",
  path: "/v2/{name}/blobs/uploads/{upload}",
  params: { ...REPOSITORY, upload: { schema: TEXT, read: ([text]: readonly [string, ...string[]]) => text } },
} as const;
const PIECE = { required: false, types: ANY_BYTES } as const;
const RANGE = {
  "content-range": "FIRST-LAST: the bytes of the blob that this piece is. Default: the next ones",
};
const GOES_ON = { what: "Where it goes on (Location), and what is here (Range)" } as const;
const KEPT = { what: "The blob is kept" } as const;

/** The routes. */
export function blobRoutes(parts: GatewayParts, blobs: () => Blobs): Route[] {
  return [
    route({
      ...BLOB,
      method: "get",
      access: "either",
      summary: "The bytes of a blob; HEAD tells whether there is one, and its size",
      headers: { range: "bytes=FIRST-LAST, bytes=FIRST- or bytes=-COUNT", "if-none-match": "The ETag" },
      answers: {
        200: { what: "All of it", bodies: ANY_BYTES },
        206: { what: "The part that was asked for", bodies: ANY_BYTES },
        304: { what: "Known already" },
        416: { what: "It has no such part" },
      },
      handle: ({ request, params: { digest } }) => answerWithBlob(request, digest, { parts, blobs: blobs() }),
    }),
    route({
      ...BLOB,
      method: "delete",
      access: "user",
      summary: "Refused: a blob is removed a day after the last manifest that refers to it",
      answers: { 405: { what: "Delete its manifest" } },
      handle: () => {
        throw new Refuse(405, "UNSUPPORTED", {
          message: "A blob is removed by itself when no manifest refers to it: delete the manifest",
        });
      },
    }),
    ...uploadRoutes(parts, blobs),
  ];
}

function uploadRoutes({ intake }: GatewayParts, blobs: () => Blobs): Route[] {
  const append = (id: string, request: Request, at = firstOf(request)) =>
    blobs().append(id, at, (take, signal) => intake.pour(request, take, signal));
  return [
    route({
      method: "post",
      path: "/v2/{name}/blobs/uploads/",
      access: "user",
      params: REPOSITORY,
      query: { digest: DIGEST_OF, mount: DIGEST_OF },
      body: PIECE,
      summary:
        "Begins an upload; with digest the body is all of it; with mount nothing is sent, if it is there",
      answers: { 201: KEPT, 202: GOES_ON },
      handle: async ({ request, params: { name }, query: { digest, mount } }) => {
        if (mount !== undefined && await blobs().size(mount) !== undefined) return kept(name, mount);
        const id = await blobs().begin();
        if (digest === undefined) return goesOn(name, { id, size: 0 });
        await append(id, request, 0);
        await blobs().commit(id, digest);
        return kept(name, digest);
      },
    }),
    route({
      ...UPLOAD,
      method: "get",
      summary: "Tells how much of an upload is here",
      answers: { 204: GOES_ON },
      handle: async ({ params: { name, upload: id } }) =>
        goesOn(name, { id, size: await blobs().offset(id), status: 204 }),
    }),
    route({
      ...UPLOAD,
      method: "patch",
      headers: RANGE,
      body: PIECE,
      summary: "Sends the next piece; what has come of one that is broken off stays",
      answers: { 202: GOES_ON, 416: { what: "It goes on elsewhere" } },
      handle: async ({ request, params: { name, upload: id } }) =>
        goesOn(name, { id, size: await append(id, request) }),
    }),
    route({
      ...UPLOAD,
      method: "put",
      headers: RANGE,
      query: { digest: { ...DIGEST_OF, missing: noDigest } },
      body: PIECE,
      summary: "Sends the last piece, if there is one, and ends the upload",
      answers: { 201: KEPT, 400: { what: "The bytes have another digest: the upload is over" } },
      handle: async ({ request, params: { name, upload: id }, query: { digest } }) => {
        await append(id, request);
        await blobs().commit(id, digest!);
        return kept(name, digest!);
      },
    }),
    route({
      ...UPLOAD,
      method: "delete",
      summary: "Ends an upload, of which nothing stays",
      answers: { 204: { what: "It is over" } },
      handle: async ({ params: { upload: id } }) => {
        await blobs().cancel(id);
        return new Response(null, { status: 204 });
      },
    }),
  ];
}

/** Where the sender takes the upload to go on; nothing if it does not say. */
function firstOf({ headers }: Request): number | undefined {
  const range = headers.get("content-range");
  if (range === null) return undefined;
  const [, first, last] = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/[\d*]+)?$/.exec(range) ?? [];
  if (first !== undefined && Number(first) <= Number(last)) return Number(first);
  throw new Refuse(400, "BLOB_UPLOAD_INVALID", {
    message: `Content-Range is ${range.slice(0, 50)}: write FIRST-LAST`,
  });
}

function goesOn(
  name: string,
  { id, size, status = 202 }: { readonly id: string; readonly size: number; readonly status?: number },
): Response {
  const headers = {
    location: `/v2/${name}/blobs/uploads/${id}`,
    range: rangeOf(size),
    "docker-upload-uuid": id,
    "content-length": "0",
  };
  if (status === 204) Reflect.deleteProperty(headers, "content-length");
  return new Response(null, { status, headers });
}

function kept(name: string, digest: string): Response {
  const headers = { location: `/v2/${name}/blobs/${digest}`, "docker-content-digest": digest };
  return new Response(null, { status: 201, headers });
}

/** Where a blob is, and how it is answered. */
interface BlobServing {
  readonly parts: GatewayParts;
  readonly blobs: Blobs;
  /** Joins those of each answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers with the bytes of a blob, or the part that is asked for. @throws {Refuse} If there is none. */
export async function answerWithBlob(
  request: Request,
  digest: string,
  { parts, blobs, headers: more }: BlobServing,
): Promise<Response> {
  const size = await blobs.size(digest);
  if (size === undefined) throw noBlob(digest);
  const type = "application/octet-stream";
  const head = { ...immutable(digest), ...more, "accept-ranges": "bytes", "content-type": type };
  if (isKnown(request, immutable(digest).etag)) return new Response(null, { status: 304, headers: head });
  const range = partOf(request, { size, digest });
  const { from, to } = range ?? { from: 0, to: size };
  const status = range === undefined ? 200 : 206;
  const headers = {
    ...head,
    "content-length": String(to - from),
    ...(range && { "content-range": `bytes ${from}-${to - 1}/${size}` }),
  };
  if (request.method === "HEAD") return new Response(null, { status, headers });
  if (!await blobs.isHere(digest, size)) throw noBlob(digest);
  const pieces = () => blobs.pieces(digest, from, to);
  // A small one is sent in one piece: not every runtime tells the length of what is streamed.
  if (to - from <= PIECE_BYTES) {
    const [only] = await Array.fromAsync(pieces());
    return new Response(only ?? new Uint8Array(0), { status, headers });
  }
  return toldInPieces(request, parts, { type, texts: pieces, headers, status });
}

/** The part that is asked for; nothing if it is all, or a form of asking that may be passed over. */
function partOf(
  { headers }: Request,
  { size, digest }: { readonly size: number; readonly digest: string },
): { readonly from: number; readonly to: number } | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.get("range") ?? "") ?? [];
  if (first === undefined || last === undefined || first + last === "") return undefined;
  const only = headers.get("if-range");
  if (only !== null && only !== `"${digest}"`) return undefined;
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === "" || last === "" ? size : Math.min(Number(last) + 1, size);
  if (from < to) return { from, to };
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  throw new Refuse(416, "RANGE_INVALID", {
    message: `The blob has ${size} bytes: ask for some of them`,
    headers: { "content-range": `bytes */${size}` },
  });
}

function noBlob(digest: string): Refuse {
  return new Refuse(404, "BLOB_UNKNOWN", { message: `There is no blob ${digest}: push it` });
}
