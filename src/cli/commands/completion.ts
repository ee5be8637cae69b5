/**
 * Owns `outrider completion`: prints what makes a shell complete commands and options.
 * Must not know what is proposed (line/proposals.ts).
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../line/context.ts";
import { UsageError } from "../line/errors.ts";
import { type Shell, SHELLS } from "../line/shells.ts";

const NAMES = Object.keys(SHELLS) as readonly Shell[];

function completion(this: CliContext, _flags: Readonly<Record<never, never>>, shell: Shell): void {
  // A shell reads it as it is.
  this.runtime.stdout.write(SHELLS[shell]);
}

function shellOf(input: string): Shell {
  const shell = NAMES.find((name) => name === input);
  if (shell !== undefined) return shell;
  throw new UsageError(`${JSON.stringify(input)} is none of ${NAMES.join(", ")}`);
}

/** `outrider completion` */
export const command: Command<CliContext> = buildCommand<Readonly<Record<never, never>>, [Shell], CliContext>(
  {
    func: completion,
    parameters: {
      positional: {
        kind: "tuple",
        parameters: [{
          placeholder: "SHELL",
          brief: `The shell: ${NAMES.join(", ")}`,
          parse: shellOf,
          proposeCompletions: (partial) => NAMES.filter((name) => name.startsWith(partial)),
        }],
      },
      flags: {},
    },
    docs: {
      brief: "Print what makes a shell complete commands and options",
      fullDescription: `Prints a script that makes a shell complete commands, options and their values.

  source <(outrider completion bash)       in ~/.bashrc
  source <(outrider completion zsh)        in ~/.zshrc, after compinit
  outrider completion fish | source        in ~/.config/fish/config.fish

The script asks outrider itself at each press of the key, so that it fits whatever version is installed.`,
      customUsage: ["bash|zsh|fish"],
    },
  },
);
