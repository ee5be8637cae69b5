/**
 * Owns what a task writes to our outputs as to files: descriptors 1 and 2, `/dev/stdout` and its like, by `node:fs`, which
 * all runtimes have; and what the files that are a runtime's own need for the same.
 * Must not know whose text it is.
 * Invariant: a file of any other name or number is written as ever.
 */
import fs from "node:fs";
import nodeModule from "node:module";
import type { StreamName, Write } from "./inside_port.ts";
import { wrap } from "./replace.ts";

type Callback = (error: null, ...results: unknown[]) => void;

const NAMES =
  /^\/(?:dev\/(?:(stdout)|(stderr)|fd\/(?:(1)|(2)))|proc\/(?:self|thread-self|\d+)\/fd\/(?:(1)|(2)))$/;

/** Descriptors of ours that a task has opened by a name. They are of a file that takes all and keeps nothing. */
const opened: Map<unknown, StreamName> = new Map();

/** Which of our outputs a file is, named by its descriptor, path or URL. */
export function streamOf(file: unknown): StreamName | undefined {
  if (typeof file === "number") return file === 1 ? "stdout" : file === 2 ? "stderr" : opened.get(file);
  const path = file instanceof URL ? file.pathname : String(file);
  const match = path.length > 40 ? null : NAMES.exec(path);
  if (match === null) return undefined;
  return match[1] ?? match[3] ?? match[5] ? "stdout" : "stderr";
}

/**
 * Leads what is written to our outputs by `node:fs` to `write`.
 *
 * @param promises Whether `node:fs/promises` is stepped into as well.
 */
export function captureFs(write: Write, { promises }: { readonly promises: boolean }): void {
  const { openSync } = fs;
  const open = (stream: StreamName): number => {
    const file = openSync("/dev/null", "w");
    opened.set(file, stream);
    return file;
  };
  instead(fs, "openSync", (stream) => open(stream));
  instead(fs, "open", (stream, args) => callBack(args, open(stream)));
  instead(fs, "writeSync", (stream, args) => write(stream, part(args)));
  instead(fs, "write", (stream, args) => callBack(args, write(stream, part(args)), args[1]));
  const all = (stream: StreamName, parts: unknown) =>
    (parts as readonly unknown[]).reduce((sum: number, each) => sum + write(stream, each), 0);
  instead(fs, "writevSync", (stream, args) => all(stream, args[1]));
  instead(fs, "writev", (stream, args) => callBack(args, all(stream, args[1]), args[1]));
  for (const name of ["writeFile", "appendFile"] as const) {
    instead(fs, `${name}Sync`, (stream, args) => void write(stream, args[1]));
    instead(fs, name, (stream, args) => (write(stream, args[1]), callBack(args)));
    if (!promises) continue;
    instead(fs.promises, name, (stream, args) => Promise.resolve(void write(stream, args[1])));
  }
  for (const name of ["close", "closeSync"]) {
    wrap(fs, name, (original) => (...args) => {
      opened.delete(args[0]);
      return original(...args);
    });
  }
  (nodeModule as { syncBuiltinESMExports?: () => void }).syncBuiltinESMExports?.();
}

/** Calls `act` before a descriptor is closed by `node:fs`. */
export function beforeClosing(act: (descriptor: unknown) => void): void {
  for (const name of ["close", "closeSync"]) {
    wrap(fs, name, (original) => (...args) => {
      act(args[0]);
      return original(...args);
    });
  }
  (nodeModule as { syncBuiltinESMExports?: () => void }).syncBuiltinESMExports?.();
}

/** Calls `act` in the place of a method whose first argument is one of our outputs. */
export function instead(
  target: object,
  name: string,
  act: (stream: StreamName, args: readonly unknown[]) => unknown,
): void {
  wrap(target, name, (original) => (...args) => {
    const stream = streamOf(args[0]);
    return stream === undefined ? original(...args) : act(stream, args);
  });
}

function callBack(args: readonly unknown[], ...results: readonly unknown[]): void {
  const last = args.at(-1);
  if (typeof last === "function") queueMicrotask(() => (last as Callback)(null, ...results));
}

/** The part of a buffer that a call of `fs.write` names. */
function part([, what, offset, length]: readonly unknown[]): unknown {
  if (typeof what === "string") return what;
  const bytes = bytesOf(what);
  const from = typeof offset === "number" ? offset : 0;
  return bytes.subarray(from, typeof length === "number" ? from + length : undefined);
}

/** The bytes of what can be written. */
export function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return new TextEncoder().encode(String(chunk));
}

/** What is written, once it is all there: a text, bytes, a blob, a stream. */
export async function whole(what: unknown): Promise<unknown> {
  if (typeof what === "string" || what instanceof Uint8Array) return what;
  return new Uint8Array(await new Response(what as BodyInit).arrayBuffer());
}
