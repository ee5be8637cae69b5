/**
 * Owns `outrider environment inspect`: tells what was built, from its record.
 * Must not know how anything is built, nor who vouches for it.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../../line/context.ts";
import { readSource } from "../../run/source.ts";

interface Flags {
  readonly json?: boolean;
}

async function inspect(this: CliContext, { json }: Flags, path: string): Promise<void> {
  const { pathIn } = await import("../../../runtime/disk.ts");
  const { runtime } = await import("../../../runtime/runtime.ts");
  const { MADE_FILE, madeText, readMade } = await import("../../../environment/made.ts");
  const file = (await runtime.about(path))?.isFolder ? pathIn(path, MADE_FILE) : path;
  const record = readMade(await readSource(file, this.runtime), file);
  if (json) return this.runtime.stdout.json(madeText(record));
  const { madeTable, usedTable } = await import("../../view/made_table.ts");
  this.runtime.stdout.write(`${madeTable(record)}${usedTable(record)}`);
}

/** `outrider environment inspect` */
export const command: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  func: inspect,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "DIR",
        brief: "Where it was built, or its environment.made.json",
        parse: String,
      }],
    },
    flags: {
      json: { kind: "boolean", optional: true, withNegated: false, brief: "Print the record as JSON" },
    },
  },
  docs: { brief: "Tell what was built: files, sizes, digests, and what of others is in it" },
});
