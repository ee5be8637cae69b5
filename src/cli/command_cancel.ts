/**
 * Owns `outrider cancel`: asks a gateway to cancel a run.
 * Must not know how the executor is told.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "./context.ts";
import { gatewayFlags } from "./gateway_flags.ts";
import { gatewayOf } from "./gateway_options.ts";
import type { GatewayFlags } from "./gateway_options.ts";

interface Flags extends GatewayFlags {
  readonly because?: string;
}

async function cancel(this: CliContext, { because, ...where }: Flags, run: string): Promise<void> {
  await gatewayOf(where, this.runtime).cancel(run, because);
  this.runtime.stdout.write(
    `Run ${run} is to be cancelled: its executor hears of it with its next heartbeat\n`,
  );
}

/** `outrider cancel` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: cancel,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "RUN",
        brief: "The run's id, as outrider results lists it",
        parse: String,
      }],
    },
    flags: {
      because: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "TEXT",
        brief: "The reason, for the log",
      },
      ...gatewayFlags,
    },
  },
  docs: {
    brief: "Cancel a run on its executor",

    customUsage: ["RUN [--because TEXT]"],
  },
});
