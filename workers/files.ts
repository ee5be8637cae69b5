/**
 * Owns `ctx.files`: what a task does with files that the run keeps.
 * Must not know where they are kept: all of it is asked of the executor, and no byte of a file comes by here.
 * Invariant: whatever is not kept is an error that says why.
 */
import { FileError, type FileReference, type KeptFile } from "../src/model/file.ts";
import type { TaskFiles } from "../src/model/context.ts";
import type { AttemptKey } from "../src/model/record.ts";
import { unlessAborted } from "../src/base/wait.ts";
import type { FileCalls, FileRefusal } from "../src/pool/protocol.ts";

/** What goes for the files of one attempt. */
interface FilesOptions {
  /** The attempt's. */
  readonly signal: AbortSignal;
  /** The path that another one stands for in this process. Default: the executor's is the same. */
  readonly whole?: (path: string) => string;
}

/** The files as one attempt has them. @param from The attempt. */
export function filesClient(remote: FileCalls, from: AttemptKey, options: FilesOptions): TaskFiles {
  const { whole = (path) => path } = options;
  const asked = async <T>(call: Promise<T | FileRefusal>): Promise<T> => {
    const answer = await unlessAborted(options.signal, call);
    if (typeof answer !== "object" || answer === null || !("refused" in answer)) return answer as T;
    throw new FileError(answer.refused, answer.message);
  };
  return {
    async keep(path, { name } = {}) {
      const given = textOf(path, "The path of a file to keep");
      if (name !== undefined) textOf(name, "The name of a file to keep");
      const { name: called, sha256, bytes } = await asked<KeptFile>(
        remote.fileKeep(whole(given), name, from),
      );
      return { $file: { name: called, sha256, bytes } };
    },
    of: (task) => asked(remote.filesOf(textOf(task, "The task whose files are asked for"))),
    async path(file) {
      const { $file } = (file ?? {}) as Partial<FileReference>;
      return await asked<string>(remote.filePath($file!));
    },
  };
}

function textOf(given: unknown, what: string): string {
  // A `file:` URL as an object is its text.
  const text = given instanceof URL ? given.href : given;
  if (typeof text === "string" && text !== "") return text;
  throw new TypeError(`${what} is a text that is not empty; received ${typeof text}`);
}
