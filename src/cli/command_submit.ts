/**
 * Owns `outrider submit`: hands a pipeline to a gateway, for an executor or a group.
 * Must not know how the gateway keeps it.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { Bundle } from "../pipeline/bundle.ts";
import type { CliContext } from "./context.ts";
import { gatewayFlags } from "./gateway_flags.ts";
import { gatewayOf } from "./gateway_options.ts";
import type { GatewayFlags } from "./gateway_options.ts";
import { UsageError } from "./errors.ts";
import { readSource } from "./source.ts";

interface Flags extends GatewayFlags {
  readonly to: string;
}

async function submit(this: CliContext, { to, ...where }: Flags, file: string): Promise<void> {
  const gateway = gatewayOf(where, this.runtime);
  const { text, hash } = await bundleOf(file, this);
  const { version } = await gateway.submit(new TextEncoder().encode(text), to);
  this.runtime.stdout.write(`${file} is for ${to} now: version ${version}, hash ${hash}\n`);
}

/** A bundle as it is sent, and the hash of what it holds: the one that `outrider bundle` tells. */
interface Sent {
  readonly text: string;
  readonly hash: string;
}

/** A bundle; any other pipeline is bundled first. */
async function bundleOf(file: string, { runtime }: CliContext): Promise<Sent> {
  const text = await readSource(file, runtime);
  const { bundleText, isBundle, openBundle } = await import("../pipeline/bundle.ts");
  const document = parsed(text);
  if (isBundle(document)) {
    await openBundle(document, file);
    return { text, hash: (document as Bundle).hash };
  }
  if (!/\.(json|[cm]?[jt]s)$/i.test(file)) {
    throw new UsageError(`${JSON.stringify(file)} is no bundle: make one with outrider bundle PIPELINE`);
  }
  const { bundlePipeline } = await import("../bundling.ts");
  const made = await bundlePipeline(file);
  return { text: bundleText(made), hash: made.hash };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `outrider submit` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: submit,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "FILE",
        brief: "A bundle, or a pipeline, which is bundled first",
        parse: String,
      }],
    },
    flags: {
      to: {
        kind: "parsed",
        parse: String,
        placeholder: "ID",
        brief: "An executor's id, group:NAME, or group:all",
      },
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "Hand a pipeline to the gateway, for an executor or a group",

    customUsage: [
      "FILE --to ID",
      { input: "check.outrider.json --to pi-7", brief: "for one executor" },
      { input: "pipeline.ts --to group:roof", brief: "bundle it, for all in a group" },
    ],
  },
});
