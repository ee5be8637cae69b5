/**
 * Owns what a task writes to our outputs by Deno's own files.
 * Must not know whose text it is.
 * Invariant: a file of any other name is written as ever.
 */
import type { StreamName, Write } from "../inside_port.ts";
import { define } from "../replace.ts";
import { instead, whole } from "../worker_files.ts";

/** Leads it to `write`. */
export function captureDenoFiles(write: Write): void {
  const capture = (file: object, stream: StreamName) => {
    define(file, "write", (chunk: Uint8Array) => Promise.resolve(write(stream, chunk)));
    define(file, "writeSync", (chunk: Uint8Array) => write(stream, chunk));
    Object.defineProperty(file, "writable", {
      get: () => new WritableStream({ write: (chunk) => void write(stream, chunk) }),
      configurable: true,
    });
    return file;
  };
  for (const stream of ["stdout", "stderr"] as const) capture(Deno[stream], stream);
  const { openSync } = Deno;
  const open = (stream: StreamName) => capture(openSync("/dev/null", { write: true }), stream);
  instead(Deno, "openSync", open);
  instead(Deno, "open", (stream) => Promise.resolve(open(stream)));
  for (const name of ["writeFile", "writeTextFile"]) {
    instead(Deno, `${name}Sync`, (stream, args) => void write(stream, args[1]));
    instead(Deno, name, async (stream, args) => void write(stream, await whole(args[1])));
  }
}
