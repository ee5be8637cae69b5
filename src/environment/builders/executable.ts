/**
 * Owns the environment that is one file for each target: the executable, with all that the environment says inside.
 * Must not know how an executable is made.
 */
import { EnvironmentError } from "../document/error.ts";
import type { Builder } from "./builder.ts";
import { denoFolder } from "./deno_folder.ts";

/** `NAME-TARGET`, and `.exe` for Windows; of Deno a folder. */
export const executableBuilder: Builder = {
  kind: "executable",
  async build(input, out) {
    const { environment: { name, runtime, files }, targets } = input;
    if (Object.keys(files ?? {}).length > 0) {
      throw new EnvironmentError(name, [{
        place: "files",
        message:
          "Files can't travel in an executable, which has no place of its own for them: take script, oci or vm",
      }]);
    }
    const text = await input.carried();
    for (const target of targets) {
      if (runtime === "deno") {
        await denoFolder(input, target, out);
        continue;
      }
      const path = await input.executable(target, text);
      await out.file(`${name}-${target}${target.startsWith("windows-") ? ".exe" : ""}`, { path }, {
        target,
        mode: 0o755,
      });
    }
  },
};
