/**
 * Owns `outrider import`: turns files of other systems into pipelines. One route for each kind of file.
 * Must not know the formats.
 */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { RouteMap } from "@stricli/core";
import type { Problem } from "../../model/problem.ts";
import type { CliContext } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { fileJson, positiveNumber } from "../line/options.ts";
import { readSource, writeTarget } from "../run/source.ts";

interface Flags {
  readonly scale: number;
  readonly output?: string;
}

async function wfformat(this: CliContext, { scale, output }: Flags, file: string): Promise<void> {
  const document = fileJson(file, await readSource(file, this.runtime));
  const warn = ({ place, message }: Problem) => this.runtime.stderr.write(`${file}: ${place}: ${message}\n`);
  const { importWfFormat } = await import("../../pipeline/import/wfformat.ts");
  const text = `${JSON.stringify(importWfFormat(document, { scale, warn }), undefined, 2)}\n`;
  if (output === undefined) this.runtime.stdout.json(text);
  else await writeTarget(output, text, this.runtime);
}

/** The graph stays in its file, which only Python can open. */
async function netunicorn(this: CliContext, { output }: Pick<Flags, "output">, file: string): Promise<void> {
  const { isPickledGraph } = await import("../../pipeline/load/load.ts");
  const error = await readSource(file, this.runtime).catch((error: Error) => error);
  if (!(error instanceof Error)) throw noGraph(file);
  if (!isPickledGraph(error.cause)) {
    throw (error.cause as { code?: unknown }).code === "OUTRIDER_UTF8" ? noGraph(file) : error;
  }
  const { loadDocument } = await import("../../run/loading.ts");
  const { document } = await loadDocument(file);
  const text = `${JSON.stringify(document, undefined, 2)}\n`;
  if (output === undefined) this.runtime.stdout.json(text);
  else await writeTarget(output, text, this.runtime);
}

function noGraph(file: string): UsageError {
  return new UsageError(
    `${file} is no graph of netUnicorn's: it does not begin as a pickle of protocol 2 to 5 does`,
  );
}

const OUTPUT = {
  kind: "parsed",
  parse: String,
  optional: true,
  placeholder: "FILE",
  brief: "Write to FILE instead of stdout",
} as const;

/** `outrider import` */
export const command: RouteMap<CliContext> = buildRouteMap<"wfformat" | "netunicorn", CliContext>({
  routes: {
    netunicorn: buildCommand<Pick<Flags, "output">, [string], CliContext>({
      func: netunicorn,
      parameters: {
        positional: {
          kind: "tuple",
          parameters: [{
            placeholder: "FILE",
            brief: "A graph as netUnicorn's client pickled it",
            parse: String,
          }],
        },
        flags: { output: OUTPUT },
        aliases: { o: "output" },
      },
      docs: {
        brief: "One of netUnicorn's execution graphs, to a pipeline that runs its tasks",
        customUsage: [
          "FILE [-o FILE]",
          {
            input: "graph.pickle -o pipeline.json",
            brief: "the pipeline names the file; check, graph and run take it too",
          },
        ],
      },
    }),
    wfformat: buildCommand<Flags, [string], CliContext>({
      func: wfformat,
      parameters: {
        positional: {
          kind: "tuple",
          parameters: [{ placeholder: "FILE", brief: "A WfFormat (WfCommons) trace, JSON", parse: String }],
        },
        flags: {
          scale: {
            kind: "parsed",
            parse: positiveNumber,
            default: "0.001",
            placeholder: "FACTOR",
            brief: "Tasks compute for the recorded time times this factor",
          },
          output: OUTPUT,
        },
        aliases: { o: "output" },
      },
      docs: {
        brief: "A WfFormat trace, to a pipeline whose tasks compute for the recorded time",
        customUsage: [
          "FILE [--scale FACTOR] [-o FILE]",
          { input: "trace.json --scale 0.001 -o pipeline.json", brief: "a thousandth of the recorded time" },
        ],
      },
    }),
  },
  docs: { brief: "Turn a file of another system into a pipeline" },
});
