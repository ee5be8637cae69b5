/**
 * Owns a copy of all that a gateway keeps, made while it runs, and how one is put in the place of what is gone.
 * Must not know what is kept.
 * Invariant: a copy under its name is whole, and what is put back from one was checked byte by byte before; neither ever
 * writes over anything.
 *
 *     DIR/gateway.db    the database at one moment
 *     DIR/files/…       files of runs and what was pushed, by their digests: those that the database tells of
 *     DIR/registry/…
 *     DIR/backup.json   which gateway's, when, and the digest of the database
 */
import * as v from "valibot";
import { type Clock, isoTime } from "../base/clock.ts";
import { messageOf } from "../base/message.ts";
import type { Runtime } from "../runtime/port.ts";
import { blobFolder, blobPath } from "./registry/blobs.ts";
import {
  type BlobTable,
  copyDatabase,
  type DatabaseInside,
  forgetBlobs,
  inspectDatabase,
} from "./sqlite_copy.ts";

/** The copy could not be made, or can't be put back. */
export class BackupError extends Error {
  readonly code = "OUTRIDER_BACKUP";
  override name = "BackupError";
}

/** What it needs of the runtime. */
export type BackupFiles = Pick<
  Runtime,
  | "about"
  | "keeping"
  | "makeFolder"
  | "newId"
  | "openFile"
  | "readText"
  | "remove"
  | "rename"
  | "sha256"
  | "syncFolder"
  | "writeText"
>;

/** Where a gateway keeps what it has. */
export interface Places {
  readonly db: string;
  readonly files: string;
  readonly registry: string;
}

/** What is in a copy. */
export interface Copied extends Pick<DatabaseInside, "runs" | "open"> {
  readonly at: string;
  /** How many files and blobs lie beside the database. */
  readonly blobs: number;
}

/** What was copied, and what could not be. */
export interface Made extends Copied {
  /** Files and blobs of the gateway's that are not what their names say any more: they are not in the copy. */
  readonly broken: number;
}

const About = v.object({
  outriderGateway: v.literal(1),
  at: v.string(),
  storage: v.string(),
  sha256: v.string(),
});

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const PIECE_BYTES = 1024 * 1024;
const FOLDERS = [["file_blobs", "files"], ["registry_blobs", "registry"]] as const;

/**
 * Copies what a gateway keeps, while it runs, to a folder that is not there yet.
 *
 * @throws {BackupError} If the folder is there, or has no room.
 * @throws {GatewayStoreError} If the database can't be read.
 */
export async function backUp(
  places: Places,
  { to, files, clock }: { readonly to: string; readonly files: BackupFiles; readonly clock: Clock },
): Promise<Made> {
  if (await files.about(to) !== undefined) {
    throw new BackupError(`${to} is there already: name a folder for the copy that is not`);
  }
  const folder = `${to}.${files.newId().slice(0, 8)}.part`;
  try {
    await files.makeFolder(folder, FOLDER_MODE);
    const db = `${folder}/gateway.db`;
    const at = isoTime(clock.now());
    copyDatabase(places.db, db);
    const inside = inspectDatabase(db);
    let [blobs, broken] = [0, 0];
    for (const [table, name] of FOLDERS) {
      const all = inside.blobs[table];
      const damaged = new Set(await damagedOf(all, places[name], files));
      const whole = all.filter((digest) => !damaged.has(digest));
      const gone = await linkAll(whole, { from: places[name], to: `${folder}/${name}`, files });
      // Removed while the copy was made, or nothing that could be put back.
      if (gone.length + damaged.size > 0) forgetBlobs(db, table, [...gone, ...damaged]);
      broken += damaged.size;
      blobs += whole.length - gone.length;
    }
    const written = await files.openFile(db, "write");
    await written.sync().finally(() => written.close());
    const sha256 = await digestOf(db, files);
    const about = { outriderGateway: 1, at, storage: inside.storage, sha256 };
    await files.writeText(`${folder}/backup.json`, `${JSON.stringify(about, undefined, 2)}\n`, FILE_MODE);
    await files.syncFolder(folder);
    await files.rename(folder, to);
    await files.syncFolder(parentOf(to));
    return { at, blobs, broken, runs: inside.runs, open: inside.open };
  } catch (error) {
    await files.remove(folder);
    throw error;
  }
}

/**
 * Puts a copy where a gateway that is started then finds it.
 *
 * @throws {BackupError} If the copy is not whole, or there is a database already.
 * @throws {GatewayStoreError} If its database can't be believed.
 */
export async function restore(
  places: Places,
  { from, files }: { readonly from: string; readonly files: BackupFiles },
): Promise<Copied> {
  await requireNoDatabase(places, files);
  const db = `${from}/gateway.db`;
  const about = await aboutOf(from, files);
  if (await digestOf(db, files).catch(() => "") !== about.sha256) {
    throw new BackupError(`${db} is not what was copied: it was changed or is broken; nothing was put back`);
  }
  const inside = inspectDatabase(db);
  for (const [table, name] of FOLDERS) {
    for (const digest of inside.blobs[table]) {
      const path = blobPath(`${from}/${name}`, digest);
      if (`sha256:${await digestOf(path, files).catch(() => "")}` === digest) continue;
      throw new BackupError(`${path} is missing or is not what was copied; nothing was put back`);
    }
    // What is in the way stays, so it has to be the same.
    const [other] = await damagedOf(inside.blobs[table], places[name], files);
    if (other === undefined) continue;
    throw new BackupError(
      `${
        blobPath(places[name], other)
      } is there already, and is not what its name says: move it away first; nothing was put back`,
    );
  }
  let blobs = 0;
  for (const [table, name] of FOLDERS) {
    await linkAll(inside.blobs[table], { from: `${from}/${name}`, to: places[name], files });
    blobs += inside.blobs[table].length;
  }
  const part = `${places.db}.${files.newId().slice(0, 8)}.part`;
  try {
    await copyFile(db, part, files);
    // Checking takes long: a gateway may have been started here meanwhile.
    await requireNoDatabase(places, files);
    await files.rename(part, places.db);
    await files.syncFolder(parentOf(places.db));
  } catch (error) {
    await files.remove(part);
    throw error;
  }
  return { at: about.at, blobs, runs: inside.runs, open: inside.open };
}

/** @throws {BackupError} If there is a database where one is to be put. */
async function requireNoDatabase({ db }: Places, files: BackupFiles): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) {
    if (await files.about(db + suffix) === undefined) continue;
    throw new BackupError(
      `${db}${suffix} is there already: stop the gateway and move it away first, or name another --db`,
    );
  }
}

async function aboutOf(from: string, files: BackupFiles): Promise<v.InferOutput<typeof About>> {
  try {
    return v.parse(About, JSON.parse(await files.readText(`${from}/backup.json`)));
  } catch (cause) {
    const message = `${from} is no whole copy of a gateway: its backup.json can't be read: ${
      messageOf(cause)
    }; name a folder that --backup made`;
    throw new BackupError(message, { cause });
  }
}

/** Gives blobs their place in another folder; the digests of those that are not there. */
async function linkAll(
  blobs: DatabaseInside["blobs"][BlobTable],
  { from, to, files }: { readonly from: string; readonly to: string; readonly files: BackupFiles },
): Promise<string[]> {
  const keeping = await files.keeping();
  const gone: string[] = [];
  const folders = new Set<string>();
  for (const digest of blobs) {
    const old = blobPath(from, digest);
    try {
      await keeping.link(old, blobPath(to, digest));
      folders.add(blobFolder(to, digest));
    } catch (error) {
      if (await files.about(old) !== undefined) throw error;
      gone.push(digest);
    }
  }
  // Up to the one that has their own names.
  for (const folder of [...folders]) folders.add(parentOf(folder)).add(to).add(parentOf(to));
  for (const folder of folders) await files.syncFolder(folder);
  return gone;
}

/** Those that are in a folder with other bytes than their names say. */
async function damagedOf(
  blobs: DatabaseInside["blobs"][BlobTable],
  folder: string,
  files: BackupFiles,
): Promise<string[]> {
  const damaged: string[] = [];
  for (const digest of blobs) {
    const path = blobPath(folder, digest);
    const found = await digestOf(path, files).catch(async (error) => {
      if (await files.about(path) !== undefined) throw error;
      return undefined;
    });
    if (found !== undefined && `sha256:${found}` !== digest) damaged.push(digest);
  }
  return damaged;
}

/** The folder in which something has its name. */
function parentOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at === 0 ? "/" : at > 0 ? path.slice(0, at) : ".";
}

/** SHA-256 of a file, lower-case hexadecimal. */
async function digestOf(path: string, files: BackupFiles): Promise<string> {
  const file = await files.openFile(path, "read");
  try {
    const digest = await files.sha256();
    for await (const piece of piecesOf(file)) digest.update(piece);
    return digest.hex();
  } finally {
    await file.close();
  }
}

async function copyFile(from: string, to: string, files: BackupFiles): Promise<void> {
  const source = await files.openFile(from, "read");
  try {
    const copy = await files.openFile(to, "new", FILE_MODE);
    try {
      let at = 0;
      for await (const piece of piecesOf(source)) {
        await copy.write(at, piece);
        at += piece.length;
      }
      await copy.sync();
    } finally {
      await copy.close();
    }
  } finally {
    await source.close();
  }
}

async function* piecesOf(
  file: Awaited<ReturnType<BackupFiles["openFile"]>>,
): AsyncGenerator<Awaited<ReturnType<typeof file.read>>> {
  for (let at = 0;;) {
    const piece = await file.read(at, PIECE_BYTES);
    if (piece.length === 0) return;
    yield piece;
    at += piece.length;
  }
}
