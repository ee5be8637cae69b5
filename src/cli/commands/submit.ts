/**
 * Owns `outrider submit`: hands a pipeline to a gateway, for an executor or a group.
 * Must not know how the gateway keeps it.
 */
import { readJson } from "../../model/json_text.ts";
import { PipelineError } from "../../model/problem.ts";
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { Bundle } from "../../pipeline/document/bundle.ts";
import type { CliContext } from "../line/context.ts";
import { gatewayFlags } from "../ask/gateway_flags.ts";
import { gatewayOf } from "../ask/gateway_options.ts";
import type { GatewayFlags } from "../ask/gateway_options.ts";
import { UsageError } from "../line/errors.ts";
import { withText } from "../run/pipeline_source.ts";
import { readSource, streamText } from "../run/source.ts";
import type { Submitted } from "../../protocol/messages.ts";

interface Flags extends GatewayFlags {
  readonly to: string;
  readonly replace?: boolean;
}

async function submit(this: CliContext, { to, replace, ...where }: Flags, file: string): Promise<void> {
  const gateway = gatewayOf(where, this.runtime);
  const { text, hash, name } = await bundleOf(file, this);
  const options = { ...(name === undefined ? {} : { name }), ...(replace && { replace }) };
  const submitted = await gateway.submit(new TextEncoder().encode(text), to, options);
  const { version } = submitted;
  this.runtime.stdout.write(`${file} is for ${to} now: version ${version}, hash ${hash}\n`);
  this.runtime.stderr.write(queued(submitted));
}

/** What a gateway that has a queue tells of it, for a person. */
function queued({ id, to, before = 0, executors, replaced = [] }: Submitted): string {
  if (id === undefined) return "";
  const place = before === 0 ? "next" : `after ${before} ${before === 1 ? "other" : "others"}`;
  const lines = [`It is ${id} in the queue, ${place}; outrider cancel ${id} withdraws it`];
  if (replaced.length > 0) lines.push(`It replaces what waited: ${replaced.join(", ")}`);
  if (executors === 0) {
    const whom = to.startsWith("group:") ? `No executor of ${to}` : `No executor ${to}`;
    lines.push(`${whom} was ever seen at this gateway: it waits until one comes`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** A bundle as it is sent, and the hash of what it holds: the one that `outrider bundle` tells. */
interface Sent {
  readonly text: string;
  readonly hash: string;
  readonly name: string | undefined;
}

/** A bundle; any other pipeline is bundled first. */
async function bundleOf(file: string, { runtime }: CliContext): Promise<Sent> {
  const stream = await streamText(file, runtime);
  const text = stream ?? await readSource(file, runtime);
  const { bundleText, isBundle, openBundle } = await import("../../pipeline/document/bundle.ts");
  const { value: document, problems } = readJson(text, file);
  if (isBundle(document)) {
    if (problems.length > 0) throw new PipelineError(problems, { source: file });
    await openBundle(document, file);
    const { hash, manifest } = document as Bundle;
    return { text, hash, name: manifest.name };
  }
  const { bundlePipeline } = await import("../../environment/bundling.ts");
  if (stream !== undefined) {
    const made = await withText(stream, { file, runtime, use: bundlePipeline });
    return { text: bundleText(made), hash: made.hash, name: made.manifest.name };
  }
  if (!/\.(json|[cm]?[jt]s)$/i.test(file)) {
    throw new UsageError(`${JSON.stringify(file)} is no bundle: make one with outrider bundle PIPELINE`);
  }
  const made = await bundlePipeline(file);
  return { text: bundleText(made), hash: made.hash, name: made.manifest.name };
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
      replace: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "What waits in the same queue leaves it (default: it is carried out first)",
      },
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "Hand a pipeline to the gateway, for an executor or a group",
    fullDescription: `Hands a pipeline to the gateway, for an executor or a group.

It goes to the end of the queue: an executor carries out one pipeline after the other, in order.
outrider executors ID lists them, outrider cancel withdraws one.`,

    customUsage: [
      "FILE --to ID [--replace]",
      { input: "check.outrider.json --to pi-7", brief: "for one executor" },
      { input: "pipeline.ts --to group:roof", brief: "bundle it, for all in a group" },
    ],
  },
});
