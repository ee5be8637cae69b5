/**
 * Owns `outrider environment build`: its options, and what a person sees while it works and at the end.
 * Must not know how anything is built.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { BuildRequest } from "../../../environment/build.ts";
import type { EnvironmentKind, Target } from "../../../environment/document/schema.ts";
import { chosenOf } from "../../line/chosen.ts";
import type { CliContext, CliRuntime } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";
import { leavingOnSignals } from "../../run/leaving.ts";
import { signerOf, type SigningFlags, signingFlags } from "../../run/signing.ts";
import { readSource } from "../../run/source.ts";

interface Flags extends SigningFlags {
  readonly kind?: readonly string[];
  readonly target?: readonly string[];
  readonly output: string;
  readonly cache?: string;
  readonly json?: boolean;
}

async function build(this: CliContext, flags: Flags, file: string): Promise<void> {
  const { stdout, stderr } = this.runtime;
  const text = await readSource(file, this.runtime);
  const { buildEnvironment } = await import("../../../environment/build.ts");
  const { madeText } = await import("../../../environment/made.ts");
  const { madeTable } = await import("../../view/made_table.ts");
  const { Steps } = await import("../../view/steps.ts");
  const signer = await signerOf(flags, this.runtime);
  const request = await requestOf(flags, { file, text }, this.runtime);
  const steps = new Steps(stderr);
  const unshield = flags.json ? this.runtime.shieldStdout() : () => {};
  try {
    const record = await leavingOnSignals(this.runtime, () =>
      buildEnvironment({
        ...request,
        ...(signer && { signer }),
        progress: (step, done, total) => steps.tell(step, done, total),
      })).finally(() => {
        steps.end();
        unshield();
      });
    if (signer !== undefined) stderr.write(`${flags.output}: ${signer.told}\n`);
    if (flags.json) stdout.json(madeText(record));
    else stdout.write(madeTable(record));
  } finally {
    steps.end();
  }
}

async function requestOf(
  { kind, target, output, cache }: Flags,
  { file, text }: { readonly file: string; readonly text: string },
  { cwd, env }: CliRuntime,
): Promise<Omit<BuildRequest, "progress">> {
  const { readEnvironment } = await import("../../../environment/document/read.ts");
  const { ENVIRONMENT_KINDS, TARGETS } = await import("../../../environment/document/schema.ts");
  const { cacheFolder, folderOf, pathIn } = await import("../../../runtime/disk.ts");
  const kinds = chosenOf<EnvironmentKind>("kind", kind, ENVIRONMENT_KINDS);
  const targets = chosenOf<Target>("target", target, TARGETS);
  return {
    environment: readEnvironment(text, file),
    folder: folderOf(pathIn(cwd(), file)),
    ...(kinds !== undefined && { kinds }),
    ...(targets !== undefined && { targets }),
    output: pathIn(cwd(), output),
    cache: cache === undefined ? cacheFolder(env) : pathIn(cwd(), cache),
    epoch: epochOf(env("SOURCE_DATE_EPOCH")),
  };
}

/** The time of all that is made. */
function epochOf(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  // What archives and images can hold: up to the year 2106.
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 32) return Number(text);
  throw new UsageError(`SOURCE_DATE_EPOCH: Must be seconds since 1970; received ${JSON.stringify(text)}`);
}

/** `outrider environment build` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: build,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ placeholder: "FILE", brief: "The environment.json", parse: String }],
    },
    flags: {
      kind: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: ",",
        placeholder: "KIND",
        brief:
          "Make these, separated by commas: executable, script, oci, vm, bundle (default: what FILE says)",
      },
      target: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: ",",
        placeholder: "TARGET",
        brief:
          "Make them for these, separated by commas, such as linux-x64,linux-arm64 (default: what FILE says)",
      },
      output: {
        kind: "parsed",
        parse: String,
        placeholder: "DIR",
        brief: "Put what is made into DIR",
      },
      cache: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "DIR",
        brief: "Keep what was downloaded in DIR (default: this user's cache)",
      },
      ...signingFlags,
      json: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Print the record of what was made as JSON",
      },
    },
    aliases: { o: "output" },
  },
  docs: {
    brief: "Make what environment.json says, for each target",
    customUsage: [
      "FILE -o DIR [--kind KIND,…] [--target TARGET,…]",
      { input: "environment.json -o out --kind oci", brief: "make an image only" },
    ],
  },
});
