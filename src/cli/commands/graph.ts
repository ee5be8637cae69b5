/**
 * Owns `outrider graph`: prints or writes a pipeline as a graph.
 * Must not know how a graph is drawn.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { withPipeline } from "../run/pipeline_source.ts";
import { writeTarget } from "../run/source.ts";
import { pipelineFile } from "../line/positional.ts";

const FORMATS = ["mermaid", "dot", "json", "svg"] as const;
type Format = (typeof FORMATS)[number];

interface Flags {
  readonly format?: Format;
  readonly output?: string;
}

async function graph(this: CliContext, { format, output }: Flags, file: string): Promise<void> {
  const form = format ?? formatOf(output);
  const [{ loadPlan }, drawing] = await Promise.all([
    import("../../run/loading.ts"),
    import("../../pipeline/plan/graph.ts"),
  ]);
  const plan = await withPipeline(file, this.runtime, (source) => loadPlan(source));
  const drawn = await drawing.graph(plan, form);
  const text = drawn.endsWith("\n") ? drawn : `${drawn}\n`;
  if (output === undefined) this.runtime.stdout.write(text);
  else await writeTarget(output, text, this.runtime);
}

/** What the name of a file may end in, and what that asks for. */
const ENDINGS: Readonly<Record<string, Format>> = {
  mmd: "mermaid",
  mermaid: "mermaid",
  dot: "dot",
  gv: "dot",
  json: "json",
  svg: "svg",
};

/** The format that the name of the file asks for; a name without an ending asks for none. */
function formatOf(output: string | undefined): Format {
  const [, ending] = /[^/\\]\.([^./\\]+)$/.exec(output ?? "") ?? [];
  if (ending === undefined) return "mermaid";
  const form = new Map(Object.entries(ENDINGS)).get(ending.toLowerCase());
  if (form !== undefined) return form;
  const known = Object.keys(ENDINGS).map((each) => `.${each}`).join(", ");
  throw new UsageError(
    `--output ${JSON.stringify(output)}: There is no graph of the form ${JSON.stringify(ending)}: ` +
      `end the name in one of ${known}, or say --format ${FORMATS.join("|")}` +
      (PICTURES.test(ending)
        ? `; Graphviz makes it: outrider graph FILE --format dot | dot -T${ending.toLowerCase()} > ${output}`
        : ""),
  );
}

/** Endings of pictures that Graphviz makes. */
const PICTURES = /^(png|pdf|jpe?g|gif|webp|ps|eps)$/i;

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
        brief: "What to print (default: what the name of the output file says by its ending, else mermaid)",
      },
      output: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write to FILE instead of stdout: .mmd, .dot, .json or .svg",
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
