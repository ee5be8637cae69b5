/**
 * Owns `outrider environment push`: takes what was built to a registry.
 * Must not know how it lies there.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { gatewayFlags } from "../../ask/gateway_flags.ts";
import type { GatewayFlags } from "../../ask/gateway_options.ts";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";

interface Flags extends GatewayFlags {
  readonly json?: boolean;
}

async function push(this: CliContext, { json, ...where }: Flags, dir: string, text: string): Promise<void> {
  const { stdout, stderr, cwd } = this.runtime;
  const { registryOf } = await import("../../ask/registry.ts");
  const { pushMade } = await import("../../../environment/registry/deliver.ts");
  const { referenceText } = await import("../../../environment/registry/reference.ts");
  const { pathIn } = await import("../../../runtime/disk.ts");
  const { runtime } = await import("../../../runtime/runtime.ts");
  const { Steps } = await import("../../view/steps.ts");
  const { amount } = await import("../../view/measures.ts");
  const { reference, line } = await registryOf(text, where, this.runtime);
  if (reference.digest !== undefined) {
    throw new UsageError("What is pushed gets its digest from what it is: write NAME:TAG, or NAME alone");
  }
  const steps = new Steps(stderr);
  const pushed = await pushMade({
    line,
    repository: reference.repository,
    folder: pathIn(cwd(), dir),
    files: runtime,
    progress: (step, done, total) => steps.tell(step, done, total),
  }, reference.tag === undefined ? undefined : [reference.tag]).finally(() => steps.end());
  if (json) return stdout.json(`${JSON.stringify({ repository: reference.repository, ...pushed })}\n`);
  const { digest, tags, sentBytes, knownBytes } = pushed;
  const name = referenceText({ ...reference, tag: tags[0], digest });
  stdout.write(`${name}\n`);
  stderr.write(
    `Pushed as ${tags.join(" and ")}: ${amount(sentBytes)} sent, ${amount(knownBytes)} were there already\n`,
  );
}

/** `outrider environment push` */
export const command: Command<CliContext> = buildCommand<Flags, [string, string], CliContext>({
  func: push,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        { placeholder: "DIR", brief: "Where it was built", parse: String },
        {
          placeholder: "REF",
          brief: "NAME or NAME:TAG at the gateway, or HOST/NAME:TAG elsewhere",
          parse: String,
        },
      ],
    },
    flags: {
      json: { kind: "boolean", optional: true, withNegated: false, brief: "Print one JSON document" },
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "Push what was built to the gateway, or to another registry",
    customUsage: ["DIR REF", { input: "out probe", brief: "to the gateway, as its version and as latest" }, {
      input: "out ghcr.io/me/probe:2",
      brief: "elsewhere, as who docker login has made known",
    }],
  },
});
