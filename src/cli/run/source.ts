/**
 * Owns the first look at a FILE on the command line, so that a wrong path is told in words.
 * Must not know what is in the file.
 */
import { messageOf } from "../../base/message.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";

const REASONS: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `There is no file ${JSON.stringify(path)}`,
  ENOTDIR: (path) => `There is no file ${JSON.stringify(path)}`,
  EISDIR: (path) =>
    `${JSON.stringify(path)} is a directory: give the file in it, such as ${join(path, "pipeline.ts")}`,
  EACCES: (path) => `${JSON.stringify(path)} may not be read: its permissions forbid it`,
};

/** What a file or a stream is read with. */
export type SourceRuntime = Pick<CliRuntime, "readText" | "cwd" | "about" | "readStream">;

/** What a stream brings; `undefined` for what is none. @throws {UsageError} If it can't be read. */
export async function streamText(file: string, runtime: SourceRuntime): Promise<string | undefined> {
  const isStdin = file === "-" || /^\/(?:dev\/stdin|(?:dev|proc\/self)\/fd\/0)$/.test(file);
  try {
    if (!isStdin) {
      const about = await runtime.about(file).catch(() => undefined);
      if (about === undefined || about.isFile || about.isFolder) return undefined;
    }
    return await runtime.readStream(isStdin ? "-" : file);
  } catch (error) {
    throw new UsageError(`${sourceName(file)} can't be read: ${reason(error)}`, { cause: error });
  }
}

/** What a person calls it. */
export function sourceName(file: string): string {
  return file === "-" ? "stdin" : file;
}

/**
 * Reads a file or a stream that was named on the command line.
 *
 * @throws {UsageError} If it is not there, a directory, or not readable.
 */
export async function readSource(path: string, runtime: SourceRuntime): Promise<string> {
  const stream = await streamText(path, runtime);
  if (stream !== undefined) return stream;
  try {
    return await runtime.readText(path);
  } catch (error) {
    throw new UsageError(fileProblem(error, path, runtime), { cause: error });
  }
}

/** Most bytes that are read of a file to see that it can be: one that is larger is read once. */
const LOOK_BYTES = 65_536;

/**
 * Looks whether a file that was named on the command line can be read, for who reads it elsewhere.
 *
 * @throws {UsageError} If it is not there, a directory, or not readable.
 */
export async function lookAtSource(
  path: string,
  runtime: Pick<CliRuntime, "readText" | "cwd">,
): Promise<void> {
  try {
    await runtime.readText(path, LOOK_BYTES);
  } catch (error) {
    // A graph of netUnicorn's is no text, and what is no text and no graph either is told by who loads it.
    if (["EFBIG", "OUTRIDER_UTF8"].includes(`${(error as { code?: unknown }).code}`)) return;
    throw new UsageError(fileProblem(error, path, runtime), { cause: error });
  }
}

/**
 * Writes a file that was named on the command line.
 *
 * @throws {UsageError} If it can't be written.
 */
export async function writeTarget(
  path: string,
  text: string,
  runtime: Pick<CliRuntime, "writeText">,
): Promise<void> {
  try {
    await runtime.writeText(path, text);
  } catch (error) {
    throw new UsageError(`${JSON.stringify(path)} can't be written: ${reason(error)}`, { cause: error });
  }
}

/** The reason that the system gives, without the call and the path that it adds. */
export function reason(error: unknown): string {
  const message = messageOf(error);
  return message.replace(/^[A-Z]+: /, "").replace(/,? \w+ '.*$/, "");
}

function fileProblem(error: unknown, path: string, { cwd }: Pick<CliRuntime, "cwd">): string {
  const known = REASONS[(error as { code?: string }).code ?? ""];
  if (known === undefined) return `${JSON.stringify(path)} can't be read: ${reason(error)}`;
  const relative = !/^([/\\]|[A-Za-z]:)/.test(path);
  return known(path) + (relative && known === REASONS["ENOENT"] ? ` in ${cwd()}` : "");
}

function join(directory: string, file: string): string {
  return `${directory.replace(/[/\\]+$/, "")}/${file}`;
}
