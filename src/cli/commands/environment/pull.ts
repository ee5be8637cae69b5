/**
 * Owns `outrider environment pull`: fetches an environment, or an image, from a registry.
 * Must not know how it lies there.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { trustIn } from "../../../config/asking.ts";
import type { EnvironmentKind, Target } from "../../../environment/document/schema.ts";
import type { Delivery } from "../../../environment/registry/deliver.ts";
import type { FoundManifest } from "../../../environment/registry/pull.ts";
import { gatewayFlags } from "../../ask/gateway_flags.ts";
import type { GatewayFlags } from "../../ask/gateway_options.ts";
import type { NamedInRegistry } from "../../ask/registry.ts";
import { chosenOf } from "../../line/chosen.ts";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";
import { leavingOnSignals } from "../../run/leaving.ts";

interface Flags extends GatewayFlags {
  readonly output: string;
  readonly kind?: readonly string[];
  readonly target?: readonly string[];
  readonly json?: boolean;
}

async function pull(this: CliContext, flags: Flags, text: string): Promise<void> {
  const { registryOf } = await import("../../ask/registry.ts");
  const { manifestOf } = await import("../../../environment/registry/pull.ts");
  const { recordOf } = await import("../../../environment/registry/deliver.ts");
  const { referenceText, referredBy } = await import("../../../environment/registry/reference.ts");
  const named = await registryOf(text, flags, this.runtime);
  const { reference, line } = named;
  const found = await manifestOf(line, reference.repository, referredBy(reference));
  if (found === undefined) {
    throw new UsageError(
      `${referenceText(reference)} is not in ${line.url}: outrider environment list tells what is`,
    );
  }
  const made = await recordOf({ line, repository: reference.repository }, found);
  const trust = trustIn(this.runtime.env);
  if (trust !== undefined) await check.call(this, { ...named, found, trust, text: made?.text });
  await leavingOnSignals(
    this.runtime,
    () =>
      made === undefined
        ? ofOthers.call(this, flags, named, found)
        : ofOurs.call(this, flags, named, { found, made, trust }),
  );
}

/** @throws {TrustError} If no trusted key has signed it. Nothing was written then. */
async function check(
  this: CliContext,
  { reference, line, found, trust, text }: NamedInRegistry & {
    readonly found: FoundManifest;
    readonly trust: string;
    readonly text: string | undefined;
  },
): Promise<void> {
  const { referenceText } = await import("../../../environment/registry/reference.ts");
  const { TrustError } = await import("../../../trust/error.ts");
  const { trustedAt } = await import("../../ask/registry.ts");
  if (text === undefined) {
    throw new TrustError(
      `${
        referenceText(reference)
      } is an image of others, which no key of OUTRIDER_TRUST has signed: pull it without OUTRIDER_TRUST`,
    );
  }
  const { repository } = reference;
  await trustedAt({ line, repository }, { found, text }, { trust, runtime: this.runtime });
}

async function ofOurs(
  this: CliContext,
  { output, kind, target, json }: Flags,
  named: NamedInRegistry,
  { found, made, trust }: {
    readonly trust: string | undefined;
    readonly found: FoundManifest;
    readonly made: NonNullable<
      Awaited<ReturnType<typeof import("../../../environment/registry/deliver.ts").recordOf>>
    >;
  },
): Promise<void> {
  const { ENVIRONMENT_KINDS, TARGETS } = await import("../../../environment/document/schema.ts");
  const { pullMade } = await import("../../../environment/registry/deliver.ts");
  const { madeTable } = await import("../../view/made_table.ts");
  const kinds = chosenOf<EnvironmentKind>("kind", kind, ENVIRONMENT_KINDS);
  const targets = chosenOf<Target>("target", target, TARGETS);
  const { delivery, end } = await deliveryOf.call(this, output, named);
  const judge = trust === undefined
    ? undefined
    : await (await import("../../run/trusted.ts")).judgeOf({ trust, runtime: this.runtime });
  const files = await pullMade(delivery, found, { ...made, kinds, targets, judge }).finally(end);
  const { digest } = found.descriptor;
  if (json) this.runtime.stdout.json(`${JSON.stringify({ digest, name: made.record.name, files })}\n`);
  else this.runtime.stdout.write(madeTable({ ...made.record, files }));
}

/** Where what is pulled goes, and how it is told; `end` takes the line of steps away. */
async function deliveryOf(
  this: CliContext,
  output: string,
  { reference, line }: NamedInRegistry,
): Promise<{ readonly delivery: Delivery; readonly end: () => void }> {
  const { pathIn } = await import("../../../runtime/disk.ts");
  const { runtime } = await import("../../../runtime/runtime.ts");
  const { Steps } = await import("../../view/steps.ts");
  const steps = new Steps(this.runtime.stderr);
  return {
    delivery: {
      line,
      repository: reference.repository,
      folder: pathIn(this.runtime.cwd(), output),
      files: runtime,
      progress: (step, done, total) => steps.tell(step, done, total),
    },
    end: () => steps.end(),
  };
}

async function ofOthers(
  this: CliContext,
  { output, target, json }: Flags,
  named: NamedInRegistry,
  found: FoundManifest,
): Promise<void> {
  const { TARGETS } = await import("../../../environment/document/schema.ts");
  const { platformOf } = await import("../../../environment/registry/artifacts.ts");
  const { pullImage } = await import("../../../environment/registry/deliver.ts");
  const { referenceText } = await import("../../../environment/registry/reference.ts");
  const [wanted = "linux-x64", more] = chosenOf<Target>("target", target, TARGETS) ?? [];
  if (more !== undefined) throw new UsageError("An image of others is pulled for one --target at a time");
  const { delivery, end } = await deliveryOf.call(this, output, named);
  const image = await pullImage(delivery, found, platformOf(wanted)).finally(end);
  if (json) return this.runtime.stdout.json(`${JSON.stringify({ ...image, target: wanted })}\n`);
  this.runtime.stdout.write(
    `${referenceText(named.reference)} for ${wanted} is in ${output}: ${image.digest}\n`,
  );
}

/** `outrider environment pull` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: pull,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "REF",
        brief: "NAME:TAG or NAME@DIGEST at the gateway, or HOST/NAME:TAG elsewhere",
        parse: String,
      }],
    },
    aliases: { o: "output" },
    flags: {
      output: { kind: "parsed", parse: String, placeholder: "DIR", brief: "Put it into DIR" },
      kind: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: ",",
        placeholder: "KIND",
        brief: "Only these kinds, separated by commas (default: all)",
      },
      target: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: ",",
        placeholder: "TARGET",
        brief: "Only for these, separated by commas (default: all; of an image of others linux-x64)",
      },
      json: { kind: "boolean", optional: true, withNegated: false, brief: "Print one JSON document" },
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "Pull an environment, or an image of others, from the gateway or another registry",
    customUsage: ["REF -o DIR [--kind KIND] [--target TARGET]", {
      input: "probe:2 -o out --target linux-arm64",
      brief: "of the gateway's, what is for a Raspberry Pi; what was cut off goes on",
    }],
  },
});
