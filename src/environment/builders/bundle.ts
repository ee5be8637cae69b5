/**
 * Owns the smallest environment: a pipeline and the code of its tasks as one file, for a device that has Outrider.
 * Must not know how code is bundled, nor where the file is put.
 */
import { EnvironmentError } from "../document/error.ts";
import type { Builder } from "./builder.ts";

/** One JSON document. */
export const bundleBuilder: Builder = {
  kind: "bundle",
  async build(input, out) {
    const made = await input.bundle();
    if (made === undefined) {
      throw new EnvironmentError(
        input.environment.name,
        "A bundle holds a pipeline, and this one is the gateway's",
      );
    }
    await out.file(made.file, { text: made.text });
  },
};
