/**
 * Owns `outrider bundle`: writes a pipeline and the code of its tasks as one file.
 * Must not know how code is bundled.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { signerOf, type SigningFlags, signingFlags } from "../run/signing.ts";
import { withPipeline } from "../run/pipeline_source.ts";
import { writeTarget } from "../run/source.ts";
import { pipelineFile } from "../line/positional.ts";

interface Flags extends SigningFlags {
  readonly output?: string;
}

async function bundle(this: CliContext, { output, ...signing }: Flags, file: string): Promise<void> {
  const signer = await signerOf(signing, this.runtime);
  const { bundledPipeline } = await import("../../environment/bundled.ts");
  const made = await withPipeline(file, this.runtime, (source) => bundledPipeline(source, signer));
  const target = output ?? made.file;
  await writeTarget(target, made.text, this.runtime);
  this.runtime.stderr.write(`${target}: ${made.summary}${signer === undefined ? "" : `, ${signer.told}`}\n`);
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
      ...signingFlags,
    },
    aliases: { o: "output" },
  },
  docs: {
    brief: "Write a pipeline and the code of its tasks as one file that runs anywhere",
    customUsage: [
      "FILE [-o NAME.outrider.json] [--sign KEY]",
      {
        input: "pipeline.ts -o check.outrider.json",
        brief: "bundle a pipeline; outrider run and the agent take it",
      },
      {
        input: "pipeline.ts --sign outrider.key --version 7",
        brief: "sign it, for agents with OUTRIDER_TRUST",
      },
    ],
  },
});
