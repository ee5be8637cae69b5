/**
 * Owns `outrider graph`: prints or writes a pipeline as a graph.
 * Must not know how a graph is drawn.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { lookAtSource, writeTarget } from "../run/source.ts";
import { pipelineFile } from "../line/positional.ts";

const FORMATS = ["mermaid", "dot", "json", "svg"] as const;
type Format = (typeof FORMATS)[number];

interface Flags {
  readonly format?: Format;
  readonly output?: string;
}

async function graph(this: CliContext, { format, output }: Flags, file: string): Promise<void> {
  await lookAtSource(file, this.runtime);
  const [{ loadPlan }, drawing] = await Promise.all([
    import("../../run/loading.ts"),
    import("../../pipeline/plan/graph.ts"),
  ]);
  const drawn = await drawing.graph(await loadPlan(file), format ?? formatOf(output));
  const text = drawn.endsWith("\n") ? drawn : `${drawn}\n`;
  if (output === undefined) this.runtime.stdout.write(text);
  else await writeTarget(output, text, this.runtime);
}

/** The format that the name of the file asks for. */
function formatOf(output: string | undefined): Format {
  const extension = output?.split(".").at(-1)?.toLowerCase();
  if (extension === "gv") return "dot";
  return FORMATS.find((format) => format === extension) ?? "mermaid";
}

/** `outrider graph` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: graph,
  parameters: {
    positional: pipelineFile,
    flags: {
      format: {
        kind: "enum",
        values: FORMATS,
        optional: true,
        brief: "What to print (default: what the name of the output file says, else mermaid)",
      },
      output: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write to FILE instead of stdout",
      },
    },
    aliases: { o: "output", f: "format" },
  },
  docs: {
    brief: "Print a pipeline as a Mermaid, DOT, JSON or SVG graph",
    customUsage: [
      "FILE [--format mermaid|dot|json|svg] [-o FILE]",
      { input: "pipeline.ts", brief: "print Mermaid, as a README shows it" },
      { input: "pipeline.ts -o pipeline.svg", brief: "write a picture" },
      { input: "pipeline.ts --format dot | dot -Tpng > pipeline.png", brief: "let Graphviz draw it" },
    ],
  },
});
