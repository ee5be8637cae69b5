/**
 * Owns the smallest environment: a pipeline and the code of its tasks as one file, for a device that has Outrider.
 * Must not know how code is bundled, nor where the file is put.
 */
import { bundleText } from "../../pipeline/document/bundle.ts";
import { bundlePipeline } from "../bundling.ts";
import type { Builder } from "./builder.ts";

/** One JSON document. */
export const bundleBuilder: Builder = {
  kind: "bundle",
  async build({ pipeline }, write) {
    const made = await bundlePipeline(pipeline);
    const text = bundleText(made);
    await write(fileNameOf(made.manifest.name), text);
    const tasks = Object.keys(made.manifest.tasks).length;
    return `${made.manifest.name}, ${
      tasks === 1 ? "1 task" : `${tasks} tasks`
    }, ${text.length} characters, hash ${made.hash}`;
  },
};

/** A file named after the pipeline. */
function fileNameOf(name: string): string {
  return `${name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^\.+/, "") || "pipeline"}.outrider.json`;
}
