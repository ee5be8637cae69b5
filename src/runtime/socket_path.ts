/**
 * Owns the path of a Unix socket: whether it may be had, and that it is ours when it is given up.
 * Must not know what is served there, nor how a runtime listens.
 * Invariant: nothing is ever removed but a socket that nobody listens on, and our own. A dead one is taken out of the way
 * first, looked at there again, and put back if another process has put a live one in its place in that very moment.
 */
import { type BigIntStats, chmodSync, linkSync, lstatSync, renameSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { ServeError } from "./port.ts";

/** Longest time that a socket gets to answer, milliseconds; one that takes longer is in use. */
const ANSWER_MS = 2_000;

/** Longest path that a socket can have, bytes. */
const MAX_PATH = process.platform === "darwin" ? 103 : 107;

/** A path that is held. */
export interface HeldPath<Server> {
  readonly server: Server;
  /** Removes the socket, unless something else is there by now. To be called before the server is closed. */
  release(): void;
}

/**
 * Has a server listen at a path. It listens under a name of its own first, which then gets the real one: that fails where
 * something is there, and what a runtime removes by itself when the server is closed is not the real one.
 *
 * @throws {ServeError} If there is something at the path that is no dead socket.
 */
export async function listenAtPath<Server extends { close(): Promise<void> }>(
  path: string,
  listen: (path: string) => Promise<Server>,
): Promise<HeldPath<Server>> {
  const bytes = new TextEncoder().encode(path).length;
  if (bytes > MAX_PATH) {
    throw new ServeError(
      `Could not listen on ${path}: it has ${bytes} bytes, a socket's path has at most ${MAX_PATH}: choose a shorter one`,
    );
  }
  // Runtimes say different things of it, Node that it may not be used.
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory()) {
    throw new ServeError(
      `Could not listen on ${path}: there is no folder ${dirname(path)}: make it, or choose another path`,
    );
  }
  await makeFree(path);
  const own = neighbourOf(path);
  const server = await listen(own);
  try {
    chmodSync(own, 0o600);
    give(own, path);
  } catch (error) {
    await server.close();
    rmSync(own, { force: true });
    throw error;
  }
  const mine = there(path);
  return {
    server,
    release: () => {
      const now = there(path);
      if (mine !== undefined && now !== undefined && isSame(now, mine)) rmSync(path, { force: true });
    },
  };
}

/** Removes a socket that a process left behind when it was killed. */
async function makeFree(path: string): Promise<void> {
  const found = there(path);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new ServeError(
      `Could not listen on ${path}: there is a ${
        kindOf(found)
      }, which is left as it is: choose another path, or remove it`,
    );
  }
  if (!await isDead(path)) throw inUse(path);
  // Whoever starts here too has replaced it by now. From here to the renaming nothing else runs in this process.
  const now = there(path);
  if (now === undefined) return;
  if (!isSame(now, found)) throw inUse(path);
  const aside = neighbourOf(path);
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as { readonly code?: string }).code === "ENOENT") return;
    throw error;
  }
  if (there(aside)?.isSocket() && await isDead(aside)) return rmSync(aside, { force: true });
  // Another process has started here in the meantime.
  give(aside, path);
  throw inUse(path);
}

/** Gives a file another name, which must be free. @throws {ServeError} If it is not. */
function give(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if ((error as { readonly code?: string }).code === "EEXIST") throw inUse(to);
    // A folder, or a file system without links.
    if (there(to) !== undefined) throw inUse(to);
    return renameSync(from, to);
  }
  rmSync(from, { force: true });
}

/** Whether nobody listens on a socket. One that may not be asked is another's. */
function isDead(path: string): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(path);
    const say = (dead: boolean) => {
      socket.destroy();
      answer(dead);
    };
    socket.on("connect", () => say(false));
    socket.on(
      "error",
      ({ code }: NodeJS.ErrnoException) => say(code === "ECONNREFUSED" || code === "ENOENT"),
    );
    socket.setTimeout(ANSWER_MS, () => say(false));
  });
}

/** A name beside a path, no longer than it where that is possible: the system takes some 100 characters. */
function neighbourOf(path: string): string {
  const random = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte % 36).toString(36));
  const length = Math.min(random.length, Math.max(8, basename(path).length));
  return join(dirname(path), `.${random.join("").slice(1, length)}`);
}

function there(path: string): BigIntStats | undefined {
  return lstatSync(path, { throwIfNoEntry: false, bigint: true });
}

/** The number of a file alone is used again for another. */
function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.ino === other.ino && one.dev === other.dev && one.mtimeNs === other.mtimeNs;
}

function kindOf(found: BigIntStats): string {
  if (found.isDirectory()) return "folder";
  if (found.isSymbolicLink()) return "link";
  return found.isFile() ? "file" : "device or pipe";
}

function inUse(path: string): ServeError {
  return new ServeError(
    `Could not listen on ${path}: another process has it: end that one, or choose another path`,
  );
}
