/**
 * Owns what a person names as the pipeline: a file, or a stream (`-`, what a shell's `<(…)` hands over, a FIFO), whose form its
 * content tells.
 * Must not know what a pipeline is.
 * Invariant: a stream is read once, and what was written for it has gone when its use is over.
 */
import { readJson } from "../../model/json_text.ts";
import { PipelineError } from "../../model/problem.ts";
import type { CliRuntime } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { lookAtSource, reason, sourceName, type SourceRuntime, streamText } from "./source.ts";

/** A path, or the JSON form. */
export type PipelineSource = string | Readonly<Record<string, unknown>>;

type PipelineRuntime = SourceRuntime & Pick<CliRuntime, "passingModule">;

/** What `use` makes of the pipeline. @throws {UsageError} If it can't be read. */
export async function withPipeline<T>(
  file: string,
  runtime: PipelineRuntime,
  use: (source: PipelineSource) => Promise<T>,
): Promise<T> {
  const text = await streamText(file, runtime);
  if (text === undefined) {
    await lookAtSource(file, runtime);
    return await use(file);
  }
  return await withText(text, { file, runtime, use });
}

/** What `use` makes of a pipeline that came from a stream. */
export async function withText<T>(
  text: string,
  { file, runtime, use }: {
    readonly file: string;
    readonly runtime: PipelineRuntime;
    readonly use: (source: PipelineSource) => Promise<T>;
  },
): Promise<T> {
  const { isJsonForm } = await import("../../pipeline/load/load.ts");
  if (isJsonForm("", text)) return await use(documentIn(text, file));
  const module = await moduleIn(text, file, runtime);
  return await use(module.path).finally(module.remove);
}

function documentIn(text: string, file: string): Record<string, unknown> {
  const source = sourceName(file);
  if (text.trim() === "") {
    const message = "Nothing came: a pipeline is written as a JSON object, or is a module";
    throw new PipelineError([{ place: source, message }]);
  }
  const { value, problems } = readJson(text, source);
  if (problems.length > 0) throw new PipelineError(problems, { source });
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new PipelineError([{ place: source, message: 'A pipeline is an object with "tasks"' }]);
}

function moduleIn(
  text: string,
  file: string,
  runtime: PipelineRuntime,
): ReturnType<PipelineRuntime["passingModule"]> {
  return runtime.passingModule(text).catch((error: unknown) => {
    throw new UsageError(
      `A module that comes from ${
        sourceName(file)
      } lies in the working directory while it is used, and can't be written there: ${
        reason(error)
      }: go to another directory, or name a file`,
      { cause: error },
    );
  });
}
