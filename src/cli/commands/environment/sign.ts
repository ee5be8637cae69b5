/**
 * Owns `outrider environment sign`: signs what was built, or one file.
 * Must not know what a signature is.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";
import { signerOf, type SigningFlags, signingFlags } from "../../run/signing.ts";

async function sign(this: CliContext, flags: SigningFlags, path: string): Promise<void> {
  const signer = await signerOf(flags, this.runtime);
  if (signer === undefined) throw new UsageError("Say which key signs: --sign KEY");
  const { signFiles } = await import("../../../environment/vouch/signed.ts");
  const written = await signFiles(path, signer.key, signer.version);
  for (const file of written) this.runtime.stdout.write(`${file}\n`);
  this.runtime.stderr.write(`${path}: ${signer.told}\n`);
}

/** `outrider environment sign` */
export const command: Command<CliContext> = buildCommand<SigningFlags, [string], CliContext>({
  func: sign,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ placeholder: "PATH", brief: "Where it was built, or one file", parse: String }],
    },
    flags: signingFlags,
  },
  docs: {
    brief: "Sign what was built, or one file, for devices that trust the key",
    customUsage: ["DIR --sign KEY [--version N]"],
  },
});
