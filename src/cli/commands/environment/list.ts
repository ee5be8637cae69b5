/**
 * Owns `outrider environment list`: tells what the gateway keeps, or which tags there are of one thing.
 * Must not know how it lies there.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { gatewayFlags } from "../../ask/gateway_flags.ts";
import type { GatewayFlags } from "../../ask/gateway_options.ts";
import type { CliContext } from "../../line/context.ts";
import { columns } from "../../view/columns.ts";

interface Flags extends GatewayFlags {
  readonly json?: boolean;
}

/** Most repositories whose tags are asked for. */
const MAX_REPOSITORIES = 1000;

async function list(this: CliContext, { json, ...where }: Flags, text?: string): Promise<void> {
  const { gatewayLine, registryOf } = await import("../../ask/registry.ts");
  const { repositoriesOf, tagsOf } = await import("../../../environment/registry/lists.ts");
  const found: { repository: string; tags: readonly string[] }[] = [];
  if (text === undefined) {
    const line = await gatewayLine(where, this.runtime);
    for (const repository of (await repositoriesOf(line)).slice(0, MAX_REPOSITORIES)) {
      found.push({ repository, tags: await tagsOf(line, repository) });
    }
  } else {
    const { reference: { repository }, line } = await registryOf(text, where, this.runtime);
    found.push({ repository, tags: await tagsOf(line, repository) });
  }
  if (json) return this.runtime.stdout.json(`${JSON.stringify(found)}\n`);
  const rows = found.map(({ repository, tags }) => [repository, tags.join(" ")]);
  this.runtime.stdout.write(columns([["NAME", "TAGS"], ...rows]));
}

/** `outrider environment list` */
export const command: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  func: list,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "REF",
        brief: "The tags of this (default: all that the gateway keeps)",
        parse: String,
        optional: true,
      }],
    },
    flags: {
      json: { kind: "boolean", optional: true, withNegated: false, brief: "Print one JSON document" },
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "List what the gateway keeps, or the tags of one thing there or elsewhere",
    customUsage: ["[REF] [--json]", { input: "ghcr.io/me/probe", brief: "tags of another registry" }],
  },
});
