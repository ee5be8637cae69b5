/**
 * Owns the schema of environment.json: what an environment is to be.
 * Must not know how any of it is made, nor how problems are told (read.ts).
 * Invariant: it describes exactly the type `EnvironmentDocument`; docs/environment.schema.json is made from it.
 */
import * as v from "valibot";
import type { Requires } from "../../pipeline/document/manifest.ts";
import { requiresSchema } from "../../pipeline/document/requires.ts";
import { show } from "../../model/problem.ts";
import { about, closed, maybe, type Schema } from "../../pipeline/document/shapes.ts";

/** Systems and architectures that environments are made for. */
export const TARGETS = [
  "linux-x64",
  "linux-arm64",
  "windows-x64",
  "windows-arm64",
  "darwin-arm64",
  "darwin-x64",
] as const;
/** One of them. */
export type Target = typeof TARGETS[number];

/** What is made for people and devices. */
export const ENVIRONMENT_KINDS = ["executable", "script", "oci", "vm", "bundle"] as const;
/** One of them. */
export type EnvironmentKind = typeof ENVIRONMENT_KINDS[number];

/** What an executable is made of. */
export const BASES = ["bun", "node", "deno"] as const;
/** One of them. */
export type BaseName = typeof BASES[number];

/** A file that tasks find at a place of their own. */
export interface PlacedFile {
  /** Where it lies when the environment is built, relative to environment.json. */
  readonly from: string;
  /** Who may read and write it, in octal digits. Default `0644`. */
  readonly mode?: string;
}

/** environment.json, as it was read. */
export interface EnvironmentDocument {
  readonly $schema?: string;
  readonly outriderEnvironment: 1;
  readonly name: string;
  readonly version?: string;
  readonly targets: readonly Target[];
  readonly kinds?: readonly EnvironmentKind[];
  readonly runtime?: BaseName;
  readonly pipeline?: { readonly from: "gateway" } | { readonly from: "file"; readonly path: string };
  readonly requires?: Requires;
  readonly files?: Readonly<Record<string, PlacedFile>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly base?: string;
}

type Words = (issue: v.RegexIssue<string>) => string;

/** The words for what a text must be, with what was received. */
function must(words: string): Words {
  return ({ input }) => `Must be ${words}; received ${show(input)}`;
}

const MAX_ENTRIES = 1_000;
const MAX_TEXT = 32_768;

/** Of a secret that Outrider knows: those are taken out of the environment at the start, and never built in. */
const OWN_SECRET = /^OUTRIDER_(\w+_)?TOKEN$/;

const name = v.pipe(
  v.string(),
  v.maxLength(100),
  v.regex(
    /^[a-z0-9]+([._-][a-z0-9]+)*$/,
    must(
      "lower-case letters and digits, with single . _ or - between them, such as probe-1: it names files, units and repositories",
    ),
  ),
) as Schema<string>;

const version = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, must("letters, digits, . _ or -, such as 1.4.0")),
) as Schema<string>;

const variable = v.pipe(
  v.string(),
  v.maxLength(200),
  v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, must("a variable's name: letters, digits and _, no digit first")),
);

const path = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(4_096),
  v.regex(/^[^\x00-\x1f\x7f-\x9f]+$/, must("a path without control characters")),
) as Schema<string>;

const place = v.pipe(
  v.string(),
  v.maxLength(4_096),
  v.regex(
    /^\/(?!(proc|sys|dev)(\/|$))(?!.*\/\/)(?!(.*\/)?\.\.?(\/|$))[^\x00-\x1f\x7f-\x9f\\]+(?<!\/)$/,
    must("an absolute path without . and .., not below /proc, /sys or /dev"),
  ),
);

const pipelineFromGateway = closed({
  from: about(v.literal("gateway") as Schema<"gateway">, "The gateway hands it out."),
});
const pipelineFromFile = closed({
  from: about(v.literal("file") as Schema<"file">, "It travels inside."),
  path: about(path, "A pipeline, as outrider run takes it, relative to environment.json."),
});
type PipelineSource = NonNullable<EnvironmentDocument["pipeline"]>;
const pipeline: Schema<PipelineSource> = v.lazy((input) =>
  (input as { from?: unknown } | null)?.from === "gateway"
    ? pipelineFromGateway
    : pipelineFromFile as Schema<PipelineSource>
);

/** The schemas that choose by a value, for who turns them into JSON Schema. */
export const ENVIRONMENT_CHOICES: ReadonlyMap<
  v.GenericSchema,
  { readonly name: string; readonly options: readonly v.GenericSchema[] }
> = new Map([
  [pipeline as v.GenericSchema, {
    name: "pipeline",
    options: [pipelineFromGateway, pipelineFromFile] as v.GenericSchema[],
  }],
]);

function words<T extends string>(known: readonly T[]): Schema<T[]> {
  return v.pipe(v.array(v.picklist(known)), v.minLength(1), v.maxLength(known.length)) as Schema<T[]>;
}

/** The schema of environment.json. */
export const environmentSchema: v.GenericSchema<unknown, EnvironmentDocument> = closed({
  $schema: maybe(v.string() as Schema<string>, "For editors; ignored."),
  outriderEnvironment: about(v.literal(1) as Schema<1>, "Version of this form."),
  name: about(name, "Names files, units and the repository."),
  version: maybe(version, "Of this environment; the tag under which it is pushed."),
  targets: about(words(TARGETS), "Systems and architectures to make it for."),
  kinds: maybe(words(ENVIRONMENT_KINDS), "What to make. Default: executable."),
  runtime: maybe(
    v.picklist(BASES) as Schema<BaseName>,
    "What executables are made of. Default bun.",
  ),
  pipeline: maybe(pipeline, "Where the pipeline comes from. Default: from the gateway."),
  requires: maybe(requiresSchema, "What tasks need, and what is put in or looked for at the start."),
  files: maybe(
    v.record(
      place,
      closed({
        from: about(path, "Where it lies when the environment is built, relative to environment.json."),
        mode: maybe(
          v.pipe(v.string(), v.regex(/^0[0-7]{3}$/, must("four octal digits, such as 0644"))) as Schema<
            string
          >,
          "Who may read and write it, in octal digits. Default 0644.",
        ),
      }),
    ) as Schema<Record<string, PlacedFile>>,
    "Files for tasks, by the absolute path at which tasks find them.",
  ),
  env: maybe(
    v.record(
      variable,
      v.pipe(
        v.string(),
        v.maxLength(MAX_TEXT),
        v.regex(/^[^\x00\r\n]*$/, "Must be one line of text"),
      ),
    ) as Schema<Record<string, string>>,
    "Variables at the start, beneath those that the device sets itself. Never secrets.",
  ),
  secrets: maybe(
    v.pipe(v.array(variable), v.maxLength(MAX_ENTRIES)) as Schema<string[]>,
    "Names of variables that the device has to bring at the start; they are never built in.",
  ),
  base: maybe(
    path,
    "For oci and vm: an image layout on disk, or an image by its digest, to stand on. Default: the C library alone.",
  ),
}) as Schema<EnvironmentDocument>;

/** Whether a variable holds a secret of Outrider's own. */
export function isOwnSecret(variable: string): boolean {
  return OWN_SECRET.test(variable);
}
