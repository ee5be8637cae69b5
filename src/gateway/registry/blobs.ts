/**
 * Owns the blobs of a registry: files in a folder, each under its digest, and uploads that are still to become some.
 * Must not know of requests or manifests.
 * Invariant: a file under a digest has just those bytes, also after the power has failed at any moment: it was read again,
 * hashed and brought to the disk before it got its name. An upload is written to by one at a time; the newest goes on.
 */
import { type Bytes, randomHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { Refuse } from "../../base/web/refuse.ts";
import type { OpenFile, Runtime } from "../../runtime/port.ts";
import type { BlobCatalog } from "./catalog.ts";

/** What a registry needs of the runtime. */
export type RegistryFiles = Pick<
  Runtime,
  "openFile" | "about" | "list" | "makeFolder" | "rename" | "remove" | "syncFolder" | "sha256"
>;

/** Where blobs are kept, and how much. */
export interface BlobsOptions {
  readonly files: RegistryFiles;
  /** Path of the folder; made with the first request. */
  readonly folder: string;
  /** Largest blob, bytes. Default 4 GiB. */
  readonly maxBlobBytes?: number;
  /** Most bytes of all together, uploads and manifests included. Default 64 GiB. */
  readonly maxBytes?: number;
  /** What to do where that is too little, in words. */
  readonly advice?: string;
}

const ADVICE = "delete manifests that nobody needs, or give the gateway more (--registry-size)";
const GIB = 1024 ** 3;
/** Uploads that are open at the same time. */
const MAX_UPLOADS = 1000;
/** An upload that nobody has gone on with for so long, and a blob without a manifest, are removed. Milliseconds. */
const FORGOTTEN_MS = 24 * 3_600_000;
/** How often it is looked for them at most, milliseconds. */
const LOOK_MS = 3_600_000;
const CHUNK_BYTES = 1024 * 1024;
/** What is read of a blob at a time: as much as a slow reader takes before it is let go. */
export const PIECE_BYTES: number = 64 * 1024;
/** For this user alone. */
const [FOLDER_MODE, FILE_MODE] = [0o700, 0o600];

/** An upload under way. */
interface Upload {
  size: number;
  /** Bytes that room is kept for, if it is known how many are to come. */
  whole: number;
  usedAt: number;
  /** Resolves when whoever had it last has let go. */
  free: Promise<void>;
  /** Makes whoever has it let go. */
  stop: AbortController;
}

/** Takes the pieces of a body: resolves when there are no more of them. */
export type Pour = (take: (piece: Bytes) => Promise<void>, signal: AbortSignal) => Promise<void>;

/** Blobs by digest. */
export class Blobs {
  readonly maxBlobBytes: number;
  readonly #options: Required<BlobsOptions>;
  readonly #catalog: BlobCatalog;
  readonly #clock: Clock;
  readonly #uploads: Map<string, Upload> = new Map();
  #ready: Promise<void> | undefined;
  #lookedAt = -Infinity;
  /** Bytes of all that is kept, uploads aside. */
  #kept = 0;
  /** What gives blobs their names or takes them away is done one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    options: BlobsOptions,
    { catalog, clock }: { readonly catalog: BlobCatalog; readonly clock: Clock },
  ) {
    this.#options = { maxBlobBytes: 4 * GIB, maxBytes: 64 * GIB, advice: ADVICE, ...options };
    this.maxBlobBytes = this.#options.maxBlobBytes;
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /**
   * Begins an upload; returns its id.
   *
   * @param id Of one that goes on if it is under way. Default: a new one.
   * @param whole Bytes that it will have, for which room is kept: what can't fit is refused before any of it is taken, and
   *   two never wait for each other half done. Default: it is not known.
   * @throws {Refuse} If there are too many, or there is no room.
   */
  async begin(id: string = randomHex(16), whole: number = 0): Promise<string> {
    await this.#open();
    await this.#forget();
    if (!this.#uploads.has(id)) await this.#make(id);
    await this.#reserve(id, whole);
    return id;
  }

  async #make(id: string): Promise<void> {
    if (this.#uploads.size >= MAX_UPLOADS) {
      throw new Refuse(429, "TOOMANYREQUESTS", {
        message: `${MAX_UPLOADS} uploads are under way: end some, or begin again later`,
        headers: { "retry-after": "60" },
      });
    }
    const file = await full(this.#options.files.openFile(this.#uploadPath(id), "write", FILE_MODE));
    await file.close();
    // Another request may have begun it meanwhile, and gone on.
    if (this.#uploads.has(id)) return;
    this.#uploads.set(id, { size: 0, usedAt: this.#clock.monotonic(), ...unused() });
  }

  /** Keeps room for the rest of an upload. @throws {Refuse} If there is none: then of one with nothing in it nothing stays. */
  async #reserve(id: string, whole: number): Promise<void> {
    if (whole <= taken(this.#uploads.get(id) ?? unknown())) return;
    this.#kept = await this.#catalog.bytes();
    const upload = this.#uploads.get(id) ?? unknown();
    try {
      this.#requireUnder(whole - taken(upload));
    } catch (error) {
      if (taken(upload) === 0) await this.#end(id);
      throw error;
    }
    upload.whole = Math.max(upload.whole, whole);
  }

  /** How many bytes of an upload are here. Whoever sends some stops. */
  offset(id: string): Promise<number> {
    return this.#having(id, (upload) => Promise.resolve(upload.size));
  }

  /**
   * Writes to the end of an upload; what has come before the body is broken off stays.
   *
   * @param at Where the sender takes the end to be.
   * @returns The bytes that are here then.
   */
  append(id: string, at: number | undefined, pour: Pour): Promise<number> {
    return this.#having(id, async (upload, signal) => {
      if (at !== undefined && at !== upload.size) throw notThere(upload.size);
      this.#kept = await this.#catalog.bytes();
      const file = await full(this.#options.files.openFile(this.#uploadPath(id), "write"));
      try {
        await pour(async (piece) => {
          this.#requireSize(upload.size + piece.length);
          this.#requireUnder(Math.max(0, upload.size + piece.length - taken(upload)));
          await full(file.write(upload.size, piece));
          upload.size += piece.length;
        }, signal);
      } finally {
        await this.#settled(file);
      }
      return upload.size;
    });
  }

  /** Makes a blob of an upload. @throws {Refuse} If its bytes have another digest: then the upload is over. */
  commit(id: string, digest: string): Promise<void> {
    return this.#having(id, async (upload) => {
      const path = this.#uploadPath(id);
      const found = await this.#sealed(path, upload.size);
      if (found !== digest) {
        await this.#end(id);
        throw new Refuse(400, "DIGEST_INVALID", {
          message: `What was sent has the digest ${found}, and not ${digest}: send it again from the start`,
        });
      }
      await this.#inTurn(async () => {
        const { files } = this.#options;
        const folder = blobFolder(this.#options.folder, digest);
        await files.makeFolder(folder, FOLDER_MODE);
        await full(files.rename(path, this.#path(digest)));
        await files.syncFolder(folder);
        await this.#catalog.putBlob({ digest, size: upload.size, at: this.#clock.monotonic() });
        this.#uploads.delete(id);
        this.#kept = await this.#catalog.bytes();
      });
    });
  }

  /** Ends an upload, of which nothing stays. */
  cancel(id: string): Promise<void> {
    return this.#having(id, () => this.#end(id));
  }

  /** Ends an upload that nobody wants any more, if there is such a one. */
  async abandon(id: string): Promise<void> {
    await this.#open();
    if (!this.#uploads.has(id)) return;
    await this.cancel(id).catch((error: unknown) => {
      // It has become a blob meanwhile.
      if (!(error instanceof Refuse)) throw error;
    });
  }

  /** Size of a blob; somebody relies on it from now on. */
  async size(digest: string): Promise<number | undefined> {
    const size = await this.#catalog.blobSize(digest);
    if (size !== undefined) await this.#catalog.touchBlob(digest, this.#clock.monotonic());
    return size;
  }

  /** Whether the file of a blob is here. If somebody took it away it is no blob any more, and can be pushed again. */
  async isHere(digest: string, size: number): Promise<boolean> {
    if ((await this.#options.files.about(this.#path(digest)))?.size === size) return true;
    await this.#catalog.dropBlob(digest);
    return false;
  }

  /** Bytes of a blob, in pieces. Its file is opened when the first is asked for. */
  async *pieces(digest: string, from: number, to: number): AsyncGenerator<Bytes, void, undefined> {
    const file = await this.#options.files.openFile(this.#path(digest), "read");
    try {
      for (let at = from; at < to;) {
        const piece = await file.read(at, Math.min(PIECE_BYTES, to - at));
        if (piece.length === 0) throw new Error(`The file of blob ${digest} has become shorter`);
        at += piece.length;
        yield piece;
      }
    } finally {
      await file.close();
    }
  }

  /** Whether there is such a blob; nobody relies on it for that. */
  async knows(digest: string): Promise<boolean> {
    return await this.#catalog.blobSize(digest) !== undefined;
  }

  /** How many bytes of an upload are here; 0 if it is not under way. */
  async held(id: string): Promise<number> {
    await this.#open();
    return this.#uploads.get(id)?.size ?? 0;
  }

  /** Removes what is no blob any more. @param drop Drops blobs; their digests. */
  async sweep(drop: () => Promise<readonly string[]>): Promise<void> {
    await this.#open();
    await this.#inTurn(async () => {
      for (const digest of await drop()) {
        await this.#options.files.remove(this.#path(digest));
      }
    });
  }

  /** @throws {Refuse} If so many bytes more are too many. */
  async requireRoom(bytes: number): Promise<void> {
    this.#kept = await this.#catalog.bytes();
    this.#requireUnder(bytes);
  }

  #path(digest: string): string {
    return blobPath(this.#options.folder, digest);
  }

  #uploadPath(id: string): string {
    return `${this.#options.folder}/uploads/${id}`;
  }

  /** Finds what an earlier process has left: uploads go on, and a file that got its name and no row goes. */
  #open(): Promise<void> {
    return this.#ready ??= this.#find().catch((error) => {
      this.#ready = undefined;
      throw error;
    });
  }

  async #find(): Promise<void> {
    const { files, folder } = this.#options;
    await files.makeFolder(folder, FOLDER_MODE);
    await files.makeFolder(`${folder}/uploads`, FOLDER_MODE);
    for (const id of await files.list(`${folder}/uploads`)) {
      const size = (await files.about(this.#uploadPath(id)))?.size ?? 0;
      this.#uploads.set(id, { size, usedAt: this.#clock.monotonic(), ...unused() });
    }
    const known = new Set(await this.#catalog.blobs());
    for (const part of await files.list(`${folder}/sha256`)) {
      for (const name of await files.list(`${folder}/sha256/${part}`)) {
        if (!known.has(`sha256:${name}`)) await files.remove(`${folder}/sha256/${part}/${name}`);
      }
    }
  }

  /** Removes uploads that were left behind, and blobs that nothing refers to. */
  async #forget(): Promise<void> {
    const now = this.#clock.monotonic();
    if (now < this.#lookedAt + LOOK_MS) return;
    this.#lookedAt = now;
    for (const [id, { usedAt }] of [...this.#uploads]) {
      if (now - usedAt >= FORGOTTEN_MS) await this.cancel(id);
    }
    await this.#inTurn(async () => {
      // The row first: a file without one is found and removed at the next start.
      for (const digest of await this.#catalog.forget(FORGOTTEN_MS, now)) {
        await this.#options.files.remove(this.#path(digest));
      }
    });
  }

  /** Does something with an upload once whoever has it has let go. @throws {Refuse} If there is none. */
  async #having<T>(id: string, work: (upload: Upload, signal: AbortSignal) => Promise<T>): Promise<T> {
    await this.#open();
    const upload = this.#uploads.get(id) ?? unknown();
    const before = upload.free;
    upload.stop.abort();
    const { stop } = Object.assign(upload, { stop: new AbortController() });
    const done = Promise.withResolvers<void>();
    upload.free = done.promise;
    try {
      await before;
      if (this.#uploads.get(id) !== upload) unknown();
      upload.usedAt = this.#clock.monotonic();
      return await work(upload, stop.signal);
    } finally {
      upload.usedAt = this.#clock.monotonic();
      done.resolve();
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  #requireSize(size: number): void {
    if (size <= this.maxBlobBytes) return;
    throw new Refuse(413, "SIZE_INVALID", {
      message: `A blob has at most ${this.maxBlobBytes} bytes here: push it in smaller layers`,
    });
  }

  #requireUnder(more: number): void {
    const { maxBytes } = this.#options;
    let held = this.#kept;
    for (const upload of this.#uploads.values()) held += taken(upload);
    if (held + more <= maxBytes) return;
    throw new Refuse(507, "STORAGE_FULL", {
      message: `What is kept here has ${held} bytes of at most ${maxBytes}: ${this.#options.advice}`,
    });
  }

  /** Brings what was written to the disk; also what came before a body was broken off is told to who asks. */
  async #settled(file: OpenFile): Promise<void> {
    try {
      await full(file.sync());
    } finally {
      await file.close();
    }
  }

  /** The digest of what is in a file, which is on the disk then. */
  async #sealed(path: string, size: number): Promise<string> {
    const file = await this.#options.files.openFile(path, "write");
    try {
      await file.cut(size);
      const digest = await this.#options.files.sha256();
      for (let at = 0; at < size;) {
        const piece = await file.read(at, Math.min(CHUNK_BYTES, size - at));
        if (piece.length === 0) break;
        digest.update(piece);
        at += piece.length;
      }
      await full(file.sync());
      return `sha256:${digest.hex()}`;
    } finally {
      await file.close();
    }
  }

  async #end(id: string): Promise<void> {
    this.#uploads.delete(id);
    await this.#options.files.remove(this.#uploadPath(id));
  }
}

/** Path of a blob, in the folder of all of them. */
export function blobPath(folder: string, digest: string): string {
  return `${blobFolder(folder, digest)}/${digest.slice(7)}`;
}

/** The folder that a blob lies in. */
export function blobFolder(folder: string, digest: string): string {
  return `${folder}/sha256/${digest.slice(7, 9)}`;
}

/** Bytes that an upload takes of what there may be. */
function taken({ size, whole }: Upload): number {
  return Math.max(size, whole);
}

function unused(): Pick<Upload, "whole" | "free" | "stop"> {
  return { whole: 0, free: Promise.resolve(), stop: new AbortController() };
}

function unknown(): never {
  throw new Refuse(404, "BLOB_UPLOAD_UNKNOWN", {
    message: "There is no such upload: it is over, or was left alone for a day: begin another",
  });
}

function notThere(size: number): Refuse {
  return new Refuse(416, "BLOB_UPLOAD_INVALID", {
    message: `The upload has ${size} bytes: go on from there`,
    headers: { range: rangeOf(size) },
  });
}

/** The bytes of an upload that are here, as its sender is told; of none it is what that of one is. */
export function rangeOf(size: number): string {
  return `0-${Math.max(0, size - 1)}`;
}

/** What a disk without room refuses, in words. */
async function full<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!["ENOSPC", "EDQUOT", "EFBIG"].includes(String((error as { readonly code?: unknown }).code))) {
      throw error;
    }
    throw new Refuse(507, "STORAGE_FULL", {
      message: "The gateway's disk is full: what has come so far stays; make room there, then go on",
      headers: { "retry-after": "60" },
    });
  }
}
