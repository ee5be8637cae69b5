/** What a builder is given where nothing but its own work is tried. */
import { join } from "node:path";
import type { BuildInput } from "../../src/environment/builders/builder.ts";
import type { EnvironmentDocument } from "../../src/environment/document/schema.ts";

function notAsked(): Promise<never> {
  return Promise.reject(new Error("It is not asked for"));
}

/** A document for `linux-x64`. */
export function documentOf(given: Partial<EnvironmentDocument>): EnvironmentDocument {
  return { outriderEnvironment: 1, name: "probe", targets: ["linux-x64"], ...given };
}

/** What a builder is given. Its executable is the file `program` in the folder. */
export function inputOf(
  environment: EnvironmentDocument,
  folder: string,
  given: Partial<BuildInput> = {},
): BuildInput {
  return {
    environment,
    folder,
    targets: environment.targets,
    cache: join(folder, "cache"),
    work: join(folder, "work"),
    epoch: 0,
    executable: () => Promise.resolve(join(folder, "program")),
    base: notAsked,
    program: notAsked,
    bundle: () => Promise.resolve(undefined),
    carried: () => Promise.resolve("carried"),
    progress: () => {},
    ...given,
  };
}
