/**
 * Owns `outrider bundle`: writes a pipeline and the code of its tasks as one file.
 * Must not know how code is bundled.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { readSource, writeTarget } from "../run/source.ts";
import { pipelineFile } from "../line/positional.ts";

interface Flags {
  readonly output?: string;
}

async function bundle(this: CliContext, { output }: Flags, file: string): Promise<void> {
  await readSource(file, this.runtime);
  const { bundledPipeline } = await import("../../environment/bundled.ts");
  const made = await bundledPipeline(file);
  const target = output ?? made.file;
  await writeTarget(target, made.text, this.runtime);
  this.runtime.stderr.write(`${target}: ${made.summary}\n`);
}

/** `outrider bundle` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: bundle,
  parameters: {
    positional: pipelineFile,
    flags: {
      output: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write to FILE (default: NAME.outrider.json, after the pipeline's name)",
      },
    },
    aliases: { o: "output" },
  },
  docs: {
    brief: "Write a pipeline and the code of its tasks as one file that runs anywhere",
    customUsage: [
      "FILE [-o NAME.outrider.json]",
      {
        input: "pipeline.ts -o check.outrider.json",
        brief: "bundle a pipeline; outrider run and the agent take it",
      },
    ],
  },
});
