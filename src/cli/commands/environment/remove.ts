/**
 * Owns `outrider environment remove`: takes away from this machine what an environment's installer has put there.
 * Must not know how that is done.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../../line/context.ts";
import { installerArguments, type InstallerFlags, installerFlags } from "../../run/installer_flags.ts";

interface Flags extends InstallerFlags {
  readonly purge?: boolean;
}

async function remove(this: CliContext, flags: Flags): Promise<void> {
  const { removerText, runInstaller } = await import("../../../environment/install/run_installer.ts");
  const { pathIn } = await import("../../../runtime/disk.ts");
  const { runtime } = await import("../../../runtime/runtime.ts");
  const { stdout, stderr } = this.runtime;
  const folder = await runtime.makeTempFolder();
  try {
    const path = pathIn(folder, "remove.sh");
    await runtime.writeText(path, removerText());
    this.exitCode = await runInstaller(path, {
      runtime,
      args: [flags.purge ? "--purge" : "--uninstall", ...installerArguments(flags)],
      variables: {},
      onOutput: (stream, bytes) =>
        (stream === "stdout" ? stdout : stderr).write(new TextDecoder().decode(bytes)),
    });
  } finally {
    await runtime.remove(folder);
  }
}

/** `outrider environment remove` */
export const command: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  func: remove,
  parameters: {
    flags: {
      purge: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "The configuration and the state too (default: they stay)",
      },
      ...installerFlags,
    },
  },
  docs: {
    brief: "Take away what was installed on this machine, without a trace",
    customUsage: ["[--purge] [--user] [--dry-run]"],
  },
});
