/**
 * Owns `outrider environment verify`: whether what lies in a folder is what a trusted key has signed.
 * Must not know what a signature is.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import { counted } from "../../../base/shown.ts";
import { trustIn } from "../../../config/asking.ts";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";

interface Flags {
  readonly trust?: string;
}

async function verify(this: CliContext, { trust }: Flags, path: string): Promise<void> {
  const named = trust ?? trustIn(this.runtime.env);
  if (named === undefined) {
    throw new UsageError("Whose signature counts is not said: --trust KEY, or OUTRIDER_TRUST");
  }
  const { trustedKeys } = await import("../../../trust/keys.ts");
  const { verifyFiles } = await import("../../../environment/vouch/signed.ts");
  const keys = await trustedKeys(named, (file) => this.runtime.readText(file));
  const { keyId, version, record } = await verifyFiles(path, keys);
  const whole = record === undefined ? "" : ` and ${counted(record.files.length, "file")} of its record`;
  this.runtime.stdout.write(`${path}${whole}: version ${version}, signed by ${keyId}\n`);
}

/** `outrider environment verify` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: verify,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ placeholder: "PATH", brief: "Where it was built, or one file", parse: String }],
    },
    flags: {
      trust: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "KEYS",
        brief: "Public keys and files of them, with commas between (default: OUTRIDER_TRUST)",
      },
    },
  },
  docs: {
    brief: "Tell whether what was built is what a trusted key has signed",
    customUsage: ["DIR --trust KEYS"],
  },
});
