/**
 * Owns `outrider environment init`: a first environment.json.
 * Must not know what can be in one beyond what it writes.
 * Invariant: no file that is there is changed.
 */
import { buildCommand } from "@stricli/core";
import type { Command } from "@stricli/core";
import type { CliContext } from "../../line/context.ts";
import { UsageError } from "../../line/errors.ts";
import { writeTarget } from "../../run/source.ts";

interface Flags {
  readonly pipeline?: string;
}

async function init(this: CliContext, { pipeline }: Flags, file = "environment.json"): Promise<void> {
  const { runtime } = await import("../../../runtime/runtime.ts");
  const { folderOf, pathIn, pathFrom } = await import("../../../runtime/disk.ts");
  if (await runtime.about(file) !== undefined) {
    throw new UsageError(`${JSON.stringify(file)} is there already: it is left as it is; give another name`);
  }
  const cwd = this.runtime.cwd();
  const folder = folderOf(pathIn(cwd, file));
  const document = documentFor(folder, pipeline && pathFrom(folder, pathIn(cwd, pipeline)));
  await writeTarget(file, `${JSON.stringify(document, null, 2)}\n`, this.runtime);
  this.runtime.stderr.write(`${file}: outrider environment build ${file} -o out\n`);
}

function documentFor(folder: string, pipeline: string | undefined): object {
  const [last = ""] = folder.split(/[/\\]/).slice(-1);
  const name = last.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 100).replace(/^-+|-+$/g, "");
  return {
    outriderEnvironment: 1,
    name: name || "probe",
    version: "1",
    targets: ["linux-x64", "linux-arm64"],
    kinds: ["executable"],
    pipeline: pipeline === undefined ? { from: "gateway" } : { from: "file", path: pipeline },
    env: { OUTRIDER_LOG_LEVEL: "info" },
  };
}

/** `outrider environment init` */
export const command: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  func: init,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        placeholder: "FILE",
        brief: "The file to write (default: environment.json)",
        parse: String,
        optional: true,
      }],
    },
    flags: {
      pipeline: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "A pipeline that travels inside (default: it comes from the gateway)",
      },
    },
  },
  docs: { brief: "Write a first environment.json" },
});
