/**
 * Owns where a runtime keeps what it has compiled of this program, so that its next start need not compile it: Node and Bun are
 * told, Deno has a place of its own.
 * Must not know what the program does.
 * Invariant: it lies in the program's own folder, since who can write there could as well write the program: nobody else gets to
 * say what the program is. Where this user can't write there is none. It never grows without end: Bun keeps modules of tasks too.
 */
import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import nodeModule from "node:module";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** What is kept at most before all of it is given up, as runtimes never do: that of some versions, each with all commands. */
const MOST = { files: 512, bytes: 64 * 2 ** 20 } as const;

/** A file that was written when all that is kept was last looked at: to do so at each start took 4 ms of it. */
const LOOKED = "looked";

/** What a runtime may have, typed as it is there. */
interface Keeping {
  readonly enableCompileCache?: (folder: string) => unknown;
}

/**
 * Keeps what is compiled from here on in a folder.
 *
 * @param folder Its `file:` URL; it need not be there.
 * @param except Commands that go on for long: a start is nothing to them, and they would keep what they run.
 */
export function keepCompiled(folder: string, except: readonly string[]): void {
  const { enableCompileCache } = nodeModule as unknown as Keeping;
  const command = process.argv[2];
  if (enableCompileCache === undefined || command === undefined || except.includes(command)) return;
  try {
    const path = fileURLToPath(folder);
    enableCompileCache(path);
    // When this thread first waits for something: by then a worker starts, which takes longer than to look.
    setImmediate(giveUpTooMuch, path);
  } catch {
    // The program starts without it as well.
  }
}

function giveUpTooMuch(path: string): void {
  try {
    if (isAsLooked(path)) return;
    let bytes = 0;
    const files = readdirSync(path, { recursive: true, encoding: "utf8" });
    for (const file of files) bytes += statSync(join(path, file), { throwIfNoEntry: false })?.size ?? 0;
    if (files.length > MOST.files || bytes > MOST.bytes) rmSync(path, { recursive: true, force: true });
    else writeFileSync(join(path, LOOKED), "");
  } catch {
    // Nothing is kept there, or another process has just given it up.
  }
}

/** Whether nothing has come since it was looked at: a folder has the time when something last came or went there. */
function isAsLooked(path: string): boolean {
  const looked = statSync(join(path, LOOKED), { throwIfNoEntry: false });
  if (looked === undefined) return false;
  return ["", ...readdirSync(path)].every((name) => statSync(join(path, name)).mtimeMs <= looked.mtimeMs);
}
