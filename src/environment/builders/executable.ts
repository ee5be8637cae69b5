/**
 * Owns the environment that is one file for each target: the executable, with all that the environment says inside.
 * Must not know how an executable is made.
 */
import type { Builder } from "./builder.ts";

/** `NAME-TARGET`, and `.exe` for Windows. */
export const executableBuilder: Builder = {
  kind: "executable",
  async build({ environment: { name }, targets, carried, executable }, out) {
    const text = await carried();
    for (const target of targets) {
      const path = await executable(target, text);
      await out.file(`${name}-${target}${target.startsWith("windows-") ? ".exe" : ""}`, { path }, {
        target,
        mode: 0o755,
      });
    }
  },
};
