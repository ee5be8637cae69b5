/**
 * Owns what is asked about the files of runs: executors send them in pieces, users list, fetch and remove them.
 * Must not know how bytes are kept (registry/blobs.ts).
 * Invariant: an executor can send only what a record of a run of its own tells of, byte for byte; what is fetched is never
 * shown by a browser as a page of the gateway's.
 */
import * as v from "valibot";
import { attachment } from "../base/web/attachment.ts";
import { Refuse } from "../base/web/refuse.ts";
import { BYTES, type Parameter, type Route, route, TEXT } from "../base/web/route.ts";
import { SHA256 } from "../model/file.ts";
import { FileView, HeldFile } from "../protocol/messages.ts";
import { json } from "./answer.ts";
import type { GatewayParts } from "./context.ts";
import { droppedWords, GONE, requireRun } from "./dropped.ts";
import { EXECUTOR, numberOf, RUN } from "./param.ts";
import { answerWithBlob } from "./registry/blob_routes.ts";
import type { Blobs } from "./registry/blobs.ts";
import { removeFiles, uploadOf } from "./run_files.ts";
import type { RunFileRow } from "./store.ts";

const ANY_BYTES = { "application/octet-stream": BYTES } as const;

/** The digest of a file. */
const DIGEST: Parameter<string> = {
  description: "SHA-256 of its bytes, 64 hexadecimal digits in lower case",
  schema: TEXT,
  read: ([text]) => {
    if (SHA256.test(text)) return `sha256:${text}`;
    throw new Refuse(400, "DIGEST", {
      message: `A file is named by 64 hexadecimal digits in lower case; received ${
        JSON.stringify(text.slice(0, 80))
      }`,
    });
  },
};

const RUN_OF_FILE: Parameter<string> = {
  ...RUN.run,
  description: "The run that has kept it",
  missing: () =>
    new Refuse(400, "QUERY", { message: "The query needs run=ID: the run that has kept the file" }),
};

const OF_EXECUTOR = {
  access: "executor",
  path: "/v1/executors/{executor}/files/{sha256}",
  params: { ...EXECUTOR, sha256: DIGEST },
} as const;
const HELD = { what: "What is here of it", bodies: { "application/json": HeldFile } } as const;

/** The routes. @param executors Whether executors ask here. */
export function runFileRoutes(
  parts: GatewayParts,
  { executors }: { readonly executors: boolean },
): Route[] {
  return [...executors ? ofExecutors(parts) : [], ...ofUsers(parts)];
}

function ofExecutors(parts: GatewayParts): Route[] {
  return [
    route({
      ...OF_EXECUTOR,
      method: "get",
      summary: "Tells how much of a file is here that a run of the executor has kept",
      query: { run: RUN_OF_FILE },
      answers: { 200: HELD },
      handle: async ({ params: { executor, sha256: digest }, query: { run } }) => {
        const sending = await sendingOf(parts, { executor, run: run!, digest });
        return json(await heldOf(sending));
      },
    }),
    route({
      ...OF_EXECUTOR,
      method: "patch",
      summary: "Takes the next bytes of a file; what has come of a piece that is broken off stays",
      query: { run: RUN_OF_FILE, at: numberOf("How many bytes are here already") },
      body: { required: true, types: ANY_BYTES },
      answers: {
        200: HELD,
        400: { what: "The bytes have another digest: they are to be sent from the start" },
        410: { what: "The run was dropped, and its files are not taken any more" },
        416: { what: "It goes on elsewhere" },
      },
      handle: async ({ request, params: { executor, sha256: digest }, query: { run, at = 0 } }) => {
        const sending = await sendingOf(parts, { executor, run: run!, digest });
        return json(await taken(parts, sending, { request, at }));
      },
    }),
  ];
}

function ofUsers(parts: GatewayParts): Route[] {
  const { store } = parts;
  const OF_RUN = { access: "user", params: RUN } as const;
  return [
    route({
      ...OF_RUN,
      method: "get",
      path: "/v1/runs/{run}/files",
      summary: "Lists the files that the tasks of a run have kept",
      answers: {
        200: {
          what: "Files, in order",
          bodies: { "application/json": v.object({ files: v.array(FileView) }) },
        },
        ...GONE,
      },
      handle: async ({ params: { run } }) => {
        await requireRun(run, parts);
        const rows = await store.files?.ofRun(run) ?? [];
        return json({ files: await Promise.all(rows.map((row) => viewOf(row, parts))) });
      },
    }),
    route({
      method: "get",
      path: "/v1/runs/{run}/files/{sha256}",
      access: "user",
      params: { ...RUN, sha256: DIGEST },
      summary: "The bytes of a file of a run, to be saved; HEAD tells its size",
      headers: { range: "bytes=FIRST-LAST, bytes=FIRST- or bytes=-COUNT", "if-none-match": "The ETag" },
      answers: {
        200: { what: "All of it", bodies: ANY_BYTES },
        206: { what: "The part that was asked for", bodies: ANY_BYTES },
        304: { what: "Known already" },
        ...GONE,
        416: { what: "It has no such part" },
      },
      handle: async ({ request, params: { run, sha256: digest } }) => {
        await requireRun(run, parts);
        const row = await store.files?.inRun(run, digest);
        if (row === undefined) throw noFile(run, digest);
        const blobs = parts.files;
        const size = await blobs?.size(digest);
        if (blobs === undefined || size === undefined || !await blobs.isHere(digest, size)) {
          throw notHere(row);
        }
        return await answerWithBlob(request, digest, { parts, blobs, headers: attachment(row.name) });
      },
    }),
    route({
      ...OF_RUN,
      method: "delete",
      path: "/v1/runs/{run}/files",
      summary: "Removes the files of a run; what another run has kept as well stays",
      answers: { 204: { what: "They are removed" }, ...GONE },
      handle: async ({ params: { run } }) => {
        const { executor } = await requireRun(run, parts);
        await removeFiles(parts, executor, await store.files?.dropRun(run) ?? []);
        return new Response(null, { status: 204 });
      },
    }),
  ];
}

/** A file that is being sent. */
interface Sending {
  readonly row: RunFileRow;
  readonly blobs: Blobs;
  /** Of its upload: nobody else goes on with it. */
  readonly upload: string;
}

/** @throws {Refuse} If no record of a run of the executor tells of such a file, or it is not taken here. */
async function sendingOf(
  { store, files: blobs }: GatewayParts,
  { executor, run, digest }: { readonly executor: string; readonly run: string; readonly digest: string },
): Promise<Sending> {
  const known = await store.run(run);
  const dropped = known === undefined ? await store.upkeep.dropped(run) : undefined;
  if (dropped?.complete && dropped.executor === executor) {
    throw new Refuse(410, "FILE_REFUSED", { message: droppedWords(dropped) });
  }
  const isOwn = known?.executor === executor;
  if (isOwn) await store.upkeep.heardOf(run);
  const row = isOwn ? await store.files?.inRun(run, digest) : undefined;
  if (row === undefined) throw noFile(run, digest);
  if (blobs === undefined) {
    throw new Refuse(404, "FILE_REFUSED", {
      message: "This gateway was started without a place for files: give it --files DIR",
    });
  }
  if (row.bytes > blobs.maxBlobBytes) {
    throw new Refuse(413, "FILE_REFUSED", {
      message:
        `The file has ${row.bytes} bytes, and a file has at most ${blobs.maxBlobBytes} here (--files-size)`,
    });
  }
  return { row, blobs, upload: await uploadOf(executor, digest) };
}

async function heldOf({ row: { digest }, blobs, upload }: Sending): Promise<HeldFile> {
  const size = await blobs.size(digest);
  if (size !== undefined && await blobs.isHere(digest, size)) return { bytes: size, whole: true };
  return { bytes: await blobs.held(upload), whole: false };
}

async function taken(
  { intake }: GatewayParts,
  sending: Sending,
  { request, at }: { readonly request: Request; readonly at: number },
): Promise<HeldFile> {
  const { row: { digest, bytes }, blobs, upload } = sending;
  const held = await heldOf(sending);
  if (held.whole) return held;
  await blobs.begin(upload, bytes);
  let room = bytes - at;
  const size = await blobs.append(upload, at, (take, signal) =>
    intake.pour(request, (piece) => {
      room -= piece.length;
      if (room < 0) throw longer(bytes);
      return take(piece);
    }, signal));
  if (size < bytes) return { bytes: size, whole: false };
  await blobs.commit(upload, digest);
  return { bytes, whole: true };
}

async function viewOf({ digest, seq: _, ...row }: RunFileRow, { files }: GatewayParts): Promise<FileView> {
  return { ...row, sha256: digest.slice(7), here: await files?.knows(digest) === true };
}

function noFile(run: string, digest: string): Refuse {
  return new Refuse(404, "NO_FILE", {
    message: `No record of run ${run} tells of a file ${
      digest.slice(7)
    }: GET /v1/runs/${run}/files lists them`,
  });
}

function notHere({ name, task }: RunFileRow): Refuse {
  return new Refuse(404, "FILE_NOT_HERE", {
    message: `File ${JSON.stringify(name)} of task ${task} is not here yet, or was removed: ask again later`,
  });
}

function longer(bytes: number): Refuse {
  return new Refuse(400, "FILE_LONGER", {
    message: `The file has ${bytes} bytes by the record that tells of it, and more were sent`,
  });
}
