/**
 * Owns what building and installing do to files, beside texts: bytes of any size, copied, hashed and written whole.
 * Must not know what a file means.
 * Invariant: no file is ever left half written under its name; nothing that is large is held in memory.
 */
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { chmod, copyFile, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { homedir, platform } from "node:os";
import { dirname, join, relative, resolve, sep } from "node:path";
import process from "node:process";
import { passing } from "./passing.ts";
import { aboutFile } from "./pieces.ts";

/** The contents of a file that is to be written. */
export type FileContents = { readonly path: string } | { readonly bytes: Uint8Array } | {
  readonly text: string;
};

/** A digest of a file and its size. */
export interface Digested {
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly digest: string;
}

/** A regular file's bytes. @param maxBytes A larger one is an error. */
export async function readBytes(path: string, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const found = await aboutFile(path);
  if (found !== undefined && !found.isFile) {
    throw refusal("EINVAL", `${JSON.stringify(path)} is no regular file`);
  }
  if (found !== undefined && found.size > maxBytes) {
    throw refusal("EFBIG", `${JSON.stringify(path)} has ${found.size} bytes, more than ${maxBytes}`);
  }
  return new Uint8Array(await readFile(path));
}

/** As the system says it. */
function refusal(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** The digest of a file, read piece by piece. */
export async function digestOf(
  path: string,
  algorithm: "sha256" | "sha512" | "blake2b512",
): Promise<Digested> {
  const hash = createHash(algorithm);
  let bytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, digest: hash.digest("hex") };
}

/**
 * Writes a file whole, with the folders above it: to a neighbour first, which is renamed when it is on the disk.
 *
 * @param mode Who may use it, whatever the system would take away. Default 0o644.
 */
export async function writeWhole(path: string, from: FileContents, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const neighbour = `${path}.${process.pid}.tmp`;
  const forget = passing(neighbour);
  try {
    if ("path" in from) await copyFile(from.path, neighbour, constants.COPYFILE_FICLONE);
    const file = await open(neighbour, "path" in from ? "r+" : "w");
    try {
      if (!("path" in from)) await file.writeFile("text" in from ? from.text : from.bytes);
      await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(neighbour, path);
  } catch (error) {
    await rm(neighbour, { force: true });
    throw error;
  } finally {
    forget();
  }
}

/** Makes a file one that may be started. */
export async function makeExecutable(path: string): Promise<void> {
  await chmod(path, 0o755);
}

/** The absolute path of one that is relative to a folder. */
export function pathIn(folder: string, path: string): string {
  return resolve(folder, path);
}

/** The path from a folder to a path, with `/` between folders; both are absolute. */
export function pathFrom(folder: string, path: string): string {
  return relative(folder, path).replaceAll(sep, "/");
}

/** The folder that a path lies in. */
export function folderOf(path: string): string {
  return dirname(path);
}

/** Where this user's programs keep what may be deleted at any time. */
export function cacheFolder(env: Env): string {
  return userFolder(env, { variable: "XDG_CACHE_HOME", mac: "Library/Caches", other: ".cache" });
}

/** Where this user's programs keep what is of this device: how things stand, and no settings. */
export function stateFolder(env: Env): string {
  const folders = { mac: "Library/Application Support", other: ".local/state" };
  return userFolder(env, { variable: "XDG_STATE_HOME", ...folders });
}

/** A variable of the environment. */
type Env = (name: string) => string | undefined;

/** This program's folder in the one that a variable names, or in the home's. */
function userFolder(
  env: Env,
  { variable, mac, other }: { readonly variable: string; readonly mac: string; readonly other: string },
): string {
  const given = env(variable);
  if (given !== undefined && given.startsWith("/")) return join(given, "outrider");
  return join(env("HOME") || homedir(), platform() === "darwin" ? mac : other, "outrider");
}
