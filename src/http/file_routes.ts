/**
 * Owns the files of the run over HTTP: which there are, and the bytes of one, to be saved.
 * Must not know where they lie.
 * Invariant: bytes go by in pieces, no faster than they are read; no browser shows them as a page of the end point's.
 */
import type { Bytes } from "../base/bytes.ts";
import { attachment } from "../base/web/attachment.ts";
import { goesOn } from "../base/web/opened.ts";
import { Refuse } from "../base/web/refuse.ts";
import { BYTES, type Parameter, type Route, route, TEXT } from "../base/web/route.ts";
import { SHA256 } from "../model/file.ts";
import type { OpenFile } from "../runtime/port.ts";
import { answer, empty, TYPE } from "./answer.ts";
import type { Parts } from "./parts.ts";
import { type FilesView, SCHEMAS } from "./schema.ts";

/** What is read at a time: as much as a slow reader takes before it is let go. */
const PIECE_BYTES = 64 * 1024;

const OF_FILES = { method: "get", tag: "files", access: "token", query: {} } as const;

const DIGEST: Parameter<string> = {
  description: "SHA-256 of its bytes, 64 hexadecimal digits in lower case",
  schema: TEXT,
  read: ([text]) => {
    if (SHA256.test(text)) return text;
    throw new Refuse(400, "DIGEST", { message: "A file is named by 64 hexadecimal digits in lower case" });
  },
};

/** The routes. */
export function fileRoutes(parts: Parts): Route[] {
  return [
    route({
      ...OF_FILES,
      id: "getFiles",
      path: "/files",
      summary: "The files that tasks of the run have kept",
      answers: { 200: { what: "Files", bodies: { "application/json": SCHEMAS.Files } } },
      handle: () => {
        const view: FilesView = { files: parts.run().files.list() };
        return answer(parts.redact(JSON.stringify(view)));
      },
    }),
    route({
      ...OF_FILES,
      id: "getFile",
      path: "/files/{sha256}",
      params: { sha256: DIGEST },
      summary: "The bytes of a file that a task of the run has kept, to be saved",
      answers: {
        200: { what: "The bytes", bodies: { "application/octet-stream": BYTES } },
        404: { what: "The run keeps no such file" },
      },
      handle: ({ request, params: { sha256 } }) => fileOf(request, parts, sha256),
    }),
  ];
}

async function fileOf(request: Request, parts: Parts, sha256: string): Promise<Response> {
  const { files } = parts.run();
  const known = files.list().find((each) => each.sha256 === sha256);
  if (known === undefined) {
    throw new Refuse(404, "NO_FILE", { message: "The run keeps no such file: GET /files lists them" });
  }
  const headers = { ...attachment(parts.redact(known.name)), "content-length": String(known.bytes) };
  const { opened, clock, gate, options } = parts;
  if (known.bytes === 0) return empty(200, { ...headers, "content-type": TYPE.bytes });
  const open = () =>
    files.open(sha256).catch((error: unknown) => {
      throw gone(error);
    });
  // Whoever begins to read opens it once more: an answer that nobody reads holds no descriptor.
  await (await open()).close();
  const body = goesOn({
    opened,
    texts: () => piecesOf(open, known.bytes),
    stallMs: gate.limits.stallMs,
    clock,
    signal: request.signal,
    failed: options.onDefect,
  });
  return answer(body, { type: TYPE.bytes, headers });
}

async function* piecesOf(
  open: () => Promise<OpenFile>,
  bytes: number,
): AsyncGenerator<Bytes, void, undefined> {
  const file = await open();
  try {
    for (let at = 0; at < bytes;) {
      const piece = await file.read(at, Math.min(PIECE_BYTES, bytes - at));
      if (piece.length === 0) throw new Error("A kept file has become shorter");
      at += piece.length;
      yield piece;
    }
  } finally {
    await file.close();
  }
}

/** It is in the list and not on the disk. */
function gone(error: unknown): unknown {
  if ((error as { readonly code?: unknown }).code !== "ENOENT") return error;
  return new Refuse(404, "FILE_GONE", { message: "The file was kept and is not there any more" });
}
