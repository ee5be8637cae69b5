/**
 * Owns what a task writes to our outputs by Bun's own files.
 * Must not know whose text it is.
 * Invariant: a file of any other name or number is written as ever.
 */
import type { StreamName, Write } from "../inside_port.ts";
import { define, type Properties, wrap } from "../replace.ts";
import { streamOf, whole } from "../worker_files.ts";

/** Leads it to `write`. */
export function captureBunFiles(write: Write): void {
  const bun = (globalThis as unknown as { readonly Bun: Properties }).Bun;
  const streams = new WeakMap<object, StreamName>();
  const sink = (stream: StreamName) => ({
    write: (chunk: unknown) => write(stream, chunk),
    flush: () => 0,
    end: () => 0,
    ref() {},
    unref() {},
  });
  const capture = (file: object, stream: StreamName) => {
    streams.set(file, stream);
    define(file, "writer", () => sink(stream));
    return file;
  };
  for (const stream of ["stdout", "stderr"] as const) capture(bun[stream] as object, stream);
  wrap(bun, "file", (original) => (...args) => {
    const stream = streamOf(args[0]);
    return stream === undefined ? original(...args) : capture(original(...args) as object, stream);
  });
  wrap(bun, "write", (original) => async (...args) => {
    const stream = streams.get(args[0] as object) ?? streamOf(args[0]);
    return stream === undefined ? await original(...args) : write(stream, await whole(args[1]));
  });
}
