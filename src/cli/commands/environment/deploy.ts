/**
 * Owns `outrider environment deploy`: tells an executor to be of another environment.
 * Must not know how it becomes that.
 * Invariant: what is told is a digest, so that the executor gets just what was meant.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { gatewayFlags } from "../../ask/gateway_flags.ts";
import { gatewayOf } from "../../ask/gateway_options.ts";
import type { GatewayFlags } from "../../ask/gateway_options.ts";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";

async function deploy(this: CliContext, where: GatewayFlags, executor: string, text: string): Promise<void> {
  const { gatewayLine } = await import("../../ask/registry.ts");
  const { referenceIn, referredBy, referenceText } = await import(
    "../../../environment/registry/reference.ts"
  );
  const { manifestOf } = await import("../../../environment/registry/pull.ts");
  const { recordOf } = await import("../../../environment/registry/deliver.ts");
  const line = await gatewayLine(where, this.runtime);
  const reference = referenceIn(text);
  const { repository, registry } = reference;
  if (registry !== undefined && registry !== line.url) {
    throw new UsageError(
      `Executors fetch from their gateway, which ${registry} is not: push ${repository} there`,
    );
  }
  const found = await manifestOf(line, repository, referredBy(reference));
  const made = found && await recordOf({ line, repository }, found);
  if (found === undefined || made === undefined) {
    throw new UsageError(`${referenceText(reference)} is no environment at ${line.url}: push it there first`);
  }
  const targets = made.record.files.flatMap(({ kind, target }) => kind === "executable" ? target ?? [] : []);
  if (targets.length === 0) {
    throw new UsageError(
      `${referenceText(reference)} has no executable for any device: build that kind and push it`,
    );
  }
  const pinned = `${repository}@${found.descriptor.digest}`;
  await gatewayOf(where, this.runtime).command(executor, { type: "environment", reference: pinned });
  this.runtime.stdout.write(
    `${executor} is to be of ${pinned}: it hears of it with its next heartbeat, fetches it, and tries it when nothing runs\n`,
  );
}

/** `outrider environment deploy` */
export const command: Command<CliContext> = buildCommand<GatewayFlags, [string, string], CliContext>({
  func: deploy,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        {
          placeholder: "EXECUTOR",
          brief: "The executor's id, as outrider executors lists it",
          parse: String,
        },
        { placeholder: "REF", brief: "NAME, NAME:TAG or NAME@DIGEST at the gateway", parse: String },
      ],
    },
    flags: gatewayFlags,
  },
  docs: {
    brief: "Tell an executor to fetch another environment, try it, and stay with it if it is well",
    customUsage: ["EXECUTOR REF", {
      input: "pi-7 probe:2",
      brief: "outrider executors pi-7 --json tells how far it is",
    }],
  },
});
